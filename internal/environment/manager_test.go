package environment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal"
	"teal/internal/gateway"
	"teal/internal/logs"
	"teal/internal/process"
	"teal/internal/release"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is everything around a manager, kept in memory. Its programs cannot be
// started.
type world struct {
	code string

	mu       sync.Mutex
	envs     map[teal.VersionRef]teal.Environment
	uses     func(version teal.VersionRef) Use
	rerouted int
	changed  int
	refuse   int                      // so many notes fail
	upstream func(version int) string // address of the one component, in place of the function
}

const shop = "shop"

func (w *world) Version(_ context.Context, app string, number teal.VersionRef) (teal.Version, error) {
	if w.upstream != nil {
		return teal.Version{App: app, Number: int(number), Spec: teal.Spec{App: app, Components: map[string]teal.Component{"u": {Upstream: &teal.Upstream{
			URLs:   []string{w.upstream(int(number))},
			Health: teal.Health{Path: "/", Interval: teal.Duration(time.Hour), Timeout: teal.DefaultHealthTimeout, Failures: 1},
		}}}}}, nil
	}
	return teal.Version{App: app, Number: int(number), Spec: teal.Spec{
		App: app,
		Components: map[string]teal.Component{"f": {Function: &teal.Function{
			Runtime: "provided", Memory: teal.DefaultMemory, Timeout: teal.DefaultTimeout, Concurrency: teal.Concurrency{Min: 1, Max: 1},
		}}},
	}}, nil
}

func (w *world) Environments(context.Context, string) ([]teal.Environment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []teal.Environment
	for _, e := range w.envs {
		list = append(list, e)
	}
	return list, nil
}

func (w *world) SetDesired(_ context.Context, e teal.Environment) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.envs[e.Version] = e
	return nil
}

func (w *world) Note(_ context.Context, _ string, version teal.VersionRef, note func(*teal.Environment)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse > 0 {
		w.refuse--
		return errStore
	}
	if e, ok := w.envs[version]; ok {
		note(&e)
		w.envs[version] = e
	}
	return nil
}

func (w *world) Forget(_ context.Context, _ string, version teal.VersionRef) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.envs, version)
	return nil
}

func (w *world) Dir(context.Context, string) (string, error)     { return w.code, nil }
func (w *world) Stack(context.Context, []string) (string, error) { return w.code, nil }

func (w *world) Caller(_, _ netip.AddrPort, _ string) (process.Caller, error) {
	return process.CallerOwn, nil
}

func (w *world) Start(process.Spec) (*process.Process, error) {
	return nil, errors.New("nothing can be started here")
}

func (w *world) ServeComponent(ctx context.Context, l net.Listener, _ *gateway.Environment, _ string) error {
	<-ctx.Done()
	return l.Close()
}

func (w *world) ServeEnvironment(ctx context.Context, l net.Listener, _ *gateway.Environment) error {
	<-ctx.Done()
	return l.Close()
}

func (w *world) Write(logs.Line) {}

func (w *world) Uses(_ context.Context, _ string, version teal.VersionRef) (Use, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.uses(version), nil
}

func (w *world) HideUnused(ctx context.Context, app string, version teal.VersionRef, hide func()) (Use, error) {
	return hideUnused(ctx, w, app, int(version), hide)
}

// hideUnused is HideUnused of one whose Uses nobody changes meanwhile.
func hideUnused(ctx context.Context, usage Usage, app string, version int, hide func()) (Use, error) {
	use, err := usage.Uses(ctx, app, teal.VersionRef(version))
	if err == nil && !use.Live && !use.Alias {
		hide()
	}
	return use, err
}

func (w *world) Targets() []Target                            { return nil }
func (w *world) RunsNothing(_ context.Context, _ string) bool { return false }

func (w *world) Reroute(string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rerouted++
}

// startManager returns a manager that runs until the test ends.
func startManager(t *testing.T) (*Manager, *world) {
	t.Helper()
	w := &world{code: t.TempDir(), envs: map[teal.VersionRef]teal.Environment{}, uses: func(teal.VersionRef) Use { return Use{} }}
	m := New(Config{
		Records: w, Bundles: w, Processes: w, Siblings: w, Logs: w, Usage: w, DataPlane: w,
		WorkDir: filepath.Join(t.TempDir(), "work"), Logger: slog.New(slog.DiscardHandler), Changed: func(string) { w.mu.Lock(); defer w.mu.Unlock(); w.changed++ },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	<-m.Recovered()
	return m, w
}

// until waits for something that another goroutine does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func provision(t *testing.T, m *Manager, version int) *gateway.Environment {
	t.Helper()
	if err := m.Provision(t.Context(), shop, version); err != nil {
		t.Fatal(err)
	}
	r := m.find(shop, teal.VersionRef(version))
	until(t, "the environment is built", func() bool { return r.currentHandle() != nil })
	return r.currentHandle()
}

// A version that is started again while it drains has a folder of its own: the
// old one takes its folder along when it ends.
func TestAVersionThatIsStartedAgainWhileItDrains(t *testing.T) {
	m, _ := startManager(t)
	folders := func() int {
		entries, err := os.ReadDir(m.cfg.WorkDir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	old := provision(t, m, 1)
	if !old.Acquire() {
		t.Fatal("a new environment takes no request")
	}
	if err := m.Retire(t.Context(), shop, 1, time.Minute); err != nil {
		t.Fatal(err)
	}
	provision(t, m, 1)
	if n := folders(); n != 2 {
		t.Errorf("%d folders, want one for each of the two", n)
	}
	old.Release()
	until(t, "the old one's folder is gone", func() bool { return folders() == 1 })
	if !m.Runs(shop, 1) {
		t.Error("the new one is gone with the old one")
	}
}

// An environment whose end cannot be recorded is kept. It has been out of sight for
// a moment; the data plane must see it again.
//
// Seen red without the last Reroute of retire.
func TestAnEnvironmentThatIsKeptIsRoutedAgain(t *testing.T) {
	m, w := startManager(t)
	provision(t, m, 1)
	w.mu.Lock()
	before := w.rerouted
	w.refuse = 1
	w.mu.Unlock()
	if err := m.Retire(t.Context(), shop, 1, 0); !errors.Is(err, errStore) {
		t.Fatalf("retired: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !m.Runs(shop, 1) || w.rerouted == before {
		t.Errorf("runs: %v, rerouted %d times", m.Runs(shop, 1), w.rerouted-before)
	}
}

// upstreams returns how the addresses of versions are answered: a version is as
// healthy as its status says.
func upstreams(t *testing.T, w *world, status map[int]*atomic.Int64) {
	t.Helper()
	for number := range 5 {
		status[number] = &atomic.Int64{}
		status[number].Store(http.StatusOK)
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		number, _ := strconv.Atoi(strings.Trim(req.URL.Path, "/"))
		rw.WriteHeader(int(status[number].Load()))
	}))
	t.Cleanup(server.Close)
	w.upstream = func(version int) string { return fmt.Sprint(server.URL, "/", version) }
}

func healthOf(t *testing.T, m *Manager, version int) release.Health {
	t.Helper()
	h, err := m.Observe(t.Context(), shop, teal.VersionRef(version))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A check that is asked for is made now, whatever the interval; when it has been
// passed, who follows the environment is told, and when it has not, the health
// says so. Seen red with a Recheck that asks nobody, and without the word to who
// follows.
func TestRecheck(t *testing.T) {
	m, w := startManager(t)
	status := map[int]*atomic.Int64{}
	upstreams(t, w, status)
	provision(t, m, 1)
	until(t, "health", func() bool { return healthOf(t, m, 1).State == teal.EnvironmentReady })
	told := func() int { w.mu.Lock(); defer w.mu.Unlock(); return w.changed }
	before, asked := told(), time.Now()
	if err := m.Recheck(t.Context(), shop, 1); err != nil {
		t.Fatal(err)
	}
	until(t, "a word about the check", func() bool { return told() > before })
	if h := healthOf(t, m, 1); h.CheckedAt.Before(asked) || h.Window != time.Hour+5*time.Second || !h.Serves || h.Upstreams["u"].Healthy != 1 {
		t.Errorf("%+v", h)
	}
	status[1].Store(http.StatusServiceUnavailable)
	if err := m.Recheck(t.Context(), shop, 1); err != nil {
		t.Fatal(err)
	}
	until(t, "the loss of health", func() bool { return healthOf(t, m, 1).State == teal.EnvironmentDegraded })
	if h := healthOf(t, m, 1); h.Crashed || h.Serves || len(h.Upstreams["u"].Down) != 1 {
		t.Errorf("%+v", h)
	}
	if err := m.Recheck(t.Context(), shop, 9); err != nil {
		t.Errorf("of a version that does not run: %v", err)
	}
}

// No room is made at the cost of a healthy environment while live is not healthy.
// Seen red with whatever nobody uses retired.
func TestRoomIsNotMadeWhileLiveIsNotHealthy(t *testing.T) {
	m, w := startManager(t)
	status := map[int]*atomic.Int64{}
	upstreams(t, w, status)
	w.mu.Lock()
	w.uses = func(version teal.VersionRef) Use { return Use{Live: version == 2} }
	w.mu.Unlock()
	status[2].Store(http.StatusServiceUnavailable)
	provision(t, m, 2)
	provision(t, m, 1)
	until(t, "health", func() bool { return healthOf(t, m, 1).State == teal.EnvironmentReady })
	provision(t, m, 3)
	if !m.Runs(shop, 1) {
		t.Error("the only healthy version was retired")
	}
	status[2].Store(http.StatusOK)
	if err := m.Recheck(t.Context(), shop, 2); err != nil {
		t.Fatal(err)
	}
	until(t, "live to be healthy", func() bool { return healthOf(t, m, 2).State == teal.EnvironmentReady })
	provision(t, m, 4)
	if m.Runs(shop, 1) || m.Runs(shop, 3) || !m.Runs(shop, 2) {
		t.Error("no room was made when live was healthy again")
	}
}

func TestAddressesOfAnEnvironment(t *testing.T) {
	m, _ := startManager(t)
	if _, err := m.Address(shop, 1, ""); !teal.IsCode(err, teal.CodeVersionNotRunning) {
		t.Errorf("of a version that does not run: %v", err)
	}
	provision(t, m, 1)
	preview, err := m.Address(shop, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	component, err := m.Address(shop, 1, "f")
	if err != nil || !strings.HasPrefix(preview, "http://127.0.0.1:") || !strings.HasPrefix(component, "http://127.0.0.1:") || preview == component {
		t.Errorf("%q and %q: %v", preview, component, err)
	}
	if _, err := m.Address(shop, 1, "g"); !teal.IsCode(err, teal.CodeUnknownComponent) {
		t.Errorf("of a component that there is none: %v", err)
	}
}

// Nothing is started in the background once Run has ended, however close both are.
// Seen red with work started after the lock was given back: "began after the end" or
// a data race of the wait group.
func TestNothingStartsAfterTheEnd(t *testing.T) {
	t.Parallel()
	for range 50 {
		w := &world{envs: map[teal.VersionRef]teal.Environment{}, uses: func(teal.VersionRef) Use { return Use{} }}
		m := New(Config{Records: w, Usage: w, DataPlane: w, WorkDir: filepath.Join(t.TempDir(), "work"), Logger: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := m.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		<-m.Recovered()
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for m.inBackground(func(context.Context) {
					select {
					case <-ended:
						t.Error("it began after the end")
					default:
					}
				}) {
				}
			})
		}
		stop()
		callers.Wait()
		<-ended
	}
}
