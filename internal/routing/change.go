package routing

import (
	"context"
	"slices"
	"time"

	"teal"
	"teal/internal/store"
)

// change makes one alias point to targets, or go for nil, in three steps. The
// caller holds writing of the app.
//
//  1. The routes that the app will have are claimed, so that no other app is given them
//     meanwhile. What the table could not follow is refused.
//  2. write makes the change durable, however long that takes. A crash before leaves
//     everything as it was; after it, the next start reads it.
//  3. The gateway of this node reads the record and follows. What is claimed is given
//     back then, and not before.
//
// Whichever way it ends, this node's gateway follows what the store has.
func (r *Router) change(ctx context.Context, key store.AliasKey, targets []teal.Target, write func() error) error {
	if err := r.cfg.Table.claim(key, targets); err != nil {
		return err
	}
	defer r.cfg.Table.settle(key.App)
	before := r.Alias(key.App, key.Name).Revision
	err := write()
	if err != nil { // possibly only seemingly: what is known is to be what the store has
		_, _ = r.cfg.Aliases.Get(ctx, key)
	}
	now := r.Alias(key.App, key.Name).Revision
	if now == before && err != nil {
		return err // nothing has changed
	}
	at := state{key: key, revision: max(now, before), gone: now == 0}
	behind := r.await(ctx, at, patience, func(behind []string) bool { return !slices.Contains(behind, r.cfg.Nodes.Name()) })
	if err == nil && slices.Contains(behind, r.cfg.Nodes.Name()) {
		err = notFollowed(at, behind)
	}
	return err
}

// patience is how long an order waits for gateways. Those that are well take
// milliseconds, and who is dead is not waited for once its heartbeat is old.
const patience = 15 * time.Second

// state is one state of an alias.
type state struct {
	key      store.AliasKey
	revision uint64
	gone     bool // after it the alias has been removed
}

// await blocks until enough says so of the nodes whose gateway does not follow a state of
// an alias, and returns them; or until limit is over or ctx ends, and then those that it
// has waited for in vain.
func (r *Router) await(ctx context.Context, at state, limit time.Duration, enough func(behind []string) bool) []string {
	over := time.NewTimer(limit)
	defer over.Stop()
	for {
		changed := r.cfg.Nodes.Changed()
		behind := r.cfg.Nodes.Behind(at.key, at.revision, at.gone)
		if enough(behind) {
			return behind
		}
		select {
		case <-changed:
		case <-over.C:
			return behind
		case <-ctx.Done():
			return behind
		}
	}
}

// awaitAll is await for every live node; it returns an error that names those that do not
// follow.
func (r *Router) awaitAll(ctx context.Context, at state, limit time.Duration) error {
	if err := r.cfg.Nodes.Look(ctx); err != nil {
		return teal.Errorf(teal.CodeUnavailable, "the alias %s of %s is written, and it is not known which servers are to follow it: %w", at.key.Name, at.key.App, err)
	}
	behind := r.await(ctx, at, limit, func(behind []string) bool { return len(behind) == 0 })
	if len(behind) == 0 {
		return nil
	}
	return notFollowed(at, behind)
}

func notFollowed(at state, behind []string) error {
	what := "has changed"
	if at.gone {
		what = "has been removed"
	}
	return teal.Errorf(teal.CodeUnavailable,
		"the alias %s of %s %s, which is not followed yet by %s. Nothing needs to be ordered again: a gateway follows as soon as it can, and is not waited for once it is known to be dead",
		at.key.Name, at.key.App, what, teal.GatewaysOf(behind))
}
