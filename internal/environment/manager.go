package environment

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"teal"
	"teal/internal/function"
	"teal/internal/gateway"
	"teal/internal/keylock"
	"teal/internal/logs"
	"teal/internal/process"
	"teal/internal/release"
	"teal/internal/static"
)

// Records keeps versions and environments.
type Records interface {
	Version(ctx context.Context, app string, version teal.VersionRef) (teal.Version, error)
	// Environments returns those of an app, or of all apps for "".
	Environments(ctx context.Context, app string) ([]teal.Environment, error)
	// SetDesired creates the record, or replaces the one that is there.
	SetDesired(ctx context.Context, e teal.Environment) error
	// Note changes what the record says about the state; nothing when there is
	// no record.
	Note(ctx context.Context, app string, version teal.VersionRef, note func(*teal.Environment)) error
	// Forget deletes the record; nothing when there is none.
	Forget(ctx context.Context, app string, version teal.VersionRef) error
}

// Bundles unpacks code.
type Bundles interface {
	Dir(ctx context.Context, digest string) (string, error)
	// Stack returns the folder with bundles laid over each other.
	Stack(ctx context.Context, digests []string) (string, error)
}

// Processes starts processes.
type Processes interface {
	Start(process.Spec) (*process.Process, error)
	// Caller says who has opened a connection, see process.Runner.
	Caller(client, server netip.AddrPort, owner string) (process.Caller, error)
}

// Siblings serves the loopback listeners of an environment, each until ctx ends,
// and then closes it.
type Siblings interface {
	// ServeComponent leads to one component.
	ServeComponent(ctx context.Context, l net.Listener, env *gateway.Environment, component string) error
	// ServeEnvironment leads where the environment's own routes lead.
	ServeEnvironment(ctx context.Context, l net.Listener, env *gateway.Environment) error
}

// Meters measures what components do for users.
type Meters interface {
	// Of returns the meter of a component; the same one whenever the same
	// version is started again.
	Of(app string, version teal.VersionRef, component string) gateway.Meter
}

// Logs takes the lines that components print.
type Logs interface{ Write(logs.Line) }

// Use says who needs an environment.
type Use struct {
	Live    bool // the live alias sends it requests
	Alias   bool // another alias points to it
	Release bool // a release that has not ended moves from it or to it
}

// Usage says who needs an environment.
type Usage interface {
	Uses(ctx context.Context, app string, version teal.VersionRef) (Use, error)
	// HideUnused calls hide unless an alias points to the version, before one can be
	// given to it: an alias is only ever given to a version in sight. It waits for a
	// change of the app's aliases that is under way. The use is what it found.
	HideUnused(ctx context.Context, app string, version teal.VersionRef, hide func()) (Use, error)
	// Targets returns the versions that aliases point to, of all apps but those
	// that are stopped or being deleted.
	Targets() []Target
	// RunsNothing reports whether nothing of the app is to run: it is stopped or being
	// deleted, or nothing is left of it but what runs.
	RunsNothing(ctx context.Context, app string) bool
}

// DataPlane leads requests to what runs on this machine.
type DataPlane interface {
	// Reroute makes the data plane see which environments of the app there
	// are, before it returns.
	Reroute(app string)
}

// Config is what a Manager needs.
type Config struct {
	// Fleet is where the manager's environments can be seen; nil is one of its own.
	Fleet     *Fleet
	Records   Records
	Bundles   Bundles
	Processes Processes
	Siblings  Siblings
	Logs      Logs
	Usage     Usage
	DataPlane DataPlane
	Meters    Meters // nil: nothing is measured
	// Variables returns more variables for the components of a version; nil is none.
	Variables func(app string, version teal.VersionRef) map[string]string
	Secrets   Secrets // nil: there are none
	WorkDir   string  // private and writable; emptied at the start
	// StateDir has a folder for every component of every app, TEAL_STATE_DIR, which
	// all its versions and instances share; "" is none. Nothing in it is removed here.
	StateDir string
	// ReadOnly are folders that no instance may change, where the machine can see
	// to that: those with the code.
	ReadOnly []string
	Logger   *slog.Logger
	Alerts   Alerts // nil: nobody is told
	// Admit is asked before every invocation of a function, and told when that is
	// over; nil admits everything. It must not block.
	Admit func(app, component string) (release func(), err error)
	// MinInstances says how many instances of a function are to stand ready beyond what
	// its version asks for; nil is none. See Rewarm.
	MinInstances func(app string, version teal.VersionRef, component string) int

	Region  string // as functions see it; "" is function's default
	Account string // likewise
	// Changed is called after an environment of the app has changed its
	// health, and the data plane follows that. It must not block.
	Changed func(app string)
}

// Manager runs environments. It is the engine's [release.Runner] for this
// machine.
type Manager struct {
	interpreters function.Interpreters
	files        *static.Memory // of static components, which all share it
	blind        sync.Once      // that nobody can tell who calls has been logged
	starting     chan struct{}  // a place for each environment that may be starting

	cfg       Config
	recovered chan struct{}

	changing keylock.Locks[string] // of an app: one Provision or Retire of it at a time

	*Fleet // whose mu guards what follows, too

	spawn func(r *running)                     // nil unless Run is running
	after func(work func(ctx context.Context)) // starts a goroutine for work; nil like spawn
}

// New returns a manager. It starts nothing.
func New(cfg Config) *Manager {
	if cfg.Alerts == nil {
		cfg.Alerts = discardAlerts{}
	}
	if cfg.Fleet == nil {
		cfg.Fleet = NewFleet()
	}
	return &Manager{
		cfg: cfg, files: static.NewMemory(static.DefaultMemory), recovered: make(chan struct{}), Fleet: cfg.Fleet, starting: make(chan struct{}, max(4, 2*runtime.NumCPU())),
	}
}

// maxStartWait is how long an environment may keep the next one from starting.
const maxStartWait = 5 * time.Second

// awaitTurn blocks until few enough environments are starting, or ctx ends: a
// server that comes back with hundreds of them would otherwise start none in
// time. The function that it returns gives the place to the next one; so does
// the end of the turn.
func (m *Manager) awaitTurn(ctx context.Context) (passOn func()) {
	select {
	case m.starting <- struct{}{}:
	case <-ctx.Done():
		return func() {}
	}
	free := sync.OnceFunc(func() { <-m.starting })
	over := time.AfterFunc(maxStartWait, free)
	return func() {
		over.Stop()
		free()
	}
}

// Recovered is closed once Run has begun to start every recorded environment
// and knows them all.
func (m *Manager) Recovered() <-chan struct{} { return m.recovered }

// Run starts the recorded environments, then blocks until ctx ends and
// everything that it ever started has ended.
func (m *Manager) Run(ctx context.Context) error {
	m.clearWork()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	m.setSpawn(func(r *running) {
		own, stop := context.WithCancel(ctx)
		r.stop = stop
		tasks.Go(func() { defer stop(); r.run(own) })
	}, func(f func(context.Context)) {
		tasks.Go(func() { f(ctx) })
	})
	defer m.setSpawn(nil, nil)
	if err := m.recover(ctx); err != nil {
		return fmt.Errorf("environment: recover: %w", err)
	}
	close(m.recovered)
	<-ctx.Done()
	return nil
}

func (m *Manager) setSpawn(spawn func(*running), after func(func(context.Context))) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spawn, m.after = spawn, after
}

// inBackground runs work beside everything else, with a context that ends with Run,
// which waits for it. It reports whether Run is running; if not, nothing is done. The
// lock is what keeps Run from ending while work is being started.
func (m *Manager) inBackground(work func(ctx context.Context)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.after == nil {
		return false
	}
	m.after(work)
	return true
}

// begin starts a version that does not run.
func (m *Manager) begin(version teal.Version, e teal.Environment) error {
	m.cfg.Alerts.Resolve(teal.AlertAppIncomplete, incomplete(version.App, e.Version))
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spawn == nil {
		return teal.Errorf(teal.CodeUnavailable, "the server is starting or stopping; try again in a moment")
	}
	r := &running{
		manager: m, version: version, ref: e.Version, slot: e.Slot, since: e.CreatedAt, unslotted: e.Unslotted,
		minInstances: e.MinInstances, dirty: make(chan struct{}, 1), stopped: make(chan struct{}), gone: make(chan struct{}),
		health: health{state: teal.EnvironmentStarting}, at: time.Now(),
	}
	m.envs[key{version.App, e.Version}] = r
	m.alive[r] = true
	m.spawn(r)
	return nil
}

// Observe implements [release.Runner].
func (m *Manager) Observe(_ context.Context, app string, version teal.VersionRef) (release.Health, error) {
	r := m.find(app, version)
	if r == nil {
		return release.Health{}, nil
	}
	h, since := r.currentHealth()
	checked, window := r.checked()
	return release.Health{
		Running: true, State: h.state, Since: since, Reason: h.reason, Output: h.output,
		Serves: h.serves, Crashed: h.crashed, CheckedAt: checked, Window: window, Upstreams: r.upstreams(),
	}, nil
}

// Recheck implements [release.Runner].
func (m *Manager) Recheck(_ context.Context, app string, version teal.VersionRef) error {
	if r := m.find(app, version); r != nil {
		r.recheck()
	}
	return nil
}

// Await blocks until the environment is ready, has failed, or does not run; or
// until ctx ends, then with ctx's error. It returns the health at that moment.
func (m *Manager) Await(ctx context.Context, app string, version teal.VersionRef) (release.Health, error) {
	for {
		m.mu.Lock()
		changed := m.changed
		m.mu.Unlock()
		h, err := m.Observe(ctx, app, version)
		if err != nil || !h.Running || h.State == teal.EnvironmentReady || h.State == teal.EnvironmentFailed {
			return h, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return h, ctx.Err()
		}
	}
}

// Started is Await for who wants to know no more than that the environment has
// become ready or has failed; its error is ctx's.
func (m *Manager) Started(ctx context.Context, app string, version teal.VersionRef) error {
	_, err := m.Await(ctx, app, version)
	return err
}

// Retire implements [release.Runner].
func (m *Manager) Retire(ctx context.Context, app string, version teal.VersionRef, drain time.Duration) error {
	ctx = context.WithoutCancel(ctx) // see ProvisionBeside
	defer m.changing.Lock(app)()
	return m.retire(ctx, app, version, drain)
}

// retire is Retire for callers that hold changing of the app.
func (m *Manager) retire(ctx context.Context, app string, version teal.VersionRef, drain time.Duration) error {
	r, keep, err := m.hideUnneeded(ctx, app, version)
	if keep || err != nil {
		return err
	}
	m.cfg.Alerts.Resolve(teal.AlertAppIncomplete, incomplete(app, version)) // nobody wants it any more
	if r == nil {
		return m.forgetStopped(ctx, app, version)
	}
	err = m.cfg.Records.Note(ctx, app, version, func(e *teal.Environment) {
		e.State, e.Reason, e.Output, e.StateAt = teal.EnvironmentDraining, "", "", time.Now()
	})
	if err != nil {
		// Whether the record says "draining" is not known: its answer may have been
		// what was lost, and the write may even happen later. So it is written in any
		// case: the older write then meets another revision.
		m.reclaim(r, func(ctx context.Context, now health) error {
			return m.cfg.Records.Note(ctx, app, version, func(e *teal.Environment) {
				e.State, e.Reason, e.Output, e.StateAt = now.state, now.reason, now.output, time.Now()
			})
		})
		m.show(r)
		m.cfg.DataPlane.Reroute(app) // which may have been done while it was out of sight
		return err
	}
	m.announce()
	m.cfg.DataPlane.Reroute(app)
	m.finish(r, drain)
	return nil
}

// hideUnneeded takes an environment out of sight, nil when it does not run, unless
// an alias points to it: then keep is true. One that live points to is an error.
func (m *Manager) hideUnneeded(ctx context.Context, app string, version teal.VersionRef) (r *running, keep bool, err error) {
	use, err := m.cfg.Usage.HideUnused(ctx, app, version, func() { r = m.hide(app, version) })
	if err == nil && use.Live {
		err = teal.Errorf(teal.CodeVersionInUse, "%s %s is live; it cannot be retired", app, teal.VersionName(version))
	}
	return r, use.Alias, err
}

// forgetStopped deletes the record of an environment that does not run. One
// that is draining will be forgotten when it has stopped.
func (m *Manager) forgetStopped(ctx context.Context, app string, version teal.VersionRef) error {
	records, err := m.cfg.Records.Environments(ctx, app)
	if err != nil {
		return err
	}
	for _, e := range records {
		if e.Version == version && e.State != teal.EnvironmentDraining {
			return m.cfg.Records.Forget(ctx, app, version)
		}
	}
	return nil
}

// finish drains and stops an environment in the background, then forgets it,
// unless the same version has been provisioned again meanwhile. Of a server that
// stops, everything ends without it.
func (m *Manager) finish(r *running, drain time.Duration) {
	m.inBackground(func(ctx context.Context) {
		r.drain(ctx, drain)
		defer m.changing.Lock(r.version.App)()
		if ctx.Err() != nil || m.find(r.version.App, r.ref) != nil {
			return
		}
		r.logger().Info("environment stopped")
		// Not to be cut short by the end of the server: the store outlives it.
		ctx = context.WithoutCancel(ctx)
		if err := m.cfg.Records.Forget(ctx, r.version.App, r.ref); err != nil {
			r.logger().Error("environment stopped and could not be forgotten; the next start of the server will", "error", err)
		}
	})
}

// tell makes the data plane, and then whoever waits, see that an environment of the
// app has changed.
func (m *Manager) tell(app string) {
	m.cfg.DataPlane.Reroute(app)
	m.cfg.Changed(app)
}

// ended takes an environment of which nothing runs any more.
func (m *Manager) ended(r *running) {
	m.mu.Lock()
	delete(m.alive, r)
	m.mu.Unlock()
	m.announce()
}

// Specs returns what everything is made of that runs, draining or not.
func (m *Manager) Specs() []teal.Spec {
	m.mu.Lock()
	defer m.mu.Unlock()
	specs := make([]teal.Spec, 0, len(m.alive))
	for r := range m.alive {
		specs = append(specs, r.version.Spec)
	}
	return specs
}

// recordHealth makes the record say how the environment is.
func (m *Manager) recordHealth(ctx context.Context, r *running, h health) {
	if m.find(r.version.App, r.ref) != r {
		return
	}
	err := m.cfg.Records.Note(ctx, r.version.App, r.ref, func(e *teal.Environment) {
		if e.State != teal.EnvironmentDraining {
			e.State, e.Reason, e.Output, e.StateAt = h.state, h.reason, h.output, time.Now()
		}
	})
	if err != nil && ctx.Err() == nil {
		r.logger().Error("state of environment could not be recorded", "error", err)
	}
}
