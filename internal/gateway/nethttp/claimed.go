package nethttp

import (
	"context"
	"net/http"

	"teal/internal/gateway"
)

// claimKey is where a request's context holds a claim that somebody before the
// routing has made.
type claimKey struct{}

// WithClaim returns a context in which the request belongs to a claim that has
// been made already: it is answered by that claim's component, whatever the
// routes say. Whoever serves the request releases the claim.
func WithClaim(ctx context.Context, claim gateway.Claim) context.Context {
	return context.WithValue(ctx, claimKey{}, claim)
}

// claimed returns the claim that a request of the public comes with, in its context or
// with its connection.
func claimed(r *http.Request) (gateway.Claim, bool) {
	if claim, ok := r.Context().Value(claimKey{}).(gateway.Claim); ok {
		return claim, true
	}
	if c, ok := connOf(r.Context()).Conn.(claimant); ok {
		if claim := c.takeClaim(); claim != nil {
			return *claim, true
		}
	}
	return gateway.Claim{}, false
}
