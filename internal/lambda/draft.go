package lambda

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/store"
)

// draft is an app's mutable content, which AWS calls $LATEST.
type draft struct {
	App string
	// After is the newest version there was when the draft was written. A draft
	// that is older than the newest version is superseded by it.
	After      int
	Spec       teal.Spec
	CreatedAt  time.Time
	ModifiedAt time.Time
	// Change is how the draft came to be at ModifiedAt: AWS's tools are told for a
	// while that it is still going on. A draft from before there was that has none.
	Change awslambda.Change `json:",omitempty"`
	// Changed is the component that the change was of.
	Changed string `json:",omitempty"`
	// Published is the version that was published while the change was going on: it is
	// told to be in the making for as long. 0 is none.
	Published int `json:",omitempty"`
}

// DefaultSettle is how long a function is told to be changing after a change of its
// draft. Nothing is left to do in that time. It is long enough for whoever looks at
// once, or changes it again, to meet what it would meet on AWS, and over before
// AWS's waiters look for the second time, a second later.
const DefaultSettle = 500 * time.Millisecond

// settles returns when the last change of the draft is over. It follows from the
// record alone, so that neither a crash nor a restart leaves a function changing; a
// clock that was set back does not, either.
func (d draft) settles(settle time.Duration) time.Time { return d.ModifiedAt.Add(settle) }

// changing returns the change that is going on at a time; "" for none.
func (d draft) changing(settle time.Duration, now time.Time) awslambda.Change {
	if now.Before(d.settles(settle)) && !now.Before(d.ModifiedAt) {
		return d.Change
	}
	return ""
}

// drafts are those of all apps.
type drafts struct {
	table *store.Table[store.SideKey, draft]
	store *store.Store // of the apps' own records
	apps  Apps
	// settle is how long a change is told to be going on.
	settle time.Duration

	mu      sync.Mutex
	known   map[string]store.Record[draft] // by app
	changes uint64                         // of known
}

func newDrafts(kv store.KV, typed *store.Store, apps Apps, settle time.Duration) *drafts {
	return &drafts{
		table: store.NewSide(kv, "lambda", "draft", func(d draft) store.SideKey { return store.AppKey(d.App) }),
		store: typed, apps: apps, settle: settle, known: map[string]store.Record[draft]{},
	}
}

func (d *drafts) load(ctx context.Context) error {
	records, _, err := d.table.Readable(ctx, "")
	if err != nil {
		return fmt.Errorf("lambda: load drafts: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range records {
		d.known[r.Value.App] = r
	}
	return nil
}

// of returns the record of an app's draft.
func (d *drafts) of(app string) (record store.Record[draft], ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	record, ok = d.known[app]
	return record, ok
}

// changed returns a number that is another one whenever a draft has changed.
func (d *drafts) changed() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changes
}

func (d *drafts) stored(ctx context.Context, app string) (spec teal.Spec, ok bool) {
	record, err := d.table.Get(ctx, store.AppKey(app))
	return record.Value.Spec, err == nil
}

func (d *drafts) specs() []teal.Spec {
	d.mu.Lock()
	defer d.mu.Unlock()
	specs := make([]teal.Spec, 0, len(d.known))
	for _, r := range d.known {
		specs = append(specs, r.Value.Spec)
	}
	return specs
}

func (d *drafts) forget(app string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, app)
	d.changes++
}

// write replaces an app's draft. The caller holds changing.
func (d *drafts) write(ctx context.Context, next draft) error {
	// Half a write would leave the copy behind the store.
	record, err := d.table.Upsert(context.WithoutCancel(ctx), store.AppKey(next.App), func(stored *draft, _ bool) error {
		*stored = next
		return nil
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[next.App] = record
	d.changes++
	return nil
}

// current is an app's draft as it is now: the record, or what the newest version
// stands for.
type current struct {
	spec     teal.Spec
	at       time.Time
	revision string
	change   awslambda.Change // what is going on with a component, until settles
	changed  string
	settles  time.Time
	app      teal.App
}

// content returns what one function of the draft is made of.
func (c current) content(ref awslambda.Ref) (awslambda.Content, error) {
	made, err := content(teal.Draft, ref, c.spec, c.at, c.revision)
	if c.change != "" && c.changed == ref.Component {
		// As on AWS, the revision is another one when the change is over.
		made.Revision = awslambda.RevisionID(c.revision, string(c.change))
		made.Change, made.Settles = c.change, c.settles
	}
	return made, err
}

// inTheMaking returns the content of a version as it is told at this time: still being
// made, where it was published with a change of the draft that is still going on.
func (d *drafts) inTheMaking(ref awslambda.Ref, made awslambda.Content) awslambda.Content {
	number, _ := made.Version.Number()
	record, ok := d.of(ref.App)
	if r := record.Value; ok && r.Published == number && r.Changed == ref.Component && r.changing(d.settle, time.Now()) != "" {
		made.Revision = awslambda.RevisionID(made.Revision, string(awslambda.Creating))
		made.Change, made.Settles = awslambda.Creating, r.settles(d.settle)
	}
	return made
}

// own returns what a record stands for while a change is going on; "" for none.
func (d *drafts) own(record store.Record[draft], change awslambda.Change) current {
	r := record.Value
	return current{spec: r.Spec, at: r.ModifiedAt, revision: ownRevision(record), change: change, changed: r.Changed, settles: r.settles(d.settle)}
}

// now is own at this time.
func (d *drafts) now(record store.Record[draft]) current {
	return d.own(record, record.Value.changing(d.settle, time.Now()))
}

// current returns the draft of an app; teal.CodeUnknownApp when it has neither a
// draft nor a version.
func (d *drafts) current(ctx context.Context, app string) (current, error) {
	record, err := d.apps.App(ctx, app)
	if err != nil {
		return current{}, err
	}
	own, drafted := d.of(app)
	if !drafted || own.Value.After < record.Value.LastVersion {
		version, err := d.newest(ctx, record.Value)
		switch {
		case err != nil:
			return current{}, err
		case version != nil:
			return current{spec: version.Spec, at: version.CreatedAt, revision: inheritedRevision(*version), app: record.Value}, nil
		case !drafted:
			return current{}, store.UnknownApp(app)
		}
	}
	now := d.now(own)
	now.app = record.Value
	return now, nil
}

// contentOf returns the draft of an app and what it has of a function.
func (d *drafts) contentOf(ctx context.Context, ref awslambda.Ref) (current, awslambda.Content, error) {
	now, err := d.current(ctx, ref.App)
	if err != nil {
		return now, awslambda.Content{}, err
	}
	c, err := now.content(ref)
	return now, c, err
}

func ownRevision(own store.Record[draft]) string {
	return awslambda.RevisionID("draft", own.Value.App, fmt.Sprint(own.Revision))
}

// inheritedRevision is of a draft that is what the newest version is.
func inheritedRevision(v teal.Version) string {
	return awslambda.RevisionID("draft of", v.App, v.Digest)
}

// newest returns the newest version of an app that is still there; nil for none.
func (d *drafts) newest(ctx context.Context, app teal.App) (*teal.Version, error) {
	if app.LastVersion > 0 {
		version, err := d.store.Versions.Get(ctx, store.VersionKey{App: app.Name, Number: app.LastVersion})
		if !errors.Is(err, store.ErrNotFound) {
			return &version.Value, err
		}
	}
	list, err := d.store.Versions.List(ctx, app.Name)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[len(list)-1].Value, nil
}

// version returns the draft as a version that can run. It has no routes and
// no triggers: an unfinished thing answers only who asks for it by name.
func (d *drafts) version(ctx context.Context, app string) (teal.Version, error) {
	now, err := d.current(ctx, app)
	if err != nil {
		return teal.Version{}, err
	}
	spec := now.spec
	spec.Routes, spec.Triggers = nil, nil
	return teal.Version{App: app, Digest: spec.Digest(), Spec: spec, CreatedAt: now.at}, nil
}
