package e2e

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// wantStopped checks that a path is answered by a stopped app alone, and that nothing
// of it runs.
func (s *server) wantStopped(app, path string) {
	s.t.Helper()
	if code, _, body := s.get(path); code != http.StatusServiceUnavailable || !strings.Contains(body, `"app_stopped"`) {
		s.t.Errorf("%s of a stopped app: %d %s", path, code, body)
	}
	s.awaitStatus(app, "nothing to run", func(st status) bool { return len(st.Environments) == 0 })
}

// wantVersion checks which version answers a path.
func (s *server) wantVersion(path, want string) {
	s.t.Helper()
	if code, version, body := s.get(path); code != http.StatusOK || version != want {
		s.t.Errorf("%s is answered by version %q: %d %s; want version %s", path, version, code, body, want)
	}
}

// kept is a file that a component of an app has stored.
func (s *server) kept(app string) string {
	s.t.Helper()
	dir := filepath.Join(s.data, "state", app, "web")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "orders.db"), []byte("42"), 0o600)); err != nil {
		s.t.Fatal(err)
	}
	return filepath.Join(dir, "orders.db")
}

func exists(t testing.TB, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// kill -9 at every step of the deletion of an app: it has not begun, and the app is
// whole, or it ends whole after the next start: nothing answers, nothing of the app is
// left but what was to stay, and its name and its routes are free.
//
// Seen red with a removeKept that does not look at KeepState ("delete:recorded": what
// was stored was gone), and with an Apps.Run that waits for a nudge before it looks for
// what an earlier server has left ("delete:drained": the name was not free).
func TestKillInADeletion(t *testing.T) {
	defer contained(t)
	for _, c := range []struct {
		at        string
		withState bool
	}{
		{"delete:decided", true}, {"delete:recorded", false}, {"delete:recorded", true}, {"delete:stopped", false},
		{"delete:drained", false}, {"delete:files", true}, {"delete:records", false},
	} {
		name, args := c.at, []string{"app", "delete", "web", "--yes"}
		if c.withState {
			name, args = name+" with its state", append(args, "--with-state")
		}
		t.Run(name, func(t *testing.T) {
			defer contained(t)
			t.Parallel()
			s, blue := startServer(t), newApp(t, manifestWith("0s"), "blue")
			s.ok("deploy", blue.dir)
			stored := s.kept("web")
			s.stop()
			s.start("TEAL_CRASH_AT=" + c.at)
			s.tealUntilDeath(args...)
			s.start()
			if c.at == "delete:decided" {
				s.wantVersion("/", "1")
				if !exists(t, stored) {
					t.Error("what it has stored is gone")
				}
				return
			}
			if code, _, body := s.get("/"); code != http.StatusNotFound {
				t.Errorf("the deleted app answers %d: %s", code, body)
			}
			if r := s.teal("status", "web"); r.code != 2 || !strings.Contains(r.stderr, "no app") {
				t.Errorf("status of the deleted app: exit %d, %s%s", r.code, r.stdout, r.stderr)
			}
			waitFor(t, "its logs to be gone", func() bool { return !exists(t, filepath.Join(s.data, "logs", "web")) })
			if exists(t, stored) == c.withState {
				t.Errorf("what it has stored is there: %t", !c.withState)
			}
			s.ok("deploy", blue.dir) // which waits for the rest to go
			s.wantVersion("/", "2")
			if r := s.ok("history", "web"); strings.Contains(r.stdout, "web-1") {
				t.Errorf("the new app has releases of the old one:\n%s", r.stdout)
			}
			s.ok("doctor")
		})
	}
}

// kill -9 at every step of a stop: it has not begun, or the app is stopped after the
// next start, and after the one after that. The same of a start.
//
// Seen red without the look at Stopped in RunsNothing and IsIdle: it ran.
func TestKillInAStop(t *testing.T) {
	defer contained(t)
	for _, at := range []string{"stop:decided", "stop:recorded", "stop:routed", "stop:retired", "resume:recorded", "resume:begun"} {
		t.Run(at, func(t *testing.T) {
			defer contained(t)
			t.Parallel()
			s := startServer(t)
			s.ok("deploy", newApp(t, manifestWith("0s"), "blue").dir)
			order, started := "stop", at == "stop:decided"
			if strings.HasPrefix(at, "resume:") {
				s.ok("stop", "web")
				order, started = "start", true
			}
			s.stop()
			s.start("TEAL_CRASH_AT=" + at)
			s.tealUntilDeath(order, "web")
			for range 2 {
				s.start()
				if started {
					s.wantVersion("/", "1")
				} else {
					s.wantStopped("web", "/")
				}
				s.kill()
			}
			s.start()
			s.ok("start", "web")
			s.wantVersion("/", "1")
		})
	}
}

// A request that is in flight when its app is stopped is finished; the next one is told
// that the app is stopped, whatever sent it; a started app answers as before. A deletion
// says what it deletes before it does.
//
// Seen red with a Retire that drains for no time (the request was cut), and without the
// routes of stoppedRoutes (404).
func TestAStopLetsRequestsFinish(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s, open, odd := startServer(t), newGate(t), newOdd(t, "odd", "")
	odd.write("teal.yaml", strings.Replace(oddManifest("odd", ""), "drain: 20s", "drain: 10m", 1))
	s.ok("deploy", odd.dir)
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Get(s.url("/odd?do=wait&gate=" + url.QueryEscape(open.path)))
		if err != nil {
			answered <- 0
			return
		}
		_ = resp.Body.Close()
		answered <- resp.StatusCode
	}()
	s.awaitInFlight(1)
	s.ok("stop", "odd", "--reason", "audit")
	if code, _, body := s.get("/odd"); code != http.StatusServiceUnavailable || !strings.Contains(body, `"app_stopped"`) {
		t.Errorf("a request after the stop: %d %s", code, body)
	}
	odd.write("odd/odd.py", oddHandler+"\n")
	for _, args := range [][]string{{"invoke", "odd"}, {"deploy", odd.dir}, {"alias", "set", "odd", "prod", "1"}} {
		if r := s.teal(args...); r.code == 0 || !strings.Contains(r.stderr, "teal start odd") {
			t.Errorf("teal %v of a stopped app: exit %d, %s", args, r.code, r.stderr)
		}
	}
	open.open()
	if code := <-answered; code != http.StatusOK {
		t.Errorf("the request that was in flight: %d", code)
	}
	s.ok("start", "odd")
	s.wantVersion("/odd", "1")
	if r := s.teal("app", "delete", "odd"); r.code != 2 || !strings.Contains(r.stderr, "--yes") || !strings.Contains(r.stderr, "1 version") {
		t.Errorf("a deletion that nobody has confirmed: exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
	s.wantVersion("/odd", "1")
}
