package exchange

import (
	"context"
	"errors"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/http1"
)

var statuses = map[teal.Kind]int{
	teal.KindInvalid:      statusBadRequest,
	teal.KindUnauthorized: statusUnauthorized,
	teal.KindForbidden:    statusForbidden,
	teal.KindNotFound:     statusNotFound,
	teal.KindConflict:     statusConflict,
	teal.KindTooLarge:     statusRequestEntityTooLarge,
	teal.KindThrottled:    statusTooManyRequests,
	teal.KindUnavailable:  statusServiceUnavailable,
	teal.KindTimeout:      statusGatewayTimeout,
	teal.KindBadGateway:   statusBadGateway,
	teal.KindInternal:     statusInternalServerError,
}

// statusOf returns the status to answer an error with.
func statusOf(err error) int {
	var refused *http1.Error
	var elsewhere *gateway.Redirection
	switch {
	case errors.As(err, &elsewhere):
		return elsewhere.Status()
	case isProof(err):
		return statusOK
	case teal.IsCode(err, teal.CodeMethodNotAllowed):
		return statusMethodNotAllowed
	case errors.Is(err, ErrBodyStalled), errors.Is(err, errHeadStalled):
		return statusRequestTimeout // the client's delay, not an instance's
	case errors.Is(err, ErrNotImplemented):
		return statusNotImplemented
	case errors.As(err, &refused):
		return refused.Status
	}
	return statuses[teal.CodeOf(err).Kind()]
}

// ErrBodyStalled ends a request of whose body nothing arrives in time.
var ErrBodyStalled = errors.New("the client stopped sending the request's body")

// ErrNotImplemented is in what Teal refuses because it does not know it.
var ErrNotImplemented = errors.New("not implemented")

// errHeadStalled ends a request of which not even the head arrives in time.
var errHeadStalled = errors.New("the request's head did not arrive")

// ErrClientGone ends a request that nobody waits for any more.
var ErrClientGone = errors.New("the client has gone")

// ErrHead says that a head does not come within a time.
func ErrHead(within time.Duration) error {
	return gateway.PublicErrorf(teal.CodeTimeout, "%w within %s; send it faster", errHeadStalled, within)
}

// ErrStalled says that a body does not come.
func ErrStalled() error {
	return gateway.PublicErrorf(teal.CodeTimeout, "%w; send it faster", ErrBodyStalled)
}

// ErrNotWhole says that a part of a body is missing.
func ErrNotWhole(cause error) error {
	return gateway.PublicErrorf(teal.CodeInvalidInput, "the request's body did not arrive whole: %w", partialBody{cause})
}

// partialBody is in the errors of requests whose client has not sent all of the body.
type partialBody struct{ error }

// Unwrap returns what ended the body.
func (p partialBody) Unwrap() error { return p.error }

// ExplainEnd returns the error with which what ran in ctx has ended: why ctx was
// ended comes before what that did to it.
func ExplainEnd(ctx context.Context, err error) error {
	var own *teal.Error
	if cause := context.Cause(ctx); errors.As(cause, &own) {
		return cause
	}
	return err
}

// Refusal returns what the codec refuses as an error of Teal's.
func Refusal(err error) error {
	var bad *http1.Error
	if !errors.As(err, &bad) {
		return err
	}
	code := teal.CodeInvalidInput
	switch bad.Status {
	case 431:
		code = teal.CodeTooLarge
	case 501, 505:
		code = teal.CodeUnsupported
	}
	return gateway.Public(&teal.Error{Code: code, Message: bad.Reason, Err: bad})
}

// ErrShutdown ends what is in flight when the grace period of a shutdown is over.
func ErrShutdown() error {
	return gateway.PublicErrorf(teal.CodeUnavailable, "the server is shutting down; try again")
}

// CutOff is what requests get, after they have been told that the grace period is
// over, to say so to their clients.
const CutOff = time.Second
