package release_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"teal"
	"teal/internal/release"
)

// world is everything that outlives an engine: the records, the aliases, the
// environments. It does what the engine's interfaces promise and no more, checks
// the guarantees whenever something changes, and lets a schedule decide when each
// call takes effect and whether its answer arrives.
type world struct {
	free    bool         // no schedule: every call works at once
	down    func() error // in a free world: what calls return instead of working
	slow    bool         // in a free world: what is started does not become ready
	taken   map[int]bool // versions whose routes another app has
	twins   bool         // two engines may run at once
	instant bool         // the data plane follows the alias at once, as Teal's own does

	revision uint64
	apps     map[string]*appRecord
	releases map[string]*releaseRecord
	aliases  map[string]*aliasState
	envs     map[string]*env // by "app/version"

	effects sync.Mutex // in a free world: one effect at a time

	mu      sync.Mutex
	pending []*call
	late    []lateEffect

	truth map[string]teal.Verdict // of tasks that have ended, by release and key

	began time.Time
	trace []string
	wrong []string // broken guarantees
	seen  map[string]int
	left  map[int]bool // versions that a release had to leave running

	outage bool // something that all versions need is gone

	skew     time.Duration            // of the wall clock
	attended map[string]time.Duration // how long some engine has looked after a release
}

// wall is the wall clock.
func (w *world) wall() time.Time { return time.Now().Add(w.skew) }

// apart is how long may lie between two looks of an engine.
const apart = 30 * time.Second

// attend notes that an engine looks after a release.
func (p *process) attend(ctx context.Context, id string) {
	if _, person := ctx.Value(whoKey{}).(string); person || p.w.free {
		return
	}
	if last, ok := p.looked[id]; ok {
		p.w.attended[id] += min(time.Since(last), apart)
	}
	p.looked[id] = time.Now()
}

type appRecord struct {
	gone bool // deleted

	active string
	queue  []string
	last   int
	frozen *teal.AppOrder
}

type releaseRecord struct {
	teal.Release
	revision   uint64
	finishing  bool   // a retirement was intended by order
	aliasAtBeg uint64 // the alias's revision when the release was claimed
	liveAtBeg  []teal.Target
	watched    time.Duration // attended when it began to be watched
	stepped    time.Duration // and when its step began
}

type aliasState struct {
	alias    teal.Alias
	revision uint64
	stale    map[int]bool // versions that some part of the data plane may still use
}

type env struct {
	app     string
	version int
	state   teal.EnvironmentState
	since   time.Time // of the state
	running bool
	never   bool // does not become ready before things calm down
	crashed bool // not ready because a process ended
	shared  bool // not ready because of what all versions need
	checked time.Time
}

// become enters a state.
func (e *env) become(state teal.EnvironmentState) {
	e.state, e.since, e.crashed, e.shared = state, time.Now(), false, false
	if state == teal.EnvironmentReady {
		e.checked = e.since
	}
}

// checkWindow is how long it may take until an outage shows in the checks.
const checkWindow = 8 * time.Second

var (
	errConflict = errors.New("the revision is not the newest")
	errDown     = errors.New("no answer")
)

func newWorld(twins bool) *world {
	return &world{
		twins: twins, apps: map[string]*appRecord{}, releases: map[string]*releaseRecord{},
		aliases: map[string]*aliasState{}, envs: map[string]*env{}, truth: map[string]teal.Verdict{},
		began: time.Now(), seen: map[string]int{}, left: map[int]bool{}, attended: map[string]time.Duration{},
	}
}

func (w *world) notef(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%9s  ", time.Since(w.began).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

func (w *world) must(ok bool, format string, args ...any) {
	if !ok {
		w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
		w.notef("BROKEN: "+format, args...)
	}
}

func (w *world) next() uint64 { w.revision++; return w.revision }

func (w *world) env(app string, version int) *env {
	key := fmt.Sprint(app, "/", version)
	if w.envs[key] == nil {
		w.envs[key] = &env{app: app, version: version}
	}
	return w.envs[key]
}

func (w *world) live(app string) *aliasState {
	if w.aliases[app] == nil {
		w.aliases[app] = &aliasState{alias: teal.Alias{App: app, Name: teal.AliasLive}, stale: map[int]bool{}}
	}
	return w.aliases[app]
}

// active returns the record of the app's active release, or nil.
func (w *world) active(app string) *releaseRecord { return w.releases[w.apps[app].active] }

// outcome is what becomes of a call.
type outcome int

const (
	works       outcome = iota
	failsBefore         // no effect, an error
	failsAfter          // the effect, an error
	failsLate           // an error, and the effect when the schedule says
	diesBefore          // the process ends without the effect
	diesAfter           // the process ends with the effect
)

var outcomes = []string{"", " fails before", " fails after", " fails for now", " † before", " † after"}

// call is a step that a goroutine of a process wants to take.
type call struct {
	process *process
	name    string
	mortal  bool // may fail; a boundary may not
	grant   chan outcome
}

// lateEffect is a write whose answer was lost and which is still on its way.
type lateEffect struct {
	name   string
	effect func() error
}

// process is one server: an engine and what it sees of the world.
type process struct {
	w      *world
	name   string
	engine *release.Engine
	ctx    context.Context
	cancel context.CancelFunc
	dead   bool
	seen   map[string]teal.EnvironmentState // what Observe last said
	shared map[string]bool                  // whether that was because of what all versions need
	late   map[string]bool                  // and whether it had been like that for as long as a start may take

	looked map[string]time.Time // when its engine last looked after a release

	memory sync.Mutex // of what follows: people's goroutines and the engine's look at it
	tasks  map[string]*simTask
	feeds  []*simFeed
	judged map[string]teal.Verdict // what the judge of a release last said
}

var (
	_ release.Journal = (*process)(nil)
	_ release.Runner  = runner{}
	_ release.Router  = router{}
)

// launch starts a server.
func (w *world) launch(name string) *process {
	p := w.build(name)
	go func() {
		if err := p.engine.Run(p.ctx); err != nil {
			p.dead = true // a server whose engine does not start ends
			p.cancel()
		}
	}()
	return p
}

// build makes a server that does not run yet.
func (w *world) build(name string) *process {
	p := &process{
		w: w, name: name, seen: map[string]teal.EnvironmentState{}, late: map[string]bool{}, shared: map[string]bool{}, looked: map[string]time.Time{},
		tasks: map[string]*simTask{}, judged: map[string]teal.Verdict{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.engine = release.New(release.Config{
		Journal: p, Runner: runner{p}, Router: router{p}, Meter: meter{p}, Examiner: examiner{p}, NewJudge: p.newJudge,
		Logger: slog.New(slog.DiscardHandler), Boundary: p.boundary, Now: w.wall,
	})
	return p
}

// boundary lets a process die between two steps.
func (p *process) boundary(name string) {
	if p.w.free || p.w.twins && (name == "provision:intended" || name == "retire:intended") {
		return // see (*schedule).urgent
	}
	if p.wait(name, false) >= diesBefore {
		p.w.seen["crash at "+name]++
		runtime.Goexit()
	}
}

// whoKey is the context's key of the person who asks.
type whoKey struct{}

// do waits for its turn, and then has its effect or not.
func (p *process) do(ctx context.Context, name string, effect func() error) error {
	if p.w.free {
		return p.w.now(effect)
	}
	if who, ok := ctx.Value(whoKey{}).(string); ok {
		name += " for " + who
	}
	switch p.wait(name, true) {
	case failsBefore:
		return errDown
	case failsAfter:
		if err := effect(); errors.Is(err, errConflict) {
			return err
		}
		return errDown
	case failsLate:
		p.w.late = append(p.w.late, lateEffect{name, effect})
		return errDown
	case diesBefore:
		runtime.Goexit()
	case diesAfter:
		_ = effect()
		runtime.Goexit()
	}
	return effect()
}

// now has an effect in a free world.
func (w *world) now(effect func() error) error {
	w.effects.Lock()
	defer w.effects.Unlock()
	if w.down != nil {
		if err := w.down(); err != nil {
			return err
		}
	}
	return effect()
}

func (p *process) wait(name string, mortal bool) outcome {
	if p.dead {
		runtime.Goexit()
	}
	c := &call{process: p, name: name, mortal: mortal, grant: make(chan outcome)}
	p.w.mu.Lock()
	p.w.pending = append(p.w.pending, c)
	p.w.mu.Unlock()
	return <-c.grant
}

// The journal: records in a map, replaced by compare-and-swap.

func (p *process) Load(ctx context.Context, id string) (r teal.Release, revision uint64, err error) {
	err = p.do(ctx, "load "+id, func() error {
		p.attend(ctx, id)
		stored, ok := p.w.releases[id]
		if !ok {
			return teal.Errorf(teal.CodeUnknownRelease, "no release %s", id)
		}
		r, revision = stored.Release, stored.revision
		return nil
	})
	return r, revision, err
}

func (p *process) Save(ctx context.Context, r teal.Release, revision uint64) (written uint64, err error) {
	name := fmt.Sprintf("save %s %s", r.ID, r.Phase)
	if r.Intent != nil {
		name += fmt.Sprintf(" intent %s %d@%d", r.Intent.Act, r.Intent.Version, r.Intent.AliasRevision)
	}
	for _, order := range r.Commands.All() {
		name += " order " + string(order.Kind)
	}
	seen := p.judgedOf(r.ID) // when it was decided; the write may arrive much later
	err = p.do(ctx, name, func() error {
		written, err = p.write(r, revision, seen)
		return err
	})
	return written, err
}

func (p *process) write(r teal.Release, revision uint64, judged teal.Verdict) (uint64, error) {
	w := p.w
	old := w.releases[r.ID]
	switch {
	case old == nil && revision != 0, old != nil && revision != old.revision:
		return 0, errConflict
	case old == nil: // somebody buries it
		w.releases[r.ID] = &releaseRecord{Release: r, revision: w.next()}
		return w.revision, nil
	}
	w.must(!old.Phase.Ended(), "C9: %s has ended and is written again", r.ID)
	w.must(old.Phase == r.Phase || old.Phase.CanBecome(r.Phase), "%s goes from %s to %s", r.ID, old.Phase, r.Phase)
	if old.Queued { // only now is it known what it starts from
		live := w.live(r.App)
		old.aliasAtBeg, old.liveAtBeg = live.revision, live.alias.Targets
	}
	if r.Phase.Ended() {
		p.checkEnd(r, old)
	}
	if r.Phase == teal.PhaseWatching && old.Phase != r.Phase {
		old.watched = w.attended[r.ID]
	}
	if r.Step != old.Step {
		old.stepped = w.attended[r.ID]
	}
	if r.OutageSince != nil && old.OutageSince == nil {
		w.seen["on hold"]++
	}
	if r.Rollback != nil && old.Rollback == nil {
		p.checkBlame(r)
	}
	if r.Intent != nil && old.Intent == nil {
		p.checkIntent(r, judged)
	}
	if r.Intent != nil && r.Intent.Act == teal.ActRetire && (r.Commands.Finish != nil || len(w.apps[r.App].queue) > 0) {
		old.finishing = true
	}
	old.Release, old.revision = r, w.next()
	return old.revision, nil
}

func (p *process) Claim(ctx context.Context, r teal.Release, previous string) (teal.Release, error) {
	err := p.do(ctx, "claim "+r.App+" after "+previous, func() error {
		app := p.w.apps[r.App]
		if app.active != previous {
			return errConflict
		}
		app.last++
		r.ID = teal.ReleaseID(r.App, app.last)
		app.active = r.ID
		p.w.notef("    %s is %d to %d", r.ID, r.From, r.To)
		return nil
	})
	if err != nil {
		return teal.Release{}, err
	}
	err = p.do(ctx, "create "+r.ID, func() error {
		if p.w.releases[r.ID] != nil {
			return errConflict
		}
		live := p.w.live(r.App)
		p.w.releases[r.ID] = &releaseRecord{
			Release: r, revision: p.w.next(), aliasAtBeg: live.revision, liveAtBeg: live.alias.Targets,
		}
		return nil
	})
	return r, err
}

func (p *process) Active(ctx context.Context, app string) (id string, err error) {
	err = p.do(ctx, "active "+app, func() error {
		a := p.w.apps[app]
		if a.gone {
			return teal.Errorf(teal.CodeUnknownApp, "there is no app %s", app)
		}
		id = a.active
		return nil
	})
	return id, err
}

func (p *process) Unclaim(ctx context.Context, app, id string) (next string, err error) {
	err = p.do(ctx, "unclaim "+id, func() error {
		a := p.w.apps[app]
		if a.active == id {
			a.active = ""
			if len(a.queue) > 0 {
				a.active, a.queue = a.queue[0], a.queue[1:]
			}
		}
		next = a.active
		return nil
	})
	return next, err
}

func (p *process) Enqueue(ctx context.Context, r teal.Release) (queued teal.Release, active bool, err error) {
	err = p.do(ctx, "enqueue "+r.App, func() error {
		a := p.w.apps[r.App]
		a.last++
		r.ID = teal.ReleaseID(r.App, a.last)
		if active = a.active == ""; active {
			a.active = r.ID
		} else {
			a.queue = append(slices.Clip(a.queue), r.ID)
		}
		p.w.seen["queued"]++
		return nil
	})
	if err != nil {
		return teal.Release{}, false, err
	}
	err = p.do(ctx, "create "+r.ID, func() error {
		if p.w.releases[r.ID] != nil {
			return errConflict
		}
		p.w.releases[r.ID] = &releaseRecord{Release: r, revision: p.w.next()}
		return nil
	})
	return r, active, err
}

func (p *process) Standing(ctx context.Context, app string) (standing release.Standing, err error) {
	err = p.do(ctx, "standing "+app, func() error {
		a := p.w.apps[app]
		if a.gone {
			return teal.Errorf(teal.CodeUnknownApp, "there is no app %s", app)
		}
		standing = release.Standing{Waiting: len(a.queue) > 0, Frozen: a.frozen}
		return nil
	})
	return standing, err
}

func (p *process) Unfinished(ctx context.Context) (ids []string, err error) {
	err = p.do(ctx, "unfinished", func() error {
		for _, app := range p.w.apps {
			if app.active != "" {
				ids = append(ids, app.active)
			}
		}
		slices.Sort(ids)
		return nil
	})
	return ids, err
}

func (p *process) Conflict(err error) bool { return errors.Is(err, errConflict) }

// The runner: environments that the schedule makes ready, late, or never.

type runner struct{ *process }

func (r runner) Provision(ctx context.Context, app string, version int) error {
	return r.do(ctx, fmt.Sprint("provision ", version), func() error {
		active := r.w.active(app)
		r.w.must(active != nil && (version == active.From || version == active.To), "version %d is started for no release", version)
		if e := r.w.env(app, version); !e.running {
			e.running = true
			e.become(teal.EnvironmentStarting)
			if r.w.free && !r.w.slow {
				e.become(teal.EnvironmentReady)
			}
		}
		return nil
	})
}

func (r runner) Observe(ctx context.Context, app string, version int) (h release.Health, err error) {
	err = r.do(ctx, fmt.Sprint("observe ", app, "/", version), func() error {
		e := r.w.env(app, version)
		r.seen[fmt.Sprint(app, "/", version)] = ""
		r.shared[fmt.Sprint(app, "/", version)] = e.shared
		if e.running {
			h = release.Health{Running: true, State: e.state, Since: e.since.Add(r.w.skew), Crashed: e.crashed, CheckedAt: e.checked.Add(r.w.skew), Window: checkWindow}
			r.seen[fmt.Sprint(app, "/", version)] = e.state
			r.late[fmt.Sprint(app, "/", version)] = e.state != teal.EnvironmentReady && time.Since(e.since) >= teal.DefaultReadyWithin.Std()
		}
		return nil
	})
	return h, err
}

func (r runner) Recheck(ctx context.Context, app string, version int) error {
	return r.do(ctx, fmt.Sprint("recheck ", version), func() error {
		r.w.seen["recheck"]++
		if e := r.w.env(app, version); e.running && e.state == teal.EnvironmentReady && !r.w.outage {
			e.checked = time.Now()
			r.engine.Wake(app)
		}
		return nil
	})
}

func (r runner) Size(ctx context.Context, app string, version, model int) error {
	return r.do(ctx, fmt.Sprintf("size %d like %d", version, model), func() error { return nil })
}

func (r runner) Retire(ctx context.Context, app string, version int, _ time.Duration) error {
	return r.do(ctx, fmt.Sprint("retire ", version), func() error {
		live, e := r.w.live(app), r.w.env(app, version)
		r.w.must(e.running, "C14: version %d is stopped twice", version)
		r.w.must(!live.stale[version], "C11: version %d is stopped and the data plane may still use it", version)
		r.checkRetire(r.w.active(app), version, live.alias)
		if live.alias.Weight(version) > 0 {
			r.w.must(false, "C11: live points to version %d, which is to be stopped", version)
			return teal.Errorf(teal.CodeVersionInUse, "version %d is live", version)
		}
		e.running, e.state = false, ""
		return nil
	})
}

func (p *process) checkRetire(r *releaseRecord, version int, live teal.Alias) {
	w := p.w
	if r == nil || r.Phase.Ended() {
		w.must(false, "C11: version %d is stopped for no release", version)
		return
	}
	switch version {
	case r.From:
		watched := w.attended[r.ID] - r.watched
		over := w.free || watched >= r.Policy.Confidence.Std() || r.finishing // nobody counts in a free world
		blue := fmt.Sprint(r.App, "/", r.From)
		hopeless := r.Phase == teal.PhaseRollingBack && (p.late[blue] || p.seen[blue] == teal.EnvironmentFailed)
		w.must(r.Phase == teal.PhaseWatching && over || r.Phase == teal.PhaseShifting && r.Policy.Confidence == 0 || hopeless,
			"C14: the standby %d of %s is stopped while it is %s, after %s of %s", version, r.ID, r.Phase, watched, r.Policy.Confidence)
		saw := p.seen[fmt.Sprint(r.App, "/", r.To)]
		w.must(saw == teal.EnvironmentReady, "the standby %d is stopped while green was seen %s", version, saw)
		w.must(live.IsOnly(r.To), "C11: version %d is stopped before %d has everything", version, r.To)
	case r.To:
		w.must(r.Phase.BeforeTraffic() || r.Phase == teal.PhaseShifting && r.From == 0 || r.Phase == teal.PhaseRollingBack && live.IsOnly(r.From),
			"C11: green %d of %s is stopped while it is %s", version, r.ID, r.Phase)
		saw := p.seen[fmt.Sprint(r.App, "/", r.From)]
		w.must(r.Phase != teal.PhaseRollingBack || saw == teal.EnvironmentReady, "green %d is stopped while blue was seen %s", version, saw)
	default:
		w.must(false, "C11: %s stops version %d, which is not its own", r.ID, version)
	}
}

// The router: an alias, and a data plane that may follow late.

type router struct{ *process }

func (r router) Observe(ctx context.Context, app, _ string) (route release.Route, err error) {
	err = r.do(ctx, "observe "+app, func() error {
		live := r.w.live(app)
		route = release.Route{Alias: live.alias, Revision: live.revision, Holds: len(live.stale) == 0}
		return nil
	})
	return route, err
}

func (r router) Set(ctx context.Context, alias teal.Alias, revision uint64) error {
	saw := map[int]teal.EnvironmentState{} // when it was decided; nobody can know more
	for _, t := range alias.Targets {
		saw[int(t.Version)] = r.process.seen[fmt.Sprint(alias.App, "/", t.Version)]
	}
	return r.do(ctx, fmt.Sprintf("set %s replacing %d", teal.FormatTargets(alias.Targets), revision), func() error {
		for _, t := range alias.Targets {
			if r.w.taken[int(t.Version)] {
				return teal.Errorf(teal.CodeRouteTaken, "the routes of version %d are another app's", t.Version)
			}
		}
		live := r.w.live(alias.App)
		if live.revision != revision {
			return errConflict
		}
		active := r.w.active(alias.App)
		r.w.must(active != nil && !active.Phase.Ended() && alias.UpdatedBy == "release "+active.ID,
			"C10: %s moves live, which is not the active release", alias.UpdatedBy)
		for _, t := range alias.Targets {
			e := r.w.env(alias.App, int(t.Version))
			r.w.must(e.running, "C7: live is given to version %d, which does not run", t.Version)
			grows := t.Weight > live.alias.Weight(int(t.Version))
			r.w.must(!grows || e.state == teal.EnvironmentReady || saw[int(t.Version)] == teal.EnvironmentReady,
				"C7: live is given to version %d, which is %s and was seen %s", t.Version, e.state, saw[int(t.Version)])
		}
		r.w.must(active == nil || !r.rises(active.Release, alias, live.alias) || !active.Phase.BeforeTraffic(),
			"C6: version %d gets traffic while its release is %s", active.To, active.Phase)
		for _, t := range live.alias.Targets {
			if alias.Weight(int(t.Version)) == 0 {
				live.stale[int(t.Version)] = true // until the data plane has followed
			}
		}
		for _, t := range alias.Targets {
			delete(live.stale, int(t.Version))
		}
		if r.w.instant || r.w.free {
			clear(live.stale)
		}
		live.alias, live.revision = alias, r.w.next()
		return nil
	})
}

// rises reports whether a write of the alias gives green more than it has.
func (router) rises(r teal.Release, next, now teal.Alias) bool {
	return next.Weight(r.To) > now.Weight(r.To)
}

// checkBlame: green is not blamed for losing what all versions have lost.
func (p *process) checkBlame(r teal.Release) {
	w := p.w
	if p.shared[fmt.Sprint(r.App, "/", r.To)] {
		for _, health := range []string{"became unhealthy", "failed at the switch", "no healthy instance"} {
			w.must(!strings.Contains(r.Reason, health), "%s goes back although both versions have lost the same: %s", r.ID, r.Reason)
		}
	}
}

// leaves reports whether the version that stays was not seen healthy, so that
// both were left running.
func (p *process) leaves(r teal.Release, stays, other int) bool {
	left := p.seen[fmt.Sprint(r.App, "/", stays)] != teal.EnvironmentReady && p.w.env(r.App, other).running
	if left {
		p.w.seen["both left running"]++
		p.w.left[other] = true
	}
	return left
}

// checkEnd: a release that ends, ends in agreement with the world.
func (p *process) checkEnd(r teal.Release, before *releaseRecord) {
	w := p.w
	if w.apps[r.App].gone {
		return // with nobody's leave
	}
	w.seen[string(r.Phase)]++
	live := w.live(r.App)
	from, to := w.env(r.App, r.From), w.env(r.App, r.To)
	w.must(r.EndedAt != nil, "%s has ended at no time", r.ID)
	w.must(w.apps[r.App].active == r.ID, "C10: %s ends and is not the active release", r.ID)
	switch r.Phase {
	case teal.PhaseCompleted:
		if before.Phase == teal.PhaseRollingBack && len(live.alias.Targets) == 2 {
			w.seen["stays split"]++ // neither version is healthy, and nothing is stopped
			w.left[r.From], w.left[r.To] = true, true
			return
		}
		w.must(live.alias.IsOnly(r.To) && len(live.stale) == 0, "%s is completed; live is %v, and stale %v", r.ID, live.alias.Targets, live.stale)
		w.must(to.running && (!from.running || p.leaves(r, r.To, r.From)), "%s is completed; blue runs %v, green %v", r.ID, from.running, to.running)
	case teal.PhaseRolledBack:
		w.must(live.alias.IsOnly(r.From) && len(live.stale) == 0, "%s is rolled back; live is %v, and stale %v", r.ID, live.alias.Targets, live.stale)
		w.must(from.running && (!to.running || p.leaves(r, r.From, r.To)), "%s is rolled back; blue runs %v, green %v", r.ID, from.running, to.running)
	case teal.PhaseAborted:
		w.must(live.revision == before.aliasAtBeg && slices.Equal(live.alias.Targets, before.liveAtBeg), "%s is aborted; live was %v and is %v", r.ID, before.liveAtBeg, live.alias.Targets)
		untouched := before.Phase == teal.PhaseQueued && (before.Intent == nil || before.Intent.Act == teal.ActTask)
		w.must(!to.running || live.alias.PointsTo(r.To) || untouched, "%s is aborted; green %d still runs", r.ID, r.To)
	}
}

// checkAlways: what holds between any two steps.
func (w *world) checkAlways() {
	for id, r := range w.releases {
		app := w.apps[r.App]
		w.must(r.Phase.Ended() || app.active == id || r.Queued && slices.Contains(app.queue, id),
			"C10: %s is %s, and the active release is %q", id, r.Phase, app.active)
	}
	for app, live := range w.aliases {
		for _, t := range live.alias.Targets {
			w.must(t.Weight == 0 || w.env(app, int(t.Version)).running, "C7: live points to version %d, which does not run", t.Version)
		}
	}
}

// waiting returns the calls that wait, in an order that depends on
// nothing but what they are.
func (w *world) waiting() []*call {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortStableFunc(w.pending, func(a, b *call) int {
		return strings.Compare(a.process.name+a.name, b.process.name+b.name)
	})
	return slices.Clone(w.pending)
}

func (w *world) forget(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = slices.DeleteFunc(w.pending, func(x *call) bool { return x == c })
}
