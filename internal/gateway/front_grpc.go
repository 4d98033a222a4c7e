package gateway

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"teal"
)

// isGRPC reports whether a request is a gRPC call.
func isGRPC(r *http.Request) bool {
	if r.ProtoMajor != 2 {
		return false
	}
	kind, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "application/grpc")
	return ok && (kind == "" || kind[0] == '+' || kind[0] == ';')
}

// grpcStatuses says what Teal's own errors are in gRPC's terms: those that have
// no entry are UNKNOWN.
var grpcStatuses = map[teal.Kind]int{
	teal.KindInvalid:      3,  // INVALID_ARGUMENT
	teal.KindUnauthorized: 16, // UNAUTHENTICATED
	teal.KindForbidden:    7,  // PERMISSION_DENIED
	teal.KindNotFound:     12, // UNIMPLEMENTED, what a server says of a method it does not have
	teal.KindConflict:     9,  // FAILED_PRECONDITION
	teal.KindTooLarge:     8,  // RESOURCE_EXHAUSTED
	teal.KindThrottled:    8,
	teal.KindUnavailable:  14, // UNAVAILABLE
	teal.KindTimeout:      4,  // DEADLINE_EXCEEDED
	teal.KindBadGateway:   14,
	teal.KindInternal:     13, // INTERNAL
}

// grpcDeadline returns when a gRPC call that begins now is to be over; zero for
// never. Its instance has begun later, so it does not find the time over earlier.
func grpcDeadline(h http.Header) time.Time {
	text := h.Get("Grpc-Timeout")
	if len(text) < 2 || len(text) > 9 {
		return time.Time{}
	}
	unit, known := grpcUnits[text[len(text)-1]]
	count, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if !known || err != nil || time.Duration(count) > math.MaxInt64/unit {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(count) * unit)
}

var grpcUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// overdue reports whether the call's time is over. An instance that then breaks off
// does so because of that; its client would say the same a moment later.
func (x *exchange) overdue() bool { return !x.due.IsZero() && !time.Now().Before(x.due) }

// endOverdue ends an answer that its instance has broken off when the call's time was
// over: with the status that says so.
func (x *exchange) endOverdue() {
	x.grpc.Trailer = http.Header{
		"Grpc-Status":  {strconv.Itoa(grpcStatuses[teal.KindTimeout])},
		"Grpc-Message": {"the deadline of the call is over"},
	}
}

// noteGRPC takes over what a gRPC answer says of itself at its end: its HTTP
// status is 200 whatever has happened.
func (x *exchange) noteGRPC() {
	if x.grpc == nil || x.result.Fault != FaultNone {
		return
	}
	status := x.grpc.Trailer.Get("Grpc-Status")
	if status == "" { // an answer of nothing but trailers
		status = x.grpc.Header.Get("Grpc-Status")
	}
	x.result.Fault = grpcFaults[status]
}

// grpcFaults are the statuses that are not the caller's doing.
var grpcFaults = map[string]Fault{
	"2":  FaultStatus,  // UNKNOWN
	"4":  FaultTimeout, // DEADLINE_EXCEEDED
	"12": FaultStatus,  // UNIMPLEMENTED
	"13": FaultStatus,  // INTERNAL
	"14": FaultStatus,  // UNAVAILABLE
	"15": FaultStatus,  // DATA_LOSS
}

// failGRPC answers a gRPC call with a failure: a response of nothing but trailers,
// which gRPC writes as the head of one without a body. A client would make
// something of an HTTP status too, but not what has happened.
func (x *exchange) failGRPC(f failure) {
	status, known := grpcStatuses[teal.CodeOf(f.err).Kind()]
	if !known {
		status = 2
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", strconv.Itoa(status))
	h.Set("Grpc-Message", url.PathEscape(string(teal.CodeOf(f.err))+": "+sentenceFor(f.err, f.insider)+" (request "+f.id+")"))
	x.w.WriteHeader(http.StatusOK)
}
