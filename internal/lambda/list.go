package lambda

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/function"
	"teal/internal/store"
	"teal/internal/store/index"
)

// listCache is the lists as they were made last.
type listCache struct {
	mu    sync.Mutex
	state [3]uint64 // of what they were made from
	lists [2][]awslambda.Item
}

// remembers reports whether there is such an app, one that is being deleted not
// among them, and whether its draft has the function. It reads nothing from the
// store: every invocation by name asks, and is not to wait for a disk. An app whose
// newest version was deleted is a case for those who read the store.
func (b *Backend) remembers(ref awslambda.Ref) (known, has bool) {
	app, known := b.index.App(ref.App)
	if !known || app.Deleting {
		return false, false
	}
	if d, drafted := b.drafts.of(ref.App); drafted && d.Value.After >= app.LastVersion {
		return true, d.Value.Spec.Components[ref.Component].Function != nil
	}
	newest, ok := b.index.Version(store.VersionKey{App: ref.App, Number: app.LastVersion})
	return true, ok && slices.Contains(newest.Functions, ref.Component)
}

// List implements [awslambda.Functions]. The lists are made again when something
// has changed since.
func (b *Backend) List(_ context.Context, all bool) ([]awslambda.Item, error) {
	c := &b.lists
	c.mu.Lock()
	defer c.mu.Unlock()
	changes := b.index.Changes()
	state := [3]uint64{changes[0], changes[1], b.drafts.changed()}
	if c.lists[0] == nil || state != c.state {
		c.lists, c.state = b.makeLists(), state
	}
	if all {
		return c.lists[1], nil
	}
	return c.lists[0], nil
}

// makeLists returns the drafts of all functions, and those with all versions.
func (b *Backend) makeLists() [2][]awslambda.Item {
	lists := [2][]awslambda.Item{{}, {}}
	versions := b.index.Versions()
	for _, app := range b.index.Apps() {
		if app.Deleting {
			continue
		}
		have := versions[app.Name]
		for _, component := range b.draftFunctions(app, have) {
			name := awslambda.Name{
				Name: function.LambdaName(app.Name, component), Ref: awslambda.Ref{App: app.Name, Component: component},
			}
			lists[0] = append(lists[0], awslambda.Item{Name: name, Version: teal.Draft})
			for _, v := range have {
				if slices.Contains(v.Functions, component) {
					lists[1] = append(lists[1], awslambda.Item{Name: name, Version: teal.VersionRef(v.Number)})
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
func (b *Backend) draftFunctions(app teal.App, versions []index.Version) []string {
	d, drafted := b.drafts.of(app.Name)
	if drafted && (d.Value.After >= app.LastVersion || len(versions) == 0) {
		return index.FunctionsOf(d.Value.Spec)
	}
	if len(versions) == 0 {
		return nil
	}
	return newestOf(app, versions).Functions
}

// newestOf returns the version that stands for the draft, as newest has it.
func newestOf(app teal.App, versions []index.Version) index.Version {
	for _, v := range versions {
		if v.Number == app.LastVersion {
			return v
		}
	}
	return versions[len(versions)-1]
}

// Listed implements [awslambda.Functions].
func (b *Backend) Listed(item awslambda.Item) (awslambda.Content, bool) {
	number, ok := item.Version.Number()
	if !ok {
		return b.listedDraft(item.Ref)
	}
	found, ok := b.index.Version(store.VersionKey{App: item.App, Number: number})
	if !ok {
		return awslambda.Content{}, false
	}
	version, err := found.Content()
	if err != nil {
		return awslambda.Content{}, false
	}
	c, err := versionContent(item.Ref, version)
	return c, err == nil
}

// listedDraft is drafts.current without the store.
func (b *Backend) listedDraft(ref awslambda.Ref) (awslambda.Content, bool) {
	app, ok := b.index.App(ref.App)
	if !ok || app.Deleting {
		return awslambda.Content{}, false
	}
	d, drafted := b.drafts.of(ref.App)
	if drafted && d.Value.After >= app.LastVersion {
		return b.draftContent(ref, d)
	}
	found, ok := b.index.Version(store.VersionKey{App: ref.App, Number: app.LastVersion})
	if !ok { // the newest one was deleted
		versions := b.index.Versions()[ref.App]
		if len(versions) == 0 {
			return b.draftContent(ref, d)
		}
		found = newestOf(app, versions)
	}
	version, err := found.Content()
	if err != nil {
		return awslambda.Content{}, false
	}
	c, err := content(teal.Draft, ref, version.Spec, version.CreatedAt, inheritedRevision(version))
	return c, err == nil
}

func (b *Backend) draftContent(ref awslambda.Ref, d store.Record[draft]) (awslambda.Content, bool) {
	c, err := b.drafts.now(d).content(ref)
	return c, err == nil
}

// Names implements [awslambda.Functions].
func (b *Backend) Names(ctx context.Context) ([]awslambda.Name, error) {
	list, err := b.List(ctx, false)
	names := make([]awslambda.Name, 0, len(list))
	for _, item := range list {
		names = append(names, item.Name)
	}
	return names, err
}
