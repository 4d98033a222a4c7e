package process_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal"
	"teal/internal/process"
)

// TestMain makes the test binary play the parts that need a program of ours.
func TestMain(m *testing.M) {
	// Else every part that is built with -race waits for a second at its end.
	must(os.Setenv("GORACE", "atexit_sleep_ms=0"))
	if len(os.Args) > 1 {
		if part, ok := parts[os.Args[1]]; ok {
			part(os.Args[2:])
			os.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}

var parts = map[string]func(args []string){
	"guard":   func([]string) { must(process.Guard(os.Stdin)) },
	"server":  playServer,
	"eat":     playEater,
	"dial":    playCaller,
	"subreap": playSubreaper,
	"wait":    func([]string) { waitForEver() },
	"obstinate": func([]string) {
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		waitForEver()
	},
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func waitForEver() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGUSR2)
	<-stop
}

// playEater touches as many MiB as its argument says, and says so.
func playEater(args []string) {
	n, err := strconv.Atoi(args[0])
	must(err)
	var held [][]byte
	for range n {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		held = append(held, b)
	}
	fmt.Println("ate", len(held))
	waitForEver()
}

// unique returns a server's name that no other run of these tests uses.
func unique(name string) string { return fmt.Sprintf("%s-%d", name, os.Getpid()) }

var guardCmd = []string{os.Args[0], "guard"}

// running is a Runner whose Run runs until the test ends.
type running struct {
	*process.Runner
	t    testing.TB
	stop func()
}

func run(t testing.TB, cfg process.Config, changes ...func(*process.Runner)) *running {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "test"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r, err := process.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		change(r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = r.Run(ctx)
	}()
	stop := func() {
		cancel()
		inTime(t, "Run ends", func() { <-ended })
		if err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return &running{r, t, stop}
}

func (r *running) start(spec process.Spec) *process.Process {
	r.t.Helper()
	if spec.Env == nil {
		spec.Env = os.Environ()
	}
	p, err := r.Start(spec)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// shell starts a script; its lines of output come out of the channel.
func (r *running) shell(script string) (*process.Process, *output) {
	r.t.Helper()
	out := newOutput()
	return r.start(process.Spec{Path: "/bin/sh", Args: []string{"-c", script}, Output: out.add}), out
}

// output collects lines.
type output struct {
	mu    sync.Mutex
	lines []string
	fresh chan struct{}
}

func newOutput() *output { return &output{fresh: make(chan struct{}, 1)} }

func (o *output) add(stream string, line []byte) {
	o.mu.Lock()
	o.lines = append(o.lines, stream+": "+string(line))
	o.mu.Unlock()
	select {
	case o.fresh <- struct{}{}:
	default:
	}
}

func (o *output) all() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.lines...)
}

// line returns the line at index i, and waits for it.
func (o *output) line(t testing.TB, i int) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		if all := o.all(); len(all) > i {
			_, text, _ := strings.Cut(all[i], ": ")
			return text
		}
		select {
		case <-o.fresh:
		case <-deadline:
			t.Fatalf("line %d did not come; there are %q", i, o.all())
		}
	}
}

func (o *output) pid(t testing.TB, i int) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(o.line(t, i)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func done(t testing.TB, p *process.Process) process.Exit {
	t.Helper()
	inTime(t, fmt.Sprintf("process %d ends", p.PID()), func() { <-p.Done() })
	return p.Exit()
}

// stopped asks a process to end and waits until it has.
func stopped(t testing.TB, p *process.Process, grace time.Duration) {
	t.Helper()
	inTime(t, fmt.Sprintf("process %d is stopped", p.PID()), func() { p.Stop(grace) })
}

// patience is how long a test waits for what must happen in the end, on a machine
// that has other things to do.
const patience = 20 * time.Second

// inTime waits until wait has returned. When that takes too long, the test fails.
func inTime(t testing.TB, what string, wait func()) {
	t.Helper()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		wait()
	}()
	select {
	case <-returned:
	case <-time.After(patience):
		t.Fatalf("not in time: %s", what)
	}
}

// eventually polls until what holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not true in time: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// state returns a process's state letter; "" when it is gone.
func state(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return rest[:1]
}

func gone(pid int) bool { s := state(pid); return s == "" || s == "Z" || s == "X" }

func code(err error) teal.Code { return teal.CodeOf(err) }
