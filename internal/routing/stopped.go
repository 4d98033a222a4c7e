package routing

import (
	"context"

	"teal"
	"teal/internal/store"
)

// AwaitApp blocks until no gateway that lives follows an older record of an app than the
// revision, which says that the app is stopped, or that it is not any more. With
// teal.CodeUnavailable, which names them, some do not follow yet.
func (r *Router) AwaitApp(ctx context.Context, app string, revision uint64) error {
	at := state{key: store.AliasKey{App: app, Name: ofApp}, revision: revision}
	if err := r.cfg.Nodes.Look(ctx); err != nil {
		return teal.Errorf(teal.CodeUnavailable, "the order for %s is written, and it is not known which servers are to follow it: %w", app, err)
	}
	behind := r.await(ctx, at, patience, func(behind []string) bool { return len(behind) == 0 })
	if len(behind) == 0 {
		return nil
	}
	return teal.Errorf(teal.CodeUnavailable,
		"the order for %s is written, and not followed yet by %s. Nothing needs to be ordered again: a gateway follows as soon as it can, and is not waited for once it is known to be dead",
		app, teal.GatewaysOf(behind))
}
