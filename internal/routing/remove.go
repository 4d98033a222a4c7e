package routing

import (
	"context"
	"errors"
	"slices"
	"strings"

	"teal"
	"teal/internal/store"
)

// Stored returns the aliases of an app that have a record, by name.
func (r *Router) Stored(app string) []store.Record[teal.Alias] {
	return slices.SortedFunc(slices.Values(r.cfg.Known.AliasesOf(app)), func(a, b store.Record[teal.Alias]) int {
		return strings.Compare(a.Value.Name, b.Value.Name)
	})
}

// Remove deletes an alias: when it returns without an error, no request that
// starts from now on follows it, at whichever node.
func (r *Router) Remove(ctx context.Context, app, name string) error {
	removed, err := r.remove(ctx, app, name)
	if err != nil {
		return err
	}
	return r.awaitAll(ctx, removed, patience)
}

func (r *Router) remove(ctx context.Context, app, name string) (removed state, err error) {
	ctx = context.WithoutCancel(ctx) // see set
	defer r.writing.Lock(app)()
	key := store.AliasKey{App: app, Name: name}
	record, err := r.cfg.Aliases.Get(ctx, key)
	if err != nil {
		return state{}, err
	}
	err = r.change(ctx, key, nil, func() error { return r.cfg.Aliases.Delete(ctx, key, record.Revision) })
	return state{key: key, revision: record.Revision, gone: true}, err
}

// Forget deletes all aliases of an app.
func (r *Router) Forget(ctx context.Context, app string) error {
	for _, record := range r.Stored(app) {
		if err := r.Remove(ctx, app, record.Value.Name); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}
