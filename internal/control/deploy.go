package control

import (
	"context"
	"errors"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/cron"
	"teal/internal/release"
	"teal/internal/store"
)

// Deploy implements [api.Deployer].
func (c *Control) Deploy(ctx context.Context, d api.Deploy) (api.Deployed, error) {
	defer c.cfg.Reservations.HoldFor(d.Spec, d.Policy)()
	if err := c.cfg.Writable(); err != nil {
		return api.Deployed{}, err
	}
	if err := c.check(ctx, d); err != nil {
		return api.Deployed{}, err
	}
	d, unbind, err := c.bind(ctx, d)
	if err != nil {
		return api.Deployed{}, err
	}
	defer unbind() // what it is bound to is recorded then
	version, created, err := c.Record(ctx, d)
	if err != nil {
		return api.Deployed{}, err
	}
	return c.begin(ctx, d, api.Deployed{Version: version, Created: created, Warnings: c.warnings(ctx, version, d.Spec)})
}

// warnings says what of a deploy is not as its spec says.
func (c *Control) warnings(ctx context.Context, version teal.Version, spec teal.Spec) []string {
	list := c.cfg.Manager.Warnings(ctx, version.Spec)
	if older := olderSecrets(version, spec); older != "" {
		list = append(list, older)
	}
	return list
}

// begin starts what a deploy asks for of the version that was recorded.
func (c *Control) begin(ctx context.Context, d api.Deploy, out api.Deployed) (_ api.Deployed, err error) {
	version := out.Version
	switch {
	case c.isLiveForGood(ctx, version):
		out.Live = true
	case !d.Release:
		err = c.cfg.Manager.Provision(ctx, version.App, version.Number)
	default:
		var r teal.Release
		r, err = c.cfg.Engine.Start(ctx, release.Request{
			App: version.App, To: version.Number, Policy: d.Policy, By: d.By, At: time.Now(), Force: d.Force, Unfreeze: d.Unfreeze,
		})
		out.Release = &r
	}
	if teal.IsCode(err, teal.CodeNothingToPromote) { // what it took the place of has gone back to it
		out.Live, out.Release, err = true, nil, nil
	}
	if err != nil {
		return api.Deployed{}, err
	}
	// Only now: a deploy that was refused has no say in later promotions.
	_, err = c.cfg.Store.Apps.Modify(ctx, version.App, func(a *teal.App) error {
		if a.Deleting {
			return store.UnknownApp(version.App)
		}
		a.Policy = d.Policy
		return nil
	})
	return out, err
}

// isLiveForGood reports whether the version has all traffic and no release is
// about to take it away.
func (c *Control) isLiveForGood(ctx context.Context, v teal.Version) bool {
	if !c.cfg.Router.Alias(v.App, teal.AliasLive).Value.IsOnly(v.Number) {
		return false
	}
	moving, err := c.cfg.Journal.Moving(ctx, v.App)
	return err == nil && (moving == nil || moving.To == v.Number)
}

// check refuses a deploy of what could not be released. Its code is held.
func (c *Control) check(ctx context.Context, d api.Deploy) error {
	if err := c.cfg.Deletions.Await(ctx, d.Spec.App); err != nil {
		return err
	}
	return c.checkDeploy(ctx, d)
}

// checkDeploy refuses what could not be released, before anything is recorded.
func (c *Control) checkDeploy(ctx context.Context, d api.Deploy) error {
	if err := d.Spec.Validate(); err != nil {
		return err
	}
	if err := d.Policy.ValidateFor(d.Spec, cron.Check); err != nil {
		return err
	}
	for _, digest := range append(d.Spec.Bundles(), d.Policy.Bundles()...) {
		if !c.cfg.Bundles.Has(digest) {
			return teal.Errorf(teal.CodeUnknownBundle, "the bundle %s has not been uploaded; PUT it to /v1/bundles/%s first", digest, digest)
		}
	}
	if err := c.cfg.Journal.CheckStarted(ctx, d.Spec.App); err != nil {
		return err
	}
	if err := c.cfg.Router.CheckRoutes(ctx, d.Spec); err != nil {
		return err
	}
	if d.Policy.OnNewVersion == teal.OnNewVersionQueue || d.Policy.OnNewVersion == teal.OnNewVersionReplace {
		return nil // the engine makes room, or gives it a place
	}
	return c.checkIdle(ctx, d.Spec.App)
}

// checkIdle returns teal.CodeReleaseInProgress while a release of the app moves
// traffic or is about to. One that only watches makes way.
func (c *Control) checkIdle(ctx context.Context, app string) error {
	moving, err := c.cfg.Journal.Moving(ctx, app)
	if teal.IsCode(err, teal.CodeUnknownApp) || (err == nil && moving == nil) {
		return nil
	}
	if err != nil || moving.Phase == teal.PhaseWatching {
		return err
	}
	return release.InProgress(*moving)
}

// Record returns the version that has the spec's content: the one that is there,
// or a new one. The revisions of secrets are content when they are to be refreshed.
func (c *Control) Record(ctx context.Context, d api.Deploy) (version teal.Version, created bool, err error) {
	app, err := c.CreateApp(ctx, d.Spec.App, d.Policy)
	if err != nil {
		return version, false, err
	}
	for {
		version, created, err = c.recordOnce(ctx, d, app.Value.LastVersion)
		if !errors.Is(err, store.ErrExists) {
			return version, created, err
		}
		// Another deploy has taken the number; it may be of the same content.
	}
}

// sameContent returns the version that has the content of a deploy. The newest, and what is
// live, will do when older revisions of secrets are all that they have otherwise, unless
// these are to be refreshed: who deploys once more what is there changes nothing.
func (c *Control) sameContent(versions []teal.Version, d api.Deploy) (same teal.Version, found bool) {
	digest := d.Spec.Digest()
	for _, v := range versions {
		if v.Digest == digest {
			return v, true
		}
	}
	if d.RefreshSecrets || len(d.Spec.SecretRefs()) == 0 {
		return same, false
	}
	unbound := d.Spec.Unbound().Digest()
	live := c.cfg.Router.Alias(d.Spec.App, teal.AliasLive).Value
	for i, v := range versions {
		if (i == len(versions)-1 || live.PointsTo(v.Number)) && v.Spec.Unbound().Digest() == unbound {
			same, found = v, true
		}
	}
	return same, found
}

func (c *Control) recordOnce(ctx context.Context, d api.Deploy, number int) (version teal.Version, created bool, err error) {
	spec, digest := d.Spec, d.Spec.Digest()
	list, unreadable, err := c.cfg.Store.Versions.Readable(ctx, spec.App)
	if err != nil {
		return version, false, err
	}
	for _, v := range unreadable {
		number = max(number, v.Number) // which is taken, whatever it holds
	}
	for _, v := range list {
		number = max(number, v.Value.Number)
	}
	if same, found := c.sameContent(store.Values(list), d); found {
		return same, false, nil
	}
	number++
	record, err := c.cfg.Store.Versions.Create(ctx, teal.Version{
		App: spec.App, Number: number, Digest: digest, Spec: spec, CreatedAt: time.Now(),
	})
	if err != nil {
		return version, false, err
	}
	_, err = c.cfg.Store.Apps.Modify(ctx, spec.App, func(a *teal.App) error {
		if a.Deleting {
			return store.UnknownApp(spec.App)
		}
		a.LastVersion = max(a.LastVersion, number)
		return nil
	})
	if teal.IsCode(err, teal.CodeUnknownApp) {
		// Deleted meanwhile: the deletion has seen this version, or its record is
		// not there any more to say that it is to be seen.
		key := store.VersionKey{App: spec.App, Number: number}
		return version, false, errors.Join(err, store.IgnoreMissing(c.cfg.Store.Versions.Delete(ctx, key, record.Revision)))
	}
	return record.Value, true, err
}
