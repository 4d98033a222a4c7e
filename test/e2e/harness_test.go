package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// await waits until the process has printed a text.
func (o *output) await(t testing.TB, text string) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("a process to print %q", text), func() (bool, string) {
		said := o.String()
		return strings.Contains(said, text), tail(said, 60)
	})
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
	waitFor(s.t, "the server to serve", func() bool {
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
		case <-time.After(patience):
			_ = s.cmd.Process.Signal(syscall.SIGQUIT)
			<-s.done
			s.t.Errorf("the server did not stop within %s:\n%s", patience, s.log)
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
	case <-time.After(patience):
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

// awaitInFlight waits until so many requests of users have been admitted and have
// no whole answer yet.
func (s *server) awaitInFlight(n int) {
	s.t.Helper()
	waitUntil(s.t, fmt.Sprintf("%d requests to be in flight", n), func() (bool, string) {
		said := s.metrics()
		count := 0
		for line := range strings.Lines(said) {
			if fields := strings.Fields(line); strings.HasPrefix(line, "teal_requests_in_flight{") {
				have, err := strconv.Atoi(fields[len(fields)-1])
				if err != nil {
					s.t.Fatalf("%q: %v", line, err)
				}
				count += have
			}
		}
		return count == n, said
	})
}

// metrics returns what the server tells Prometheus.
func (s *server) metrics() string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.addr("admin.addr")+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.addr("admin.token"))
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET /metrics: %d %s %v", resp.StatusCode, said, err)
	}
	return string(said)
}

// result is what one command did. One that could not be run, or did not end, has
// code -1 and says so on stderr.
type result struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// teal runs a command of the command line against the server. It may be called
// from any goroutine.
func (s *server) teal(args ...string) result {
	return tealWith([]string{"TEAL_DATA=" + s.data}, args...)
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

// background runs a command whose result can be received later.
func (s *server) background(args ...string) <-chan result {
	results := make(chan result, 1)
	go func() { results <- s.teal(args...) }()
	return results
}

// commandLimit is how long a command may take.
const commandLimit = 5 * time.Minute

// tealWith runs a command with more in its environment.
func tealWith(env []string, args ...string) result {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, built.cli, args...)
	cmd.Env = append(cleanEnv(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	r := result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), took: time.Since(start)}
	if err != nil && r.code == -1 {
		r.stderr += fmt.Sprintf("teal %s: %v after %s\n", strings.Join(args, " "), errors.Join(err, ctx.Err()), r.took)
	}
	return r
}

// begin starts a command that may still run when the test ends, or when it has taken
// too long; then it is killed.
func (s *server) begin(said io.Writer, args ...string) *exec.Cmd {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	cmd := exec.CommandContext(ctx, built.cli, args...)
	cmd.Env = append(cleanEnv(), "TEAL_DATA="+s.data)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		cancel()
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cancel()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
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
	cmd := s.begin(io.Discard, args...)
	s.awaitDeath()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
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
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
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

// patience is how long anything may take that is waited for, on a machine that has
// much else to do. It costs nothing when what is waited for happens.
const patience = 2 * time.Minute

// waitUntil waits until ok says so. When that does not happen the test ends with
// what was seen last.
func waitUntil(t testing.TB, what string, ok func() (done bool, seen string)) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		done, seen := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s; there is\n%s", patience, what, seen)
		}
	}
}

// waitFor is waitUntil where there is nothing to be seen.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	waitUntil(t, what, func() (bool, string) { return ok(), "nothing else to be seen" })
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}

// gate is a file that something waits for.
type gate struct {
	t    testing.TB
	path string
}

func newGate(t testing.TB) gate { return gate{t: t, path: filepath.Join(t.TempDir(), "gate")} }

func (g gate) open() {
	g.t.Helper()
	if err := os.WriteFile(g.path, nil, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g gate) close() {
	g.t.Helper()
	if err := os.Remove(g.path); err != nil {
		g.t.Fatal(err)
	}
}

// gatedManifest is an app whose service starts when the gate has been opened.
func gatedManifest(g gate) string {
	return strings.Replace(manifestWith("0s"), "env: {", "env: {START_GATE: "+g.path+", ", 1)
}

// webManifest is an app with one service. It is not compared with the version before: where
// everything else runs beside it, that one had more of the machine.
const webManifest = `
app: web
services:
  web: {command: ["./web"], code: ./web, env: {MARK: {MARK}}, health: {path: /healthz, interval: 50ms}}
routes:
  - {path: /, to: web}
release:
  drain: 20s
  watch: {confidence: %s, compare: none}
`

func manifestWith(confidence string) string { return fmt.Sprintf(webManifest, confidence) }
