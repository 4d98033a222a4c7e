package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/api/awslambda"
	"teal/internal/artifact"
	"teal/internal/control"
	"teal/internal/environment"
	"teal/internal/gateway"
	"teal/internal/logs"
	"teal/internal/retention"
	"teal/internal/routing"
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
}

// lambda is what AWS's Lambda interface needs of the server. It is the only
// writer of the records that it keeps beside the apps' own, so the copy of them
// that it holds is never behind.
type lambda struct {
	control   *control.Control
	store     *store.Store
	manager   *environment.Manager
	router    *routing.Router
	journal   routing.Journal
	gateway   *gateway.Gateway
	pins      *retention.Pins
	deletions *retention.Apps
	bundles   *artifact.Store
	logs      *logs.Store
	zips      zipStore
	logger    *slog.Logger
	place     awslambda.Place
	queue     *queue
	layers    *layers
	index     *index
	garbage   *retention.Garbage // told what is not needed any more
	limits    limits
	urls      addresses
	access    urlAccess
	http      *http.Client // for destinations
	// retryDelay is how long a function has to recover from its first failure at
	// an event; the second one costs twice that.
	retryDelay time.Duration

	drafts *store.Table[store.SideKey, draft]
	extras *store.Table[store.SideKey, awslambda.Extras]

	// changing orders the changes of drafts, versions and whole functions.
	changing sync.Mutex

	mu      sync.Mutex
	known   map[string]store.Record[draft]     // by app
	drafted uint64                             // changes of known
	extra   map[awslambda.Ref]awslambda.Extras // those that there are
	usedAt  map[store.VersionKey]time.Time     // when an environment was last invoked
}

var _ awslambda.Functions = (*lambda)(nil)

func newLambda(kv store.KV, s *server, known *index, pins *retention.Pins) *lambda {
	aws, logger := s.daemon.cfg.AWS, s.daemon.cfg.Logger
	byApp := func(app string) store.SideKey { return store.SideKey{App: app, Name: "app"} }
	l := &lambda{
		store: s.store, manager: s.manager, router: s.router, journal: s.journal, gateway: s.gateway, pins: pins,
		index: known, bundles: s.bundles, logs: s.logs, zips: zipStore{s.data.join(zipDir)}, logger: logger,
		place: lambdaNames(aws), http: newDestinationClient(), retryDelay: aws.RetryDelay,
		drafts: store.NewSide(kv, "lambda", "draft", func(d draft) store.SideKey { return byApp(d.App) }),
		extras: store.NewSide(kv, "lambda", "function", func(x awslambda.Extras) store.SideKey {
			return store.SideKey{App: x.App, Name: x.Component}
		}),
		known: map[string]store.Record[draft]{}, extra: map[awslambda.Ref]awslambda.Extras{},
		usedAt: map[store.VersionKey]time.Time{},
	}
	l.layers = newLayers(kv)
	l.queue = newQueue(kv, l.workOn, logger)
	l.queue.backlog = newBacklog(aws.Events)
	return l
}

// load reads the records.
func (l *lambda) load(ctx context.Context) error {
	// What cannot be understood is reported by the tables; one function's record is
	// no reason to do without the others.
	drafts, _, err := l.drafts.Readable(ctx, "")
	if err != nil {
		return fmt.Errorf("lambda: load drafts: %w", err)
	}
	extras, _, err := l.extras.Readable(ctx, "")
	if err != nil {
		return fmt.Errorf("lambda: load functions: %w", err)
	}
	if err := errors.Join(l.layers.load(ctx), l.index.load(ctx)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range drafts {
		l.known[d.Value.App] = d
	}
	for _, x := range extras {
		ref := awslambda.Ref{App: x.Value.App, Component: x.Value.Component}
		l.extra[ref] = x.Value
		l.limits.set(ref, x.Value.Reserved)
		l.urls.set(x.Value)
	}
	return nil
}

// current is an app's draft as it is now: the record, or what the newest version
// stands for.
type current struct {
	spec     teal.Spec
	at       time.Time
	revision string
	record   store.Record[draft] // zero for none
	app      teal.App
}

// current returns the draft of an app; teal.CodeUnknownApp when it has neither a
// draft nor a version.
func (l *lambda) current(ctx context.Context, app string) (current, error) {
	record, err := l.journal.App(ctx, app)
	if err != nil {
		return current{}, err
	}
	l.mu.Lock()
	d, drafted := l.known[app]
	l.mu.Unlock()
	now := current{record: d, app: record.Value}
	if drafted && d.Value.After >= record.Value.LastVersion {
		now.spec, now.at = d.Value.Spec, d.Value.ModifiedAt
		now.revision = awslambda.RevisionID("draft", app, fmt.Sprint(d.Revision))
		return now, nil
	}
	version, err := l.newest(ctx, record.Value)
	if err != nil {
		return now, err
	}
	if version == nil && drafted {
		now.spec, now.at = d.Value.Spec, d.Value.ModifiedAt
		now.revision = awslambda.RevisionID("draft", app, fmt.Sprint(d.Revision))
		return now, nil
	}
	if version == nil {
		return now, store.UnknownApp(app)
	}
	now.spec, now.at = version.Spec, version.CreatedAt
	now.revision = awslambda.RevisionID("draft of", app, version.Digest)
	return now, nil
}

// newest returns the newest version of an app that is still there; nil for none.
func (l *lambda) newest(ctx context.Context, app teal.App) (*teal.Version, error) {
	if app.LastVersion > 0 {
		version, err := l.store.Versions.Get(ctx, store.VersionKey{App: app.Name, Number: app.LastVersion})
		if !errors.Is(err, store.ErrNotFound) {
			return &version.Value, err
		}
	}
	list, err := l.store.Versions.List(ctx, app.Name)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[len(list)-1].Value, nil
}

// Find implements [awslambda.Functions].
func (l *lambda) Find(ctx context.Context, name string) (awslambda.Ref, error) {
	for i := len(name); i > 0; i = strings.LastIndexByte(name[:i], '-') {
		ref := awslambda.Ref{App: name[:i], Component: name}
		if i < len(name) {
			ref.Component = name[i+1:]
		}
		if teal.CheckName("app", ref.App) != nil || teal.CheckName("component", ref.Component) != nil {
			continue
		}
		if known, has := l.remembers(ref); !known {
			continue
		} else if has {
			return ref, nil
		}
		now, err := l.current(ctx, ref.App)
		if err == nil && now.spec.Components[ref.Component].Function != nil {
			return ref, nil
		}
		if err != nil && teal.CodeOf(err).Kind() != teal.KindNotFound {
			return ref, err
		}
	}
	return awslambda.Ref{}, store.UnknownApp(name)
}

func content(number int, ref awslambda.Ref, spec teal.Spec, at time.Time, revision string) (awslambda.Content, error) {
	f := spec.Components[ref.Component].Function
	if f == nil {
		return awslambda.Content{}, teal.Errorf(teal.CodeUnknownVersion, "%s of %s has no function %s", teal.VersionLabel(number), ref.App, ref.Component)
	}
	return awslambda.Content{Number: number, Function: *f, ModifiedAt: at, Revision: revision}, nil
}

// Draft implements [awslambda.Functions].
func (l *lambda) Draft(ctx context.Context, ref awslambda.Ref) (awslambda.Content, error) {
	now, err := l.current(ctx, ref.App)
	if err != nil {
		return awslambda.Content{}, err
	}
	return content(teal.Draft, ref, now.spec, now.at, now.revision)
}

func versionContent(ref awslambda.Ref, v teal.Version) (awslambda.Content, error) {
	return content(v.Number, ref, v.Spec, v.CreatedAt, awslambda.RevisionID("version", v.App, v.Digest))
}

// Version implements [awslambda.Functions].
func (l *lambda) Version(ctx context.Context, ref awslambda.Ref, number int) (awslambda.Content, error) {
	record, err := l.store.Versions.Get(ctx, store.VersionKey{App: ref.App, Number: number})
	if err != nil {
		return awslambda.Content{}, err
	}
	return versionContent(ref, record.Value)
}

// Versions implements [awslambda.Functions].
func (l *lambda) Versions(ctx context.Context, ref awslambda.Ref) ([]awslambda.Content, error) {
	records, err := l.store.Versions.List(ctx, ref.App)
	if err != nil {
		return nil, err
	}
	var list []awslambda.Content
	for _, v := range records {
		if c, err := versionContent(ref, v.Value); err == nil {
			list = append(list, c)
		}
	}
	return list, nil
}

// Create implements [awslambda.Functions].
func (l *lambda) Create(ctx context.Context, ref awslambda.Ref, f teal.Function) (awslambda.Content, error) {
	if err := l.deletions.Await(ctx, ref.App); err != nil {
		return awslambda.Content{}, err
	}
	l.changing.Lock()
	defer l.changing.Unlock()
	if _, err := l.current(ctx, ref.App); err == nil {
		return awslambda.Content{}, teal.Errorf(teal.CodeExists, "The app %s exists already.", ref.App)
	}
	spec := teal.Spec{App: ref.App, Components: map[string]teal.Component{ref.Component: {Function: &f}}, Routes: []teal.Route{}}
	if err := spec.Validate(); err != nil {
		return awslambda.Content{}, err
	}
	now := time.Now()
	app, err := l.control.CreateApp(ctx, ref.App, teal.DefaultPolicy())
	if err != nil {
		return awslambda.Content{}, err
	}
	if err := l.writeDraft(ctx, draft{App: ref.App, After: app.Value.LastVersion, Spec: spec, CreatedAt: now, ModifiedAt: now}); err != nil {
		return awslambda.Content{}, err
	}
	return l.Draft(ctx, ref)
}

// writeDraft replaces an app's draft. The caller holds changing.
func (l *lambda) writeDraft(ctx context.Context, d draft) error {
	// Half a write would leave the copy behind the store.
	record, err := l.drafts.Upsert(context.WithoutCancel(ctx), store.SideKey{App: d.App, Name: "app"}, func(stored *draft, _ bool) error {
		*stored = d
		return nil
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known[d.App] = record
	l.drafted++
	return nil
}

// Change implements [awslambda.Functions].
func (l *lambda) Change(ctx context.Context, ref awslambda.Ref, change func(awslambda.Content) (teal.Function, error)) (awslambda.Content, error) {
	l.changing.Lock()
	defer l.changing.Unlock()
	now, err := l.current(ctx, ref.App)
	if err != nil {
		return awslambda.Content{}, err
	}
	c, err := content(teal.Draft, ref, now.spec, now.at, now.revision)
	if err != nil {
		return c, err
	}
	f, err := change(c)
	if err != nil {
		return c, err
	}
	spec := withFunction(now.spec, ref.Component, f)
	if err := spec.Validate(); err != nil {
		return c, err
	}
	d := draft{App: ref.App, After: now.app.LastVersion, Spec: spec, CreatedAt: now.app.CreatedAt, ModifiedAt: time.Now()}
	if err := l.writeDraft(ctx, d); err != nil {
		return c, err
	}
	l.garbage.Drop(now.spec)
	if err := l.manager.Retire(ctx, ref.App, teal.Draft, teal.DefaultDrain.Std()); err != nil {
		return c, err
	}
	return l.Draft(ctx, ref)
}

// withFunction returns a copy of spec with another function.
func withFunction(spec teal.Spec, component string, f teal.Function) teal.Spec {
	spec.Components = maps.Clone(spec.Components)
	spec.Components[component] = teal.Component{Function: &f}
	return spec
}

// Publish implements [awslambda.Functions].
func (l *lambda) Publish(ctx context.Context, ref awslambda.Ref, decide func(awslambda.Content, *awslambda.Content) (*teal.Function, error)) (awslambda.Content, error) {
	l.changing.Lock()
	defer l.changing.Unlock()
	now, err := l.current(ctx, ref.App)
	if err != nil {
		return awslambda.Content{}, err
	}
	c, err := content(teal.Draft, ref, now.spec, now.at, now.revision)
	if err != nil {
		return c, err
	}
	last, err := l.lastContent(ctx, ref, now.app)
	if err != nil {
		return c, err
	}
	f, err := decide(c, last)
	if err != nil {
		return c, err
	}
	if f == nil {
		return *last, nil
	}
	version, _, err := l.control.Record(ctx, api.Deploy{Spec: withFunction(now.spec, ref.Component, *f), Policy: now.app.Policy})
	if err != nil {
		return c, err
	}
	d := draft{App: ref.App, After: version.Number, Spec: now.spec, CreatedAt: now.app.CreatedAt, ModifiedAt: now.at}
	if err := l.writeDraft(ctx, d); err != nil {
		return c, err
	}
	return versionContent(ref, version)
}

// lastContent returns the newest version of a function; nil for none.
func (l *lambda) lastContent(ctx context.Context, ref awslambda.Ref, app teal.App) (*awslambda.Content, error) {
	version, err := l.newest(ctx, app)
	if err != nil || version == nil {
		return nil, err
	}
	c, err := versionContent(ref, *version)
	if err != nil {
		return nil, nil //nolint:nilerr // the newest version does not have this function yet
	}
	return &c, nil
}

// draftVersion returns the draft as a version that can run. It has no routes: an
// unfinished thing answers only who asks for it by name.
func (l *lambda) draftVersion(ctx context.Context, app string) (teal.Version, error) {
	now, err := l.current(ctx, app)
	if err != nil {
		return teal.Version{}, err
	}
	spec := now.spec
	spec.Routes = nil
	return teal.Version{App: app, Number: teal.Draft, Digest: spec.Digest(), Spec: spec, CreatedAt: now.at}, nil
}
