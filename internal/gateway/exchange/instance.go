package exchange

import (
	"fmt"
	"strings"
	"time"

	"teal"
)

// MostInterim bounds the interim responses to one request.
const MostInterim = 16

// The ways in which an instance fails a request. A cause, which may have the instance's
// address, is for the log alone.

// NoConnection says that the instance takes no connections.
func (x *Exchange) NoConnection(cause error) error {
	return x.failedBy(teal.CodeUpstreamFailed, "takes no connections", cause)
}

// NoAnswer says that the instance has not begun to answer in time.
func (x *Exchange) NoAnswer(within time.Duration, cause error) error {
	return x.failedBy(teal.CodeTimeout, fmt.Sprintf("did not answer within %s", within), cause)
}

// NoAnswerInCall says that the instance has not begun to answer within the deadline of
// a gRPC call.
func (x *Exchange) NoAnswerInCall(cause error) error {
	return x.failedBy(teal.CodeTimeout, "did not answer before the deadline of the call", cause)
}

// Broken says that the instance has broken off before it had answered.
func (x *Exchange) Broken(cause error) error {
	return x.failedBy(teal.CodeUpstreamFailed, "broke the connection before it had answered", cause)
}

// BrokenOff says that the instance has broken off in the middle of its answer.
func (x *Exchange) BrokenOff(cause error) error {
	return x.failedBy(teal.CodeUpstreamFailed, "broke the connection in the middle of its answer", cause)
}

// NotHTTP says that what the instance answers cannot be understood.
func (x *Exchange) NotHTTP(cause error) error {
	return x.failedBy(teal.CodeUpstreamFailed, "answered with something that is not HTTP, or with headers that are too long", cause)
}

// Misbehaved says what else the instance does that it must not.
func (x *Exchange) Misbehaved(how string) error {
	return x.failedBy(teal.CodeUpstreamFailed, how, nil)
}

// Stalled says that the instance has fallen silent in the middle of its answer.
func (x *Exchange) Stalled(since time.Duration) error {
	return x.failedBy(teal.CodeTimeout, fmt.Sprintf("sent nothing for %s in the middle of its answer", since), nil)
}

// CheckTunnel refuses an answer of an instance that has not agreed to a WebSocket in a
// stream, and yet has a status by which the client would take its stream for one (RFC
// 8441, section 4): it would read a page as frames.
func (x *Exchange) CheckTunnel(status int) error {
	if status/100 != 2 {
		return nil
	}
	return teal.Errorf(teal.CodeUnsupported, "a WebSocket is %w at this path of component %q, which has answered it as a plain request", ErrNotImplemented, x.Claim.Component.Name)
}

func (x *Exchange) failedBy(code teal.Code, how string, cause error) error {
	return &teal.Error{Code: code, Message: fmt.Sprintf("component %q of version %s %s", x.Claim.Component.Name, x.Claim.Version, how), Err: cause}
}

// IsUpgradeToHTTP2 reports whether an Upgrade field asks to go on in HTTP/2. An instance
// that agreed would take further requests on that connection, none of which the
// gateway would see. A server may ignore the field, so it is left out.
func IsUpgradeToHTTP2(upgrade string) bool {
	for protocol := range strings.SplitSeq(upgrade, ",") {
		if hasPrefix(strings.TrimSpace(protocol), "h2") {
			return true
		}
	}
	return false
}
