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
func (l *lambda) Extras(_ context.Context, ref awslambda.Ref) (awslambda.Extras, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x, ok := l.extra[ref]; ok {
		return x, nil
	}
	return awslambda.Extras{App: ref.App, Component: ref.Component}, nil
}

// ChangeExtras implements [awslambda.Settings].
func (l *lambda) ChangeExtras(ctx context.Context, ref awslambda.Ref, change func(*awslambda.Extras) error) (awslambda.Extras, error) {
	l.changing.Lock()
	defer l.changing.Unlock()
	return l.changeExtras(ctx, ref, change)
}

// changeExtras is ChangeExtras for callers that hold changing.
func (l *lambda) changeExtras(ctx context.Context, ref awslambda.Ref, change func(*awslambda.Extras) error) (awslambda.Extras, error) {
	if _, err := l.Draft(ctx, ref); err != nil {
		return awslambda.Extras{}, err // deleted in the meantime
	}
	// Half a write would leave the copy behind the store.
	record, err := l.extras.Upsert(context.WithoutCancel(ctx), store.SideKey{App: ref.App, Name: ref.Component}, func(x *awslambda.Extras, _ bool) error {
		x.App, x.Component = ref.App, ref.Component
		return change(x)
	})
	if err != nil {
		return record.Value, err
	}
	l.mu.Lock()
	l.extra[ref] = record.Value
	l.mu.Unlock()
	l.takeEffect(ctx, record.Value)
	return record.Value, nil
}

// forgetQualifier deletes what is kept of a version or an alias that is gone. The
// caller holds changing.
func (l *lambda) forgetQualifier(ctx context.Context, ref awslambda.Ref, qualifier string) error {
	x, _ := l.Extras(ctx, ref) // a copy in memory, which never fails
	if !x.Has(qualifier) {
		return nil
	}
	_, err := l.changeExtras(ctx, ref, func(x *awslambda.Extras) error { x.Forget(qualifier); return nil })
	return err
}

// forgetOfAll does so for all functions of an app: a version or an alias is one for
// all of them.
func (l *lambda) forgetOfAll(ctx context.Context, app, qualifier string) error {
	ctx = context.WithoutCancel(ctx) // the records that led here are gone
	l.changing.Lock()
	defer l.changing.Unlock()
	if l.exists(app, qualifier) {
		return nil // made again meanwhile
	}
	for ref := range l.everyExtras() {
		if ref.App != app {
			continue
		}
		if err := l.forgetQualifier(ctx, ref, qualifier); err != nil {
			return err
		}
	}
	return nil
}

// versionForgotten drops the code of a version that retention has forgotten, and
// what is kept of it.
func (l *lambda) versionForgotten(ctx context.Context, v teal.Version) error {
	l.garbage.Drop(v.Spec)
	return l.forgetOfAll(ctx, v.App, strconv.Itoa(v.Number))
}

// forgetGoneQualifiers does so for all that an earlier server was kept from
// forgetting; not while there is a record that cannot be understood: it may be the
// version or the alias that seems to be gone.
func (l *lambda) forgetGoneQualifiers(ctx context.Context) error {
	if l.garbage.IsBlind() {
		return nil
	}
	l.changing.Lock()
	defer l.changing.Unlock()
	var errs []error // of one function are no reason to leave those of the others
	for ref, x := range l.everyExtras() {
		for _, qualifier := range x.Qualifiers() {
			if l.exists(ref.App, qualifier) {
				continue
			}
			if err := l.forgetQualifier(ctx, ref, qualifier); err != nil && !teal.IsCode(err, teal.CodeUnknownApp) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// exists reports whether an app has a version or an alias of that name.
func (l *lambda) exists(app, qualifier string) bool {
	if qualifier == "" || qualifier == teal.DraftName {
		return true
	}
	if number, err := strconv.Atoi(qualifier); err == nil {
		_, ok := l.index.version(store.VersionKey{App: app, Number: number})
		return ok
	}
	return l.router.Alias(app, qualifier).Value.Name != ""
}
