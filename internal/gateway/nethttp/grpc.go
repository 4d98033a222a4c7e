package nethttp

import (
	"net/http"
	"time"

	"teal/internal/gateway/exchange"
)

// overdue reports whether the call's time is over. An instance that then breaks off
// does so because of that; its client would say the same a moment later.
func (x *roundTrip) overdue() bool { return !x.due.IsZero() && !time.Now().Before(x.due) }

// endOverdue ends an answer that its instance has broken off when the call's time was
// over: with the status that says so.
func (x *roundTrip) endOverdue() {
	trailer := http.Header{}
	exchange.Overdue(&header{Header: trailer})
	x.grpc.Trailer = trailer
}

// noteGRPC takes over what a gRPC answer says of itself at its end.
func (x *roundTrip) noteGRPC() {
	if x.grpc != nil {
		x.EndGRPC(headOf(x.grpc.Header), headOf(x.grpc.Trailer))
	}
}
