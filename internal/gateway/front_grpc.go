package gateway

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

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
