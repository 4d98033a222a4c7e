package gateway

import (
	"time"

	"teal"
)

// Record is one exchange as it is seen from outside, when it is over. Whoever
// gets one may read it during the call and must not keep it: the texts may lie
// in a buffer that the next request uses.
type Record struct {
	Start    time.Time
	Answered time.Duration // until the answer began; zero when it never did
	Duration time.Duration // until its end; of a WebSocket, until it was closed
	Client   string        // the address of the peer, or the one that a trusted peer names; "" without one

	Scheme, Protocol     string // "http" or "https"; "HTTP/1.1" or "HTTP/2.0"
	Method, Host, Target string // as sent
	Referer, UserAgent   string
	TraceParent          string // as passed on; "" for none

	Status int       // as the client got it; 0 when it went away before there was one
	Code   teal.Code // of an error of Teal's own; "" when a component has answered
	Fault  Fault
	// RequestID is the invocation's, or the one that an error of Teal's own has in
	// the answer and in the server's log; "" for neither.
	RequestID string
	Aborted   bool  // the answer was cut off
	In, Out   int64 // bytes of the bodies; what went through an upgraded connection is not counted

	App, Component, Alias string // "" as far as the request did not get there
	Version               teal.VersionRef
	Route                 string // the prefix of the route
	Instance              string // the address of the instance that answered; "" for none and for functions
}

// Log is told of every exchange with a client. Its methods are called on the path
// of each, from many goroutines, and must not block.
type Log interface {
	// Wants reports whether it wants the record of an exchange that ended with
	// the status.
	Wants(status int) bool
	Log(r *Record)
}

// Tracer follows exchanges through the programs that take part in them, as W3C
// Trace Context describes. Without one Teal takes no part: it passes on what the
// client says, or says nothing.
type Tracer interface {
	// Start begins the span of an exchange. parent and state are the client's
	// traceparent and tracestate, "" for none.
	Start(parent, state string, at time.Time) Span
}

// Span is an exchange that is being followed.
type Span interface {
	// Context returns the traceparent and tracestate that are passed on.
	Context() (parent, state string)
	// End says how it went.
	End(r *Record)
}

// Fault says what was wrong with a request on the side of the version that
// answered it. What a client does wrong, going away included, is no fault.
type Fault uint8

// The faults.
const (
	FaultNone       Fault = iota
	FaultStatus           // a 5xx that is none of the others
	FaultFunction         // the function failed, or its answer made no sense
	FaultTimeout          // no answer in time
	FaultConnection       // no instance took the request, or it broke the connection
)
