package routing

import (
	"context"
	"errors"
	"maps"
	"slices"

	"teal"
	"teal/internal/gateway"
	"teal/internal/store"
)

// change makes one alias point to targets, or go for nil, in three steps. The
// caller holds writing of the app.
//
//  1. Under mu: the routes that the app will have are claimed, so that no other
//     app is given them meanwhile. What the table could not follow is refused.
//  2. Without mu: write makes the change durable, however long that takes. A crash
//     before leaves everything as it was; after it, the next start reads it.
//  3. Under mu: the table follows. Nobody is told of the change before that.
//
// Whichever way it ends, the table is as the store is.
func (r *Router) change(ctx context.Context, key store.AliasKey, targets []teal.Target, write func() (store.Record[teal.Alias], error)) error {
	if err := r.claim(key, targets); err != nil {
		return err
	}
	record, err := write()
	if err != nil {
		record = r.afterFailure(ctx, key)
	}
	r.settle(key, record)
	return err
}

// claim is the first step of a change.
func (r *Router) claim(key store.AliasKey, targets []teal.Target) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := maps.Clone(r.apps[key.App])
	if next == nil {
		next = aliases{}
	}
	if next[key.Name] = (store.Record[teal.Alias]{Value: teal.Alias{Targets: targets}}); targets == nil {
		delete(next, key.Name)
	}
	if _, err := r.claimed.Claiming(r.app(key.App, next)); err != nil {
		return err
	}
	r.pending[key.App] = next[teal.AliasLive].Value.Targets
	r.reclaim(key.App)
	return nil
}

// afterFailure returns the alias as the store has it after a write that failed,
// possibly only seemingly; as the table has it when the store does not say.
func (r *Router) afterFailure(ctx context.Context, key store.AliasKey) store.Record[teal.Alias] {
	record, err := r.aliases.Get(ctx, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return r.Alias(key.App, key.Name)
	}
	return record
}

// settle is the last step of a change: the record is how the alias is now, with
// revision 0 when there is none.
func (r *Router) settle(key store.AliasKey, record store.Record[teal.Alias]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if record.Revision != 0 {
		r.keep(record)
	} else {
		delete(r.apps[key.App], key.Name)
		r.acks.Applied(here, key, 0)
	}
	delete(r.pending, key.App)
	r.follow(key.App)
}

// Reroute implements [environment.Usage].
func (r *Router) Reroute(app string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.follow(app)
}

// follow swaps in a table in which the app is as its aliases and its environments
// are now. The caller holds mu.
func (r *Router) follow(app string) {
	state := r.app(app, r.apps[app])
	_, err := r.claimed.Claiming(state)
	if err == nil {
		// No route is another app's: what is claimed holds all that the table has.
		err = r.gateway.Update(func(t *gateway.Table) (*gateway.Table, error) { return t.With(state) })
	}
	if err != nil {
		r.logger.Error("routes of app cannot be used", "app", app, "error", err)
	} else {
		for name, record := range r.apps[app] {
			r.acks.Applied(here, store.AliasKey{App: app, Name: name}, record.Revision)
		}
	}
	r.reclaim(app)
}

// reclaim claims for an app what the table has of it, and what it gets when its
// pending change is durable. While nothing is pending, what is claimed is the table
// itself, and takes no memory twice. The caller holds mu.
func (r *Router) reclaim(app string) {
	if len(r.pending) == 0 {
		r.claimed = r.gateway.Table()
		return
	}
	have, _ := r.gateway.Table().App(app)
	both := r.app(app, nil)
	both.Aliases[teal.AliasLive] = slices.DeleteFunc(slices.Concat(have.Aliases[teal.AliasLive], r.pending[app]),
		func(t teal.Target) bool { return t.Weight == 0 })
	maps.Copy(both.Environments, have.Environments)
	maps.Copy(both.Starting, have.Starting)
	claimed, err := r.claimed.Claiming(both)
	if err != nil { // the two do not take anything from others, each by itself
		r.logger.Error("routes of app cannot be claimed", "app", app, "error", err)
		return
	}
	r.claimed = claimed
}
