// Package index knows in memory which apps and versions there are.
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

// Index mirrors the records of apps and versions. It is safe for concurrent use,
// and empty until it is loaded.
type Index struct {
	apps     *store.Mirror[teal.App]
	versions *store.Mirror[Version]
	typed    *store.Store // over both
	watches  [2]*store.Watch
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
	i := &Index{}
	decode := store.New(kv)
	i.apps = store.NewMirror(kv, "apps.*.app", func(e store.Entry) (teal.App, error) {
		app, _ := decode.Apps.Decode(e) // one that cannot be understood has been reported, and is in no list
		return app.Value, nil
	})
	i.versions = store.NewMirror(i.apps, "apps.*.version.*", func(e store.Entry) (Version, error) {
		found, _ := decode.Versions.Decode(e) // likewise
		version := found.Value
		return Version{version.App, version.Number, FunctionsOf(version.Spec), pieces(version.Spec), slices.Clone(e.Value)}, nil
	})
	i.typed = store.New(i.versions)
	return i
}

// KV is the store through which records are written so that the index is not
// behind.
func (i *Index) KV() store.KV { return i.versions }

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
	var err error
	if i.watches[0], err = i.apps.Load(ctx); err != nil {
		return fmt.Errorf("index: load apps: %w", err)
	}
	if i.watches[1], err = i.versions.Load(ctx); err != nil {
		return fmt.Errorf("index: load versions: %w", err)
	}
	return nil
}

// Run follows the store until ctx ends.
func (i *Index) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	var errs [2]error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for n, follow := range []func(context.Context, *store.Watch) error{i.apps.Follow, i.versions.Follow} {
		tasks.Go(func() {
			defer cancel() // one without the other is of no use
			errs[n] = follow(ctx, i.watches[n])
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
	path, err := i.typed.Apps.Path(name)
	if err != nil {
		return teal.App{}, false
	}
	return i.apps.Value(path)
}

// Apps returns all apps, those that are being deleted among them, in no order.
func (i *Index) Apps() []teal.App {
	var apps []teal.App
	i.apps.Each(func(app teal.App) { apps = append(apps, app) })
	return apps
}

// Version returns a version that there is.
func (i *Index) Version(key store.VersionKey) (Version, bool) {
	path, err := i.typed.Versions.Path(key)
	if err != nil {
		return Version{}, false
	}
	return i.versions.Value(path)
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
