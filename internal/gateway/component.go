package gateway

import (
	"context"

	"teal"
)

// Address is where an instance listens.
type Address struct {
	Scheme string // "http" or "https"
	Host   string // host:port
	Path   string // a prefix for every request's path, such as "/base"; "" for none
	// OwnHost gives every request Host for its Host header, in place of the client's.
	OwnHost bool
}

// Endpoint is one address, claimed for one request.
type Endpoint interface {
	// Address returns where to send the request.
	Address() Address
	// Done says that the request is over; it is called exactly once. failed
	// means that no connection could be made.
	Done(failed bool)
}

// Endpoints hands out the healthy addresses of one service or upstream.
type Endpoints interface {
	// Claim chooses an address for one request, without blocking. The error
	// carries teal.CodeNoHealthyInstance when there is none.
	Claim() (Endpoint, error)
}

// Function runs invocations. Invoke blocks until the function has answered, its
// time is over, or ctx ends.
type Function interface {
	Invoke(ctx context.Context, in teal.Invocation) (teal.Answer, error)
}

// Component is one part of an environment as the gateway sees it: something to
// invoke, something to proxy to, or files. Exactly one of Function, Endpoints and Files
// is set.
type Component struct {
	Name      string
	Function  Function
	Payload   string // the format of a function's HTTP events: "2.0" or "1.0"
	Endpoints Endpoints
	Files     Files
	HTTP2     bool  // what Endpoints hands out speaks HTTP/2: at once in cleartext, by ALPN over TLS
	Meter     Meter // nil: what users do is not measured
	// Hide returns a text of the component's without what nobody shall see; nil hides
	// nothing.
	Hide func(text string) string
}

// Shown returns what a function said when it failed, without what nobody shall see.
func (c *Component) Shown(said *Failure) *Failure {
	if said == nil || c.Hide == nil {
		return said
	}
	shown := &Failure{Type: c.Hide(said.Type), Message: c.Hide(said.Message), Stack: make([]string, len(said.Stack))}
	for i, frame := range said.Stack {
		shown.Stack[i] = c.Hide(frame)
	}
	return shown
}
