package release

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"teal"
	"teal/internal/freeze"
)

// Config is what an Engine needs.
type Config struct {
	Journal  Journal
	Runner   Runner
	Router   Router
	Meter    Meter
	Examiner Examiner
	// NewJudge returns the judge of a release, which goes on from what the
	// record holds.
	NewJudge func(teal.Release) (Judge, error)
	Logger   *slog.Logger
	// Wakeups tell the engine what has changed about an app; nil are its own, see
	// [Engine.Wake].
	Wakeups *Wakeups
	// Orders returns the news of what others have recorded about releases; nil is none.
	Orders func() Orders
	// Changed are called after a release has entered a phase. They must not block.
	Changed Listeners
	// Judging, where set, is called when the judge of a release begins, with what
	// NewJudge got, and Measured after it with every interval that the judge
	// takes, and the step at which it does. They must not block.
	Judging  func(teal.Release)
	Measured func(teal.Release, teal.Interval)
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
	// Boundary, where set, is called between the steps of a tick with a name
	// such as "shift:intended". Tests crash there.
	Boundary func(name string)
}

// Listeners take the news about releases, one after the other.
type Listeners []func(teal.Release)

// Engine runs releases, one goroutine each while Run is running.
type Engine struct {
	cfg Config

	mu      sync.Mutex
	workers map[string]*worker // by release ID
	spawn   func(id string)    // nil unless Run is running
}

// New returns an engine. It starts nothing.
func New(cfg Config) *Engine {
	if cfg.Boundary == nil {
		cfg.Boundary = func(string) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Wakeups == nil {
		cfg.Wakeups = NewWakeups()
	}
	return &Engine{cfg: cfg, workers: map[string]*worker{}}
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
		e.cfg.Wakeups.add(w)
		running.Go(func() { e.drive(ctx, id, w) })
	})
	defer e.setSpawn(nil)
	var orders Orders = noOrders{}
	if e.cfg.Orders != nil {
		orders = e.cfg.Orders()
	}
	defer orders.Stop()
	// Only now: a release that is recorded from here on is begun by Start, or is among the
	// orders.
	unfinished, err := e.cfg.Journal.Unfinished(ctx)
	if err != nil {
		return fmt.Errorf("release: list unfinished releases: %w", err)
	}
	for _, id := range unfinished {
		e.cfg.Logger.Info("resuming release", "release", id)
		e.begin(id)
	}
	e.takeOrders(ctx, orders)
	return nil
}

// noOrders is the news of a server that shares its store with no other one.
type noOrders struct{}

func (noOrders) Changed() <-chan struct{} { return nil }
func (noOrders) Take() []string           { return nil }
func (noOrders) Stop()                    {}

// takeOrders begins and wakes the releases that others have recorded something about: one
// that was ordered at another server, or a command to one that runs here. It returns when
// ctx ends.
func (e *Engine) takeOrders(ctx context.Context, orders Orders) {
	for {
		for _, id := range orders.Take() {
			e.begin(id)
			e.Wake(teal.AppOfRelease(id))
		}
		select {
		case <-orders.Changed():
		case <-ctx.Done():
			return
		}
	}
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
	// Force and Unfreeze are why judges and checks, and freeze windows, are not
	// to stop the release; "" lets them.
	Force    string
	Unfreeze string
}

// Start records a release and begins to run it. An active release that only
// watches is finished first: its standby makes way. Another one is rolled back,
// or waited for in a queue, as the policy says. It returns an error with
// teal.CodeReleaseInProgress while another release moves the alias, with
// teal.CodeNothingToPromote when the alias belongs to the version already, and
// with teal.CodeFrozen in a freeze window.
func (e *Engine) Start(ctx context.Context, req Request) (teal.Release, error) {
	if err := e.checkFreeze(ctx, req); err != nil {
		return teal.Release{}, err
	}
	for {
		active, err := e.clearActive(ctx, req)
		if errors.Is(err, errQueue) {
			return e.enqueue(ctx, req)
		}
		if err != nil {
			return teal.Release{}, err
		}
		if active != "" { // it has ended; who waits in the queue comes first
			next, err := e.cfg.Journal.Unclaim(ctx, req.App, active)
			if err != nil {
				return teal.Release{}, fmt.Errorf("release: end %s: %w", active, err)
			}
			if next != "" {
				e.begin(next)
				e.Wake(req.App)
				continue
			}
		}
		from, err := e.currentVersion(ctx, req)
		if err != nil {
			return teal.Release{}, err
		}
		r, err := e.cfg.Journal.Claim(ctx, newRelease(req, from), "")
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

// currentVersion returns the version that a release would take the traffic from. It
// returns an error with teal.CodeNothingToPromote when that is the version to
// release.
func (e *Engine) currentVersion(ctx context.Context, req Request) (int, error) {
	route, err := e.cfg.Router.Observe(ctx, req.App, teal.AliasLive)
	if err != nil {
		return 0, fmt.Errorf("release: observe %s: %w", req.App, err)
	}
	from, moves := movesFrom(route.Alias, req.To)
	if !moves {
		return 0, teal.Errorf(teal.CodeNothingToPromote, "v%d of %s is %s already", req.To, req.App, teal.AliasLive)
	}
	return from, nil
}

func newRelease(req Request, from int) teal.Release {
	r := teal.Release{
		App: req.App, Alias: teal.AliasLive, From: from, To: req.To, Policy: req.Policy, Back: req.Back,
		Phase: teal.PhaseQueued, Reason: reasonCreated,
		CreatedAt: req.At, CreatedBy: req.By, ReadyBy: req.At.Add(req.Policy.ReadyWithin.Std()),
		Phases: []teal.PhaseEntry{{Phase: teal.PhaseQueued, At: req.At, Reason: reasonCreated}},
	}
	if req.Force != "" {
		r.Commands.Force = &teal.Command{Kind: teal.CommandForce, By: req.By, Why: req.Force, At: req.At}
	}
	if req.Unfreeze != "" {
		r.Commands.Unfreeze = &teal.Command{Kind: teal.CommandUnfreeze, By: req.By, Why: req.Unfreeze, At: req.At}
	}
	return r
}

// checkFreeze refuses to start a release in a freeze. A rollback is never refused.
func (e *Engine) checkFreeze(ctx context.Context, req Request) error {
	if req.Unfreeze != "" || req.Back {
		return nil
	}
	standing, err := e.cfg.Journal.Standing(ctx, req.App)
	if err != nil {
		return err
	}
	if holding, frozen := freeze.InForce(req.Policy.Freeze, standing.Frozen, req.At); frozen {
		return teal.Errorf(teal.CodeFrozen, "%s", holding.Refusal(req.App))
	}
	return nil
}

// errQueue says that a release has to wait for its turn.
var errQueue = errors.New("release: another one is running")

// enqueue records a release that begins when those before it have ended. When
// they have ended meanwhile, it begins now.
func (e *Engine) enqueue(ctx context.Context, req Request) (teal.Release, error) {
	r := newRelease(req, 0)
	r.Queued, r.Reason = true, "queued behind another release"
	r.Phases[0].Reason = r.Reason
	for {
		queued, active, err := e.cfg.Journal.Enqueue(ctx, r)
		if e.cfg.Journal.Conflict(err) {
			continue
		}
		if err != nil {
			return teal.Release{}, fmt.Errorf("release: queue: %w", err)
		}
		e.cfg.Boundary("queue:recorded")
		if active {
			e.begin(queued.ID)
		}
		return queued, nil
	}
}

// clearActive returns the active release ID that a claim may replace: none, or one
// that has ended.
func (e *Engine) clearActive(ctx context.Context, req Request) (string, error) {
	id, err := e.cfg.Journal.Active(ctx, req.App)
	if err != nil || id == "" {
		return "", err
	}
	e.begin(id) // its own start may have been told that it failed, and its claim may be left over
	active, _, err := e.cfg.Journal.Load(ctx, id)
	switch {
	case teal.IsCode(err, teal.CodeUnknownRelease):
		return id, e.abortUnrecorded(ctx, req.App, id)
	case err != nil:
		return "", fmt.Errorf("release: load %s: %w", id, err)
	case active.Phase.Ended():
		return id, nil
	}
	kind := teal.CommandFinish
	if active.Phase != teal.PhaseWatching {
		if err := refuseStart(req, active); err != nil {
			return "", err
		}
		kind = teal.CommandRollback
	} else if _, err := e.currentVersion(ctx, req); err != nil {
		return "", err // before the standby is given up for nothing
	}
	command := teal.Command{Kind: kind, By: req.By, Why: fmt.Sprintf("superseded by the release of v%d", req.To), At: req.At, SupersededBy: req.To}
	if _, err := e.Command(ctx, id, command); err != nil {
		return "", err
	}
	_, err = e.Await(ctx, id, func(r teal.Release) bool { return r.Phase.Ended() })
	return id, err
}

// refuseStart returns why a release may not take the place of one that runs; nil when
// its policy says that it may.
func refuseStart(req Request, active teal.Release) error {
	newer := active.CreatedAt.After(req.At)
	switch {
	case req.Policy.OnNewVersion == teal.OnNewVersionReplace && !active.Back && !newer:
		return nil
	case req.Policy.OnNewVersion == teal.OnNewVersionQueue:
		return errQueue
	}
	return InProgress(active)
}

// InProgress says that a release of an app keeps another one from starting.
func InProgress(active teal.Release) error {
	what := fmt.Sprintf("v%d", active.To)
	if active.From != 0 {
		what = fmt.Sprintf("v%d → v%d", active.From, active.To)
	}
	return teal.Errorf(teal.CodeReleaseInProgress, "release %s (%s) is %s; wait for it, or end it with `teal abort %s`",
		active.ID, what, active.Phase, active.App)
}

// reasonCreated is why a release is queued that has only just been recorded.
const reasonCreated = "release created"

// abortUnrecorded records a release that was claimed and never recorded as ended: the
// server died in between. Creating the record is what decides, should the claim
// be somebody's who is still at it.
func (e *Engine) abortUnrecorded(ctx context.Context, app, id string) error {
	now := e.cfg.Now()
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
		return fmt.Errorf("release: record that %s was aborted: %w", id, err)
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

// Command records what a person asks of a running release and wakes it. The first
// rollback stands; a command to a release that has ended changes nothing. It
// returns the release as it was recorded and does not wait for the effect. A
// command that makes no sense now is refused with teal.CodeConflict.
func (e *Engine) Command(ctx context.Context, id string, command teal.Command) (teal.Release, error) {
	for {
		r, revision, err := e.cfg.Journal.Load(ctx, id)
		if err != nil {
			return teal.Release{}, fmt.Errorf("release: load %s: %w", id, err)
		}
		if r.Phase.Ended() {
			return r, nil
		}
		if command, err = validateCommand(r, command); err != nil {
			return r, err
		}
		if command.Kind == teal.CommandResume {
			r.WaitsSince = nil // the next wait is another one
		}
		if !r.Commands.Give(command) {
			e.begin(id)
			return r, nil
		}
		_, err = e.cfg.Journal.Save(ctx, r, revision)
		if e.cfg.Journal.Conflict(err) {
			continue
		}
		if err != nil {
			return teal.Release{}, fmt.Errorf("release: command %s of %s: %w", command.Kind, id, err)
		}
		e.cfg.Boundary("order:recorded")
		e.begin(id)
		e.Wake(r.App)
		return r, nil
	}
}

// Judgement returns what the judge of a running release has last said; nil when
// nothing is judged.
func (e *Engine) Judgement(id string) *teal.Judgement {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.workers[id]; w != nil {
		return w.shown.Load()
	}
	return nil
}

// Wake makes the releases of an app, and everybody who awaits one, look at the
// world again. It does not block.
func (e *Engine) Wake(app string) { e.cfg.Wakeups.Wake(app) }

// Await blocks until the release satisfies the condition, and returns it then;
// or until ctx ends. A release that has ended will not change any more: it is
// returned whatever the condition says.
func (e *Engine) Await(ctx context.Context, id string, until func(teal.Release) bool) (teal.Release, error) {
	for {
		changed := e.cfg.Wakeups.next()
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
		w.close()
		e.cfg.Wakeups.remove(w)
		e.mu.Lock()
		delete(e.workers, id)
		e.mu.Unlock()
	}()
	retry := retryFirst
	for ctx.Err() == nil {
		next, err := e.tick(ctx, id, w)
		switch {
		case next.Ended && err == nil:
			return
		case err == nil:
			retry = retryFirst
			if !next.Waits {
				continue
			}
		case ctx.Err() == nil:
			e.cfg.Logger.Warn("release step failed; trying again", "release", id, "error", err, "in", retry)
			next.Until = e.cfg.Now().Add(retry)
			retry = min(2*retry, retryMost)
		}
		e.awaitWork(ctx, w, next.Until)
	}
}

// A release is looked at every lookEvery at least, and time for which nobody
// looked counts as observed up to maxApart.
const (
	lookEvery = 20 * time.Second
	maxApart  = 30 * time.Second
)

// awaitWork blocks until there may be something to decide. What has been measured
// meanwhile is judged without a look at the record or the rest of the world,
// hundreds of times a second where there is traffic; only another verdict is
// worth a tick.
func (e *Engine) awaitWork(ctx context.Context, w *worker, until time.Time) {
	for sleep(ctx, w, e.pause(until)) {
		verdict, unsaved := w.verdict(), w.unsaved
		w.sample(ctx, e, w.release, w.outage)
		if w.verdict() != verdict || w.unsaved != unsaved {
			return
		}
	}
}

// pause returns how long there is nothing to decide before a time; zero is a time
// that does not come.
func (e *Engine) pause(until time.Time) time.Duration {
	if until.IsZero() {
		return lookEvery
	}
	return min(until.Sub(e.cfg.Now()), lookEvery)
}

// sleep blocks until ctx ends, the worker is woken, the pause is over, or the
// worker has something new to look at: then it returns true.
func sleep(ctx context.Context, w *worker, pause time.Duration) (measured bool) {
	alarm := time.NewTimer(pause)
	defer alarm.Stop()
	select {
	case <-ctx.Done():
	case <-w.wake:
	case <-w.changed():
		return ctx.Err() == nil
	case <-alarm.C:
	}
	return false
}
