package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
  odd: {runtime: python3, handler: odd.handler, code: ./odd, env: {TEST_MARK: {MARK}}, concurrency: {min: 2}}
  fn: {runtime: provided, code: ./fn, env: {TEST_MARK: {MARK}}}
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
  watch: {confidence: 10m}
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
	// odd 2, fn 1, web 2, forks 1+4, stubborn 1+1, leaves 1+1.
	waitFor(t, 20*time.Second, "the whole family", func() bool { return len(marked(t, mark)) >= 14 })
	return s, mark
}

// allGone waits until nothing of an app runs. A process that has left its group
// with setsid is only found by its cgroup; without those it is let off, with a
// word, and killed here.
func (s *server) allGone(mark string, within time.Duration) {
	s.t.Helper()
	cgroups := strings.Contains(s.log.String(), `memory_limit="cgroup`)
	var left map[int]string
	deadline := time.Now().Add(within)
	for {
		left = marked(s.t, mark)
		for pid, command := range left {
			if !cgroups && strings.HasPrefix(command, "sleep 1004") {
				s.t.Logf("no cgroups here: process %d, %s, outlives the server", pid, command)
				_ = syscall.Kill(pid, syscall.SIGKILL)
				delete(left, pid)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for pid, command := range left {
		s.t.Errorf("%s later process %d still runs: %s", within, pid, command)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// kill -9 of the server ends every process that it has started and everything
// that those have started, whatever they do about it. Seen red with a guard that
// kills nothing: every grandchild went on.
func TestKilledServerLeavesNoProcess(t *testing.T) {
	t.Parallel()
	s, mark := startFamily(t)
	s.kill()
	s.allGone(mark, 5*time.Second)
}

// The guard that sees to that is itself seen to: killed first, it is there again.
// Seen red without keepGuard's loop.
func TestKilledGuardIsReplaced(t *testing.T) {
	t.Parallel()
	s, mark := startFamily(t)
	guard := s.guard(0)
	if err := syscall.Kill(guard, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.guard(guard)
	s.kill()
	s.allGone(mark, 5*time.Second)
}

// guard returns the server's guard process, once it is another one than before.
func (s *server) guard(before int) (pid int) {
	s.t.Helper()
	waitFor(s.t, 10*time.Second, "a guard", func() bool {
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
	t.Parallel()
	s, mark := startFamily(t)
	green := newFamily(t, mark+"-green")
	green.write("teal.yaml", strings.NewReplacer("{MARK}", mark+"-green", "10m", "0s").Replace(familyManifest))
	s.ok("deploy", green.dir)
	s.allGone(mark, 20*time.Second)
	if n := len(marked(t, mark+"-green")); n < 14 {
		t.Errorf("%d processes of green run", n)
	}
}

// SIGTERM lets the server finish what it has, then leaves nothing behind. Seen red
// with a ShutdownGrace of a millisecond.
func TestStoppedServerFinishesItsRequests(t *testing.T) {
	t.Parallel()
	s, mark := startFamily(t)
	type answer struct {
		path, body string
		code       int
		err        error
	}
	ends := map[string]string{
		"/slow?ms=1500": "done", "/odd?do=sleep&n=1500": "version 1", "/fn?ms=1500": "version 1", "/sse?events=60": "data: end\n\n",
	}
	answers := make(chan answer)
	for path := range ends {
		go func(address string) {
			code, body, err := ask(address, path)
			answers <- answer{path, body, code, err}
		}(s.addr("http.addr"))
	}
	time.Sleep(500 * time.Millisecond) // until they have arrived; nothing says so from outside
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range ends {
		if a := <-answers; a.err != nil || a.code != http.StatusOK || !strings.HasSuffix(a.body, ends[a.path]) {
			t.Errorf("%s: %d %q %v", a.path, a.code, a.body, a.err)
		}
	}
	s.awaitDeath()
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the server ended with %d:\n%s", code, tail(s.log.String(), 10))
	}
	s.allGone(mark, time.Second)
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
  flaky: {command: ["sh", "-c", "(sleep 0.3; kill $$) & exec ./web"], code: ./web, health: {path: /healthz, interval: 50ms}}
routes:
  - {path: /, to: odd}
release:
  watch: {confidence: 0s}
`

// Whatever ends is waited for, and costs nothing that adds up: no zombie, no
// file descriptor, no folder. Seen red without the removal of an instance's folder.
func TestCrashLoopsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	linuxOnly(t)
	s := startServer(t)
	a := newApp(t, crashManifest, "")
	a.write("odd/odd.py", oddHandler)
	s.ok("deploy", a.dir)
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
	waitFor(t, 5*time.Second, "the zombies to be gone", func() bool { return len(childrenOf(t, pid, "Z")) == 0 })
	if after := descriptors(t, pid); after > before+10 {
		t.Errorf("%d file descriptors after 10 more crashes, %d before", after, before)
	}
	if n := strings.Count(s.ok("logs", "crash", "--component", "flaky").stdout, "starting it again"); n < 2 {
		t.Errorf("the service was started again %d times", n)
	}
	if n := instanceFolders(t, s.data); n == 0 || n > 2 {
		t.Errorf("there are folders of %d instances", n)
	}
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
  web: {command: ["sh", "-c", "sleep 1; exec ./web"], code: ./web, health: {path: /healthz, interval: 50ms}, env: {MARK: {MARK}}}
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
	t.Parallel()
	s := startServer(t)
	for _, mark := range []string{"one", "two"} {
		a := newApp(t, restartManifest, mark)
		a.write("odd/odd.py", oddHandler)
		s.ok("deploy", a.dir)
	}
	s.ok("alias", "set", "web", "keep", "1")
	s.http = s.addr("http.addr") // the port stays the same
	s.kill()
	s.launch()
	refused, early := 0, 0
	opened := false
	for {
		serving := false
		if _, err := os.Stat(filepath.Join(s.data, "http.addr")); err == nil {
			serving = true
		}
		code, body, err := ask(s.http, "/")
		switch {
		case err != nil && opened:
			t.Fatalf("a request was lost after the port had been open: %v", err)
		case err != nil:
			refused++
			time.Sleep(5 * time.Millisecond)
			continue
		case code != http.StatusOK || body != "version 2":
			t.Fatalf("%d %s", code, body)
		}
		opened = true
		if serving {
			break
		}
		early++
	}
	t.Logf("refused %d times before the port was open; %d requests waited until the version was healthy", refused, early)
	if early == 0 {
		t.Error("no request came while the server was starting: no proof of anything")
	}
	if code, version, _ := s.get("/odd"); code != http.StatusOK || version != "2" {
		t.Errorf("the function: %d version %s", code, version)
	}
	// The server opens its port for what is live; others may take longer.
	waitFor(t, 10*time.Second, "the kept version", func() bool {
		code, version, _ := s.get("/", "Teal-Alias", "keep")
		return code == http.StatusOK && version == "1"
	})
	if n := s.status("web").Release; n.ID != "web-2" || n.Phase != "completed" {
		t.Errorf("the restart has left release %+v", n)
	}
}

// A deploy that is being followed survives the end of the server, gentle or not:
// the server goes on with the release, and the command with its story. Seen red
// with an engine that does not take up what is unfinished.
func TestDeployGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", newApp(t, manifestWith("0s"), "one").dir)
	s.admin = s.addr("admin.addr")
	for _, end := range []func(){s.kill, s.stop} {
		before := s.status("web").Release.To
		deploy := s.background("deploy", newApp(t, slowManifest, fmt.Sprint("v", before+1)).dir)
		waitFor(t, 20*time.Second, "the release to begin", func() bool {
			r := s.status("web").Release
			return r.To == before+1 && r.Phase == "provisioning"
		})
		end()
		s.start()
		(<-deploy).expect(t, 0, fmt.Sprintf("v%d is live", before+1))
		if _, version, _ := s.get("/"); version != fmt.Sprint(before+1) {
			t.Errorf("version %s is live", version)
		}
	}
}

// ask makes one request over a connection of its own.
func ask(addr, path string) (code int, body string, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	resp, err := client.Get("http://" + addr + path)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}
