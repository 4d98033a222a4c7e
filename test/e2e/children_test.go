package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// linuxOnly skips a test that reads /proc, with a word.
func linuxOnly(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("looks into /proc, which only Linux has")
	}
}

// marked returns the processes, by id, whose environment holds TEST_MARK=mark:
// what an app's processes pass on to all their descendants. A zombie has no
// environment any more and is not among them.
func marked(t testing.TB, mark string) map[int]string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, path := range paths {
		environ, err := os.ReadFile(path)
		if err != nil || !slices.Contains(strings.Split(string(environ), "\x00"), "TEST_MARK="+mark) {
			continue // gone, or somebody else's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		found[pid] = string(bytes.ReplaceAll(command, []byte{0}, []byte{' '}))
	}
	return found
}

// childrenOf returns the children of a process that are in one of the states, as
// /proc names them: Z is a zombie.
func childrenOf(t testing.TB, parent int, states string) (pids []int) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // gone
		}
		// "PID (any name) STATE PPID …"
		front, back, _ := strings.Cut(string(text), "(")
		fields := strings.Fields(back[strings.LastIndexByte(back, ')')+1:])
		if strings.Contains(states, fields[0]) && fields[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(strings.TrimSpace(front))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// familyManifest is an app whose components have children of every sort: MARK
// finds them all.
const familyManifest = `
app: family
functions:
  odd: {runtime: python3, handler: odd.handler, code: ./odd, env: {TEST_MARK: {MARK}}, timeout: 1m, concurrency: {min: 2}}
  fn: {runtime: provided, code: ./fn, env: {TEST_MARK: {MARK}}, timeout: 1m}
services:
  web: {command: ["./web"], code: ./web, env: {TEST_MARK: {MARK}}, instances: 2, health: {path: /healthz, interval: 50ms}, grace: 5s}
  forks: {command: ["sh", "-c", "sleep 1001 & sh -c 'sleep 1002 & sleep 1003' & exec ./web"], code: ./web, env: {TEST_MARK: {MARK}}, health: {path: /healthz, interval: 50ms}, grace: 5s}
  stubborn: {command: ["sh", "-c", "trap '' TERM; while :; do ./web; done"], code: ./web, env: {TEST_MARK: {MARK}}, health: {path: /healthz, interval: 50ms}, grace: 500ms}
  leaves: {command: ["sh", "-c", "setsid sleep 1004 & exec ./web"], code: ./web, env: {TEST_MARK: {MARK}}, health: {path: /healthz, interval: 50ms}, grace: 5s}
routes:
  - {path: /, to: web}
  - {path: /odd, to: odd}
  - {path: /fn, to: fn}
release:
  watch: {confidence: 10m, compare: none}
`

func newFamily(t testing.TB, mark string) app {
	a := newApp(t, familyManifest, mark)
	a.write("odd/odd.py", oddHandler)
	return a
}

// startFamily starts a server with the app above and returns its mark, once
// every child and grandchild has been seen.
func startFamily(t testing.TB) (s *server, mark string) {
	t.Helper()
	linuxOnly(t)
	s = startServer(t)
	mark = "family-" + filepath.Base(filepath.Dir(filepath.Dir(s.data))) + "-" + strconv.Itoa(os.Getpid())
	s.ok("deploy", newFamily(t, mark).dir)
	awaitFamily(t, mark)
	return s, mark
}

// awaitFamily waits until every process of the app above runs.
func awaitFamily(t testing.TB, mark string) {
	t.Helper()
	const all = 2 + 1 + 2 + (1 + 4) + (1 + 1) + (1 + 1) // odd, fn, web, forks, stubborn, leaves
	waitUntil(t, "the whole family to run", func() (bool, string) {
		running := marked(t, mark)
		return len(running) >= all, fmt.Sprint(running)
	})
}

// allGone waits until nothing of an app runs. A process that has left its group
// with setsid is only found by its cgroup; without those it is let off, with a
// word, and killed here.
func (s *server) allGone(mark string) {
	s.t.Helper()
	cgroups := strings.Contains(s.log.String(), `memory_limit="cgroup`)
	var left map[int]string
	defer func() {
		for pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	waitUntil(s.t, "all processes of the app to be gone", func() (bool, string) {
		left = marked(s.t, mark)
		for pid, command := range left {
			if !cgroups && strings.HasPrefix(command, "sleep 1004") {
				s.t.Logf("no cgroups here: process %d, %s, outlives the server", pid, command)
				_ = syscall.Kill(pid, syscall.SIGKILL)
				delete(left, pid)
			}
		}
		return len(left) == 0, fmt.Sprint(left)
	})
}

// kill -9 of the server ends every process that it has started and everything
// that those have started, whatever they do about it. Seen red with a guard that
// kills nothing: every grandchild went on.
func TestKilledServerLeavesNoProcess(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s, mark := startFamily(t)
	s.kill()
	s.allGone(mark)
}

// The guard that sees to that is itself seen to: killed first, it is there again.
// Seen red without keepGuard's loop.
func TestKilledGuardIsReplaced(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s, mark := startFamily(t)
	guard := s.guard(0)
	if err := syscall.Kill(guard, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.guard(guard)
	s.kill()
	s.allGone(mark)
}

// guard returns the server's guard process, once it is another one than before.
func (s *server) guard(before int) (pid int) {
	s.t.Helper()
	waitFor(s.t, "a guard", func() bool {
		pid = 0
		for _, child := range childrenOf(s.t, s.cmd.Process.Pid, "RSD") {
			command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
			if bytes.HasSuffix(command, []byte("\x00guard\x00")) && child != before {
				pid = child
			}
		}
		return pid != 0
	})
	return pid
}

// So does a version that is replaced, and what is left is the new one alone.
func TestRetiredVersionLeavesNoProcess(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s, mark := startFamily(t)
	green := newFamily(t, mark+"-green")
	green.write("teal.yaml", strings.NewReplacer("{MARK}", mark+"-green", "10m", "0s").Replace(familyManifest))
	s.ok("deploy", green.dir)
	s.allGone(mark)
	awaitFamily(t, mark+"-green")
}

// SIGTERM lets the server finish what it has, then leaves nothing behind. Seen red
// with a ShutdownGrace of a millisecond.
func TestStoppedServerFinishesItsRequests(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s, mark := startFamily(t)
	type answer struct {
		path, body string
		code       int
		err        error
	}
	gate := newGate(t)
	ends := map[string]string{"/slow?gate=": "done", "/odd?do=wait&gate=": "version 1", "/fn?gate=": "version 1", "/sse?gate=": "data: end\n\n"}
	answers := make(chan answer, len(ends))
	for path := range ends {
		go func(address string) {
			code, body, err := ask(address, path+gate.path)
			answers <- answer{path, body, code, err}
		}(s.addr("http.addr"))
	}
	s.awaitInFlight(len(ends))
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.log.await(t, "finishing the requests in flight")
	gate.open()
	for range ends {
		if a := <-answers; a.err != nil || a.code != http.StatusOK || !strings.HasSuffix(a.body, ends[a.path]) {
			t.Errorf("%s: %d %q %v", a.path, a.code, a.body, a.err)
		}
	}
	s.awaitDeath()
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the server ended with %d:\n%s", code, tail(s.log.String(), 10))
	}
	s.allGone(mark)
	for _, name := range []string{"http.addr", "admin.addr"} {
		if _, err := os.Stat(filepath.Join(s.data, name)); err == nil {
			t.Errorf("%s still says where the server is", name)
		}
	}
}

const crashManifest = `
app: crash
functions:
  odd: {runtime: python3, handler: odd.handler, code: ./odd}
services:
  flaky: {command: ["sh", "-c", "(until test -e {GATE}; do sleep 0.1; done; kill $$) & exec ./web"], code: ./web, health: {path: /healthz, interval: 50ms}}
routes:
  - {path: /, to: odd}
release:
  watch: {confidence: 0s}
`

// Whatever ends is waited for, and costs nothing that adds up: no zombie, no
// file descriptor, no folder. Seen red without the removal of an instance's folder.
func TestCrashLoopsLeaveNothingBehind(t *testing.T) {
	defer contained(t)
	t.Parallel()
	linuxOnly(t)
	s := startServer(t)
	gate := newGate(t)
	a := newApp(t, strings.ReplaceAll(crashManifest, "{GATE}", gate.path), "")
	a.write("odd/odd.py", oddHandler)
	s.ok("deploy", a.dir)
	gate.open() // from now on the service ends each time that it is started
	pid := s.cmd.Process.Pid
	crashes := func(n int) {
		for range n {
			if code, _, body := s.get("/?do=crash"); code != http.StatusBadGateway {
				t.Fatalf("a crash: %d %s", code, body)
			}
			if code, _, body := s.get("/"); code != http.StatusOK {
				t.Fatalf("after a crash: %d %s", code, body)
			}
		}
	}
	crashes(3)
	before := descriptors(t, pid)
	crashes(10)
	// What the server itself is at work on may show for a moment.
	waitFor(t, "the zombies to be gone", func() bool { return len(childrenOf(t, pid, "Z")) == 0 })
	waitUntil(t, "no more file descriptors to be open after 10 more crashes", func() (bool, string) {
		after := descriptors(t, pid)
		return after <= before+10, fmt.Sprintf("%d, before there were %d", after, before)
	})
	waitUntil(t, "the service to be started again, twice", func() (bool, string) {
		said := s.ok("logs", "crash", "--component", "flaky").stdout
		return strings.Count(said, "starting it again") >= 2, said
	})
	waitUntil(t, "the folders of one or two instances to be left", func() (bool, string) {
		n := instanceFolders(t, s.data)
		return n == 1 || n == 2, fmt.Sprint(n)
	})
}

func instanceFolders(t testing.TB, data string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(data, "work"), func(_ string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // one that has just been removed
			return nil
		case err == nil && strings.HasPrefix(d.Name(), "instance-"):
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func descriptors(t testing.TB, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

const restartManifest = `
app: web
functions:
  odd: {runtime: python3, handler: odd.handler, code: ./odd}
services:
  web: {command: ["./web"], code: ./web, health: {path: /healthz, interval: 50ms}, env: {START_GATE: {GATE}, MARK: {MARK}}}
routes:
  - {path: /, to: web}
  - {path: /odd, to: odd}
release:
  watch: {confidence: 0s}
`

// After kill -9 a server that is started again serves what it served, without
// being told, and from the moment that its port is open a request waits for an
// answer instead of being refused one. Seen red with a gateway that does not wait
// for what is live: 503.
func TestRestartAfterKill(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	gate := newGate(t)
	gate.open()
	for _, mark := range []string{"one", "two"} {
		a := newApp(t, strings.ReplaceAll(restartManifest, "{GATE}", gate.path), mark)
		a.write("odd/odd.py", oddHandler)
		s.ok("deploy", a.dir)
	}
	s.ok("alias", "set", "web", "keep", "1")
	s.http = s.addr("http.addr") // the port stays the same
	s.kill()
	gate.close() // version 2 does not start before the request below has been sent
	s.launch()
	var conn net.Conn
	waitUntil(t, "the port to be open", func() (bool, string) {
		var err error
		conn, err = net.Dial("tcp", s.http)
		return err == nil, fmt.Sprint(err)
	})
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	gate.open()
	if code, body, err := answerOn(conn); err != nil || code != http.StatusOK || body != "version 2" {
		t.Fatalf("a request that came early: %d %s %v", code, body, err)
	}
	for serving := false; !serving; {
		_, err := os.Stat(filepath.Join(s.data, "http.addr"))
		serving = err == nil
		if code, body, err := ask(s.http, "/"); err != nil || code != http.StatusOK || body != "version 2" {
			t.Fatalf("a request after the port had been open: %d %s %v", code, body, err)
		}
	}
	if code, version, _ := s.get("/odd"); code != http.StatusOK || version != "2" {
		t.Errorf("the function: %d version %s", code, version)
	}
	s.awaitAlias("keep", "1")
	if n := s.status("web").Release; n.ID != "web-2" || n.Phase != "completed" {
		t.Errorf("the restart has left release %+v", n)
	}
}

// A deploy that is being followed survives the end of the server, gentle or not:
// the server goes on with the release, and the command with its story. Seen red
// with an engine that does not take up what is unfinished.
func TestDeployGoesOnAfterARestart(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newApp(t, manifestWith("0s"), "one").dir)
	s.admin = s.addr("admin.addr")
	for _, end := range []func(){s.kill, s.stop} {
		before, gate, said := s.status("web").Release.To, newGate(t), &output{}
		deploy := s.begin(said, "deploy", newApp(t, gatedManifest(gate), fmt.Sprint("v", before+1)).dir)
		said.await(t, "created v") // what was asked has been answered: from here on it follows
		s.awaitStatus("web", "the release to begin", func(st status) bool {
			return st.Release.To == before+1 && st.Release.Phase == "provisioning"
		})
		end()
		s.start()
		gate.open()
		if err := deploy.Wait(); err != nil || !strings.Contains(said.String(), fmt.Sprintf("v%d is live", before+1)) {
			t.Errorf("%v\n%s", err, said)
		}
		if _, version, _ := s.get("/"); version != fmt.Sprint(before+1) {
			t.Errorf("version %s is live", version)
		}
	}
}

// answerOn reads the answer to the request that was sent on a connection.
func answerOn(conn net.Conn) (code int, body string, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// ask makes one request over a connection of its own.
func ask(addr, path string) (code int, body string, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get("http://" + addr + path)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}
