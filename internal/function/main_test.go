package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal"
	"teal/internal/process"
)

// buildDir holds the Go function that the tests build once.
var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "function-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	buildDir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// goHello builds the Go function and returns its code directory.
var goHello = sync.OnceValues(func() (string, error) {
	out, err := process.Command(context.Background(), "go", "build", "-o", filepath.Join(buildDir, "bootstrap"), "teal/internal/function/testdata/gohello").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return buildDir, nil
})

const patience = 20 * time.Second

// running is a pool whose Run runs until the test ends.
type running struct {
	*Pool
	t       testing.TB
	logs    *logBook
	changes chan struct{}
	stop    func() // ends Run and waits for it
}

// logBook collects what a function logs, bounded.
type logBook struct {
	mu    sync.Mutex
	lines []logLine
	count int
}

type logLine struct{ instance, requestID, stream, text string }

func (b *logBook) add(instance, requestID, stream, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count++; len(b.lines) < 1000 {
		b.lines = append(b.lines, logLine{instance, requestID, stream, text})
	}
}

// find returns the first line that contains text, and waits for it.
func (b *logBook) find(t testing.TB, text string) logLine {
	t.Helper()
	var found logLine
	eventually(t, "a log line with "+text, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, line := range b.lines {
			if strings.Contains(line.text, text) {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

func (b *logBook) all() []logLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]logLine(nil), b.lines...)
}

// eventually polls until what holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not true within %s: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func testdata(t testing.TB, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// python, node and golang are functions with generous limits; tests change what
// they are about.
func python(handler string) func(*Config) {
	return func(c *Config) {
		c.Dir, c.Function.Runtime, c.Function.Handler = "python", "python3", handler
	}
}

func node(handler string) func(*Config) {
	return func(c *Config) {
		c.Dir, c.Function.Runtime, c.Function.Handler = "node", "nodejs", handler
	}
}

func golang(c *Config) { c.Dir, c.Function.Runtime = "gohello", "provided.al2023" }

// newRunner returns a process runner that runs until the test ends.
func newRunner(t testing.TB) *process.Runner {
	t.Helper()
	runner, err := process.New(process.Config{Logger: slog.New(slog.DiscardHandler), Name: "function-test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return runner
}

// launch starts a pool and does not wait for it.
func launch(t testing.TB, options ...func(*Config)) *running {
	t.Helper()
	r := &running{t: t, logs: &logBook{}, changes: make(chan struct{}, 1)}
	cfg := Config{
		App: "shop", Version: 3, Name: "hello", WorkDir: filepath.Join(t.TempDir(), "work"),
		Function: teal.Function{
			Memory: 128 * teal.MiB, Timeout: teal.Duration(15 * time.Second), Init: teal.Duration(15 * time.Second),
			Idle: teal.DefaultIdle, Concurrency: teal.Concurrency{Min: 1, Max: 4},
		},
		Env:   map[string]string{"TEAL_APP": "shop"},
		Start: newRunner(t).Start,
		Log:   r.logs.add,
		OnChange: func() {
			select {
			case r.changes <- struct{}{}:
			default:
			}
		},
	}
	for _, option := range options {
		option(&cfg)
	}
	if cfg.Dir == "gohello" {
		dir, err := goHello()
		if err != nil {
			t.Fatal(err)
		}
		cfg.Dir = dir
	} else if !filepath.IsAbs(cfg.Dir) {
		cfg.Dir = testdata(t, cfg.Dir)
	}
	pool, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Pool = pool
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- pool.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// start starts a pool and waits until it is ready.
func start(t testing.TB, options ...func(*Config)) *running {
	t.Helper()
	r := launch(t, options...)
	r.await("ready", func(s State) bool { return s.Ready })
	return r
}

func (r *running) await(what string, holds func(State) bool) State {
	r.t.Helper()
	var s State
	deadline := time.Now().Add(patience)
	for {
		if s = r.State(); holds(s) {
			return s
		}
		if time.Now().After(deadline) {
			all := r.logs.all()
			r.t.Fatalf("not %s within %s: %+v\n%v", what, patience, s, all[max(0, len(all)-20):])
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// quiet waits until no instance is busy: an answer comes before the instance
// that gave it is free again.
func (r *running) quiet() {
	r.t.Helper()
	r.await("quiet", func(s State) bool { return s.Busy == 0 })
}

func (r *running) invoke(event string) (teal.Answer, error) {
	return r.Invoke(context.Background(), teal.Invocation{Event: []byte(event)})
}

// ok invokes, and returns the answer's JSON.
func (r *running) ok(event string) string {
	r.t.Helper()
	answer, err := r.invoke(event)
	if err != nil || answer.FunctionError != "" {
		r.t.Fatalf("invoke %s: %v, %s %s", event, err, answer.FunctionError, answer.Payload)
	}
	return string(answer.Payload)
}

// document is AWS's form of an error, of any runtime.
type document struct {
	Type      string   `json:"errorType"`
	Message   string   `json:"errorMessage"`
	RequestID string   `json:"requestId"`
	Python    []string `json:"stackTrace"`
	Node      []string `json:"trace"`
}

// fails invokes, and returns the error document. code "" means that the error
// is nil.
func (r *running) fails(event string, code teal.Code) document {
	r.t.Helper()
	answer, err := r.invoke(event)
	if teal.CodeOf(err) != code || answer.FunctionError != "Unhandled" {
		r.t.Fatalf("invoke %s: %v, %q %s; want the code %q", event, err, answer.FunctionError, answer.Payload, code)
	}
	var typed *teal.Error
	if err != nil && !errors.As(err, &typed) {
		r.t.Fatalf("%v is no *teal.Error", err)
	}
	var d struct {
		document
		Python json.RawMessage `json:"stackTrace"` // a list of text for Python, of objects for Go
	}
	decode(r.t, string(answer.Payload), &d)
	if d.Python != nil {
		_ = json.Unmarshal(d.Python, &d.document.Python) // objects stay away
	}
	return d.document
}

func decode(t testing.TB, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func decoded[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	decode(t, text, &v)
	return v
}
