package service

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"teal"
	"teal/internal/ports"
	"teal/internal/process"
)

func gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

// Seen to fail with an environment that lets the server's TEAL_TOKEN through.
func TestServiceStartsServesAndStops(t *testing.T) {
	t.Parallel()
	var lines, changes atomic.Int64
	h := run(t, Config{
		App: "shop", Version: 7, Name: "web",
		Service:  aService("", 3),
		Env:      map[string]string{"TEAL_VERSION": "7"},
		OnChange: func() { changes.Add(1) },
		Log: func(instance, stream, text string) {
			if strings.HasPrefix(instance, "web-") && stream == "stdout" && strings.HasPrefix(text, "listening on 127.0.0.1:") {
				lines.Add(1)
			}
		},
	})
	h.ready(t)
	if st := h.State(); st != (State{Ready: true, Healthy: 3, Total: 3}) {
		t.Errorf("state %+v", st)
	}
	seen := map[string]bool{}
	for range 3 {
		e := mustClaim(t, h.Set)
		seen[mustGet(t, e, "/pid")] = true
		e.Done(false)
	}
	if len(seen) != 3 || lines.Load() != 3 || changes.Load() == 0 {
		t.Errorf("processes %v, %d lines, %d changes", seen, lines.Load(), changes.Load())
	}
	env := strings.Split(mustGet(t, mustClaim(t, h.Set), "/env"), "\n")
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "PATH", "HOME", "LANG", "TZ", "TMPDIR", "HOST", "PORT", "MODE":
		case "TEAL_VERSION":
			if value != "7" {
				t.Errorf("TEAL_VERSION is %q", value)
			}
		default:
			t.Errorf("the process can see %s, which is the server's", name)
		}
	}
	h.stop()
	for pid := range seen {
		if n, err := strconv.Atoi(pid); err != nil || !gone(n) {
			t.Errorf("process %s is still there", pid)
		}
	}
	_, err := h.Claim()
	if !teal.IsCode(err, teal.CodeNoHealthyInstance) || !strings.Contains(err.Error(), "web has been stopped") {
		t.Errorf("Claim after the end: %v", err)
	}
	if err := h.Run(t.Context()); err == nil {
		t.Error("Run may be called twice")
	}
}

// The reservation of a port must not stand in the way of the usual servers: each
// of them comes up in its first life.
func TestUsualServersBindAReservedPort(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"python": {"python3", "-m", "http.server", "--bind", "$HOST", "$PORT"}, // seen red with the arguments not expanded
		"shell":  {"sh", "-c", "exec python3 -m http.server --bind $HOST $PORT"},
		"node":   {"node", "-e", "require('http').createServer((q, r) => r.end()).listen(process.env.PORT)"},
		"go":     {"./fixture"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := aService("", 1)
			service.Command, service.Health.Path = command, "/"
			if name == "go" {
				service.Health.Path = "/healthz"
			}
			h := run(t, Config{Service: service})
			h.ready(t)
			if n := h.starts.Load(); n != 1 {
				t.Errorf("%d starts", n)
			}
		})
	}
}

// Seen to fail (it restarts for ever) with a reservation for every start.
func TestProgramWithoutReuseIsGivenAPlainPort(t *testing.T) {
	t.Parallel()
	h := run(t, Config{Service: aService("noreuse", 1)})
	h.ready(t)
	if n := h.starts.Load(); ports.Available && n != 2 {
		t.Errorf("%d starts, want 2", n)
	}
	for range 2 { // it stays with what worked
		before := h.starts.Load()
		_, _ = get(mustClaim(t, h.Set), "/die")
		eventually(t, "a restart", func() bool { return h.starts.Load() > before })
		h.ready(t)
		if n := h.starts.Load(); n != before+1 {
			t.Errorf("%d starts after the end of a healthy life", n-before)
		}
	}
}

// Seen to fail without listener.verify: the stranger's answer makes web healthy.
func TestAStrangerOnThePortIsNotBelieved(t *testing.T) {
	t.Parallel()
	if !ports.Available {
		t.Skip("only Linux says who listens on a port")
	}
	ports := make(chan string, 1)
	h := run(t, Config{Service: aService("silent", 1), Log: func(_, _, text string) {
		if port, ok := strings.CutPrefix(text, "PORT="); ok {
			ports <- port
		}
	}})
	listener, err := net.Listen("tcp", "127.0.0.1:"+<-ports)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	stranger := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) })}}
	stranger.Start()
	defer stranger.Close()
	eventually(t, "five checks", func() bool { return asked.Load() >= 5 })
	want := "web is running but another process listens on " + listener.Addr().String() + "/healthz"
	if st := h.State(); st.Ready || st.Healthy != 0 || st.Reason != want {
		t.Errorf("state %+v, want reason %q", st, want)
	}
}

func TestAChildOfTheProcessMayListen(t *testing.T) {
	t.Parallel()
	service := aService("", 1)
	service.Command = []string{"sh", "-c", "./fixture & wait"}
	h := run(t, Config{Service: service})
	h.ready(t)
	pid, err := strconv.Atoi(mustGet(t, mustClaim(t, h.Set), "/pid"))
	if err != nil {
		t.Fatal(err)
	}
	h.stop()
	eventually(t, "the child is gone", func() bool { return gone(pid) })
}

func TestSlowStart(t *testing.T) {
	t.Parallel()
	service := aService("slow", 1)
	service.Env["DELAY"] = "600ms"
	service.Health.Interval = teal.Duration(time.Minute) // a start must be noticed long before
	h := run(t, Config{Service: service})
	_, err := h.Claim()
	if !teal.IsCode(err, teal.CodeNoHealthyInstance) {
		t.Errorf("Claim while starting: %v", err)
	}
	eventually(t, "a reason", func() bool { return strings.Contains(h.State().Reason, "connection refused") })
	st := h.State()
	if !strings.HasPrefix(st.Reason, "web is running but nothing answers on 127.0.0.1:") || !strings.HasSuffix(st.Reason, "/healthz: connection refused") {
		t.Errorf("reason %q", st.Reason)
	}
	h.ready(t)
}

// Seen to fail with a restarter that never waits.
func TestCrashLoopIsSlowAndExplained(t *testing.T) {
	t.Parallel()
	var explained atomic.Int64
	h := run(t, Config{Service: aService("crash", 1), Log: func(instance, stream, text string) {
		if instance == "web-1" && stream == platform && strings.Contains(text, "web ended: exit status 3") {
			explained.Add(1)
		}
	}})
	began := time.Now()
	eventually(t, "four starts", func() bool { return h.starts.Load() >= 4 })
	// 0, 200, 400 ms lie between four starts.
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("four starts in %s; the loop is hot", took)
	}
	eventually(t, "the fourth end", func() bool { return strings.Contains(h.State().Reason, "(4 times in a row)") })
	st := h.State()
	if st.Ready || !st.Failed || !strings.HasPrefix(st.Reason, "web ended: exit status 3") {
		t.Errorf("state %+v", st)
	}
	lines := strings.Split(st.Output, "\n")
	if len(lines) != tailLines || !strings.Contains(st.Output, "no such table: orders") {
		t.Errorf("%d lines of output:\n%s", len(lines), st.Output)
	}
	if n := explained.Load(); n < 3 {
		t.Errorf("the log explains %d restarts", n)
	}
	if _, err := h.Claim(); err == nil || !strings.Contains(err.Error(), "web ended: exit status 3") {
		t.Errorf("Claim: %v", err)
	}
}

func TestAServiceThatReturnsIsToldToStay(t *testing.T) {
	t.Parallel()
	h := run(t, Config{Service: aService("return", 1)})
	eventually(t, "a hint", func() bool {
		return strings.Contains(h.State().Reason, "a service must keep running in the foreground")
	})
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	service := aService("", 2)
	service.Command = []string{"./webb"}
	h := run(t, Config{Service: service})
	eventually(t, "a reason", func() bool {
		return strings.HasPrefix(h.State().Reason, `web-1 cannot be started: the command "./webb" cannot be run: there is no such file`)
	})
}

func TestTheOthersServeWhenOneDies(t *testing.T) {
	t.Parallel()
	h := run(t, Config{Service: aService("", 2)})
	h.ready(t)
	doomed := mustClaim(t, h.Set)
	_, err := get(doomed, "/die")
	doomed.Done(err != nil)
	eventually(t, "its end is noticed", func() bool { return h.starts.Load() == 3 })
	for range 50 {
		e := mustClaim(t, h.Set)
		if e == doomed {
			t.Fatal("a dead endpoint was claimed")
		}
		if _, err := get(e, "/pid"); err != nil {
			t.Fatal(err)
		}
		e.Done(false)
	}
	h.ready(t)
	if st := h.State(); st.Reason != "" || st.Output != "" {
		t.Errorf("state %+v", st)
	}
	// Seen red with the first start counted.
	if instances, restarts, _ := h.Inspect(); restarts != 1 || len(instances) != 2 || instances[0].Restarts+instances[1].Restarts != 1 || instances[0].State != teal.InstanceHealthy {
		t.Errorf("%d restarts, %+v", restarts, instances)
	}
}

// The second end in a row is followed by 200 ms of back-off, in which only the
// other instance may be used. Seen to fail with ended() that leaves the endpoint
// in place.
func TestADeadInstanceIsNotUsedDuringItsBackoff(t *testing.T) {
	t.Parallel()
	h := run(t, Config{Service: aService("", 2)})
	for range 2 {
		h.ready(t)
		doomed := h.slots[0].endpoint
		before := h.starts.Load()
		_, _ = get(doomed, "/die")
		var lastUse time.Time
		eventually(t, "a restart", func() bool {
			now := time.Now()
			if mustClaim(t, h.Set) == doomed {
				lastUse = now
			}
			return h.starts.Load() > before
		})
		if gap := time.Unix(0, h.lastStart.Load()).Sub(lastUse); before == 3 && gap < 200*time.Millisecond {
			t.Errorf("the dead instance was used until %s before its restart", gap)
		}
	}
}

func TestAHangingInstanceLosesItsRequestsAndGetsThemBack(t *testing.T) {
	t.Parallel()
	service := aService("", 2)
	service.Health.Failures = 2
	service.Health.Timeout = teal.Duration(300 * time.Millisecond)
	h := run(t, Config{Service: service})
	h.ready(t)
	for _, illness := range []struct{ path, reason string }{
		{"/hang", "is not answered within 300ms"},
		{"/sick", "is answered with 500"},
	} {
		ill := mustClaim(t, h.Set)
		mustGet(t, ill, illness.path)
		eventually(t, "health is lost", func() bool { return h.State().Healthy == 1 })
		if st := h.State(); !strings.Contains(st.Reason, illness.reason) || !st.Ready {
			t.Errorf("state %+v", st)
		}
		for range 10 {
			if mustClaim(t, h.Set) == ill {
				t.Fatal("claimed the ill one")
			}
		}
		mustGet(t, ill, "/recover")
		h.ready(t)
	}
	if n := h.starts.Load(); n != 2 {
		t.Errorf("%d starts: an instance that runs is not restarted for its health", n)
	}
}

// Seen to fail with an attend() that does not wait for Stop.
func TestAProcessThatIgnoresTermIsKilledAfterTheGrace(t *testing.T) {
	t.Parallel()
	service := aService("stubborn", 1)
	service.Grace = teal.Duration(200 * time.Millisecond)
	h := run(t, Config{Service: service})
	h.ready(t)
	began := time.Now()
	h.stop()
	if took := time.Since(began); took < 200*time.Millisecond || took > patience {
		t.Errorf("stopped after %s", took)
	}
	if pid := <-h.pids; !gone(pid) {
		t.Error("it is still there")
	}
}

func TestStopWhileStartingAndWhileBackingOff(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"silent", "crash"} {
		h := run(t, Config{Service: aService(mode, 2)})
		eventually(t, "starts", func() bool { return h.starts.Load() >= 2 })
		h.stop()
		for range h.starts.Load() {
			if pid := <-h.pids; !gone(pid) {
				t.Errorf("%s: process %d is still there", mode, pid)
			}
		}
	}
}

// flaky is an upstream whose health can be set.
type flaky struct {
	*httptest.Server
	status atomic.Int64
}

func upstreamServer(t *testing.T) *flaky {
	f := &flaky{}
	f.status.Store(200)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/base/healthz" {
			w.WriteHeader(int(f.status.Load()))
		}
		_, _ = fmt.Fprint(w, r.URL.Path)
	}))
	t.Cleanup(f.Close)
	return f
}

func TestUpstreamGoesDownAndComesBack(t *testing.T) {
	t.Parallel()
	one, two := upstreamServer(t), upstreamServer(t)
	health := quick("/healthz")
	health.Failures = 1
	h := run(t, Config{App: "shop", Version: 1, Name: "legacy", Upstream: &teal.Upstream{URLs: []string{one.URL + "/base/", two.URL + "/base"}, Health: health}})
	h.ready(t)
	e := mustClaim(t, h.Set)
	if e.Path() != "/base" || e.Scheme() != "http" || e.Address() != e.Host() {
		t.Errorf("endpoint %s %s %s %s", e.Scheme(), e.Host(), e.Address(), e.Path())
	}
	if body := mustGet(t, e, "/x"); body != "/base/x" {
		t.Errorf("asked for %s", body)
	}
	e.Done(false)
	for range 5 { // flapping
		one.status.Store(503)
		eventually(t, "one is out", func() bool { return h.State().Healthy == 1 })
		if got := mustClaim(t, h.Set); got.Name() != two.URL+"/base" {
			t.Errorf("claimed %s", got.Name())
		}
		one.status.Store(204)
		h.ready(t)
	}
	two.Close()
	one.status.Store(404)
	eventually(t, "both are out", func() bool { return h.State().Healthy == 0 })
	_, err := h.Claim()
	if !teal.IsCode(err, teal.CodeNoHealthyInstance) || !strings.Contains(err.Error(), "legacy: ") {
		t.Errorf("Claim: %v", err)
	}
	if st := h.State(); st.Ready || st.Total != 2 {
		t.Errorf("state %+v", st)
	}
}

// An upstream is as good as the addresses that answer: they are somebody else's.
// The others are named. Seen red when every address had to have been healthy once,
// as every instance of a service must, and with an upstream that is ready before
// all of its addresses have been checked.
func TestUpstreamWithADeadAddressIsReady(t *testing.T) {
	t.Parallel()
	port, err := choosePort()
	if err != nil {
		t.Fatal(err)
	}
	up := upstreamServer(t)
	dead := fmt.Sprintf("http://127.0.0.1:%d/base", port)
	h := run(t, Config{App: "shop", Version: 1, Name: "legacy", Upstream: &teal.Upstream{URLs: []string{up.URL + "/base", dead}, Health: quick("/healthz")}})
	eventually(t, "one is healthy and the other explained", func() bool {
		st := h.State()
		return st.Healthy == 1 && st.Reason == "legacy: nothing answers on "+dead+"/healthz: connection refused"
	})
	if !h.State().Ready {
		t.Error("not ready, although one address is healthy")
	}
	want := []string{dead + ": nothing answers on " + dead + "/healthz: connection refused"}
	if got := h.Down(); !slices.Equal(got, want) {
		t.Errorf("down: %q, want %q", got, want)
	}
}

func TestUpstreamIsNotReadyBeforeEveryAddressWasChecked(t *testing.T) {
	t.Parallel()
	up, release := upstreamServer(t), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(slow.Close)
	h := run(t, Config{App: "shop", Version: 1, Name: "legacy", Upstream: &teal.Upstream{URLs: []string{up.URL + "/base", slow.URL}, Health: quick("/healthz")}})
	eventually(t, "one is healthy", func() bool { return h.State().Healthy == 1 })
	if h.State().Ready {
		t.Error("ready, although nobody knows yet how the other address is")
	}
	close(release)
	h.ready(t)
}

// A process that ends by itself is a crash; one that had failed its checks is
// not. Seen red with every end of a process as a crash, and with none.
func TestACrashIsToldFromAFailedCheck(t *testing.T) {
	t.Parallel()
	for _, sick := range []bool{false, true} {
		var set atomic.Pointer[Set]
		ends := make(chan State, 100)
		service := aService("", 1)
		if !sick {
			// On a busy machine three checks of a process that has ended can fail before its
			// end is noticed: none comes in between.
			service.Health.Interval = teal.Duration(time.Hour)
		}
		h := run(t, Config{Service: service, OnChange: func() {
			if s := set.Load(); s != nil {
				if got := s.State(); strings.Contains(got.Reason, "exit status 4") {
					ends <- got // soon it is started again
				}
			}
		}})
		set.Store(h.Set)
		h.ready(t)
		e := mustClaim(t, h.Set)
		if sick {
			_, _ = get(e, "/sick")
			eventually(t, "no health", func() bool { return h.State().Healthy == 0 })
		}
		_, _ = get(e, "/die")
		select {
		case got := <-ends:
			if got.Crashed == sick {
				t.Errorf("sick before: %v: %+v", sick, got)
			}
		case <-time.After(patience):
			t.Fatal("the end of the process was not noticed")
		}
	}
}

// Recheck has a check made now, and says when one has been passed. Seen red with
// a Recheck that does nothing, and with one whose pass is not told.
func TestRecheckIsMadeAtOnceAndTold(t *testing.T) {
	t.Parallel()
	up := upstreamServer(t)
	health, told := quick("/healthz"), make(chan struct{}, 100)
	health.Interval = teal.Duration(time.Hour)
	h := run(t, Config{
		App: "shop", Version: 1, Name: "legacy", Upstream: &teal.Upstream{URLs: []string{up.URL + "/base"}, Health: health},
		OnChange: func() { told <- struct{}{} },
	})
	h.ready(t)
	for len(told) > 0 {
		<-told
	}
	asked := time.Now()
	h.Recheck()
	select {
	case <-told:
	case <-time.After(patience):
		t.Fatal("nobody says that a check has been passed")
	}
	if at, window := h.Checked(); at.Before(asked) || window != 3*(time.Hour+5*time.Second) {
		t.Errorf("checked %s after it was asked for, window %s", at.Sub(asked), window)
	}
	up.status.Store(503)
	asked = time.Now()
	h.Recheck()
	if at, _ := h.Checked(); at.After(asked) {
		t.Error("a check that failed counts as passed")
	}
}

// Recheck starts at once what waits to be started again. Seen red with a wait
// that is not cut short.
func TestRecheckStartsWhatWaits(t *testing.T) {
	t.Parallel()
	service := aService("", 1)
	service.Command = []string{"sh", "-c", "exit 3"}
	h := run(t, Config{Service: service})
	began := time.Now()
	eventually(t, "ten starts", func() bool { h.Recheck(); return h.starts.Load() >= 10 })
	if took := time.Since(began); took > 10*time.Second { // 0 + 0.1 + 0.2 + … + 12.8 s without
		t.Errorf("ten starts took %s", took)
	}
}

// Seen to fail with refused() that does not ask for a check.
func TestUpstreamIsCheckedAtOnceWhenAConnectionFails(t *testing.T) {
	t.Parallel()
	up := upstreamServer(t)
	health := quick("/healthz")
	health.Interval = teal.Duration(time.Hour)
	h := run(t, Config{App: "shop", Version: 1, Name: "legacy", Upstream: &teal.Upstream{URLs: []string{up.URL + "/base"}, Health: health}})
	h.ready(t)
	mustClaim(t, h.Set).Done(true) // a false alarm
	h.ready(t)
	up.Close()
	mustClaim(t, h.Set).Done(true)
	eventually(t, "the check has failed", func() bool { _, err := h.Claim(); return err != nil })
}

func TestNewRefusesWhatCannotRun(t *testing.T) {
	t.Parallel()
	start := func(process.Spec) (*process.Process, error) { return nil, nil }
	for name, cfg := range map[string]Config{
		"nothing":     {},
		"both":        {Service: aService("", 1), Upstream: &teal.Upstream{}, Start: start},
		"no start":    {Service: aService("", 1)},
		"no command":  {Service: &teal.Service{Instances: 1}, Start: start},
		"bad address": {Upstream: &teal.Upstream{URLs: []string{"ftp://x"}}},
		"bad port":    {Upstream: &teal.Upstream{URLs: []string{"http://x:http"}}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDialAddress(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"http://a": "a:80", "https://a": "a:443", "https://a:1": "a:1", "http://[::1]": "[::1]:80", "http://[::1]:5/x": "[::1]:5",
	} {
		s, err := New(Config{Upstream: &teal.Upstream{URLs: []string{raw}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := dialAddress(s.slots[0].url); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}
