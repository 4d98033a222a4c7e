// Package lease gives what only one of several servers may do to one of them: being
// the leader is being inside a function.
package lease

import "context"

// Lease is held by one server at a time.
type Lease interface {
	// Hold blocks until ctx ends. Whenever the lease is this server's, it calls lead
	// with a context that ends with the lease, and does not give the lease back before
	// lead has returned. An error of lead while the lease was held ends Hold with that
	// error.
	Hold(ctx context.Context, lead func(ctx context.Context) error) error
}

// Static is the lease of a server that has no other beside it: it always has it.
type Static struct{}

// Hold implements [Lease].
func (Static) Hold(ctx context.Context, lead func(ctx context.Context) error) error { return lead(ctx) }
