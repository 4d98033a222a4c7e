package nethttp

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// isGRPC reports whether a request is a gRPC call.
func isGRPC(r *http.Request) bool {
	return exchange.IsGRPC(r.ProtoMajor, r.Header.Get("Content-Type"))
}

// overdue reports whether the call's time is over. An instance that then breaks off
// does so because of that; its client would say the same a moment later.
func (x *roundTrip) overdue() bool { return !x.due.IsZero() && !time.Now().Before(x.due) }

// endOverdue ends an answer that its instance has broken off when the call's time was
// over: with the status that says so.
func (x *roundTrip) endOverdue() {
	x.grpc.Trailer = http.Header{
		"Grpc-Status":  {strconv.Itoa(exchange.GRPCStatuses[teal.KindTimeout])},
		"Grpc-Message": {"the deadline of the call is over"},
	}
}

// noteGRPC takes over what a gRPC answer says of itself at its end: its HTTP
// status is 200 whatever has happened.
func (x *roundTrip) noteGRPC() {
	if x.grpc == nil || x.result.Fault != gateway.FaultNone {
		return
	}
	status := x.grpc.Trailer.Get("Grpc-Status")
	if status == "" { // an answer of nothing but trailers
		status = x.grpc.Header.Get("Grpc-Status")
	}
	x.result.Fault = exchange.GRPCFaults[status]
}

// failGRPC answers a gRPC call with a failure: a response of nothing but trailers,
// which gRPC writes as the head of one without a body. A client would make
// something of an HTTP status too, but not what has happened.
func (x *roundTrip) failGRPC(f exchange.Failure) {
	status, known := exchange.GRPCStatuses[teal.CodeOf(f.Err).Kind()]
	if !known {
		status = 2
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", strconv.Itoa(status))
	h.Set("Grpc-Message", url.PathEscape(string(teal.CodeOf(f.Err))+": "+exchange.SentenceFor(f.Err, f.Insider)+" (request "+f.ID+")"))
	x.w.WriteHeader(http.StatusOK)
}
