package exchange

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"teal"
	"teal/internal/gateway"
)

// IsGRPC reports whether the request is a gRPC call.
func (x *Exchange) IsGRPC() bool {
	if !strings.HasPrefix(x.in.Line().Protocol, "HTTP/2") {
		return false
	}
	kind, ok := strings.CutPrefix(Get(x.in, headerContentType), "application/grpc")
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

// GRPCDeadline returns when a gRPC call that begins now is to be over; zero for
// never. Its instance has begun later, so it does not find the time over earlier.
func (x *Exchange) GRPCDeadline(now time.Time) time.Time {
	text := Get(x.in, "Grpc-Timeout")
	if len(text) < 2 || len(text) > 9 {
		return time.Time{}
	}
	unit, known := grpcUnits[text[len(text)-1]]
	count, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if !known || err != nil || time.Duration(count) > math.MaxInt64/unit {
		return time.Time{}
	}
	return now.Add(time.Duration(count) * unit)
}

var grpcUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// Overdue is the trailer of an answer that its instance has broken off when the time of
// the call was over: the status that says so.
func Overdue(to Fields) {
	to.Add(headerGRPCStatus, strconv.Itoa(grpcStatuses[teal.KindTimeout]))
	to.Add(headerGRPCMessage, "the deadline of the call is over")
}

// EndGRPC takes over what a gRPC answer says of itself at its end: its HTTP status is
// 200 whatever has happened. Of an answer of nothing but trailers they are its head.
func (x *Exchange) EndGRPC(head, trailer Head) {
	if x.Result.Fault == gateway.FaultNone {
		x.Result.Fault = grpcFaults[or(Get(trailer, headerGRPCStatus), Get(head, headerGRPCStatus))]
	}
}

// writeGRPC writes the failure of a gRPC call: a response of nothing but trailers,
// which gRPC writes as the head of one without a body. A client would make
// something of an HTTP status too, but not what has happened.
func (f failure) writeGRPC(to Fields) {
	status, known := grpcStatuses[teal.CodeOf(f.err).Kind()]
	if !known {
		status = 2
	}
	to.Add(headerContentType, "application/grpc")
	to.Add(headerGRPCStatus, strconv.Itoa(status))
	to.Add(headerGRPCMessage, url.PathEscape(string(teal.CodeOf(f.err))+": "+sentenceFor(f.err, f.internals)+" (request "+f.id+")"))
}

const (
	headerContentType = "Content-Type"
	headerGRPCStatus  = "Grpc-Status"
	headerGRPCMessage = "Grpc-Message"
)

// grpcFaults are the statuses that are not the caller's doing.
var grpcFaults = map[string]gateway.Fault{
	"2":  gateway.FaultStatus,  // UNKNOWN
	"4":  gateway.FaultTimeout, // DEADLINE_EXCEEDED
	"12": gateway.FaultStatus,  // UNIMPLEMENTED
	"13": gateway.FaultStatus,  // INTERNAL
	"14": gateway.FaultStatus,  // UNAVAILABLE
	"15": gateway.FaultStatus,  // DATA_LOSS
}
