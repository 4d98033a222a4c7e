package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is one running teal server with a data directory of its own.
type server struct {
	t       testing.TB
	data    string
	http    string // the gateway's address; "" is the kernel's choice
	admin   string // the API's address; likewise
	program string // "" is built.teal
	cmd     *exec.Cmd
	log     *output
	done    chan struct{} // closed when the process has been reaped
}

// output collects what a process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// startServer starts a server on a new data directory and waits until it serves.
// It is stopped, and its log checked for races, when the test ends.
func startServer(t testing.TB) *server {
	t.Helper()
	s := newServer(t)
	s.start()
	return s
}

// newServer is startServer without the start.
func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{t: t, data: filepath.Join(t.TempDir(), "data")}
	t.Cleanup(func() {
		if s.cmd == nil {
			return
		}
		s.stop()
		if t.Failed() {
			t.Logf("server log:\n%s", tail(s.log.String(), 60))
		}
	})
	return s
}

// in returns the server for a subtest, whose failures are then its own.
func (s *server) in(t testing.TB) *server {
	own := *s
	own.t = t
	return &own
}

// start starts the process again on the same data and waits until it serves.
func (s *server) start(env ...string) {
	s.t.Helper()
	s.launch(env...)
	s.awaitServing()
}

// launch starts the process and does not wait.
func (s *server) launch(env ...string) {
	s.t.Helper()
	for _, name := range []string{"http.addr", "admin.addr"} {
		_ = os.Remove(filepath.Join(s.data, name)) // left by a server that was killed
	}
	s.log = &output{}
	s.cmd = exec.Command(cmp.Or(s.program, built.teal), "server", "--data", s.data, "--http", cmp.Or(s.http, "127.0.0.1:0"), "--admin", cmp.Or(s.admin, "127.0.0.1:0"))
	// The race detector would make every end of the server last a second.
	s.cmd.Env = append(append(cleanEnv(), "GORACE=atexit_sleep_ms=0"), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	s.done = done
	cmd := s.cmd
	go func() { _ = cmd.Wait(); close(done) }()
}

func (s *server) awaitServing() {
	s.t.Helper()
	waitFor(s.t, 30*time.Second, "the server to serve", func() bool {
		select {
		case <-s.done:
			s.t.Fatalf("the server ended:\n%s", s.log)
		default:
		}
		_, err := os.Stat(filepath.Join(s.data, "http.addr"))
		return err == nil
	})
}

// stop ends the server as an operator does, and fails the test when that takes
// long or a data race has been seen.
func (s *server) stop() {
	s.t.Helper()
	select {
	case <-s.done:
	default:
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.done:
		case <-time.After(60 * time.Second):
			_ = s.cmd.Process.Signal(syscall.SIGQUIT)
			<-s.done
			s.t.Errorf("the server did not stop within 60s:\n%s", s.log)
		}
	}
	if log := s.log.String(); strings.Contains(log, "DATA RACE") {
		s.t.Errorf("data race in the server:\n%s", log)
	}
}

// kill ends the server as kill -9 does.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// awaitDeath waits until the process has ended by itself.
func (s *server) awaitDeath() {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(60 * time.Second):
		s.t.Fatalf("the server is still alive:\n%s", tail(s.log.String(), 40))
	}
}

func (s *server) addr(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.data, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// url returns an address on the gateway.
func (s *server) url(path string) string { return "http://" + s.addr("http.addr") + path }

// result is what one command did.
type result struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// teal runs a command of the command line against the server.
func (s *server) teal(args ...string) result {
	s.t.Helper()
	return tealWith(s.t, []string{"TEAL_DATA=" + s.data}, args...)
}

// ok is teal for a command that must succeed.
func (s *server) ok(args ...string) result {
	s.t.Helper()
	r := s.teal(args...)
	if r.code != 0 {
		s.t.Fatalf("teal %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

func tealWith(t testing.TB, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, built.cli, args...)
	cmd.Env = append(cleanEnv(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	r := result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), took: time.Since(start)}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("teal %s: %v", strings.Join(args, " "), err)
	}
	return r
}

// cleanEnv is this process's environment without what would lead the command
// line to another server.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "TEAL_") {
			env = append(env, kv)
		}
	}
	return env
}

// tealUntilDeath runs a command during which the server is to die, and returns
// when it has. A command would wait for the server to come back; it is ended.
func (s *server) tealUntilDeath(args ...string) {
	s.t.Helper()
	cmd := exec.Command(built.cli, args...)
	cmd.Env = append(cleanEnv(), "TEAL_DATA="+s.data)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.awaitDeath()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// status is what `teal status --json` holds at least.
type status struct {
	App     string
	Aliases map[string]struct {
		Revision uint64
		Versions []struct {
			Version int
			Weight  float64
		}
	}
	Environments []struct {
		Version int
		Slot    string
		State   string
		Reason  string
	}
	Release *struct {
		ID, Phase, Reason string
		From, To          int
		Step              int
		Phases            []struct{ Phase, Reason string }
		Rollback          *struct {
			DecidedAt time.Time  `json:"decided_at"`
			BackAt    *time.Time `json:"back_at"`
		}
		OutageSince *time.Time `json:"outage_since"`
		Evidence    []struct{ Name, Seen, Verdict string }
		WatchUntil  *time.Time `json:"watch_until"`
	}
}

func (s *server) status(app string) status {
	s.t.Helper()
	r := s.ok("status", app, "--json")
	var st status
	if err := json.Unmarshal([]byte(r.stdout), &st); err != nil {
		s.t.Fatalf("status --json: %v\n%s", err, r.stdout)
	}
	return st
}

// summary is the end state of an app in one line, for comparing.
func (st status) summary() string {
	var b strings.Builder
	for _, t := range st.Aliases["live"].Versions {
		fmt.Fprintf(&b, "live %d=%v ", t.Version, t.Weight)
	}
	for _, e := range st.Environments {
		fmt.Fprintf(&b, "environment %d %s ", e.Version, e.State)
	}
	if st.Release != nil {
		fmt.Fprintf(&b, "release %s %s", st.Release.ID, st.Release.Phase)
	}
	return b.String()
}

// awaitPhase waits until the app's newest release is in one of the phases.
func (s *server) awaitPhase(app string, phases ...string) status {
	s.t.Helper()
	var st status
	waitFor(s.t, 60*time.Second, fmt.Sprintf("%s to be %v", app, phases), func() bool {
		st = s.status(app)
		for _, phase := range phases {
			if st.Release != nil && st.Release.Phase == phase {
				return true
			}
		}
		return false
	})
	return st
}

// get asks the gateway once over a connection of its own.
func (s *server) get(path string, header ...string) (code int, version, body string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url(path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Host = req.Header.Get("Host")
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		s.t.Fatalf("GET %s: %v", path, err)
	}
	defer resp.Body.Close()
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(resp.Body); err != nil {
		s.t.Fatalf("GET %s: %v", path, err)
	}
	return resp.StatusCode, resp.Header.Get("Teal-Version"), buf.String()
}

// app is a folder that can be deployed.
type app struct {
	t   testing.TB
	dir string
}

// newApp writes an app from a manifest, in which {MARK} becomes the mark. Each
// mark makes another content, so another version, of the same code.
func newApp(t testing.TB, manifest, mark string) app {
	t.Helper()
	a := app{t: t, dir: t.TempDir()}
	a.write("teal.yaml", strings.ReplaceAll(manifest, "{MARK}", mark))
	a.install(built.web, "web/web")
	a.install(built.fn, "fn/bootstrap")
	return a
}

func (a app) write(name, content string) {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// install links a built program into the app.
func (a app) install(program, name string) {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Link(program, path); err != nil {
		data, readErr := os.ReadFile(program)
		if readErr != nil || os.WriteFile(path, data, 0o755) != nil {
			a.t.Fatal(err)
		}
	}
}

func waitFor(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}

// webManifest is an app with one service.
const webManifest = `
app: web
services:
  web: {command: ["./web"], code: ./web, env: {MARK: {MARK}}, health: {path: /healthz, interval: 50ms}}
routes:
  - {path: /, to: web}
release:
  drain: 20s
  watch: {confidence: %s}
`

func manifestWith(confidence string) string { return fmt.Sprintf(webManifest, confidence) }
