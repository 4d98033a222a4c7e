package accesslog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"teal"
	"teal/internal/await"
	"teal/internal/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	gate chan struct{} // when set, a write waits for it
	fail error
}

func (b *buffer) Write(p []byte) (int, error) {
	if b.gate != nil {
		<-b.gate
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return 0, b.fail
	}
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var record = gateway.Record{
	Start: time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC), Answered: 1500 * time.Microsecond, Duration: 2 * time.Millisecond,
	Client: "192.0.2.1", Scheme: "https", Protocol: "HTTP/2.0", Method: "POST", Host: "shop.example", Target: "/cart?x=1",
	Referer: "https://a/", UserAgent: `odd "agent"`, TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	Status: 201, In: 3, Out: 42, App: "shop", Component: "web", Alias: "live", Version: 7, Route: "/cart", Instance: "127.0.0.1:4000",
}

func TestTheFormats(t *testing.T) {
	t.Parallel()
	want := `{"time":"2026-03-04T05:06:07.000008Z","client":"192.0.2.1","method":"POST","host":"shop.example","target":"/cart?x=1",` +
		`"protocol":"HTTP/2.0","scheme":"https","status":201,"bytes_in":3,"bytes_out":42,"duration":0.002000,"answered":0.001500,` +
		`"app":"shop","component":"web","alias":"live","route":"/cart","instance":"127.0.0.1:4000",` +
		`"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","referer":"https://a/","user_agent":"odd \"agent\"","version":7}`
	if got := string(appendJSON(nil, &record)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = `192.0.2.1 - - [04/Mar/2026:05:06:07 +0000] "POST /cart?x=1 HTTP/2.0" 201 42 "https://a/" "odd \x22agent\x22"`
	if got := string(appendCombined(nil, &record)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	gone := gateway.Record{Start: record.Start, Method: "GET", Target: "/", Protocol: "HTTP/1.1", TraceParent: "00-junk", Aborted: true, Code: teal.CodeTimeout}
	if got := string(appendCombined(nil, &gone)); got != `- - - [04/Mar/2026:05:06:07 +0000] "GET / HTTP/1.1" 499 0 "-" "-"` {
		t.Error(got)
	}
	if got := string(appendJSON(nil, &gone)); !strings.Contains(got, `"status":499`) || strings.Contains(got, "trace") || !strings.HasSuffix(got, `"code":"timeout","aborted":true}`) {
		t.Error(got)
	}
}

// Whatever a client sends is one line, and the JSON says what was sent.
func FuzzALineStaysALine(f *testing.F) {
	f.Add("/x", "agent")
	f.Add("/\n1.2.3.4 - - [x] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"", "\"\\\u2028\xff\x00\x7f")
	f.Fuzz(func(t *testing.T, target, agent string) {
		r := record
		r.Target, r.UserAgent = target, agent
		line := appendJSON(nil, &r)
		var got struct {
			Target    string `json:"target"`
			UserAgent string `json:"user_agent"`
		}
		if err := json.Unmarshal(line, &got); err != nil || bytes.ContainsAny(line, "\n\r") || !utf8.Valid(line) {
			t.Fatalf("%s: %v", line, err)
		}
		if utf8.ValidString(target) && got.Target != target || utf8.ValidString(agent) && got.UserAgent != agent {
			t.Fatalf("%q %q became %q %q", target, agent, got.Target, got.UserAgent)
		}
		plain := string(appendCombined(nil, &r))
		if strings.ContainsAny(plain, "\n\r") || strings.Count(plain, `"`) != 6 {
			t.Fatal(plain)
		}
	})
}

// running runs a log until the test ends or stop is called.
func running(t *testing.T, cfg Config) (*Log, func()) {
	t.Helper()
	if cfg.Sample == 0 {
		cfg.Sample = 1
	}
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return l, stop
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// Seen red without the write after ctx has ended.
func TestWhatIsLeftIsWritten(t *testing.T) {
	t.Parallel()
	for range 20 {
		out := &buffer{}
		l, err := Open(Config{Path: "-", Stdout: out, Sample: 1})
		if err != nil {
			t.Fatal(err)
		}
		l.Log(&record)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := l.Run(ctx); err != nil || strings.Count(out.String(), "\n") != 1 {
			t.Fatalf("%q, %v", out.String(), err)
		}
	}
}

// A log that is not taken does not hold up the server's end.
//
// Seen red with a Run that writes itself.
func TestALogThatStallsDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	out := &buffer{gate: make(chan struct{})}
	l, err := Open(Config{Path: "-", Stdout: out, Sample: 1})
	if err != nil {
		t.Fatal(err)
	}
	l.Log(&record)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(lastWords + 20*time.Second):
		t.Error("it waits for the writer")
	}
	close(out.gate)
}

// Nothing that is accepted is lost, and every line is whole. Seen red without
// the lock in put.
func TestEveryLineIsWritten(t *testing.T) {
	t.Parallel()
	out := &buffer{}
	l, stop := running(t, Config{Path: "-", Stdout: out})
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for range 500 {
				l.Log(&record)
			}
		})
	}
	load.Wait()
	stop()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if want := string(appendJSON(nil, &record)); len(lines) != 4000 || lines[0] != want || lines[3999] != want || l.Dropped() != 0 {
		t.Errorf("%d lines, %d dropped", len(lines), l.Dropped())
	}
}

// A disk that stands still costs lines and a fixed amount of memory, and nobody
// waits. Seen red with a put that waited for room.
func TestADiskThatStandsStill(t *testing.T) {
	t.Parallel()
	var said buffer
	out := &buffer{gate: make(chan struct{})}
	l, stop := running(t, Config{Path: "-", Stdout: out, Buffer: 10 * teal.KiB, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	began := time.Now()
	for range 1000 {
		l.Log(&record)
	}
	if took := time.Since(began); took > await.Patience {
		t.Errorf("1000 lines took %s", took)
	}
	if l.Dropped() == 0 || cap(l.waiting) > 64<<10 {
		t.Errorf("%d dropped, %d bytes held", l.Dropped(), cap(l.waiting))
	}
	close(out.gate)
	stop()
	if n := int64(strings.Count(out.String(), "\n")); n+l.Dropped() != 1000 {
		t.Errorf("%d written and %d dropped of 1000", n, l.Dropped())
	}
	if !strings.Contains(said.String(), "has lost lines") {
		t.Errorf("nobody was told: %s", said.String())
	}
}

func TestALogThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	out := &buffer{fail: errors.New("no space left on device")}
	l, stop := running(t, Config{Path: "-", Stdout: out})
	l.Log(&record)
	l.Log(&record)
	stop()
	if l.Dropped() != 2 {
		t.Errorf("%d dropped, want 2", l.Dropped())
	}
}

func TestAFileThatIsRotated(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	l, stop := running(t, Config{Path: path, Format: Combined})
	has := func(path string, lines int) func() bool {
		return func() bool {
			data, _ := os.ReadFile(path)
			return bytes.Count(data, []byte("\n")) == lines
		}
	}
	l.Log(&record)
	eventually(t, "a line", has(path, 1))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	l.Log(&record)
	eventually(t, "a line in a new file", has(path, 1))
	stop()
	again, stopAgain := running(t, Config{Path: path})
	again.Log(&record)
	stopAgain()
	if !has(path, 2)() || !has(path+".1", 1)() {
		t.Error("a line is not where it belongs")
	}
}

func TestOnlyAShareIsLogged(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{0.0001, 0.5, 1} {
		l, err := Open(Config{Path: "-", Sample: share})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for range 10_000 {
			if l.Wants(200) {
				n++
			}
			if !l.Wants(503) {
				t.Fatal("an error was left out")
			}
		}
		if got := float64(n) / 10_000; got < share-0.05 || got > share+0.05 {
			t.Errorf("%g were logged, want %g", got, share)
		}
	}
	for _, cfg := range []Config{{Path: "-", Sample: 2}, {Path: "-", Format: "xml"}, {Path: filepath.Join(t.TempDir(), "no", "such")}} {
		if _, err := Open(cfg); !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func BenchmarkLog(b *testing.B) {
	l, err := Open(Config{Path: "-", Stdout: &buffer{}, Sample: 1})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	b.ReportAllocs()
	for b.Loop() {
		l.Log(&record)
	}
	cancel()
	<-done
}
