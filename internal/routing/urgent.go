package routing

import (
	"context"
	"time"

	"teal"
	"teal/internal/release"
	"teal/internal/store"
)

// ForReleases returns the router as releases see it: what it records for a running
// release goes also to a disk that is full.
func (r *Router) ForReleases() release.Router { return urgent{r} }

type urgent struct{ *Router }

// togetherWithin is how long a release waits for the gateways of other nodes in its act
// of moving the alias. Those that are well have followed by then, and the outcome is
// recorded with the act; for the others it waits as [release.Route] says.
const togetherWithin = 100 * time.Millisecond

// Set implements [release.Router].
func (r urgent) Set(ctx context.Context, alias teal.Alias, revision uint64) error {
	alias.Description = r.Alias(alias.App, alias.Name).Value.Description
	written, err := r.set(store.WithUrgency(ctx, store.Back), alias, revision)
	if err == nil {
		_ = r.awaitAll(ctx, written, togetherWithin) // Observe says whether it holds
	}
	return err
}
