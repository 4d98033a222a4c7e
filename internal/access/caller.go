package access

import (
	"context"

	"teal"
)

// AdminName is the name of the server's own token.
const AdminName = "admin"

// Caller is who has proven to hold a token.
type Caller struct {
	teal.Token
	// Shared says that the token is the server's own, which several people use.
	Shared bool
}

// By returns the name for records. Whoever uses the server's own token may say who
// it is, which stands in brackets because nobody has proven it.
func (c Caller) By(said string) string {
	if !c.Shared || said == "" {
		return c.Name
	}
	return c.Name + " (" + said + ")"
}

type contextKey struct{}

// request is what the context of a request carries.
type request struct {
	caller Caller
	order  *Order
}

// WithCaller returns a context that carries who asks.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, contextKey{}, request{caller: c, order: OrderOf(ctx)})
}

// CallerOf returns who asks; the zero Caller, who may do nothing, where nobody has
// proven anything.
func CallerOf(ctx context.Context) Caller {
	r, _ := ctx.Value(contextKey{}).(request)
	return r.caller
}

// WithOrder returns a context that carries the order that is being carried out.
func WithOrder(ctx context.Context, o *Order) context.Context {
	return context.WithValue(ctx, contextKey{}, request{caller: CallerOf(ctx), order: o})
}

// OrderOf returns the order that is being carried out, or nil.
func OrderOf(ctx context.Context) *Order {
	r, _ := ctx.Value(contextKey{}).(request)
	return r.order
}
