package control

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/environment"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/release"
	"teal/internal/routing"
	"teal/internal/store"
)

// Control answers the REST API: it turns orders into records, releases and
// aliases. Safe for concurrent use.
type Control struct {
	store   *store.Store
	bundles Bundles
	engine  *release.Engine
	manager *environment.Manager
	router  *routing.Router
	journal routing.Journal
	gateway *gateway.Gateway
	logger  *slog.Logger

	writable   func() error
	examiner   Hooks
	recordings Recordings
	pins       Pins
	numbers    Numbers
	deletions  Deletions
}

// Config is what a Control needs.
type Config struct {
	Store   *store.Store
	Journal routing.Journal
	Router  *routing.Router
	Gateway *gateway.Gateway
	Manager *environment.Manager
	Engine  *release.Engine
	Logger  *slog.Logger
	// Writable returns why nothing can be recorded at the moment. What begins
	// something asks before it changes anything.
	Writable   func() error
	Bundles    Bundles
	Hooks      Hooks
	Recordings Recordings
	Pins       Pins
	Numbers    Numbers
	Deletions  Deletions
}

// New returns what takes orders.
func New(cfg Config) *Control {
	return &Control{
		store: cfg.Store, bundles: cfg.Bundles, engine: cfg.Engine, manager: cfg.Manager, router: cfg.Router,
		journal: cfg.Journal, gateway: cfg.Gateway, logger: cfg.Logger, writable: cfg.Writable, examiner: cfg.Hooks,
		recordings: cfg.Recordings, pins: cfg.Pins, numbers: cfg.Numbers, deletions: cfg.Deletions,
	}
}

var _ api.Control = (*Control)(nil)

// Deploy implements [api.Deployer].
func (c *Control) Deploy(ctx context.Context, d api.Deploy) (api.Deployed, error) {
	defer c.pins.Hold(d.Policy.Bundles())()
	if err := c.writable(); err != nil {
		return api.Deployed{}, err
	}
	version, created, err := c.accept(ctx, d)
	if err != nil {
		return api.Deployed{}, err
	}
	out := api.Deployed{Version: version, Created: created}
	switch {
	case c.isLiveForGood(ctx, version):
		out.Live = true
	case !d.Release:
		err = c.manager.Provision(ctx, version.App, version.Number)
	default:
		var r teal.Release
		r, err = c.engine.Start(ctx, release.Request{
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
	_, err = c.store.Apps.Modify(ctx, version.App, func(a *teal.App) error {
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
	if !c.router.Alias(v.App, teal.AliasLive).Value.IsOnly(v.Number) {
		return false
	}
	moving, err := c.journal.Moving(ctx, v.App)
	return err == nil && (moving == nil || moving.To == v.Number)
}

// accept checks a deploy and records its version, while nobody removes code.
func (c *Control) accept(ctx context.Context, d api.Deploy) (version teal.Version, created bool, err error) {
	if err := c.deletions.Await(ctx, d.Spec.App); err != nil {
		return version, false, err
	}
	defer c.pins.Keep()()
	if err := c.checkDeploy(ctx, d); err != nil {
		return version, false, err
	}
	return c.Record(ctx, d)
}

// checkDeploy refuses what could not be released, before anything is recorded.
func (c *Control) checkDeploy(ctx context.Context, d api.Deploy) error {
	if err := d.Spec.Validate(); err != nil {
		return err
	}
	if err := d.Policy.ValidateFor(d.Spec); err != nil {
		return err
	}
	for _, digest := range append(d.Spec.Bundles(), d.Policy.Bundles()...) {
		if !c.bundles.Has(digest) {
			return teal.Errorf(teal.CodeUnknownBundle, "the bundle %s has not been uploaded; PUT it to /v1/bundles/%s first", digest, digest)
		}
	}
	if err := c.router.CheckRoutes(ctx, d.Spec); err != nil {
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
	moving, err := c.journal.Moving(ctx, app)
	if teal.IsCode(err, teal.CodeUnknownApp) || (err == nil && moving == nil) {
		return nil
	}
	if err != nil || moving.Phase == teal.PhaseWatching {
		return err
	}
	return teal.Errorf(teal.CodeReleaseInProgress,
		"release %s of %s is %s (version %d to %d); wait for it, or end it with `teal abort %s`",
		moving.ID, app, moving.Phase, moving.From, moving.To, app)
}

// Record returns the version that has the spec's content: the one that is there,
// or a new one.
func (c *Control) Record(ctx context.Context, d api.Deploy) (version teal.Version, created bool, err error) {
	app, err := c.CreateApp(ctx, d.Spec.App, d.Policy)
	if err != nil {
		return version, false, err
	}
	for {
		version, created, err = c.recordOnce(ctx, d.Spec, app.Value.LastVersion)
		if !errors.Is(err, store.ErrExists) {
			return version, created, err
		}
		// Another deploy has taken the number; it may be of the same content.
	}
}

func (c *Control) recordOnce(ctx context.Context, spec teal.Spec, number int) (version teal.Version, created bool, err error) {
	digest := spec.Digest()
	list, unreadable, err := c.store.Versions.Readable(ctx, spec.App)
	if err != nil {
		return version, false, err
	}
	for _, v := range unreadable {
		number = max(number, v.Number) // which is taken, whatever it holds
	}
	for _, v := range list {
		if v.Value.Digest == digest {
			return v.Value, false, nil
		}
		number = max(number, v.Value.Number)
	}
	number++
	record, err := c.store.Versions.Create(ctx, teal.Version{
		App: spec.App, Number: number, Digest: digest, Spec: spec, CreatedAt: time.Now(),
	})
	if err != nil {
		return version, false, err
	}
	_, err = c.store.Apps.Modify(ctx, spec.App, func(a *teal.App) error {
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
		return version, false, errors.Join(err, store.IgnoreMissing(c.store.Versions.Delete(ctx, key, record.Revision)))
	}
	return record.Value, true, err
}

// Promote implements [api.Releaser].
func (c *Control) Promote(ctx context.Context, app, by string) (teal.Release, error) {
	if err := c.writable(); err != nil {
		return teal.Release{}, err
	}
	record, err := c.journal.App(ctx, app)
	if err != nil {
		return teal.Release{}, err
	}
	moving, err := c.journal.Moving(ctx, app)
	if err != nil {
		return teal.Release{}, err
	}
	if moving != nil && moving.Phase != teal.PhaseWatching {
		return c.engine.Order(ctx, moving.ID, teal.Order{Kind: teal.OrderPromote, By: by, At: time.Now()})
	}
	to := c.candidate(app)
	if to == 0 {
		return teal.Release{}, teal.Errorf(teal.CodeNothingToPromote, "%s has no version beside the live one; `teal deploy --no-release` starts one", app)
	}
	if err := c.checkRoutes(ctx, app, to); err != nil {
		return teal.Release{}, err
	}
	return c.engine.Start(ctx, release.Request{App: app, To: to, Policy: record.Value.Policy, By: by, At: time.Now()})
}

// checkRoutes refuses to release a version that exists if its routes are not to
// be had any more.
func (c *Control) checkRoutes(ctx context.Context, app string, version int) error {
	record, err := c.store.Versions.Get(ctx, store.VersionKey{App: app, Number: version})
	if err != nil {
		return err
	}
	return c.router.CheckRoutes(ctx, record.Value.Spec)
}

// candidate returns the version that a promotion would make live: the second of
// a split, else the preview; 0 for none.
func (c *Control) candidate(app string) int {
	var candidate teal.VersionRef
	for _, alias := range c.router.Aliases(app) {
		if alias.Value.Name == teal.AliasPreview {
			candidate = alias.Value.Primary()
		}
	}
	if live := c.router.Alias(app, teal.AliasLive).Value; len(live.Targets) == 2 {
		candidate = live.Targets[1].Version
	}
	number, _ := candidate.Number()
	return number
}

// Abort implements [api.Releaser].
func (c *Control) Abort(ctx context.Context, app, by, why string) (teal.Release, error) {
	moving, err := c.journal.Moving(ctx, app)
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
	order := teal.Order{Kind: teal.OrderRollback, By: by, Why: why, At: time.Now()}
	if _, err := c.engine.Order(ctx, r.ID, order); err != nil {
		return teal.Release{}, err
	}
	r, err := c.engine.Await(ctx, r.ID, func(r teal.Release) bool { return r.Phase.Ended() })
	if err == nil && r.Phase == teal.PhaseCompleted {
		return r, teal.Errorf(teal.CodeReleaseFailed, "release %s was not rolled back: %s", r.ID, r.Reason)
	}
	return r, err
}

// SetAlias implements [api.Aliaser].
func (c *Control) SetAlias(ctx context.Context, set api.SetAlias) (api.AliasView, error) {
	if err := c.writable(); err != nil {
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
	revision := c.router.Alias(set.App, set.Alias).Revision
	if set.Revision != nil {
		revision = *set.Revision
	}
	if set.Alias == teal.AliasLive {
		if err := c.journal.CheckNoRelease(ctx, set.App); err != nil {
			return api.AliasView{}, err
		}
	}
	alias := teal.Alias{App: set.App, Name: set.Alias, Targets: set.Targets, UpdatedAt: time.Now(), UpdatedBy: set.By}
	if err := c.router.Set(ctx, alias, revision); err != nil {
		return api.AliasView{}, err
	}
	record := c.router.Alias(set.App, set.Alias)
	return api.ViewAlias(record.Value, record.Revision), nil
}

// CheckAlias refuses what cannot be set, and returns how long the app's versions
// may take to become healthy.
func (c *Control) CheckAlias(ctx context.Context, set api.SetAlias) (patience time.Duration, err error) {
	app, err := c.journal.App(ctx, set.App)
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
		if _, err := c.store.Versions.Get(ctx, store.VersionKey{App: set.App, Number: number}); err != nil {
			return 0, err
		}
	}
	return cmp.Or(app.Value.Policy.ReadyWithin, teal.DefaultReadyWithin).Std(), nil
}

// EnsureReady starts a version that does not run and waits until it is ready.
// One that it has started in vain is stopped again.
func (c *Control) EnsureReady(ctx context.Context, set api.SetAlias, version teal.VersionRef, patience time.Duration) error {
	app := set.App
	if c.manager.Runs(app, version) {
		return c.awaitReady(ctx, app, version, patience)
	}
	if err := c.startFor(ctx, set, version); err != nil {
		return err
	}
	err := c.awaitReady(ctx, app, version, patience)
	if err == nil {
		return nil
	}
	if retireErr := c.manager.Retire(context.WithoutCancel(ctx), app, version, teal.DefaultDrain.Std()); retireErr != nil {
		c.logger.Warn("a version that did not become healthy goes on trying", "app", app, "version", version, "error", retireErr)
	}
	return err
}

// startFor starts a version for an alias: for live beside the alias's other one,
// for a user's alias beside everything.
func (c *Control) startFor(ctx context.Context, set api.SetAlias, version teal.VersionRef) error {
	number, ok := version.Number()
	if !ok || set.Alias != teal.AliasLive {
		return c.manager.ProvisionUnslotted(ctx, set.App, version)
	}
	var together []int
	for _, t := range set.Targets {
		other, _ := t.Version.Number()
		together = append(together, other)
	}
	return c.manager.ProvisionBeside(ctx, set.App, number, together)
}

func (c *Control) awaitReady(ctx context.Context, app string, version teal.VersionRef, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	health, err := c.manager.Await(ctx, app, version)
	switch {
	case health.State == teal.EnvironmentReady:
		return nil
	case health.Reason != "":
		return teal.Errorf(teal.CodeUnavailable, "version %s of %s is not healthy: %s\n%s", version, app, health.Reason, health.Output)
	case err != nil:
		return teal.Errorf(teal.CodeUnavailable, "version %s of %s did not become healthy", version, app)
	}
	return teal.Errorf(teal.CodeVersionNotRunning, "version %s of %s was retired while it was starting; try again", version, app)
}

// Invoke implements [api.Invoker].
func (c *Control) Invoke(ctx context.Context, call api.Invoke) (api.Invoked, error) {
	if _, err := c.journal.App(ctx, call.App); err != nil {
		return api.Invoked{}, err
	}
	claim, err := c.gateway.ClaimQualifier(call.App, call.Qualifier, call.Component, teal.Weight(rand.Int32N(int32(teal.All))))
	if err != nil {
		return api.Invoked{}, err
	}
	var result gateway.Result
	defer func() { claim.End(result) }()
	answer, err := claim.Component.Function.Invoke(ctx, teal.Invocation{Event: call.Event, Alias: call.Qualifier})
	result = exchange.InvocationResult(ctx, answer, err)
	invoked := api.Invoked{Version: claim.Env.Version(), Answer: answer}
	if answer.FunctionError != "" {
		return invoked, nil // what the function said is the answer, as AWS has it
	}
	return invoked, err
}
