// Package index knows in memory which apps and versions there are, what runs, where
// aliases point, and the releases that a status tells of.
//
// What asks for all of them, or is asked by every request, reads nothing from the
// store and does not wait for its disk. An [Index] is never behind what has been
// written through it.
package index

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"teal"
	"teal/internal/store"
)

// Index mirrors the records of apps, versions, environments and aliases, and of releases those
// that have not ended and the newest of each app. It is safe for concurrent use, and
// empty until it is loaded.
type Index struct {
	apps         *store.Mirror[store.Record[teal.App]]
	versions     *store.Mirror[Version]
	environments *store.Mirror[teal.Environment]
	aliases      *store.Mirror[store.Record[teal.Alias]]
	releases     *store.Mirror[*teal.Release]
	newest       map[string]string // the key of each app's newest release; under the lock of releases
	typed        *store.Store      // over all of them
	watches      []*store.Watch
}

// mirror is what all mirrors have in common.
type mirror interface {
	Load(ctx context.Context) (*store.Watch, error)
	Follow(ctx context.Context, watch *store.Watch) error
}

func (i *Index) mirrors() []mirror {
	return []mirror{i.apps, i.versions, i.environments, i.aliases, i.releases}
}

// Version is a version that there is. Its record is kept as it was stored, which is
// smaller.
type Version struct {
	App       string
	Number    int
	Functions []string // the names of its functions
	Pieces    []string // of code
	record    []byte
}

// New returns the index of a store; pieces says which code a spec needs.
func New(kv store.KV, pieces func(teal.Spec) []string) *Index {
	i := &Index{newest: map[string]string{}}
	decode := store.New(kv)
	i.apps = store.NewMirror(kv, "apps.*.app", func(e store.Entry) (store.Record[teal.App], error) {
		app, _ := decode.Apps.Decode(e) // one that cannot be understood has been reported, and is in no list
		return app, nil
	})
	i.versions = store.NewMirror(i.apps, "apps.*.version.*", func(e store.Entry) (Version, error) {
		found, _ := decode.Versions.Decode(e) // likewise
		version := found.Value
		return Version{version.App, version.Number, FunctionsOf(version.Spec), pieces(version.Spec), slices.Clone(e.Value)}, nil
	})
	i.environments = store.NewMirror(i.versions, "apps.*.environment.*", func(e store.Entry) (teal.Environment, error) {
		found, _ := decode.Environments.Decode(e) // likewise
		return found.Value, nil
	})
	i.aliases = store.NewMirror(i.environments, "apps.*.alias.*", func(e store.Entry) (store.Record[teal.Alias], error) {
		found, _ := decode.Aliases.Decode(e) // likewise: an app without its alias answers nobody, the others do
		return found, nil
	})
	i.releases = store.NewTrimmedMirror(i.aliases, "apps.*.release.*", func(e store.Entry) (*teal.Release, error) {
		found, err := decode.Releases.Decode(e)
		if err != nil {
			return nil, nil //nolint:nilerr // likewise
		}
		return &found.Value, nil
	}, i.needlessReleases)
	i.typed = store.New(i.releases)
	return i
}

// needlessReleases lets go the releases that have ended and are not the newest of
// their app: there may be thousands, with all their evidence.
func (i *Index) needlessReleases(key string, r *teal.Release, have func(string) (*teal.Release, bool)) []string {
	if r == nil {
		return nil
	}
	last := i.newest[r.App]
	before, ok := have(last)
	if !ok || key >= last {
		i.newest[r.App] = key
	}
	switch {
	case ok && key < last && r.Phase.Ended():
		return []string{key}
	case ok && key > last && before != nil && before.Phase.Ended():
		return []string{last}
	}
	return nil
}

// KV is the store through which records are written so that the index is not
// behind.
func (i *Index) KV() store.KV { return i.releases }

// Store is the typed view of KV.
func (i *Index) Store() *store.Store { return i.typed }

// Content returns the whole version.
func (v Version) Content() (teal.Version, error) {
	var version teal.Version
	err := json.Unmarshal(v.record, &version)
	return version, err
}

// FunctionsOf returns the names of a spec's functions.
func FunctionsOf(spec teal.Spec) []string {
	var names []string
	for name, c := range spec.Components {
		if c.Function != nil {
			names = append(names, name)
		}
	}
	return names
}

// Load reads what there is, however long ctx lasts: Run ends what it opens.
func (i *Index) Load(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	for _, m := range i.mirrors() {
		watch, err := m.Load(ctx)
		if err != nil {
			return fmt.Errorf("index: load: %w", err)
		}
		i.watches = append(i.watches, watch)
	}
	return nil
}

// Run follows the store until ctx ends.
func (i *Index) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	errs := make([]error, len(i.watches))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for n, m := range i.mirrors() {
		tasks.Go(func() {
			defer cancel() // one without the others is of no use
			errs[n] = m.Follow(ctx, i.watches[n])
		})
	}
	tasks.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("index: follow the store: %w", err)
		}
	}
	return nil
}

// App returns the record of an app, also of one that is being deleted.
func (i *Index) App(name string) (teal.App, bool) {
	record, ok := i.AppRecord(name)
	return record.Value, ok
}

// AppRecord is App with the revision of the record; 0 where it cannot be understood.
func (i *Index) AppRecord(name string) (store.Record[teal.App], bool) {
	path, err := i.typed.Apps.Path(name)
	if err != nil {
		return store.Record[teal.App]{}, false
	}
	return i.apps.Value(path)
}

// Apps returns all apps, those that are being deleted among them, in no order.
func (i *Index) Apps() []teal.App {
	var apps []teal.App
	i.apps.Each(func(app store.Record[teal.App]) { apps = append(apps, app.Value) })
	return apps
}

// Environments returns the environments of every app, drafts' among them, in no order.
func (i *Index) Environments() map[string][]teal.Environment {
	found := map[string][]teal.Environment{}
	i.environments.Each(func(e teal.Environment) {
		if e.App != "" { // it can be understood
			found[e.App] = append(found[e.App], e)
		}
	})
	return found
}

// EnvironmentsOf returns the environments of an app, its draft's among them, in no
// order.
func (i *Index) EnvironmentsOf(app string) []teal.Environment {
	return slices.DeleteFunc(i.environments.Group(app), func(e teal.Environment) bool { return e.App != app }) // those cannot be understood
}

// Alias returns the record of an alias; false when there is none, or it cannot be
// understood.
func (i *Index) Alias(key store.AliasKey) (store.Record[teal.Alias], bool) {
	path, err := i.typed.Aliases.Path(key)
	if err != nil {
		return store.Record[teal.Alias]{}, false
	}
	record, ok := i.aliases.Value(path)
	return record, ok && record.Value.App != ""
}

// AliasesOf returns the aliases of an app that can be understood, in no order.
func (i *Index) AliasesOf(app string) []store.Record[teal.Alias] {
	return slices.DeleteFunc(i.aliases.Group(app), func(r store.Record[teal.Alias]) bool { return r.Value.App != app })
}

// AliasedApps returns the apps that have a record of an alias, in no order.
func (i *Index) AliasedApps() []string { return i.aliases.Groups() }

// Release returns a release that has not ended or is the newest of its app; false for
// any other one, and for one that there is not or that cannot be understood.
func (i *Index) Release(id string) (teal.Release, bool) {
	path, err := i.typed.Releases.Path(id)
	if err != nil {
		return teal.Release{}, false
	}
	r, _ := i.releases.Value(path)
	if r == nil {
		return teal.Release{}, false
	}
	return *r, true
}

// NewestRelease returns the newest release of an app that is recorded and can be
// understood. The app's own record may give out a higher number: a release has its
// number, and its app's one place, before it has a record.
func (i *Index) NewestRelease(app string) (newest teal.Release, ok bool) {
	i.releases.View(func(have func(key string) (*teal.Release, bool)) {
		if r, _ := have(i.newest[app]); r != nil {
			newest, ok = *r, true
		}
	})
	return newest, ok
}

// Version returns a version that there is.
func (i *Index) Version(key store.VersionKey) (Version, bool) {
	path, err := i.typed.Versions.Path(key)
	if err != nil {
		return Version{}, false
	}
	return i.versions.Value(path)
}

// RoutesOf returns the routes of a version; none of one that there is not or that
// cannot be understood.
func (i *Index) RoutesOf(key store.VersionKey) []teal.Route {
	found, ok := i.Version(key)
	if !ok || found.Number != key.Number {
		return nil
	}
	version, err := found.Content()
	if err != nil {
		return nil
	}
	return version.Spec.Routes
}

// Versions returns the versions of each app, sorted by their numbers.
func (i *Index) Versions() map[string][]Version {
	found := map[string][]Version{}
	i.EachVersion(func(v Version) { found[v.App] = append(found[v.App], v) })
	for _, list := range found {
		slices.SortFunc(list, func(a, b Version) int { return cmp.Compare(a.Number, b.Number) })
	}
	return found
}

// EachVersion calls visit with every version, in no order. Writes wait for it.
func (i *Index) EachVersion(visit func(Version)) { i.versions.Each(visit) }

// Changes returns numbers that are others whenever an app or a version has changed.
func (i *Index) Changes() [2]uint64 {
	return [2]uint64{i.apps.Changes(), i.versions.Changes()}
}
