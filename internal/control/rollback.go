package control

import (
	"context"
	"time"

	"teal"
	"teal/internal/release"
	"teal/internal/store"
)

// Rollback implements [api.Releaser]. A running release is ordered back: while
// blue stands by that is a swap of a pointer. Otherwise the version before the
// live one, or the one asked for, is started again by a release of its own; who
// asks for that once more while it runs waits for it too.
func (c *Control) Rollback(ctx context.Context, app string, to int, by, why string) (teal.Release, error) {
	record, err := c.cfg.Journal.App(ctx, app)
	if err != nil {
		return teal.Release{}, err
	}
	moving, err := c.cfg.Journal.Moving(ctx, app)
	if err != nil {
		return teal.Release{}, err
	}
	switch {
	case moving != nil && moving.Back && (to == 0 || to == moving.To):
		return c.awaitBack(ctx, moving.ID)
	case moving != nil && (to == 0 || to == moving.From):
		return c.orderBack(ctx, *moving, by, why)
	}
	history, _, err := c.cfg.Store.Releases.Readable(ctx, app)
	if err != nil {
		return teal.Release{}, err
	}
	live := c.cfg.Router.Alias(app, teal.AliasLive).Value
	target, done, err := teal.RollbackTarget(app, live, store.Values(history), to)
	if err != nil || done != nil {
		return derefRelease(done), err
	}
	if err := c.checkRoutes(ctx, app, target); err != nil {
		return teal.Release{}, err
	}
	return c.goTo(ctx, app, target, record.Value.Policy, by)
}

func derefRelease(r *teal.Release) teal.Release {
	if r == nil {
		return teal.Release{}
	}
	return *r
}

// goTo releases a version without a confidence period: what is left behind was
// not good enough to stand by.
func (c *Control) goTo(ctx context.Context, app string, version int, policy teal.Policy, by string) (teal.Release, error) {
	policy = urgent(policy)
	r, err := c.cfg.Engine.Start(ctx, release.Request{App: app, To: version, Policy: policy, Back: true, By: by, At: time.Now()})
	if teal.IsCode(err, teal.CodeReleaseInProgress) {
		// Another caller may have begun the same rollback a moment ago.
		if moving, lookErr := c.cfg.Journal.Moving(ctx, app); lookErr == nil && moving != nil && moving.Back && moving.To == version {
			return c.awaitBack(ctx, moving.ID)
		}
	}
	if err != nil {
		return teal.Release{}, err
	}
	return c.awaitBack(ctx, r.ID)
}

// urgent returns the policy of a rollback: everything at once, as soon as the old
// version is healthy. It was good enough before; checks and judges would only
// keep users with the bad one.
func urgent(p teal.Policy) teal.Policy {
	back := teal.DefaultPolicy()
	if p.ReadyWithin > 0 {
		back.ReadyWithin, back.Drain = p.ReadyWithin, p.Drain
	}
	back.Confidence, back.Judge, back.Notify, back.Keep = 0, teal.Judging{}, p.Notify, p.Keep
	return back
}

// awaitBack waits for the end of a release that is a rollback.
func (c *Control) awaitBack(ctx context.Context, id string) (teal.Release, error) {
	r, err := c.cfg.Engine.Await(ctx, id, func(r teal.Release) bool { return r.Phase.Ended() })
	if err == nil && r.Phase != teal.PhaseCompleted {
		return r, teal.Errorf(teal.CodeReleaseFailed, "the rollback to v%d failed and nothing has changed: %s", r.To, r.Reason)
	}
	return r, err
}
