package exchange

import (
	"math"
	"strconv"
	"strings"
	"time"

	"teal"
	"teal/internal/gateway"
)

// IsGRPC reports whether a request is a gRPC call.
func IsGRPC(protocolMajor int, contentType string) bool {
	if protocolMajor != 2 {
		return false
	}
	kind, ok := strings.CutPrefix(contentType, "application/grpc")
	return ok && (kind == "" || kind[0] == '+' || kind[0] == ';')
}

// GRPCStatuses says what Teal's own errors are in gRPC's terms: those that have
// no entry are UNKNOWN.
var GRPCStatuses = map[teal.Kind]int{
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

// GRPCDeadline returns when a gRPC call that begins now, and says so of its time, is
// to be over; zero for never. Its instance has begun later, so it does not find the time over earlier.
func GRPCDeadline(text string) time.Time {
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

// GRPCFaults are the statuses that are not the caller's doing.
var GRPCFaults = map[string]gateway.Fault{
	"2":  gateway.FaultStatus,  // UNKNOWN
	"4":  gateway.FaultTimeout, // DEADLINE_EXCEEDED
	"12": gateway.FaultStatus,  // UNIMPLEMENTED
	"13": gateway.FaultStatus,  // INTERNAL
	"14": gateway.FaultStatus,  // UNAVAILABLE
	"15": gateway.FaultStatus,  // DATA_LOSS
}
