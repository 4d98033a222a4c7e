package routing

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/store"
)

// Stored returns the aliases of an app that have a record, by name.
func (r *Router) Stored(app string) []store.Record[teal.Alias] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.apps[app]), func(a, b store.Record[teal.Alias]) int {
		return strings.Compare(a.Value.Name, b.Value.Name)
	})
}

// Remove deletes an alias: when it returns without an error, no request that
// starts from now on follows it. Who has deleted it, and how it moved before, is noted
// in the record of the app first.
func (r *Router) Remove(ctx context.Context, app, name, by string) error {
	ctx = context.WithoutCancel(ctx) // see Set
	defer r.writing.Lock(app)()
	record, err := r.aliases.Get(ctx, store.AliasKey{App: app, Name: name})
	if err != nil {
		return err
	}
	if err := r.journal.NoteRemoval(ctx, record, by, time.Now()); err != nil {
		return err
	}
	return r.remove(ctx, app, name)
}

// remove is Remove for callers that hold writing of the app.
func (r *Router) remove(ctx context.Context, app, name string) error {
	ctx = context.WithoutCancel(ctx) // see Set
	key := store.AliasKey{App: app, Name: name}
	record, err := r.aliases.Get(ctx, key)
	if err != nil {
		return err
	}
	return r.change(ctx, key, nil, func() (store.Record[teal.Alias], error) {
		return store.Record[teal.Alias]{}, r.aliases.Delete(ctx, key, record.Revision)
	})
}

// Forget deletes all aliases of an app.
func (r *Router) Forget(ctx context.Context, app string) error {
	defer r.writing.Lock(app)()
	for _, record := range r.Stored(app) {
		if err := r.remove(ctx, app, record.Value.Name); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// Forgotten takes an app that has no alias and runs nothing out of the table.
func (r *Router) Forgotten(app string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.apps[app]) > 0 || len(r.fleet.Running(app)) > 0 {
		return
	}
	delete(r.apps, app)
	delete(r.stopped, app)
	_ = r.gateway.Update(func(t *gateway.Table) (*gateway.Table, error) { return t.Without(app), nil }) // never fails
	r.claimed = r.claimed.Without(app)
}
