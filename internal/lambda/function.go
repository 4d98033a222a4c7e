package lambda

import (
	"context"
	"maps"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/api/awslambda"
	"teal/internal/store"
)

var _ awslambda.Functions = (*Backend)(nil)

// Find implements [awslambda.Functions].
func (b *Backend) Find(ctx context.Context, name string) (awslambda.Ref, error) {
	for i := len(name); i > 0; i = strings.LastIndexByte(name[:i], '-') {
		ref := awslambda.Ref{App: name[:i], Component: name}
		if i < len(name) {
			ref.Component = name[i+1:]
		}
		if teal.CheckName("app", ref.App) != nil || teal.CheckName("component", ref.Component) != nil {
			continue
		}
		if known, has := b.remembers(ref); !known {
			continue
		} else if has {
			return ref, nil
		}
		now, err := b.drafts.current(ctx, ref.App)
		if err == nil && now.spec.Components[ref.Component].Function != nil {
			return ref, nil
		}
		if err != nil && teal.CodeOf(err).Kind() != teal.KindNotFound {
			return ref, err
		}
	}
	return awslambda.Ref{}, store.UnknownApp(name)
}

func content(version teal.VersionRef, ref awslambda.Ref, spec teal.Spec, at time.Time, revision string) (awslambda.Content, error) {
	f := spec.Components[ref.Component].Function
	if f == nil {
		return awslambda.Content{}, teal.Errorf(teal.CodeUnknownVersion, "%s of %s has no function %s", version, ref.App, ref.Component)
	}
	return awslambda.Content{Version: version, Function: *f, ModifiedAt: at, Revision: revision}, nil
}

// Draft implements [awslambda.Functions].
func (b *Backend) Draft(ctx context.Context, ref awslambda.Ref) (awslambda.Content, error) {
	_, c, err := b.drafts.contentOf(ctx, ref)
	return c, err
}

// written returns the draft as it was just written: with its change going on, however
// long the write took.
func (b *Backend) written(ref awslambda.Ref) (awslambda.Content, error) {
	record, ok := b.drafts.of(ref.App)
	if !ok {
		return awslambda.Content{}, store.UnknownApp(ref.App) // deleted in the meantime
	}
	return b.drafts.own(record, record.Value.Change).content(ref)
}

func versionContent(ref awslambda.Ref, v teal.Version) (awslambda.Content, error) {
	return content(v.Ref(), ref, v.Spec, v.CreatedAt, awslambda.RevisionID("version", v.App, v.Digest))
}

// Version implements [awslambda.Functions].
func (b *Backend) Version(ctx context.Context, ref awslambda.Ref, number int) (awslambda.Content, error) {
	record, err := b.cfg.Store.Versions.Get(ctx, store.VersionKey{App: ref.App, Number: number})
	if err != nil {
		return awslambda.Content{}, err
	}
	made, err := versionContent(ref, record.Value)
	return b.drafts.inTheMaking(ref, made), err
}

// contentOf returns a version or the draft.
func (b *Backend) contentOf(ctx context.Context, ref awslambda.Ref, version teal.VersionRef) (awslambda.Content, error) {
	if number, ok := version.Number(); ok {
		return b.Version(ctx, ref, number)
	}
	return b.Draft(ctx, ref)
}

// Versions implements [awslambda.Functions].
func (b *Backend) Versions(ctx context.Context, ref awslambda.Ref) ([]awslambda.Content, error) {
	records, err := b.cfg.Store.Versions.List(ctx, ref.App)
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
func (b *Backend) Create(ctx context.Context, ref awslambda.Ref, f teal.Function) (awslambda.Content, error) {
	if err := b.cfg.Deletions.Await(ctx, ref.App); err != nil {
		return awslambda.Content{}, err
	}
	defer b.records.changing.Lock(ref.App)()
	if _, err := b.drafts.current(ctx, ref.App); err == nil {
		return awslambda.Content{}, teal.Errorf(teal.CodeExists, "The app %s exists already.", ref.App)
	}
	spec := teal.Spec{App: ref.App, Components: map[string]teal.Component{ref.Component: {Function: &f}}, Routes: []teal.Route{}}
	if err := spec.Validate(); err != nil {
		return awslambda.Content{}, err
	}
	now := time.Now()
	app, err := b.cfg.Orders.CreateApp(ctx, ref.App, teal.DefaultPolicy())
	if err != nil {
		return awslambda.Content{}, err
	}
	if err := b.drafts.write(ctx, draft{App: ref.App, After: app.Value.LastVersion, Spec: spec, CreatedAt: now, ModifiedAt: now, Change: awslambda.Creating, Changed: ref.Component}); err != nil {
		return awslambda.Content{}, err
	}
	return b.written(ref)
}

// Change implements [awslambda.Functions].
func (b *Backend) Change(ctx context.Context, ref awslambda.Ref, change func(awslambda.Content) (teal.Function, error)) (awslambda.Content, error) {
	defer b.records.changing.Lock(ref.App)()
	now, c, err := b.drafts.contentOf(ctx, ref)
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
	d := draft{App: ref.App, After: now.app.LastVersion, Spec: spec, CreatedAt: now.app.CreatedAt, ModifiedAt: time.Now(), Change: awslambda.Updating, Changed: ref.Component}
	if err := b.drafts.write(ctx, d); err != nil {
		return c, err
	}
	b.cfg.Code.Drop(now.spec)
	if err := b.environments.Retire(ctx, ref.App, teal.Draft, teal.DefaultDrain.Std()); err != nil {
		return c, err
	}
	return b.written(ref)
}

// withFunction returns a copy of spec with another function.
func withFunction(spec teal.Spec, component string, f teal.Function) teal.Spec {
	spec.Components = maps.Clone(spec.Components)
	spec.Components[component] = teal.Component{Function: &f}
	return spec
}

// Publish implements [awslambda.Functions].
func (b *Backend) Publish(ctx context.Context, ref awslambda.Ref, decide func(awslambda.Content, *awslambda.Content) (*teal.Function, error)) (awslambda.Content, error) {
	defer b.records.changing.Lock(ref.App)()
	now, c, err := b.drafts.contentOf(ctx, ref)
	if err != nil {
		return c, err
	}
	last, err := b.lastContent(ctx, ref, now.app)
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
	version, _, err := b.cfg.Orders.Record(ctx, api.Deploy{Spec: withFunction(now.spec, ref.Component, *f), Policy: now.app.Policy})
	if err != nil {
		return c, err
	}
	d := draft{App: ref.App, After: version.Number, Spec: now.spec, CreatedAt: now.app.CreatedAt, ModifiedAt: now.at, Change: now.change, Changed: now.changed}
	if now.change != "" {
		d.Published = version.Number
	}
	if err := b.drafts.write(ctx, d); err != nil {
		return c, err
	}
	made, err := versionContent(ref, version)
	return b.drafts.inTheMaking(ref, made), err
}

// lastContent returns the newest version of a function; nil for none.
func (b *Backend) lastContent(ctx context.Context, ref awslambda.Ref, app teal.App) (*awslambda.Content, error) {
	version, err := b.drafts.newest(ctx, app)
	if err != nil || version == nil {
		return nil, err
	}
	c, err := versionContent(ref, *version)
	if err != nil {
		return nil, nil //nolint:nilerr // the newest version does not have this function yet
	}
	return &c, nil
}
