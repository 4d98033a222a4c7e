package daemon

import (
	"context"

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

func (l *lambda) forgetExtras(ctx context.Context, ref awslambda.Ref) error {
	key := store.SideKey{App: ref.App, Name: ref.Component}
	record, err := l.extras.Get(ctx, key)
	if err == nil {
		err = l.extras.Delete(ctx, key, record.Revision)
	}
	if err := ignoreMissing(err); err != nil {
		return err
	}
	l.mu.Lock()
	delete(l.extra, ref)
	l.mu.Unlock()
	l.takeEffect(ctx, awslambda.Extras{App: ref.App, Component: ref.Component})
	return nil
}
