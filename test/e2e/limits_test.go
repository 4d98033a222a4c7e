package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A function that prints a gigabyte costs neither the disk nor the server's
// memory, and everybody is served meanwhile. Seen red without the bound of the
// log: 1.2 GB on disk.
func TestGigabyteOfOutput(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := newServer(t)
	s.program = built.cli // the race detector multiplies memory
	s.start()
	s.ok("deploy", newOdd(t, "odd", ", timeout: 15m, concurrency: {max: 2}").dir)
	begin := time.Now()
	loud := s.background("invoke", "odd", "--data", `{"do": "print", "n": 1024}`)
	during := 0
	for done := false; !done; during++ {
		select {
		case r := <-loud:
			r.expect(t, 0, "version 1")
			done = true
		default:
			if code, _, body := s.get("/odd"); code != http.StatusOK {
				t.Fatalf("meanwhile: %d %s", code, body)
			}
		}
	}
	t.Logf("a gigabyte took %s; %d requests were answered meanwhile", time.Since(begin), during)
	if during < 10 {
		t.Errorf("only %d requests were answered meanwhile", during)
	}
	if size := sizeOf(t, filepath.Join(s.data, "logs")); size > 20<<20 {
		t.Errorf("the logs take %d MB on disk", size>>20)
	}
	peak := memory(t, s.cmd.Process.Pid, "VmHWM")
	t.Logf("the server has used %d MB at most", peak>>10)
	if peak > 200<<10 {
		t.Errorf("the server has used %d MB", peak>>10)
	}
	// What was said last is what is kept.
	s.ok("invoke", "odd", "--data", `{"do": "sleep", "n": 1}`)
	s.logged([]string{"odd", "--tail", "20"}, "slept for 1")
}

func sizeOf(t testing.TB, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// memory returns a field of /proc/PID/status in kilobytes; 0 where there is no
// such file.
func memory(t testing.TB, pid int, field string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kb
		}
	}
	t.Fatalf("no %s in\n%s", field, text)
	return 0
}

const sixMegabytes = 6 << 20

// Exactly 6 MB are an answer, and an event; one byte more is an error that says
// so, and the next invocation works.
func TestSixMegabytes(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newOdd(t, "odd", ", timeout: 30s").dir)
	const most = sixMegabytes - 2 // a JSON string has quotes
	ask := func(n int) (int, string) {
		code, _, body := s.get("/odd?do=big&n=" + strconv.Itoa(n))
		return code, body
	}
	if code, body := ask(most); code != http.StatusOK || body != strings.Repeat("x", most) {
		t.Errorf("6 MB: %d, %d bytes", code, len(body))
	}
	if code, body := ask(most + 1); code != http.StatusBadGateway || !strings.Contains(body, "bad_function_answer") {
		t.Errorf("one byte more: %d %.300s", code, body)
	}
	if code, body := ask(1); code != http.StatusOK || body != "x" {
		t.Errorf("the next one: %d %.300s", code, body)
	}

	event := func(n int) string { return fmt.Sprintf(`{"do": "big", "n": %d}`, n) }
	if r := s.ok("invoke", "odd", "--data", event(most)); len(r.stdout) != sixMegabytes+1 {
		t.Errorf("invoke printed %d bytes", len(r.stdout))
	}
	s.teal("invoke", "odd", "--data", event(most+1)).expect(t, 1, "ResponseSizeTooLarge", "6291456 bytes")

	// The same of what is sent: the event is the body and what is around it.
	file := filepath.Join(t.TempDir(), "event.json")
	pad := func(size int) string {
		const around = len(`{"pad": ""}`)
		if err := os.WriteFile(file, []byte(`{"pad": "`+strings.Repeat("x", size-around)+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + file
	}
	s.ok("invoke", "odd", "--data", pad(sixMegabytes))
	s.teal("invoke", "odd", "--data", pad(sixMegabytes+1)).expect(t, 2, "6MiB")
	if code, body := s.post("/odd?do=length", strings.NewReader(strings.Repeat("x", 5<<20))); code != http.StatusOK || body != strconv.Itoa(5<<20) {
		t.Errorf("a body of 5 MB: %d %.300s", code, body)
	}
	if code, body := s.post("/odd?do=length", strings.NewReader(strings.Repeat("x", sixMegabytes+1))); code != http.StatusRequestEntityTooLarge || !strings.Contains(body, "6MiB") {
		t.Errorf("a body of 6 MB and one byte: %d %.300s", code, body)
	}
}

// curl uploads far more than is taken, and prints the answer over both protocols.
//
// Seen red with a refusal after which the stream of HTTP/2 is reset: curl ended with
// "Stream error in the HTTP/2 framing layer" and had no status.
func TestARefusedUploadIsToldWhy(t *testing.T) {
	defer contained(t)
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not here, scripts/need installs it")
	}
	s := startServer(t)
	s.ok("deploy", newOdd(t, "odd", ", timeout: 30s").dir)
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, make([]byte, 20<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{"--http1.1", "--http2-prior-knowledge"} {
		for range 3 {
			out, err := exec.CommandContext(t.Context(), curl, "-sS", "--max-time", "60", protocol, "-w", " %{http_code}", "--data-binary", "@"+file, s.url("/odd")).CombinedOutput()
			if err != nil || !strings.HasSuffix(string(out), " 413") || !strings.Contains(string(out), "6MiB") {
				t.Errorf("%s: %v, %.500s", protocol, err, out)
			}
		}
	}
}

// endless is a body that never ends. It is full of x; after the first dry bytes,
// where that is set, it is silent until closed.
type endless struct {
	sent   atomic.Int64
	dry    int64 // how many bytes there are; 0: no end
	closed chan struct{}
}

func (e *endless) Read(p []byte) (int, error) {
	if e.dry > 0 && e.sent.Load() >= e.dry {
		<-e.closed
		return 0, io.EOF
	}
	if e.dry > 0 {
		p = p[:min(len(p), int(e.dry-e.sent.Load()))]
	}
	for i := range p {
		p[i] = 'x'
	}
	e.sent.Add(int64(len(p)))
	return len(p), nil
}

const bodyManifest = `
app: body
functions:
  odd: {runtime: python3, handler: odd.handler, code: ./odd, env: {MARK: {MARK}}, timeout: 1m}
services:
  web: {command: ["./web"], code: ./web, env: {MARK: {MARK}}, health: {path: /healthz, interval: 50ms}}
routes:
  - {path: /, to: web}
  - {path: /odd, to: odd}
release:
  drain: 1s
  watch: {confidence: 0s}
`

func newBody(t testing.TB, mark string) app {
	a := newApp(t, bodyManifest, mark)
	a.write("odd/odd.py", oddHandler)
	return a
}

// A body that never ends is refused by a function when it is too large, and by a
// version that is replaced when its drain deadline has passed: it holds up
// neither its client nor the release for longer than that. Seen red when a drain
// deadline did not end the reading of a body: 30 s, where the deadline is a second.
func TestBodyThatNeverEnds(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newBody(t, "one").dir)

	flood := &endless{}
	if code, body := s.post("/odd", flood); code != http.StatusRequestEntityTooLarge || !strings.Contains(body, "too_large") {
		t.Errorf("without end to a function: %d %.300s", code, body)
	}
	if sent := flood.sent.Load(); sent > 200<<20 {
		t.Errorf("%d MB were taken", sent>>20)
	}

	type answer struct {
		path, body string
		code       int
		at         time.Time
		err        error
	}
	answers := make(chan answer, 2)
	closed := make(chan struct{})
	for _, path := range []string{"/upload", "/odd?do=length"} {
		url := s.url(path)
		go func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
			resp, err := client.Post(url, "text/plain", &endless{dry: 1000, closed: closed})
			a := answer{path: path, err: err, at: time.Now()}
			if err == nil {
				data, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				a.code, a.body = resp.StatusCode, string(data)
			}
			answers <- a
		}()
	}
	s.awaitInFlight(2)
	s.ok("deploy", newBody(t, "two").dir)
	switched := time.Now()
	const late = 20 * time.Second
	for range 2 {
		a := <-answers
		if a.err != nil || a.code != http.StatusGatewayTimeout || !strings.Contains(a.body, `"timeout"`) {
			t.Errorf("%s: %d %s %v", a.path, a.code, a.body, a.err)
		}
		if took := a.at.Sub(switched); took > late {
			t.Errorf("%s: its client was told %s after the switch", a.path, took)
		}
	}
	close(closed)
	s.awaitOne("body")
	if since := time.Since(switched); since > late {
		t.Errorf("version 1 was gone after %s", since)
	}
	if code, version, body := s.get("/odd"); code != http.StatusOK || version != "2" {
		t.Errorf("GET /odd: %d version %s %s", code, version, body)
	}
}

// A client that goes away in the middle is not waited for: the version that it
// was talking to drains at once. A function that has begun is, because it may be
// half way through something. Seen red with a proxy that does not follow its
// client, and with an invocation that does.
func TestClientThatGoesAway(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newBody(t, "one").dir)
	// (The drain deadline of the app is short; these are to be gone before.)
	manifest := strings.Replace(bodyManifest, "drain: 1s", "drain: 1m", 1)
	again := func(mark string) app {
		a := newApp(t, manifest, mark)
		a.write("odd/odd.py", oddHandler)
		return a
	}
	s.ok("deploy", again("long drain").dir)

	leave := map[string]func(){
		"while it sends a body to a service":  func() { s.hangUp("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf", "") },
		"while it sends a body to a function": func() { s.hangUp("POST /odd HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf", "") },
		"before the answer of a service":      func() { s.hangUp("GET /wait?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n", "") },
		"in the middle of an answer":          func() { s.hangUp("GET /slow?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n", "piece 0") },
		"in the middle of a stream of events": func() { s.hangUp("GET /sse?events=100000 HTTP/1.1\r\nHost: x\r\n\r\n", "data: ") },
		"in the middle of a head":             func() { s.hangUp("GET /slow HTT", "") },
		"in the middle of a WebSocket":        s.hangUpWebSocket,
	}
	for name, do := range leave {
		t.Log(name)
		do()
	}
	begin := time.Now()
	s.ok("deploy", again("next").dir)
	s.awaitOne("body")
	t.Logf("drained after %s", time.Since(begin))

	s.leave("GET /odd?do=sleep&n=2000 HTTP/1.1\r\nHost: x\r\n\r\n", func() {
		s.logged([]string{"body", "--version", "3", "--component", "odd"}, "going to sleep for 2000")
	})
	s.ok("deploy", again("last").dir)
	s.awaitOne("body")
	s.logged([]string{"body", "--version", "3", "--component", "odd"}, "slept for 2000")
}

// leave sends the beginning of a request, does something, and closes the connection.
func (s *server) leave(request string, meanwhile func()) {
	s.t.Helper()
	s.leaveAfter(request, func(net.Conn) { meanwhile() })
}

func (s *server) leaveAfter(request string, meanwhile func(net.Conn)) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr("http.addr"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		s.t.Fatal(err)
	}
	meanwhile(conn)
}

// hangUp sends the beginning of a request, waits until the answer holds a text, or for
// a moment, and closes the connection. Nothing depends on what has arrived by then.
func (s *server) hangUp(request, until string) {
	s.t.Helper()
	s.leaveAfter(request, func(conn net.Conn) {
		limit := patience
		if until == "" {
			limit = 200 * time.Millisecond
		}
		if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
			s.t.Fatal(err)
		}
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			if until != "" && strings.Contains(lines.Text(), until) {
				return
			}
		}
		if until != "" {
			s.t.Errorf("the answer to %q does not hold %q", request, until)
		}
	})
}

func (s *server) hangUpWebSocket() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, s.url("/ws"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		s.t.Fatal(err)
	}
	if err := conn.CloseNow(); err != nil {
		s.t.Fatal(err)
	}
}
