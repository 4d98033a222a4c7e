package routing

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"teal"
	"teal/internal/environment"
	"teal/internal/gateway"
	"teal/internal/keylock"
	"teal/internal/release"
	"teal/internal/store"
)

// Fleet is what runs on this machine.
type Fleet interface {
	Running(app string) []environment.Running
	Runs(app string, version teal.VersionRef) bool
}

// Router keeps the gateway's table equal to the aliases in the store. It is the
// only writer of both, so the copy of the aliases that it holds is never behind.
type Router struct {
	gateway *gateway.Gateway
	aliases *store.Table[store.AliasKey, teal.Alias]
	journal Journal
	logger  *slog.Logger
	fleet   Fleet
	acks    *Acknowledgements

	// writing is held for an app from the look at what a change needs until the
	// table has followed the store: the changes of one app's aliases come one after
	// the other, and wait for those of no other app.
	writing keylock.Locks[string]

	// mu guards what follows, and orders the changes of the table. It is never held
	// across I/O, and no request takes it.
	mu      sync.Mutex
	apps    map[string]aliases       // as the table has them
	pending map[string][]teal.Target // what live gets when the change of the app is durable
	claimed *gateway.Table           // what apps have, and will have after what is pending
	stopped map[string]stoppedRoutes // of the apps of which nothing is to run
}

// aliases are the records of an app's aliases, by name.
type aliases map[string]store.Record[teal.Alias]

// Config is what a Router needs.
type Config struct {
	Gateway *gateway.Gateway
	Aliases *store.Table[store.AliasKey, teal.Alias]
	Journal Journal
	Fleet   Fleet
	Logger  *slog.Logger
	// Acknowledgements are of the gateways that follow the same store; nil is of
	// this one alone.
	Acknowledgements *Acknowledgements
}

// here is the gateway of this process among those that acknowledge.
const here = "here"

// New returns a router without aliases; see [Router.Load].
func New(cfg Config) *Router {
	if cfg.Acknowledgements == nil {
		cfg.Acknowledgements = NewAcknowledgements(time.Now)
	}
	cfg.Acknowledgements.Live(here, time.Time{})
	return &Router{
		gateway: cfg.Gateway, aliases: cfg.Aliases, journal: cfg.Journal, fleet: cfg.Fleet, logger: cfg.Logger,
		acks: cfg.Acknowledgements, apps: map[string]aliases{}, pending: map[string][]teal.Target{}, claimed: cfg.Gateway.Table(),
		stopped: map[string]stoppedRoutes{},
	}
}

var (
	_ release.Router    = (*Router)(nil)
	_ environment.Usage = (*Router)(nil)
)

// Load reads every alias from the store, and which apps are stopped. The gateway
// answers for those at once.
func (r *Router) Load(ctx context.Context) error {
	list, _, err := r.aliases.Readable(ctx, "") // an app without its alias answers nobody; the others do
	if err != nil {
		return fmt.Errorf("router: load aliases: %w", err)
	}
	if err := r.loadStopped(ctx, list); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apps = map[string]aliases{}
	for _, record := range list {
		r.keep(record)
		r.acks.Applied(here, store.AliasKey{App: record.Value.App, Name: record.Value.Name}, record.Revision) // nothing is served yet
	}
	for app := range r.stopped {
		r.follow(app)
	}
	return nil
}

func (r *Router) keep(record store.Record[teal.Alias]) {
	app := record.Value.App
	if r.apps[app] == nil {
		r.apps[app] = aliases{}
	}
	r.apps[app][record.Value.Name] = record
}

// Alias returns an alias and its revision; a zero record when there is none.
func (r *Router) Alias(app, name string) store.Record[teal.Alias] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.apps[app][name]
}

// Aliases returns the stored aliases of an app and, derived, its preview.
func (r *Router) Aliases(app string) []store.Record[teal.Alias] {
	running := r.fleet.Running(app)
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []store.Record[teal.Alias]
	for _, record := range r.apps[app] {
		list = append(list, record)
	}
	if version, since := preview(r.apps[app][teal.AliasLive].Value, running); version != 0 {
		list = append(list, store.Record[teal.Alias]{Value: teal.Alias{
			App: app, Name: teal.AliasPreview, Targets: teal.Only(version), UpdatedAt: since, UpdatedBy: "teal",
		}})
	}
	return list
}

// Observe implements [release.Router]. An alias holds when every gateway that is
// live has acknowledged it; the one of this process has when Set returns.
func (r *Router) Observe(_ context.Context, app, alias string) (release.Route, error) {
	record := r.Alias(app, alias)
	holds := r.acks.Hold(store.AliasKey{App: app, Name: alias}, record.Revision)
	return release.Route{Alias: record.Value, Revision: record.Revision, Holds: holds}, nil
}

// Set implements [release.Router]. What an alias is described as, and the changes that
// others have made of it, stay.
func (r *Router) Set(ctx context.Context, alias teal.Alias, revision uint64) error {
	return r.put(ctx, alias, revision, func(alias, before teal.Alias) teal.Alias {
		alias.Description, alias.Changes = before.Description, before.Changes
		return alias
	})
}

// SetDescribed writes the whole alias for somebody who is no release, and notes the
// change: when it returns without an error, the alias is durable and no request that
// starts from now on follows an older state. It refuses a version that does not run
// with teal.CodeVersionNotRunning, and routes that another app has with
// teal.CodeRouteTaken; then nothing has changed.
func (r *Router) SetDescribed(ctx context.Context, alias teal.Alias, revision uint64) error {
	return r.put(ctx, alias, revision, teal.Alias.Noted)
}

// put writes an alias, completed by what it takes the place of.
func (r *Router) put(ctx context.Context, alias teal.Alias, revision uint64, complete func(alias, before teal.Alias) teal.Alias) error {
	if err := teal.CheckTargets(alias.Targets); err != nil {
		return err
	}
	// A caller who goes away in the middle must not leave the table behind the
	// store. The store bounds how long a write takes.
	ctx = context.WithoutCancel(ctx)
	defer r.writing.Lock(alias.App)()
	key := store.AliasKey{App: alias.App, Name: alias.Name}
	if err := r.journal.BeginMove(ctx, key, revision); err != nil {
		return err
	}
	for _, t := range alias.Targets {
		if !r.fleet.Runs(alias.App, t.Version) {
			return teal.Errorf(teal.CodeVersionNotRunning, "%s %s is not running, so %s cannot point to it", alias.App, teal.VersionName(t.Version), alias.Name)
		}
	}
	alias = complete(alias, r.Alias(alias.App, alias.Name).Value)
	return r.change(ctx, key, alias.Targets, func() (store.Record[teal.Alias], error) { return r.write(ctx, alias, revision) })
}

func (r *Router) write(ctx context.Context, alias teal.Alias, revision uint64) (store.Record[teal.Alias], error) {
	if revision != 0 {
		return r.aliases.Update(ctx, alias, revision)
	}
	record, err := r.aliases.Create(ctx, alias)
	if !errors.Is(err, store.ErrExists) {
		return record, err
	}
	if _, bad := r.aliases.Get(ctx, store.AliasKey{App: alias.App, Name: alias.Name}); !errors.Is(bad, store.ErrUnreadable) {
		return record, err
	}
	// The record that is there cannot be understood, so nobody could name its
	// revision. A copy of it is kept.
	return r.aliases.Replace(ctx, alias)
}

// CheckRoutes returns teal.CodeRouteTaken when the routes of a spec, were it
// live, would take requests away from another app, or from a version that a
// release of another app may still make live.
func (r *Router) CheckRoutes(ctx context.Context, spec teal.Spec) error {
	if err := r.checkMoving(ctx, spec); err != nil {
		return err
	}
	const trial = 1
	app := gateway.App{
		Name:     spec.App,
		Aliases:  map[string][]teal.Target{teal.AliasLive: teal.Only(trial)},
		Starting: map[teal.VersionRef][]teal.Route{trial: spec.Routes},
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.claimed.Claiming(app)
	return err
}

// checkMoving keeps the routes of both ends of every release that is under way:
// a release that has been begun must be able to go on, and to go back.
func (r *Router) checkMoving(ctx context.Context, spec teal.Spec) error {
	ids, err := r.journal.Unfinished(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		release, _, err := r.journal.Load(ctx, id)
		if store.IsLost(err) || release.App == spec.App || release.Phase.Ended() {
			continue
		}
		if err != nil {
			return err
		}
		for _, number := range []int{release.From, release.To} {
			if err := r.checkEnd(ctx, spec, release.App, number); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkEnd refuses a spec that has a route of the version.
func (r *Router) checkEnd(ctx context.Context, spec teal.Spec, app string, number int) error {
	if number == 0 {
		return nil
	}
	version, err := r.journal.store.Versions.Get(ctx, store.VersionKey{App: app, Number: number})
	if store.IsLost(err) {
		return nil // what cannot be read cannot be made live
	}
	if err != nil {
		return err
	}
	for _, route := range spec.Routes {
		if slices.ContainsFunc(version.Value.Spec.Routes, func(other teal.Route) bool { return gateway.IsOnePlace(other, route) }) {
			return teal.Errorf(teal.CodeRouteTaken, "the route %s%s of app %q is in version %d of app %q, which a release may still make live; change the host or the path of one of them, or wait for that release", route.Host, route.Path, spec.App, number, app)
		}
	}
	return nil
}

// app returns what the table is to know of an app.
func (r *Router) app(name string, aliases aliases) gateway.App {
	app := gateway.App{
		Name:         name,
		Aliases:      make(map[string][]teal.Target, len(aliases)+1),
		Environments: map[teal.VersionRef]*gateway.Environment{},
		Starting:     map[teal.VersionRef][]teal.Route{},
	}
	for alias, record := range aliases {
		app.Aliases[alias] = record.Value.Targets
	}
	running := r.fleet.Running(name)
	for _, e := range running {
		if e.Handle == nil {
			app.Starting[e.Version] = e.Routes
		} else {
			app.Environments[e.Version] = e.Handle
		}
	}
	if routes, stopped := r.stopped[name]; stopped {
		app.Stopped = true
		maps.Copy(app.Starting, routes)
	}
	if version, _ := preview(aliases[teal.AliasLive].Value, running); version != 0 {
		app.Aliases[teal.AliasPreview] = teal.Only(version)
	}
	return app
}

// LiveTargets yields every app and version that live sends requests to.
func (r *Router) LiveTargets() iter.Seq2[string, teal.VersionRef] {
	return func(yield func(string, teal.VersionRef) bool) {
		for _, live := range r.lives() {
			if r.journal.IsIdle(context.Background(), live.App) {
				continue
			}
			for _, t := range live.Targets {
				if t.Weight > 0 && !yield(live.App, t.Version) {
					return
				}
			}
		}
	}
}

func (r *Router) lives() []teal.Alias {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []teal.Alias
	for _, aliases := range r.apps {
		list = append(list, aliases[teal.AliasLive].Value)
	}
	return list
}

// preview returns the version that the preview alias follows, and since when:
// the newest that is not live, if it was started after the one that is. A blue
// on standby is older than live, and not a preview; nor is what was started for a
// user's alias alone. 0 for none.
func preview(live teal.Alias, running []environment.Running) (version int, since time.Time) {
	for _, e := range running {
		if live.Primary() == e.Version {
			since = e.Since
		}
	}
	for _, e := range running {
		number, ok := e.Version.Number()
		if ok && !e.Unslotted && !live.PointsTo(number) && e.Since.After(since) {
			version, since = number, e.Since
		}
	}
	return version, since
}

// Uses implements [environment.Usage]. The draft is started by whoever invokes
// it, whenever it does not run, so nobody needs it to go on.
func (r *Router) Uses(ctx context.Context, app string, ref teal.VersionRef) (environment.Use, error) {
	version, ok := ref.Number()
	if !ok {
		return environment.Use{}, nil
	}
	active, err := r.journal.Moving(ctx, app)
	if teal.IsCode(err, teal.CodeUnknownApp) {
		err = nil // without a record of the app no release moves
	}
	use := environment.Use{Release: active != nil && (active.From == version || active.To == version)}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, record := range r.apps[app] {
		switch {
		case name == teal.AliasLive && record.Value.Weight(version) > 0:
			use.Live = true
		case record.Value.PointsTo(version):
			use.Alias = true
		}
	}
	return use, err
}

// HideUnused implements [environment.Usage].
func (r *Router) HideUnused(ctx context.Context, app string, version teal.VersionRef, hide func()) (environment.Use, error) {
	defer r.writing.Lock(app)()     // no alias is given to it between the look and the hiding
	if r.journal.IsIdle(ctx, app) { // what its aliases say is for when it is started again
		hide()
		return environment.Use{}, nil
	}
	use, err := r.Uses(ctx, app, version)
	if err == nil && !use.Live && !use.Alias {
		hide()
	}
	return use, err
}

// InUse reports whether an alias or a release that has not ended uses a version.
func (r *Router) InUse(ctx context.Context, app string, version teal.VersionRef) (bool, error) {
	use, err := r.Uses(ctx, app, version)
	return use.Live || use.Alias || use.Release, err
}

// Targets implements [environment.Usage].
func (r *Router) Targets() []environment.Target {
	var targets []environment.Target
	for _, app := range r.routed() {
		if r.journal.IsIdle(context.Background(), app) {
			continue
		}
		for _, record := range r.Stored(app) {
			for _, t := range record.Value.Targets {
				targets = append(targets, environment.Target{App: app, Version: t.Version, Live: record.Value.Name == teal.AliasLive})
			}
		}
	}
	return targets
}

// routed returns the apps that have aliases.
func (r *Router) routed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.apps))
}

// RunsNothing implements [environment.Usage]. An app whose record is missing while an
// alias of it is there has lost it.
func (r *Router) RunsNothing(ctx context.Context, app string) bool {
	record, err := r.journal.store.Apps.Get(ctx, app)
	if errors.Is(err, store.ErrNotFound) {
		return len(r.Stored(app)) == 0
	}
	return err == nil && (record.Value.Deleting || record.Value.Stopped != nil)
}
