package release

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"teal"
)

// Next says how a tick left a release.
type Next struct {
	Ended bool
	Waits bool      // nothing to do until something changes, or Until
	Until time.Time // zero: no time limit
}

// Tick takes one decision about one release and carries it out. It blocks for
// as long as the act takes. A lost compare-and-swap is not an error: the next
// tick loads what won.
func (e *Engine) Tick(ctx context.Context, id string) (Next, error) {
	w := &worker{app: teal.AppOfRelease(id)}
	defer w.close()
	return e.tick(ctx, id, w)
}

func (e *Engine) tick(ctx context.Context, id string, w *worker) (Next, error) {
	next, err := e.step(ctx, id, w)
	if teal.IsCode(err, teal.CodeUnknownApp) && e.isAppGone(ctx, id) {
		return Next{Ended: true}, e.abandon(ctx, id)
	}
	return next, err
}

// isAppGone reports whether the app of a release has been deleted.
func (e *Engine) isAppGone(ctx context.Context, id string) bool {
	_, err := e.cfg.Journal.Active(ctx, teal.AppOfRelease(id))
	return teal.IsCode(err, teal.CodeUnknownApp)
}

// abandon ends a release whose app is gone: there is nothing left that it could
// move or put back.
func (e *Engine) abandon(ctx context.Context, id string) error {
	e.cfg.Examiner.Stop(id)
	r, revision, err := e.cfg.Journal.Load(ctx, id)
	if teal.IsCode(err, teal.CodeUnknownRelease) || err == nil && r.Phase.Ended() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	end := teal.PhaseAborted
	if !r.Phase.CanBecome(end) {
		end = teal.PhaseCompleted
	}
	if err := r.Enter(end, e.cfg.Now(), "the app was deleted"); err != nil {
		return err
	}
	if _, err := e.cfg.Journal.Save(ctx, r, revision); err != nil && !e.cfg.Journal.Conflict(err) {
		return fmt.Errorf("record that the app is gone: %w", err)
	}
	e.cfg.Logger.Warn("release ended: its app was deleted", "release", id)
	e.cfg.Wakeups.announce()
	return nil
}

func (e *Engine) step(ctx context.Context, id string, w *worker) (Next, error) {
	r, revision, err := e.cfg.Journal.Load(ctx, id)
	if teal.IsCode(err, teal.CodeUnknownRelease) {
		if e.isAppGone(ctx, id) {
			return Next{Ended: true}, nil
		}
		return Next{}, e.abortUnrecorded(ctx, teal.AppOfRelease(id), id)
	}
	if err != nil {
		return Next{}, fmt.Errorf("load: %w", err)
	}
	if r.Phase.Ended() {
		return Next{Ended: true}, e.end(ctx, r)
	}
	if waits, err := e.isQueued(ctx, r); waits || err != nil {
		return Next{Waits: waits}, err
	}
	o, err := e.observe(ctx, r, w)
	if err != nil {
		return Next{}, fmt.Errorf("observe: %w", err)
	}
	d := Decide(r, o)
	if d.Recheck != 0 { // before the clock is saved, which may fail for as long as a disk is full
		if err := e.cfg.Runner.Recheck(ctx, r.App, d.Recheck); err != nil {
			return Next{}, fmt.Errorf("recheck version %d: %w", d.Recheck, err)
		}
	}
	if d.Waits() {
		return Next{Waits: true, Until: d.Until}, nil
	}
	err = e.carryOut(ctx, r, revision, d, w)
	if e.cfg.Journal.Conflict(err) {
		return Next{}, nil
	}
	return Next{}, err
}

// isQueued reports whether a release is still in the queue. Whoever takes it
// out of there wakes it.
func (e *Engine) isQueued(ctx context.Context, r teal.Release) (bool, error) {
	if !r.Queued {
		return false, nil
	}
	active, err := e.cfg.Journal.Active(ctx, r.App)
	if err != nil {
		return false, fmt.Errorf("turn: %w", err)
	}
	return active != r.ID, nil
}

// end makes room for the next release of the app, and begins the one that has
// been waiting for it.
func (e *Engine) end(ctx context.Context, r teal.Release) error {
	e.cfg.Examiner.Stop(r.ID)
	e.unpinSizes(ctx, r)
	next, err := e.cfg.Journal.Unclaim(ctx, r.App, r.ID)
	if err != nil {
		return fmt.Errorf("end: %w", err)
	}
	e.cfg.Wakeups.announce()
	if next != "" {
		e.begin(next)
		e.Wake(r.App)
	}
	return nil
}

// unpinSizes lets both versions be as small as they like again, as far as they run,
// unless the next release has taken over and made them as large as it needs. It
// is no reason for a release not to end.
func (e *Engine) unpinSizes(ctx context.Context, r teal.Release) {
	if active, err := e.cfg.Journal.Active(ctx, r.App); err != nil || active != r.ID {
		return
	}
	for _, version := range []int{r.From, r.To} {
		if version == 0 {
			continue
		}
		if h, err := e.cfg.Runner.Observe(ctx, r.App, version); err != nil || !h.Running {
			continue
		}
		if err := e.cfg.Runner.Size(ctx, r.App, version, 0); err != nil {
			e.cfg.Logger.Warn("a version stays as large as its release needed it", "app", r.App, "version", version, "error", err)
		}
	}
}

func (e *Engine) observe(ctx context.Context, r teal.Release, w *worker) (Observation, error) {
	o := Observation{Observed: w.observe(r), Tasks: map[teal.TaskKey]Outcome{}}
	var errs [5]error
	o.Route, errs[0] = e.cfg.Router.Observe(ctx, r.App, r.Alias)
	o.To, errs[1] = e.cfg.Runner.Observe(ctx, r.App, r.To)
	if r.From != 0 {
		o.From, errs[2] = e.cfg.Runner.Observe(ctx, r.App, r.From)
	}
	for _, key := range tasks(r) {
		if outcome := e.cfg.Examiner.Outcome(r.ID, key); outcome.Begun {
			o.Tasks[key] = outcome
		}
	}
	switch r.Phase {
	case teal.PhaseQueued, teal.PhaseShifting, teal.PhaseWatching:
		o.Standing, errs[4] = e.cfg.Journal.Standing(ctx, r.App)
	case teal.PhaseProvisioning, teal.PhaseWarming, teal.PhaseVerifying, teal.PhaseCompleted, teal.PhaseAborted, teal.PhaseRollingBack, teal.PhaseRolledBack:
	}
	if r.Phase == teal.PhaseVerifying && r.From != 0 && r.Policy.Judge.Judges() {
		o.Baseline, errs[3] = e.baseline(ctx, r)
	}
	w.release = r
	if isJudged(r) {
		w.sample(ctx, e, r, outage(r, o))
		o.Judgement, o.SampledAt, o.Unsaved = w.judgement, w.sampledAt, w.unsaved
	}
	o.Now = e.cfg.Now() // nothing that was seen is of a time to come
	return o, errors.Join(errs[:]...)
}

// baselineWindow is how much of what live did lately green is compared with: all
// that a meter remembers, so that an outage is the smaller part of it.
const baselineWindow = 10 * time.Minute

func (e *Engine) baseline(ctx context.Context, r teal.Release) (*teal.Measurement, error) {
	m, err := e.cfg.Meter.Baseline(ctx, r.App, r.From, baselineWindow)
	if err != nil {
		return nil, fmt.Errorf("measure version %d: %w", r.From, err)
	}
	return &m, nil
}

// carryOut records the intent, acts, and records the outcome. The names of the
// boundaries are the act's, or the next phase's, or "noted" where only the
// record changes.
func (e *Engine) carryOut(ctx context.Context, r teal.Release, revision uint64, d Decision, w *worker) error {
	name := boundaryName(d)
	e.cfg.Boundary(name + ":decided")
	if d.Intent.Act != teal.ActNone {
		fence := r.Fence
		r.Observe(d.Observed, e.cfg.Now())
		r.Intend(d.Intent)
		if begun := d.Change.Task; begun != nil && begun.Token == "" {
			begun.Token = rand.Text()
			r.SetTask(*begun)
		}
		if d.Next == teal.PhaseRollingBack {
			d.Change = e.recordReason(&r, d, w)
		}
		var err error
		if revision, err = e.cfg.Journal.Save(ctx, r, revision); err != nil {
			return fmt.Errorf("record intent %s: %w", name, err)
		}
		w.noted(r)
		e.cfg.Boundary(name + ":intended")
		err = e.act(ctx, r, d.Intent)
		if refused(r, fence, err) {
			r.Fence = fence
			return e.giveUp(ctx, r, revision, teal.MessageOf(err))
		}
		if err != nil {
			return fmt.Errorf("%s version %d: %w", name, d.Intent.Version, err)
		}
		d.Change.Back = d.Change.Back || e.isBack(ctx, r, d.Intent)
		e.cfg.Boundary(name + ":acted")
	}
	return e.recordOutcome(ctx, r, revision, d, w)
}

// isBack reports whether an act that has just been done has left green nothing,
// everywhere.
func (e *Engine) isBack(ctx context.Context, r teal.Release, done teal.Intent) bool {
	if done.Act != teal.ActShift || done.Version != r.From {
		return false
	}
	route, err := e.cfg.Router.Observe(ctx, r.App, r.Alias)
	return err == nil && route.Holds && route.Alias.IsOnly(r.From)
}

// refused reports whether an act was refused for good: the routes are another
// app's now, or the version was forgotten before its release began. A first
// release with an earlier switch that may be on its way can only try on.
func refused(r teal.Release, fence uint64, err error) bool {
	switch teal.CodeOf(err) {
	case teal.CodeRouteTaken:
		return r.Phase == teal.PhaseShifting && (r.From != 0 || fence == 0)
	case teal.CodeUnknownVersion:
		return r.Phase.BeforeTraffic()
	}
	return false
}

// recordReason notes why a release goes back before it does: a crash may keep the
// outcome from being recorded, and must not take the reason with it. It returns
// what is left to be noted with the outcome.
func (e *Engine) recordReason(r *teal.Release, d Decision, w *worker) Change {
	now := e.cfg.Now()
	why := Change{Findings: d.Change.Findings, Decided: d.Change.Decided}
	why.apply(r, now)
	r.Reason = d.Reason
	if d.Change.Judging {
		r.Judging, r.JudgingAt = w.state(), &now
	}
	d.Change.Findings, d.Change.Decided, d.Change.Judging = nil, time.Time{}, false
	return d.Change
}

func boundaryName(d Decision) string {
	switch {
	case d.Intent.Act != teal.ActNone:
		return string(d.Intent.Act)
	case d.Next != "":
		return string(d.Next)
	}
	return "noted"
}

// giveUp orders a release back whose act was refused for good. The caller has put
// the fence back: a switch that was refused is not on its way.
func (e *Engine) giveUp(ctx context.Context, r teal.Release, revision uint64, why string) error {
	r.Intent = nil
	r.Commands.Give(teal.Command{Kind: teal.CommandRollback, By: "teal", Why: why, At: e.cfg.Now()})
	if _, err := e.cfg.Journal.Save(ctx, r, revision); err != nil {
		return fmt.Errorf("record that it was refused: %w", err)
	}
	e.cfg.Logger.Warn("an act was refused; the release goes back", "release", r.ID, "reason", why)
	return nil
}

func (e *Engine) recordOutcome(ctx context.Context, r teal.Release, revision uint64, d Decision, w *worker) error {
	now := e.cfg.Now()
	before := r.Phase
	if err := d.Record(&r, now); err != nil {
		return err
	}
	if d.Change.Judging {
		r.Judging, r.JudgingAt = w.state(), &now
	}
	if _, err := e.cfg.Journal.Save(ctx, r, revision); err != nil {
		return fmt.Errorf("record outcome %s: %w", boundaryName(d), err)
	}
	w.noted(r)
	if d.Change.Judging {
		w.unsaved = false
	}
	if r.Phase != before {
		e.cfg.Logger.Info("release entered phase", "release", r.ID, "phase", r.Phase, "reason", r.Reason)
	}
	e.cfg.Wakeups.announce()
	if r.Phase != before {
		for _, tell := range e.cfg.Changed {
			tell(r)
		}
	}
	if d.Forget {
		e.cfg.Examiner.Stop(r.ID)
	}
	if r.Phase == teal.PhaseRollingBack || r.Phase.Ended() {
		e.cfg.Examiner.Stop(r.ID)
		w.close()
	}
	e.cfg.Boundary(boundaryName(d) + ":recorded")
	return nil
}

func (e *Engine) act(ctx context.Context, r teal.Release, intent teal.Intent) error {
	switch intent.Act {
	case teal.ActProvision:
		return e.cfg.Runner.Provision(ctx, r.App, intent.Version)
	case teal.ActSize:
		return errors.Join(
			e.cfg.Runner.Size(ctx, r.App, intent.Version, r.From),
			e.cfg.Runner.Size(ctx, r.App, r.From, r.From), // blue must be able to take everything back
		)
	case teal.ActTask:
		return e.cfg.Examiner.Begin(ctx, r, intent.Task)
	case teal.ActShift:
		if intent.Weight == teal.All && intent.Version == r.To && r.From != 0 {
			// The load may have grown since green was warmed, and blue must be
			// able to take all of it back.
			if err := e.cfg.Runner.Size(ctx, r.App, r.From, r.From); err != nil {
				return err
			}
		}
		return e.cfg.Router.Set(ctx, teal.Alias{
			App: r.App, Name: r.Alias, Targets: targets(r, intent),
			UpdatedAt: e.cfg.Now(), UpdatedBy: "release " + r.ID,
		}, intent.AliasRevision)
	case teal.ActRetire:
		return e.cfg.Runner.Retire(ctx, r.App, intent.Version, r.Policy.Drain.Std())
	}
	return fmt.Errorf("release: no such act %q", intent.Act)
}

// targets returns what the alias points to after a shift: the version that the
// traffic comes from first, so that a growing share of green only ever takes
// points away from it.
func targets(r teal.Release, intent teal.Intent) []teal.Target {
	if intent.Weight == teal.All {
		return teal.Only(intent.Version)
	}
	return []teal.Target{
		{Version: teal.VersionRef(r.From), Weight: teal.All - intent.Weight},
		{Version: teal.VersionRef(r.To), Weight: intent.Weight},
	}
}
