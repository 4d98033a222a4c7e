package environment

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"teal"
	"teal/internal/function"
	"teal/internal/process"
	"teal/internal/release"
)

// city is a world whose functions run: one that takes its time.
type city struct {
	world
	*process.Runner
}

const slowly = `import time
def handler(event, context):
    time.sleep(event["seconds"])
`

func (c *city) Caller(client, server netip.AddrPort, owner string) (process.Caller, error) {
	return c.Runner.Caller(client, server, owner)
}

func (c *city) Start(s process.Spec) (*process.Process, error) { return c.Runner.Start(s) }

func (c *city) Version(_ context.Context, app string, number teal.VersionRef) (teal.Version, error) {
	f := teal.Function{
		Runtime: "python3", Handler: "app.handler", Memory: teal.DefaultMemory, Timeout: teal.DefaultTimeout, Init: teal.Duration(20 * time.Second),
		Idle: teal.Duration(300 * time.Millisecond), Concurrency: teal.Concurrency{Min: 1, Max: 4},
	}
	if number > 1 {
		f.Concurrency.Max = 3 // green may have less than live needs
	}
	return teal.Version{App: app, Number: int(number), Spec: teal.Spec{App: app, Components: map[string]teal.Component{"f": {Function: &f}}}}, nil
}

func newCity(t *testing.T) *city {
	t.Helper()
	runner, err := process.New(process.Config{Logger: slog.New(slog.DiscardHandler), Name: "environment-test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	c := &city{world: world{code: t.TempDir(), envs: map[teal.VersionRef]teal.Environment{}, uses: func(teal.VersionRef) Use { return Use{Release: true} }}, Runner: runner}
	if err := os.WriteFile(filepath.Join(c.code, "app.py"), []byte(slowly), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// open returns a manager of the city and a function that ends it.
func (c *city) open(t *testing.T) (*Manager, func()) {
	t.Helper()
	m := New(Config{
		Records: c, Bundles: c, Processes: c, Siblings: c, Logs: c, Usage: c, DataPlane: c,
		WorkDir: filepath.Join(t.TempDir(), "work"), Logger: slog.New(slog.DiscardHandler), Changed: func(string) {},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	<-m.Recovered()
	return m, stop
}

func awaitReady(t *testing.T, m *Manager, version int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if h, err := m.Await(ctx, shop, teal.VersionRef(version)); err != nil || h.State != teal.EnvironmentReady {
		t.Fatalf("version %d: %+v, %v", version, h, err)
	}
}

func instances(m *Manager, version int) int {
	return m.find(shop, teal.VersionRef(version)).parts[0].size.(*function.Pool).State().Instances
}

// busy makes a version answer so many requests at once, and waits for them.
func busy(t *testing.T, m *Manager, version, n int) {
	t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			c, err := m.find(shop, teal.VersionRef(version)).currentHandle().Component("f")
			if err == nil {
				_, err = c.Function.Invoke(t.Context(), teal.Invocation{Event: []byte(`{"seconds":0.5}`)})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func size(t *testing.T, m *Manager, version, model int) {
	t.Helper()
	if err := m.Size(t.Context(), shop, version, model); err != nil {
		t.Fatal(err)
	}
}

// Green is ready when it has what live's load needs, also after a restart of the
// server; live keeps what it has and is ready all the time. Seen red with health
// that is not looked at again before Size returns, with least numbers of instances that are not
// recorded, with one that is not given to a pool that is built, and with a hold
// that is waited for.
func TestGreenIsSizedLikeLive(t *testing.T) {
	c := newCity(t)
	m, stop := c.open(t)
	provision(t, m, 1)
	awaitReady(t, m, 1)
	busy(t, m, 1, 4)
	provision(t, m, 2)
	awaitReady(t, m, 2)
	size(t, m, 2, 1)
	size(t, m, 1, 1)
	observe := func(version int) release.Health {
		h, err := m.Observe(t.Context(), shop, teal.VersionRef(version))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if h := observe(2); h.State != teal.EnvironmentStarting || h.Reason == "" {
		t.Errorf("green before it has grown: %+v", h)
	}
	if h := observe(1); h.State != teal.EnvironmentReady {
		t.Errorf("live: %+v", h)
	}
	awaitReady(t, m, 2)
	check := func(m *Manager) {
		t.Helper()
		if live, green := instances(m, 1), instances(m, 2); live != 4 || green != 3 {
			t.Errorf("live has %d instances, green %d, want 4 and 3, its most", live, green)
		}
	}
	until(t, "live has what it needs", func() bool { return instances(m, 1) == 4 })
	check(m)
	time.Sleep(time.Second) // longer than the functions' idle timeout
	check(m)
	for version, want := range map[int]int{1: 4, 2: 3} {
		if got := c.envs[teal.VersionRef(version)].MinInstances; !maps.Equal(got, map[string]int{"f": want}) {
			t.Errorf("version %d is recorded with %v", version, got)
		}
	}

	stop()
	m, _ = c.open(t)
	awaitReady(t, m, 1)
	awaitReady(t, m, 2)
	check(m)
	size(t, m, 2, 1) // nothing has been in flight since; what is kept stays
	check(m)

	size(t, m, 1, 0)
	until(t, "live is let go", func() bool { return instances(m, 1) == 1 })
	c.mu.Lock()
	c.uses = func(teal.VersionRef) Use { return Use{} }
	c.mu.Unlock()
	if err := m.Retire(t.Context(), shop, 2, 0); err != nil {
		t.Fatal(err)
	}
	until(t, "green has no record", func() bool { c.mu.Lock(); defer c.mu.Unlock(); _, has := c.envs[2]; return !has })
	provision(t, m, 2)
	awaitReady(t, m, 2)
	if n := instances(m, 2); n != 1 {
		t.Errorf("started again with %d instances", n)
	}
}

func TestSizeOfWhatDoesNotRun(t *testing.T) {
	m, _ := startManager(t)
	provision(t, m, 1)
	if err := m.Size(t.Context(), shop, 1, 7); err != nil {
		t.Errorf("a model that does not run: %v", err)
	}
	if err := m.Size(t.Context(), shop, 7, 1); !teal.IsCode(err, teal.CodeVersionNotRunning) {
		t.Errorf("a version that does not run: %v", err)
	}
}
