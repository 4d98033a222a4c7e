package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/function"
	"teal/internal/retention"
	"teal/internal/store"
)

// index knows in memory which apps and versions there are, so that a list of
// functions reads nothing from the store. It is never behind what this server has
// written.
type index struct {
	apps     *store.Mirror[teal.App]
	versions *store.Mirror[indexed]
	typed    *store.Store // over both
	watches  [2]*store.Watch

	mu    sync.Mutex
	state [3]uint64 // of what the lists were made from
	lists [2][]awslambda.Item
}

// indexed is a version. Its record is kept as it was stored, which is smaller.
type indexed struct {
	app       string
	number    int
	functions []string
	pieces    []string // of code, see retention.Pieces
	record    []byte
}

func newIndex(kv store.KV) *index {
	i := &index{}
	decode := store.New(kv)
	i.apps = store.NewMirror(kv, "apps.*.app", func(e store.Entry) (teal.App, error) {
		app, _ := decode.Apps.Decode(e) // one that cannot be understood has been reported, and is in no list
		return app.Value, nil
	})
	i.versions = store.NewMirror(i.apps, "apps.*.version.*", func(e store.Entry) (indexed, error) {
		found, _ := decode.Versions.Decode(e) // likewise
		version := found.Value
		return indexed{version.App, version.Number, functionsOf(version.Spec), retention.Pieces(version.Spec), slices.Clone(e.Value)}, nil
	})
	i.typed = store.New(i.versions)
	return i
}

func (v indexed) version() (teal.Version, error) {
	var version teal.Version
	err := json.Unmarshal(v.record, &version)
	return version, err
}

// functionsOf returns the names of a spec's functions.
func functionsOf(spec teal.Spec) []string {
	var names []string
	for name, c := range spec.Components {
		if c.Function != nil {
			names = append(names, name)
		}
	}
	return names
}

func (i *index) load(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx) // Run ends the watches
	var err error
	if i.watches[0], err = i.apps.Load(ctx); err != nil {
		return fmt.Errorf("lambda: load apps: %w", err)
	}
	if i.watches[1], err = i.versions.Load(ctx); err != nil {
		return fmt.Errorf("lambda: load versions: %w", err)
	}
	return nil
}

// Run follows the store until ctx ends.
func (i *index) Run(ctx context.Context) error {
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
			return fmt.Errorf("lambda: follow the store: %w", err)
		}
	}
	return nil
}

// version returns a version that there is.
func (i *index) version(key store.VersionKey) (teal.Version, bool) {
	path, err := i.typed.Versions.Path(key)
	if err != nil {
		return teal.Version{}, false
	}
	found, ok := i.versions.Value(path)
	if !ok {
		return teal.Version{}, false
	}
	version, err := found.version()
	return version, err == nil
}

// has reports whether there is such a version.
func (i *index) has(key store.VersionKey) bool {
	path, err := i.typed.Versions.Path(key)
	if err != nil {
		return false
	}
	_, ok := i.versions.Value(path)
	return ok
}

// remembers reports whether there is such an app, one that is being deleted not
// among them, and whether its draft has the function. It reads nothing from the store: every invocation by name asks, and is
// not to wait for a disk. An app whose newest version was deleted is a case for
// those who read the store.
func (l *lambda) remembers(ref awslambda.Ref) (known, has bool) {
	path, err := l.index.typed.Apps.Path(ref.App)
	if err != nil {
		return false, false
	}
	app, known := l.index.apps.Value(path)
	if !known || app.Deleting {
		return false, false
	}
	l.mu.Lock()
	d, drafted := l.known[ref.App]
	l.mu.Unlock()
	if drafted && d.Value.After >= app.LastVersion {
		return true, d.Value.Spec.Components[ref.Component].Function != nil
	}
	path, err = l.index.typed.Versions.Path(store.VersionKey{App: ref.App, Number: app.LastVersion})
	if err != nil {
		return true, false
	}
	newest, ok := l.index.versions.Value(path)
	return true, ok && slices.Contains(newest.functions, ref.Component)
}

// numbers returns the numbers of the versions of each app, sorted.
func (i *index) numbers() map[string][]indexed {
	found := map[string][]indexed{}
	i.versions.Each(func(v indexed) { found[v.app] = append(found[v.app], v) })
	for _, list := range found {
		slices.SortFunc(list, func(a, b indexed) int { return cmp.Compare(a.number, b.number) })
	}
	return found
}

// List implements [awslambda.Functions]. The lists are made again when something
// has changed since.
func (l *lambda) List(_ context.Context, all bool) ([]awslambda.Item, error) {
	i := l.index
	i.mu.Lock()
	defer i.mu.Unlock()
	l.mu.Lock()
	state := [3]uint64{i.apps.Changes(), i.versions.Changes(), l.drafted}
	l.mu.Unlock()
	if i.lists[0] == nil || state != i.state {
		i.lists = l.makeLists()
		i.state = state
	}
	if all {
		return i.lists[1], nil
	}
	return i.lists[0], nil
}

// makeLists returns the drafts of all functions, and those with all versions.
func (l *lambda) makeLists() [2][]awslambda.Item {
	lists := [2][]awslambda.Item{{}, {}}
	versions := l.index.numbers()
	var apps []teal.App
	l.index.apps.Each(func(app teal.App) { apps = append(apps, app) })
	for _, app := range apps {
		if app.Deleting {
			continue
		}
		have := versions[app.Name]
		for _, component := range l.draftFunctions(app, have) {
			name := awslambda.Name{
				Name: function.LambdaName(app.Name, component), Ref: awslambda.Ref{App: app.Name, Component: component},
			}
			lists[0] = append(lists[0], awslambda.Item{Name: name, Number: teal.Draft})
			for _, v := range have {
				if slices.Contains(v.functions, component) {
					lists[1] = append(lists[1], awslambda.Item{Name: name, Number: v.number})
				}
			}
		}
	}
	lists[1] = append(lists[1], lists[0]...)
	for _, list := range lists {
		slices.SortFunc(list, func(a, b awslambda.Item) int {
			return cmp.Or(strings.Compare(a.Name.Name, b.Name.Name), cmp.Compare(a.Order(), b.Order()))
		})
	}
	return lists
}

// draftFunctions returns the names of the functions of an app's draft; versions
// are those that it has.
func (l *lambda) draftFunctions(app teal.App, versions []indexed) []string {
	l.mu.Lock()
	d, drafted := l.known[app.Name]
	l.mu.Unlock()
	if drafted && (d.Value.After >= app.LastVersion || len(versions) == 0) {
		return functionsOf(d.Value.Spec)
	}
	if len(versions) == 0 {
		return nil
	}
	return newestOf(app, versions).functions
}

// newestOf returns the version that stands for the draft, as newest has it.
func newestOf(app teal.App, versions []indexed) indexed {
	for _, v := range versions {
		if v.number == app.LastVersion {
			return v
		}
	}
	return versions[len(versions)-1]
}

// Listed implements [awslambda.Functions].
func (l *lambda) Listed(item awslambda.Item) (awslambda.Content, bool) {
	if item.Number != teal.Draft {
		version, ok := l.index.version(store.VersionKey{App: item.App, Number: item.Number})
		if !ok {
			return awslambda.Content{}, false
		}
		c, err := versionContent(item.Ref, version)
		return c, err == nil
	}
	path, err := l.index.typed.Apps.Path(item.App)
	if err != nil {
		return awslambda.Content{}, false
	}
	app, ok := l.index.apps.Value(path)
	if !ok || app.Deleting {
		return awslambda.Content{}, false
	}
	l.mu.Lock()
	d, drafted := l.known[item.App]
	l.mu.Unlock()
	if drafted && d.Value.After >= app.LastVersion {
		return draftContent(item.Ref, d)
	}
	version, ok := l.index.version(store.VersionKey{App: item.App, Number: app.LastVersion})
	if !ok { // the newest one was deleted
		versions := l.index.numbers()[item.App]
		if len(versions) == 0 {
			return draftContent(item.Ref, d)
		}
		if version, err = newestOf(app, versions).version(); err != nil {
			return awslambda.Content{}, false
		}
	}
	c, err := content(teal.Draft, item.Ref, version.Spec, version.CreatedAt, awslambda.RevisionID("draft of", item.App, version.Digest))
	return c, err == nil
}

func draftContent(ref awslambda.Ref, d store.Record[draft]) (awslambda.Content, bool) {
	c, err := content(teal.Draft, ref, d.Value.Spec, d.Value.ModifiedAt, awslambda.RevisionID("draft", ref.App, fmt.Sprint(d.Revision)))
	return c, err == nil
}

// Names implements [awslambda.Functions].
func (l *lambda) Names(ctx context.Context) ([]awslambda.Name, error) {
	list, err := l.List(ctx, false)
	names := make([]awslambda.Name, 0, len(list))
	for _, item := range list {
		names = append(names, item.Name)
	}
	return names, err
}

// Apps implements [retention.Index].
func (i *index) Apps() (apps []teal.App) {
	i.apps.Each(func(app teal.App) { apps = append(apps, app) })
	return apps
}

// EachPieces implements [retention.Index].
func (i *index) EachPieces(visit func(pieces []string)) {
	i.versions.Each(func(v indexed) { visit(v.pieces) })
}
