package routing

import (
	"context"

	"teal"
	"teal/internal/release"
	"teal/internal/store"
)

// ForReleases returns the router as releases see it: what it records for a running
// release goes also to a disk that is full.
func (r *Router) ForReleases() release.Router { return urgent{r} }

type urgent struct{ *Router }

// Set implements [release.Router].
func (r urgent) Set(ctx context.Context, alias teal.Alias, revision uint64) error {
	return r.Router.Set(store.WithUrgency(ctx, store.Back), alias, revision)
}
