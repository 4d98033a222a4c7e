package control

import (
	"context"
	"time"

	"teal"
	"teal/internal/release"
	"teal/internal/store"
)

// Promote implements [api.Releaser].
func (c *Control) Promote(ctx context.Context, app, by string) (teal.Release, error) {
	if err := c.cfg.Writable(); err != nil {
		return teal.Release{}, err
	}
	record, err := c.cfg.Journal.App(ctx, app)
	if err != nil {
		return teal.Release{}, err
	}
	moving, err := c.cfg.Journal.Moving(ctx, app)
	if err != nil {
		return teal.Release{}, err
	}
	if moving != nil && moving.Phase != teal.PhaseWatching {
		return c.cfg.Engine.Command(ctx, moving.ID, teal.Command{Kind: teal.CommandPromote, By: by, At: time.Now()})
	}
	to := c.candidate(app)
	if to == 0 {
		return teal.Release{}, teal.Errorf(teal.CodeNothingToPromote, "%s has no version beside the live one; `teal deploy --no-release` starts one", app)
	}
	if err := c.checkRoutes(ctx, app, to); err != nil {
		return teal.Release{}, err
	}
	return c.cfg.Engine.Start(ctx, release.Request{App: app, To: to, Policy: record.Value.Policy, By: by, At: time.Now()})
}

// checkRoutes refuses to release a version that exists if its routes are not to
// be had any more.
func (c *Control) checkRoutes(ctx context.Context, app string, version int) error {
	record, err := c.cfg.Store.Versions.Get(ctx, store.VersionKey{App: app, Number: version})
	if err != nil {
		return err
	}
	return c.cfg.Router.CheckRoutes(ctx, record.Value.Spec)
}

// candidate returns the version that a promotion would make live: the second of
// a split, else the preview; 0 for none.
func (c *Control) candidate(app string) int {
	if live := c.cfg.Router.Alias(app, teal.AliasLive).Value; len(live.Targets) == 2 {
		return live.Targets[1].Version
	}
	for _, alias := range c.cfg.Router.Aliases(app) {
		if alias.Value.Name == teal.AliasPreview {
			return alias.Value.Primary()
		}
	}
	return 0
}

// Abort implements [api.Releaser].
func (c *Control) Abort(ctx context.Context, app, by, why string) (teal.Release, error) {
	moving, err := c.cfg.Journal.Moving(ctx, app)
	if err != nil {
		return teal.Release{}, err
	}
	if moving == nil {
		return teal.Release{}, teal.Errorf(teal.CodeNoActiveRelease, "%s has no release to abort; `teal history %s` shows how the last one ended", app, app)
	}
	return c.orderBack(ctx, *moving, by, why)
}

// orderBack ends a running release where it came from, and waits for that.
func (c *Control) orderBack(ctx context.Context, r teal.Release, by, why string) (teal.Release, error) {
	command := teal.Command{Kind: teal.CommandRollback, By: by, Why: why, At: time.Now()}
	if _, err := c.cfg.Engine.Command(ctx, r.ID, command); err != nil {
		return teal.Release{}, err
	}
	r, err := c.cfg.Engine.Await(ctx, r.ID, func(r teal.Release) bool { return r.Phase.Ended() })
	if err == nil && r.Phase == teal.PhaseCompleted {
		return r, teal.Errorf(teal.CodeReleaseFailed, "release %s was not rolled back: %s", r.ID, r.Reason)
	}
	return r, err
}
