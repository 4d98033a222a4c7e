package release

import (
	"context"
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
	r, revision, err := e.cfg.Journal.Load(ctx, id)
	if teal.IsCode(err, teal.CodeUnknownRelease) {
		return Next{}, e.bury(ctx, teal.AppOfRelease(id), id)
	}
	if err != nil {
		return Next{}, fmt.Errorf("load: %w", err)
	}
	if r.Phase.Ended() {
		if err := e.cfg.Journal.Unclaim(ctx, r.App, r.ID); err != nil {
			return Next{}, fmt.Errorf("end: %w", err)
		}
		e.announce()
		return Next{Ended: true}, nil
	}
	o, err := e.observe(ctx, r)
	if err != nil {
		return Next{}, fmt.Errorf("observe: %w", err)
	}
	d := Decide(r, o)
	if d.Waits() {
		return Next{Waits: true, Until: d.Until}, nil
	}
	err = e.carryOut(ctx, r, revision, d)
	if e.cfg.Journal.Conflict(err) {
		return Next{}, nil
	}
	return Next{}, err
}

func (e *Engine) observe(ctx context.Context, r teal.Release) (Observation, error) {
	o := Observation{Now: time.Now()}
	var errs [3]error
	o.Route, errs[0] = e.cfg.Router.Observe(ctx, r.App, r.Alias)
	o.To, errs[1] = e.cfg.Runner.Observe(ctx, r.App, r.To)
	if r.From != 0 {
		o.From, errs[2] = e.cfg.Runner.Observe(ctx, r.App, r.From)
	}
	return o, errors.Join(errs[:]...)
}

// carryOut records the intent, acts, and records the outcome. The names of the
// boundaries are the act's, or the next phase's where only the record changes.
func (e *Engine) carryOut(ctx context.Context, r teal.Release, revision uint64, d Decision) error {
	name := string(d.Intent.Act)
	if d.Intent.Act == teal.ActNone {
		name = string(d.Next)
	}
	e.cfg.Boundary(name + ":decided")
	if d.Intent.Act != teal.ActNone {
		fence := r.Fence
		r.Intend(d.Intent)
		var err error
		if revision, err = e.cfg.Journal.Save(ctx, r, revision); err != nil {
			return fmt.Errorf("record intent %s: %w", name, err)
		}
		e.cfg.Boundary(name + ":intended")
		err = e.act(ctx, r, d.Intent)
		if r.Phase == teal.PhaseShifting && teal.IsCode(err, teal.CodeRouteTaken) && (r.From != 0 || fence == 0) {
			r.Fence = fence
			return e.giveUp(ctx, r, revision, teal.MessageOf(err))
		}
		if err != nil {
			return fmt.Errorf("%s version %d: %w", name, d.Intent.Version, err)
		}
		e.cfg.Boundary(name + ":acted")
	}
	return e.recordOutcome(ctx, r, revision, d, name)
}

// giveUp orders a release back whose switch was refused for good. The caller has
// put the fence back: a switch that was refused is not on its way. A first
// release with an earlier switch that may be on its way can only try on.
func (e *Engine) giveUp(ctx context.Context, r teal.Release, revision uint64, why string) error {
	r.Intent = nil
	r.Orders.Give(teal.Order{Kind: teal.OrderRollback, By: "teal", Why: why, At: time.Now()})
	if _, err := e.cfg.Journal.Save(ctx, r, revision); err != nil {
		return fmt.Errorf("record that the switch was refused: %w", err)
	}
	e.cfg.Logger.Warn("the switch was refused; the release goes back", "release", r.ID, "reason", why)
	return nil
}

func (e *Engine) recordOutcome(ctx context.Context, r teal.Release, revision uint64, d Decision, name string) error {
	r.Intent = nil
	if d.Next != "" && d.Next != r.Phase {
		if err := r.Enter(d.Next, time.Now(), d.Reason); err != nil {
			return err
		}
		e.cfg.Logger.Info("release entered phase", "release", r.ID, "phase", r.Phase, "reason", r.Reason)
	}
	if _, err := e.cfg.Journal.Save(ctx, r, revision); err != nil {
		return fmt.Errorf("record outcome %s: %w", name, err)
	}
	e.announce()
	e.cfg.Boundary(name + ":recorded")
	return nil
}

func (e *Engine) act(ctx context.Context, r teal.Release, intent teal.Intent) error {
	switch intent.Act {
	case teal.ActProvision:
		return e.cfg.Runner.Provision(ctx, r.App, intent.Version)
	case teal.ActShift:
		return e.cfg.Router.Set(ctx, teal.Alias{
			App: r.App, Name: r.Alias, Targets: teal.Only(intent.Version),
			UpdatedAt: time.Now(), UpdatedBy: "release " + r.ID,
		}, intent.AliasRevision)
	case teal.ActRetire:
		return e.cfg.Runner.Retire(ctx, r.App, intent.Version, r.Policy.Drain.Std())
	}
	return fmt.Errorf("release: no such act %q", intent.Act)
}
