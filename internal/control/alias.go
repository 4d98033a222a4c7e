package control

import (
	"cmp"
	"context"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/store"
)

// SetAlias implements [api.Aliaser].
func (c *Control) SetAlias(ctx context.Context, set api.SetAlias) (api.AliasView, error) {
	if err := c.cfg.Writable(); err != nil {
		return api.AliasView{}, err
	}
	patience, err := c.CheckAlias(ctx, set)
	if err != nil {
		return api.AliasView{}, err
	}
	for _, t := range set.Targets {
		if err := c.EnsureReady(ctx, set, t.Version, patience); err != nil {
			return api.AliasView{}, err
		}
	}
	// The revision is read before the look for a release: a release that begins
	// in between changes the alias, and this write then loses.
	revision := c.cfg.Router.Alias(set.App, set.Alias).Revision
	if set.Revision != nil {
		revision = *set.Revision
	}
	if set.Alias == teal.AliasLive {
		if err := c.cfg.Journal.CheckNoRelease(ctx, set.App); err != nil {
			return api.AliasView{}, err
		}
	}
	alias := c.cfg.Router.Alias(set.App, set.Alias).Value // what it is described as stays
	alias.App, alias.Name, alias.Targets, alias.UpdatedAt, alias.UpdatedBy = set.App, set.Alias, set.Targets, time.Now(), set.By
	if err := c.cfg.Router.SetDescribed(ctx, alias, revision); err != nil {
		return api.AliasView{}, err
	}
	record := c.cfg.Router.Alias(set.App, set.Alias)
	return api.ViewAlias(record.Value, record.Revision), nil
}

// maxChangesShown is how many changes of aliases an app shows.
const maxChangesShown = 100

// AliasChanges implements [api.Aliaser].
func (c *Control) AliasChanges(ctx context.Context, app string) ([]teal.AliasChange, error) {
	record, err := c.cfg.Journal.App(ctx, app)
	if err != nil {
		return nil, err
	}
	var aliases []teal.Alias
	revisions := map[string]uint64{}
	for _, alias := range c.cfg.Router.Stored(app) {
		aliases = append(aliases, alias.Value)
		revisions[alias.Value.Name] = alias.Revision
	}
	return record.Value.AliasChanges(aliases, func(name string) uint64 { return revisions[name] }, maxChangesShown), nil
}

// CheckAlias refuses what cannot be set, and returns how long the app's versions
// may take to become healthy.
func (c *Control) CheckAlias(ctx context.Context, set api.SetAlias) (patience time.Duration, err error) {
	app, err := c.cfg.Journal.App(ctx, set.App)
	if err != nil {
		return 0, err
	}
	if err := teal.CheckName("alias", set.Alias); err != nil {
		return 0, err
	}
	if set.Alias == teal.AliasPreview {
		return 0, teal.Errorf(teal.CodeInvalidInput, "preview follows the newest version that is not live; it cannot be set by hand")
	}
	if err := teal.CheckTargets(set.Targets); err != nil {
		return 0, err
	}
	for _, t := range set.Targets {
		number, ok := t.Version.Number()
		if !ok {
			return 0, teal.Errorf(teal.CodeUnknownVersion, "%s of %s is no version; publish one first", t.Version, set.App)
		}
		if _, err := c.cfg.Store.Versions.Get(ctx, store.VersionKey{App: set.App, Number: number}); err != nil {
			return 0, err
		}
	}
	return cmp.Or(app.Value.Policy.ReadyWithin, teal.DefaultReadyWithin).Std(), nil
}

// EnsureReady starts a version that does not run and waits until it is ready.
// One that it has started in vain is stopped again.
func (c *Control) EnsureReady(ctx context.Context, set api.SetAlias, version teal.VersionRef, patience time.Duration) error {
	app := set.App
	if c.cfg.Manager.Runs(app, version) {
		return c.awaitReady(ctx, app, version, patience)
	}
	if err := c.startFor(ctx, set, version); err != nil {
		return err
	}
	err := c.awaitReady(ctx, app, version, patience)
	if err == nil {
		return nil
	}
	if retireErr := c.cfg.Manager.Retire(context.WithoutCancel(ctx), app, version, teal.DefaultDrain.Std()); retireErr != nil {
		c.cfg.Logger.Warn("a version that did not become healthy goes on trying", "app", app, "version", version, "error", retireErr)
	}
	return err
}

// startFor starts a version for an alias: for live beside the alias's other one,
// for a user's alias beside everything.
func (c *Control) startFor(ctx context.Context, set api.SetAlias, version teal.VersionRef) error {
	number, ok := version.Number()
	if !ok || set.Alias != teal.AliasLive {
		return c.cfg.Manager.ProvisionUnslotted(ctx, set.App, version)
	}
	var together []int
	for _, t := range set.Targets {
		other, _ := t.Version.Number()
		together = append(together, other)
	}
	return c.cfg.Manager.ProvisionBeside(ctx, set.App, number, together)
}

func (c *Control) awaitReady(ctx context.Context, app string, version teal.VersionRef, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	health, err := c.cfg.Manager.Await(ctx, app, version)
	switch {
	case health.State == teal.EnvironmentReady:
		return nil
	case health.Reason != "":
		return teal.Errorf(teal.CodeUnavailable, "%s %s is not healthy: %s\n%s", app, teal.VersionName(version), health.Reason, health.Output)
	case err != nil:
		return teal.Errorf(teal.CodeUnavailable, "%s %s did not become healthy", app, teal.VersionName(version))
	}
	return teal.Errorf(teal.CodeVersionNotRunning, "%s %s was retired while it was starting; try again", app, teal.VersionName(version))
}
