package daemon

import (
	"context"
	"errors"
	"strconv"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/store"
)

var _ awslambda.Settings = (*lambda)(nil)

// Extras implements [awslambda.Settings].
func (b *lambda) Extras(_ context.Context, ref awslambda.Ref) (awslambda.Extras, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if x, ok := b.extra[ref]; ok {
		return x, nil
	}
	return awslambda.Extras{App: ref.App, Component: ref.Component}, nil
}

// ChangeExtras implements [awslambda.Settings].
func (b *lambda) ChangeExtras(ctx context.Context, ref awslambda.Ref, change func(*awslambda.Extras) error) (awslambda.Extras, error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	return b.changeExtras(ctx, ref, change)
}

// changeExtras is ChangeExtras for callers that hold changing.
func (b *lambda) changeExtras(ctx context.Context, ref awslambda.Ref, change func(*awslambda.Extras) error) (awslambda.Extras, error) {
	if _, err := b.Draft(ctx, ref); err != nil {
		return awslambda.Extras{}, err // deleted in the meantime
	}
	// Half a write would leave the copy behind the store.
	record, err := b.extras.Upsert(context.WithoutCancel(ctx), store.SideKey{App: ref.App, Name: ref.Component}, func(x *awslambda.Extras, _ bool) error {
		x.App, x.Component = ref.App, ref.Component
		return change(x)
	})
	if err != nil {
		return record.Value, err
	}
	b.mu.Lock()
	b.extra[ref] = record.Value
	b.mu.Unlock()
	b.takeEffect(ctx, record.Value)
	return record.Value, nil
}

// forgetQualifier deletes what is kept of a version or an alias that is gone. The
// caller holds changing.
func (b *lambda) forgetQualifier(ctx context.Context, ref awslambda.Ref, qualifier string) error {
	x, _ := b.Extras(ctx, ref) // a copy in memory, which never fails
	if !x.Has(qualifier) {
		return nil
	}
	_, err := b.changeExtras(ctx, ref, func(x *awslambda.Extras) error { x.Forget(qualifier); return nil })
	return err
}

// forgetOfAll does so for all functions of an app: a version or an alias is one for
// all of them.
func (b *lambda) forgetOfAll(ctx context.Context, app, qualifier string) error {
	ctx = context.WithoutCancel(ctx) // the records that led here are gone
	b.changing.Lock()
	defer b.changing.Unlock()
	if b.exists(app, qualifier) {
		return nil // made again meanwhile
	}
	for ref := range b.everyExtras() {
		if ref.App != app {
			continue
		}
		if err := b.forgetQualifier(ctx, ref, qualifier); err != nil {
			return err
		}
	}
	return nil
}

// versionForgotten drops the code of a version that retention has forgotten, and
// what is kept of it.
func (b *lambda) versionForgotten(ctx context.Context, v teal.Version) error {
	b.garbage.drop(v.Spec)
	return b.forgetOfAll(ctx, v.App, strconv.Itoa(v.Number))
}

// forgetGoneQualifiers does so for all that an earlier server was kept from
// forgetting; not while there is a record that cannot be understood: it may be the
// version or the alias that seems to be gone.
func (b *lambda) forgetGoneQualifiers(ctx context.Context) error {
	if b.garbage.isBlind() {
		return nil
	}
	b.changing.Lock()
	defer b.changing.Unlock()
	var errs []error // of one function are no reason to leave those of the others
	for ref, x := range b.everyExtras() {
		for _, qualifier := range x.Qualifiers() {
			if b.exists(ref.App, qualifier) {
				continue
			}
			if err := b.forgetQualifier(ctx, ref, qualifier); err != nil && !teal.IsCode(err, teal.CodeUnknownApp) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// exists reports whether an app has a version or an alias of that name.
func (b *lambda) exists(app, qualifier string) bool {
	if qualifier == "" || qualifier == teal.DraftName {
		return true
	}
	if number, err := strconv.Atoi(qualifier); err == nil {
		_, ok := b.index.version(store.VersionKey{App: app, Number: number})
		return ok
	}
	return b.router.Alias(app, qualifier).Value.Name != ""
}
