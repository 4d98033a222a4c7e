package gateway

import (
	"context"
	"net/http"
)

// claimKey is where a request's context holds a claim that somebody before the
// routing has made.
type claimKey struct{}

// WithClaim returns a context in which the request belongs to a claim that has
// been made already: it is answered by that claim's component, whatever the
// routes say. Whoever serves the request releases the claim.
func WithClaim(ctx context.Context, claim Claim) context.Context {
	return context.WithValue(ctx, claimKey{}, claim)
}

// claimed returns the claim in a request's context.
func claimed(r *http.Request) (Claim, bool) {
	claim, ok := r.Context().Value(claimKey{}).(Claim)
	return claim, ok
}
