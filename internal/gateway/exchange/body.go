package exchange

import (
	"teal"
	"teal/internal/gateway"
)

// freeBody is what the body of a request to a function may hold without asking:
// connections bound such bodies already, and they must pass while large ones
// have used the budget up.
const freeBody = 64 << 10

// Body is the body of a request to a function as it arrives. What it holds beyond a
// small one is taken from the server's budget, so that a client which only announces
// much costs nothing. The zero Body is empty and has taken nothing.
type Body struct {
	policy    *Policy
	data      []byte
	announced int64
	held      int64 // of the budget
}

// NewBody returns a body of an announced size, negative for an unknown one. Whoever has
// it must call Release when the request is over, also after an error.
func (p *Policy) NewBody(announced int64) (Body, error) {
	return Body{policy: p, announced: announced}, p.checkEvent(announced)
}

// Room returns where the next bytes are to be put, at least one. The error carries
// teal.CodeUnavailable when the budget does not have it.
func (b *Body) Room() ([]byte, error) {
	if b.data == nil {
		b.data = make([]byte, 0, min(max(b.announced+1, 512), freeBody))
	}
	if len(b.data) == cap(b.data) {
		more := int64(cap(b.data))
		if !b.policy.bodies.take(more) {
			return nil, gateway.PublicErrorf(teal.CodeUnavailable, "too many large requests are being read at the moment; try again")
		}
		b.held += more
		b.data = append(make([]byte, 0, 2*cap(b.data)), b.data...)
	}
	return b.data[len(b.data):cap(b.data)], nil
}

// Took says that so many bytes have been put where Room said. The error carries
// teal.CodeTooLarge when they are too many.
func (b *Body) Took(n int) error {
	b.data = b.data[:len(b.data)+n]
	return b.policy.checkEvent(int64(len(b.data)))
}

// Add copies a piece. Its errors are those of Room and Took.
func (b *Body) Add(piece []byte) error {
	for len(piece) > 0 {
		room, err := b.Room()
		if err != nil {
			return err
		}
		n := copy(room, piece)
		if err := b.Took(n); err != nil {
			return err
		}
		piece = piece[n:]
	}
	return nil
}

// Bytes returns what has arrived. It may be kept after Release.
func (b *Body) Bytes() []byte { return b.data }

// Len returns how much has arrived.
func (b *Body) Len() int { return len(b.data) }

// Release gives back what was taken from the budget. It may be called again.
func (b *Body) Release() {
	if b.held > 0 {
		b.policy.bodies.give(b.held)
	}
	*b = Body{}
}

// checkEvent refuses the body of a request to a function, of which there are so many
// bytes, and the event that is made of it.
func (p *Policy) checkEvent(size int64) error {
	if limit := p.Limits.FunctionBytes; size > int64(limit) {
		return gateway.PublicErrorf(teal.CodeTooLarge, "the request, as an event for a function, is larger than %s; send less", limit)
	}
	return nil
}

// CheckBody refuses the body of a request to a service, of which there are so many
// bytes. A gRPC call may send as much as it likes.
func (x *Exchange) CheckBody(size int64) error {
	if limit := x.policy.Limits.BodyBytes; size > int64(limit) && !x.IsGRPC() {
		return gateway.PublicErrorf(teal.CodeTooLarge, "the request's body is larger than %s; send less", limit)
	}
	return nil
}
