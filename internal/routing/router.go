package routing

import (
	"context"
	"errors"
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

// Nodes are the gateways of all nodes, as far as they have said what they follow.
type Nodes interface {
	Name() string // of this node
	// Look reads which nodes there are: afterwards Behind knows all that had joined before.
	Look(ctx context.Context) error
	// Behind returns the live nodes whose gateway may still follow an older state of an
	// alias than the revision; gone asks about one that had it and has been removed.
	Behind(key store.AliasKey, revision uint64, gone bool) []string
	// Changed returns a channel that is closed at the next news of any node.
	Changed() <-chan struct{}
}

// Router moves aliases. It is their only writer on this node, and what it knows of them
// is never behind what it has written.
type Router struct {
	cfg Config

	// writing is held for an app from the look at what a change needs until this node's
	// gateway has followed the store: the changes of one app's aliases come one after
	// the other, and wait for those of no other app.
	writing keylock.Locks[string]

	mu      sync.Mutex
	waiting map[store.AliasKey]bool // whose switch somebody has seen not to hold yet
}

// Config is what a Router needs.
type Config struct {
	Table   *Table
	Known   Known
	Aliases *store.Table[store.AliasKey, teal.Alias]
	Journal Journal
	Fleet   Fleet
	Nodes   Nodes
	// Changed is called when an alias of the app holds of which [Router.Observe] has said
	// that it does not; nil is nobody. It must not block.
	Changed func(app string)
	Logger  *slog.Logger
}

// New returns a router. It starts nothing.
func New(cfg Config) *Router {
	if cfg.Changed == nil {
		cfg.Changed = func(string) {}
	}
	return &Router{cfg: cfg, waiting: map[store.AliasKey]bool{}}
}

var (
	_ release.Router    = urgent{}
	_ environment.Usage = (*Router)(nil)
)

// Alias returns an alias and its revision; a zero record when there is none.
func (r *Router) Alias(app, name string) store.Record[teal.Alias] {
	record, ok := r.cfg.Known.Alias(store.AliasKey{App: app, Name: name})
	if !ok {
		return store.Record[teal.Alias]{}
	}
	return record
}

// Aliases returns the stored aliases of an app and, derived, its preview.
func (r *Router) Aliases(app string) []store.Record[teal.Alias] {
	list := r.cfg.Known.AliasesOf(app)
	if version, since := preview(r.Alias(app, teal.AliasLive).Value, r.cfg.Fleet.Running(app)); version != 0 {
		list = append(list, store.Record[teal.Alias]{Value: teal.Alias{
			App: app, Name: teal.AliasPreview, Targets: teal.Only(version), UpdatedAt: since, UpdatedBy: "teal",
		}})
	}
	return list
}

// Observe implements [release.Router]. An alias holds when the gateway of every node that
// lives has acknowledged it.
func (r *Router) Observe(ctx context.Context, app, alias string) (release.Route, error) {
	key := store.AliasKey{App: app, Name: alias}
	r.expect(key, true) // first: what is acknowledged from here on is told
	record := r.Alias(app, alias)
	if err := r.cfg.Nodes.Look(ctx); err != nil {
		return release.Route{}, err
	}
	behind := r.cfg.Nodes.Behind(key, record.Revision, false)
	if len(behind) == 0 {
		r.expect(key, false)
	}
	return release.Route{Alias: record.Value, Revision: record.Revision, Holds: len(behind) == 0, Behind: behind}, nil
}

func (r *Router) expect(key store.AliasKey, waits bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.waiting, key); waits {
		r.waiting[key] = true
	}
}

func (r *Router) expected() []store.AliasKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.waiting))
}

// Run tells Config.Changed when what did not hold does, until ctx ends.
func (r *Router) Run(ctx context.Context) error {
	for {
		changed := r.cfg.Nodes.Changed()
		for _, key := range r.expected() {
			if len(r.cfg.Nodes.Behind(key, r.Alias(key.App, key.Name).Revision, false)) == 0 {
				r.expect(key, false)
				r.cfg.Changed(key.App)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Set writes an alias; see SetDescribed. What it is described as stays.
func (r *Router) Set(ctx context.Context, alias teal.Alias, revision uint64) error {
	alias.Description = r.Alias(alias.App, alias.Name).Value.Description
	return r.SetDescribed(ctx, alias, revision)
}

// SetDescribed writes the whole alias: when it returns without an error, the alias
// is durable and no request that starts from now on, at whichever node, follows an older
// state. It refuses a version that does not run with teal.CodeVersionNotRunning, and
// routes that another app has with teal.CodeRouteTaken; then nothing has changed. With
// teal.CodeUnavailable the alias is written, and a gateway does not follow yet.
func (r *Router) SetDescribed(ctx context.Context, alias teal.Alias, revision uint64) error {
	written, err := r.set(ctx, alias, revision)
	if err != nil {
		return err
	}
	return r.awaitAll(ctx, written, patience)
}

// set writes an alias, and returns when the gateway of this node follows it.
func (r *Router) set(ctx context.Context, alias teal.Alias, revision uint64) (written state, err error) {
	if err := teal.CheckTargets(alias.Targets); err != nil {
		return state{}, err
	}
	// A caller who goes away in the middle must not leave it open whether the alias was
	// written. The store bounds how long a write takes.
	ctx = context.WithoutCancel(ctx)
	defer r.writing.Lock(alias.App)()
	if err := r.cfg.Journal.CheckStarted(ctx, alias.App); err != nil {
		return state{}, err
	}
	for _, t := range alias.Targets {
		if !r.cfg.Fleet.Runs(alias.App, t.Version) {
			return state{}, teal.Errorf(teal.CodeVersionNotRunning, "%s %s is not running, so %s cannot point to it", alias.App, teal.VersionName(t.Version), alias.Name)
		}
	}
	written.key = store.AliasKey{App: alias.App, Name: alias.Name}
	err = r.change(ctx, written.key, alias.Targets, func() error {
		record, err := r.write(ctx, alias, revision)
		written.revision = record.Revision
		return err
	})
	return written, err
}

func (r *Router) write(ctx context.Context, alias teal.Alias, revision uint64) (store.Record[teal.Alias], error) {
	if revision != 0 {
		return r.cfg.Aliases.Update(ctx, alias, revision)
	}
	record, err := r.cfg.Aliases.Create(ctx, alias)
	if !errors.Is(err, store.ErrExists) {
		return record, err
	}
	if _, bad := r.cfg.Aliases.Get(ctx, store.AliasKey{App: alias.App, Name: alias.Name}); !errors.Is(bad, store.ErrUnreadable) {
		return record, err
	}
	// The record that is there cannot be understood, so nobody could name its
	// revision. A copy of it is kept.
	return r.cfg.Aliases.Replace(ctx, alias)
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
	return r.cfg.Table.check(app)
}

// checkMoving keeps the routes of both ends of every release that is under way:
// a release that has been begun must be able to go on, and to go back.
func (r *Router) checkMoving(ctx context.Context, spec teal.Spec) error {
	ids, err := r.cfg.Journal.Unfinished(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		release, _, err := r.cfg.Journal.Load(ctx, id)
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
	version, err := r.cfg.Journal.store.Versions.Get(ctx, store.VersionKey{App: app, Number: number})
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

// LiveTargets yields every app and version that live sends requests to.
func (r *Router) LiveTargets() iter.Seq2[string, teal.VersionRef] {
	return func(yield func(string, teal.VersionRef) bool) {
		for _, live := range r.lives() {
			if r.cfg.Journal.IsIdle(context.Background(), live.App) {
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
	var list []teal.Alias
	for _, app := range r.cfg.Known.AliasedApps() {
		list = append(list, r.Alias(app, teal.AliasLive).Value)
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
	active, err := r.cfg.Journal.Moving(ctx, app)
	if teal.IsCode(err, teal.CodeUnknownApp) {
		err = nil // without a record of the app no release moves
	}
	use := environment.Use{Release: active != nil && (active.From == version || active.To == version)}
	for _, record := range r.cfg.Known.AliasesOf(app) {
		switch {
		case record.Value.Name == teal.AliasLive && record.Value.Weight(version) > 0:
			use.Live = true
		case record.Value.PointsTo(version):
			use.Alias = true
		}
	}
	return use, err
}

// HideUnused implements [environment.Usage].
func (r *Router) HideUnused(ctx context.Context, app string, version teal.VersionRef, hide func()) (environment.Use, error) {
	defer r.writing.Lock(app)()         // no alias is given to it between the look and the hiding
	if r.cfg.Journal.IsIdle(ctx, app) { // what its aliases say is for when it is started again
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
	for _, app := range r.cfg.Known.AliasedApps() {
		if r.cfg.Journal.IsIdle(context.Background(), app) {
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

// RunsNothing implements [environment.Usage]. An app whose record is missing while an
// alias of it is there has lost it.
func (r *Router) RunsNothing(ctx context.Context, app string) bool {
	record, err := r.cfg.Journal.store.Apps.Get(ctx, app)
	if errors.Is(err, store.ErrNotFound) {
		return len(r.Stored(app)) == 0
	}
	return err == nil && (record.Value.Deleting || record.Value.Stopped != nil)
}
