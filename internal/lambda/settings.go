package lambda

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/store"
)

var _ awslambda.Settings = (*Backend)(nil)

// settings are what is kept of functions and not of their versions: the records, a
// copy in memory, and what of them every request asks for.
type settings struct {
	table  *store.Table[store.SideKey, awslambda.Extras]
	limits limits
	urls   urlTable

	mu    sync.Mutex
	known map[awslambda.Ref]awslambda.Extras // those that there are
}

func newSettings(kv store.KV) *settings {
	return &settings{
		table: store.NewSide(kv, "lambda", "function", func(x awslambda.Extras) store.SideKey { return functionKey(x.Ref()) }),
		known: map[awslambda.Ref]awslambda.Extras{},
	}
}

func (s *settings) load(ctx context.Context) error {
	records, _, err := s.table.Readable(ctx, "")
	if err != nil {
		return fmt.Errorf("lambda: load functions: %w", err)
	}
	for _, x := range records {
		s.put(x.Value)
	}
	return nil
}

// put has what has been written of a function hold. Of an app there is one caller at a
// time, of put and forgetApp: who holds changing, or load.
func (s *settings) put(x awslambda.Extras) {
	s.mu.Lock()
	s.known[x.Ref()] = x
	s.mu.Unlock()
	s.limits.set(x.Ref(), x.Reserved)
	s.urls.set(x)
}

// of returns what is kept of a function; nothing of one of which nothing is.
func (s *settings) of(ref awslambda.Ref) awslambda.Extras {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.known[ref]; ok {
		return x
	}
	return awslambda.Extras{App: ref.App, Component: ref.Component}
}

// all returns a copy of what is kept of all functions.
func (s *settings) all() map[awslambda.Ref]awslambda.Extras {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.known)
}

// ofApp returns a copy of what is kept of the functions of an app.
func (s *settings) ofApp(app string) map[awslambda.Ref]awslambda.Extras {
	list := s.all()
	maps.DeleteFunc(list, func(ref awslambda.Ref, _ awslambda.Extras) bool { return ref.App != app })
	return list
}

// forgetApp drops what is held of an app; who may call it is as for put.
func (s *settings) forgetApp(app string) {
	for ref := range s.ofApp(app) {
		s.mu.Lock()
		delete(s.known, ref)
		s.mu.Unlock()
		s.limits.set(ref, nil)
		s.urls.set(awslambda.Extras{App: ref.App, Component: ref.Component})
	}
}

// Extras implements [awslambda.Settings].
func (b *Backend) Extras(_ context.Context, ref awslambda.Ref) (awslambda.Extras, error) {
	return b.settings.of(ref), nil
}

// ChangeExtras implements [awslambda.Settings].
func (b *Backend) ChangeExtras(ctx context.Context, ref awslambda.Ref, change func(*awslambda.Extras) error) (awslambda.Extras, error) {
	defer b.records.changing.Lock(ref.App)()
	return b.changeExtras(ctx, ref, change)
}

// changeExtras is ChangeExtras for callers that hold changing of the app.
func (b *Backend) changeExtras(ctx context.Context, ref awslambda.Ref, change func(*awslambda.Extras) error) (awslambda.Extras, error) {
	if _, err := b.Draft(ctx, ref); err != nil {
		return awslambda.Extras{}, err // deleted in the meantime
	}
	// Half a write would leave the copy behind the store.
	record, err := b.settings.table.Upsert(context.WithoutCancel(ctx), functionKey(ref), func(x *awslambda.Extras, _ bool) error {
		x.App, x.Component = ref.App, ref.Component
		return change(x)
	})
	if err != nil {
		return record.Value, err
	}
	b.settings.put(record.Value)
	b.warmUp(context.WithoutCancel(ctx), ref.App)
	return record.Value, nil
}

// forgetQualifier deletes what is kept of a version or an alias that is gone. The
// caller holds changing.
func (b *Backend) forgetQualifier(ctx context.Context, ref awslambda.Ref, qualifier string) error {
	x := b.settings.of(ref)
	if !x.Has(qualifier) {
		return nil
	}
	_, err := b.changeExtras(ctx, ref, func(x *awslambda.Extras) error { x.Forget(qualifier); return nil })
	return err
}

// forgetOfAll does so for all functions of an app: a version or an alias is one for
// all of them.
func (b *Backend) forgetOfAll(ctx context.Context, app, qualifier string) error {
	ctx = context.WithoutCancel(ctx) // the records that led here are gone
	defer b.records.changing.Lock(app)()
	if b.exists(app, qualifier) {
		return nil // made again meanwhile
	}
	for ref := range b.settings.ofApp(app) {
		if err := b.forgetQualifier(ctx, ref, qualifier); err != nil {
			return err
		}
	}
	return nil
}

// forgetGone does so for one function unless the app has such a version or alias.
func (b *Backend) forgetGone(ctx context.Context, ref awslambda.Ref, qualifier string) error {
	defer b.records.changing.Lock(ref.App)()
	if b.exists(ref.App, qualifier) {
		return nil
	}
	return b.forgetQualifier(ctx, ref, qualifier)
}

// VersionForgotten drops the code of a version that retention has forgotten, and
// what is kept of it.
func (b *Backend) VersionForgotten(ctx context.Context, v teal.Version) error {
	b.cfg.Code.Drop(v.Spec)
	return b.forgetOfAll(ctx, v.App, strconv.Itoa(v.Number))
}

// ForgetGone does so for all that an earlier server was kept from
// forgetting; not while there is a record that cannot be understood: it may be the
// version or the alias that seems to be gone.
func (b *Backend) ForgetGone(ctx context.Context) error {
	if b.cfg.Code.IsBlind() {
		return nil
	}
	var errs []error // of one function are no reason to leave those of the others
	for ref, x := range b.settings.all() {
		for _, qualifier := range x.Qualifiers() {
			if err := b.forgetGone(ctx, ref, qualifier); err != nil && !teal.IsCode(err, teal.CodeUnknownApp) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// exists reports whether an app has a version or an alias of that name.
func (b *Backend) exists(app, qualifier string) bool {
	if qualifier == "" || qualifier == teal.DraftName {
		return true
	}
	if version, ok := teal.ParseVersionRef(qualifier); ok {
		number, _ := version.Number()
		_, ok := b.index.Version(store.VersionKey{App: app, Number: number})
		return ok
	}
	return b.aliases.Alias(app, qualifier).Value.Name != ""
}
