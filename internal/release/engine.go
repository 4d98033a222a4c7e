package release

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"teal"
)

// Config is what an Engine needs.
type Config struct {
	Journal Journal
	Runner  Runner
	Router  Router
	Logger  *slog.Logger
	// Boundary, where set, is called between the steps of a tick with a name
	// such as "shift:intended". Tests crash there.
	Boundary func(name string)
}

// Engine runs releases, one goroutine each while Run is running.
type Engine struct {
	cfg Config

	mu      sync.Mutex
	workers map[string]*worker // by release ID
	spawn   func(id string)    // nil unless Run is running
	changed chan struct{}      // closed and replaced when a release may have changed
}

type worker struct {
	app  string
	wake chan struct{} // capacity 1: a wake-up that arrives during a tick is not lost
}

// New returns an engine. It starts nothing.
func New(cfg Config) *Engine {
	if cfg.Boundary == nil {
		cfg.Boundary = func(string) {}
	}
	return &Engine{cfg: cfg, workers: map[string]*worker{}, changed: make(chan struct{})}
}

// Run takes up every unfinished release, runs those that Start adds, and blocks
// until ctx ends and all of them have stopped where they were. It returns an
// error only when the unfinished releases cannot be read.
func (e *Engine) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	e.setSpawn(func(id string) {
		w := &worker{app: teal.AppOfRelease(id), wake: make(chan struct{}, 1)}
		e.workers[id] = w
		running.Go(func() { e.drive(ctx, id, w) })
	})
	defer e.setSpawn(nil)
	// Only now: a release that Start records from here on is begun by Start.
	unfinished, err := e.cfg.Journal.Unfinished(ctx)
	if err != nil {
		return fmt.Errorf("release: list unfinished releases: %w", err)
	}
	for _, id := range unfinished {
		e.cfg.Logger.Info("taking up release", "release", id)
		e.begin(id)
	}
	<-ctx.Done()
	return nil
}

func (e *Engine) setSpawn(spawn func(id string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spawn = spawn
}

// Request asks for a release of an app's live alias.
type Request struct {
	App    string
	To     int
	Policy teal.Policy
	Back   bool   // a rollback to a version that no longer runs
	By     string // who asks
	At     time.Time
}

// Start records a release and begins to run it. An active release that only
// watches is finished first: its standby makes way. It returns an error with
// teal.CodeReleaseInProgress while another release moves the alias, and with
// teal.CodeNothingToPromote when the alias belongs to the version already.
func (e *Engine) Start(ctx context.Context, req Request) (teal.Release, error) {
	for {
		active, err := e.makeWay(ctx, req)
		if err != nil {
			return teal.Release{}, err
		}
		from, err := e.blue(ctx, req)
		if err != nil {
			return teal.Release{}, err
		}
		r, err := e.cfg.Journal.Claim(ctx, newRelease(req, from), active)
		if e.cfg.Journal.Conflict(err) {
			continue // somebody else changed the app's record: look again
		}
		if err != nil {
			return teal.Release{}, fmt.Errorf("release: record: %w", err)
		}
		e.cfg.Boundary("start:recorded")
		e.begin(r.ID)
		return r, nil
	}
}

// blue returns the version that a release would take the traffic from. It
// returns an error with teal.CodeNothingToPromote when that is the version to
// release.
func (e *Engine) blue(ctx context.Context, req Request) (int, error) {
	route, err := e.cfg.Router.Observe(ctx, req.App, teal.AliasLive)
	if err != nil {
		return 0, fmt.Errorf("release: observe %s: %w", req.App, err)
	}
	from, moves := leaves(route.Alias, req.To)
	if !moves {
		return 0, teal.Errorf(teal.CodeNothingToPromote, "version %d of %s is %s already", req.To, req.App, teal.AliasLive)
	}
	return from, nil
}

func newRelease(req Request, from int) teal.Release {
	return teal.Release{
		App: req.App, Alias: teal.AliasLive, From: from, To: req.To, Policy: req.Policy, Back: req.Back,
		Phase: teal.PhaseQueued, Reason: "recorded",
		CreatedAt: req.At, CreatedBy: req.By, ReadyBy: req.At.Add(req.Policy.ReadyWithin.Std()),
		Phases: []teal.PhaseEntry{{Phase: teal.PhaseQueued, At: req.At, Reason: "recorded"}},
	}
}

// makeWay returns the active release ID that a claim may replace: none, or one
// that has ended.
func (e *Engine) makeWay(ctx context.Context, req Request) (string, error) {
	id, err := e.cfg.Journal.Active(ctx, req.App)
	if err != nil || id == "" {
		return "", err
	}
	e.begin(id) // its own start may have been told that it failed, and its claim may be left over
	active, _, err := e.cfg.Journal.Load(ctx, id)
	switch {
	case teal.IsCode(err, teal.CodeUnknownRelease):
		return id, e.bury(ctx, req.App, id)
	case err != nil:
		return "", fmt.Errorf("release: load %s: %w", id, err)
	case active.Phase.Ended():
		return id, nil
	case active.Phase != teal.PhaseWatching:
		return "", teal.Errorf(teal.CodeReleaseInProgress,
			"release %s of %s is %s (version %d to %d); wait for it, or end it with `teal abort %s`",
			id, req.App, active.Phase, active.From, active.To, req.App)
	}
	if _, err := e.blue(ctx, req); err != nil {
		return "", err // before the standby is given up for nothing
	}
	order := teal.Order{Kind: teal.OrderFinish, By: req.By, Why: fmt.Sprintf("version %d is being released", req.To), At: req.At}
	if _, err := e.Order(ctx, id, order); err != nil {
		return "", err
	}
	_, err = e.Await(ctx, id, func(r teal.Release) bool { return r.Phase.Ended() })
	return id, err
}

// bury records a release that was claimed and never recorded as ended: the
// server died in between. Creating the record is what decides, should the claim
// be somebody's who is still at it.
func (e *Engine) bury(ctx context.Context, app, id string) error {
	now := time.Now()
	const reason = "the server stopped before it was recorded"
	_, err := e.cfg.Journal.Save(ctx, teal.Release{
		ID: id, App: app, Alias: teal.AliasLive, Phase: teal.PhaseAborted, Reason: reason,
		CreatedAt: now, EndedAt: &now,
		Phases: []teal.PhaseEntry{{Phase: teal.PhaseAborted, At: now, Reason: reason}},
	}, 0)
	if e.cfg.Journal.Conflict(err) {
		return teal.Errorf(teal.CodeReleaseInProgress, "release %s of %s has just begun; wait for it, or end it with `teal abort %s`", id, app, app)
	}
	if err != nil {
		return fmt.Errorf("release: bury %s: %w", id, err)
	}
	return nil
}

// begin starts the worker of a release, if Run is running and it has none.
func (e *Engine) begin(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, has := e.workers[id]; !has && e.spawn != nil {
		e.spawn(id)
	}
}

// Order records what a person asks of a running release and wakes it. The first
// rollback stands; an order to a release that has ended changes nothing. It
// returns the release as it was recorded and does not wait for the effect.
func (e *Engine) Order(ctx context.Context, id string, order teal.Order) (teal.Release, error) {
	for {
		r, revision, err := e.cfg.Journal.Load(ctx, id)
		if err != nil {
			return teal.Release{}, fmt.Errorf("release: load %s: %w", id, err)
		}
		if r.Phase.Ended() {
			return r, nil
		}
		if !r.Orders.Give(order) {
			e.begin(id)
			return r, nil
		}
		_, err = e.cfg.Journal.Save(ctx, r, revision)
		if e.cfg.Journal.Conflict(err) {
			continue
		}
		if err != nil {
			return teal.Release{}, fmt.Errorf("release: order %s of %s: %w", order.Kind, id, err)
		}
		e.cfg.Boundary("order:recorded")
		e.begin(id)
		e.Wake(r.App)
		return r, nil
	}
}

// Wake makes the releases of an app, and everybody who awaits one, look at the
// world again. It does not block.
func (e *Engine) Wake(app string) {
	e.announce()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.workers {
		if w.app != app {
			continue
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Await blocks until the release satisfies the condition, and returns it then;
// or until ctx ends. A release that has ended will not change any more: it is
// returned whatever the condition says.
func (e *Engine) Await(ctx context.Context, id string, until func(teal.Release) bool) (teal.Release, error) {
	for {
		e.mu.Lock()
		changed := e.changed
		e.mu.Unlock()
		r, _, err := e.cfg.Journal.Load(ctx, id)
		if err != nil {
			return teal.Release{}, fmt.Errorf("release: load %s: %w", id, err)
		}
		if until(r) || r.Phase.Ended() {
			return r, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

// The pause after a tick that failed: the store or a driver may be down, and a
// release never gives up.
const (
	retryFirst = 50 * time.Millisecond
	retryMost  = 5 * time.Second
)

// drive ticks one release until it has ended or ctx has.
func (e *Engine) drive(ctx context.Context, id string, w *worker) {
	defer func() {
		e.mu.Lock()
		delete(e.workers, id)
		e.mu.Unlock()
	}()
	retry := retryFirst
	for ctx.Err() == nil {
		next, err := e.Tick(ctx, id)
		switch {
		case next.Ended:
			return
		case err == nil:
			retry = retryFirst
			if !next.Waits {
				continue
			}
		case ctx.Err() == nil:
			e.cfg.Logger.Warn("release step failed; trying again", "release", id, "error", err, "in", retry)
			next.Until = time.Now().Add(retry)
			retry = min(2*retry, retryMost)
		}
		sleep(ctx, w.wake, next.Until)
	}
}

// sleep blocks until ctx ends, wake has a value, or until has come (never, when
// it is zero).
func sleep(ctx context.Context, wake <-chan struct{}, until time.Time) {
	var alarm <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-alarm:
	}
}

// announce wakes everybody who awaits a release.
func (e *Engine) announce() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.changed)
	e.changed = make(chan struct{})
}
