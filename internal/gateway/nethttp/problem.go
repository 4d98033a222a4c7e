package nethttp

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"teal"
	"teal/internal/gateway/exchange"
)

// fail answers with err as a problem, or closes the connection when the client
// has gone. The head of a response must not have been sent.
func (x *roundTrip) fail(err error) {
	if errors.Is(err, exchange.ErrClientGone) {
		panic(http.ErrAbortHandler)
	}
	err = x.claim.Explain(err)
	status := exchange.StatusOf(err)
	x.answered(status)
	x.code = teal.CodeOf(err)
	x.result.Fault = exchange.FaultOf(err, status)
	f := x.failureOf(err)
	x.handler.policy.LogAnswer(f, status)
	h := x.w.Header()
	clear(h)
	if x.claim.Version > 0 {
		h.Set(exchange.HeaderVersion, x.claim.Version.String())
	}
	if exchange.MayRetry(status) {
		h.Set("Retry-After", exchange.RetryAfter)
	}
	if isGRPC(x.in) {
		x.failGRPC(f)
		return
	}
	data := f.Document(status)
	if !x.body.finish() {
		h.Set("Connection", "close")
	}
	x.trace.Out = int64(len(data))
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	x.w.WriteHeader(status)
	_, _ = x.w.Write(data) // the client may have gone; nobody is left to tell
}

// failureOf returns err as the request's.
func (x *roundTrip) failureOf(err error) exchange.Failure {
	f := x.handler.policy.FailureOf(err, x.requestID, &x.handler.at.Entrypoint, remoteAddr(x.in), headOf(x.in.Header))
	x.requestID = f.ID
	f.Claim, f.Method, f.Path = x.claim, x.in.Method, x.in.URL.Path
	return f
}

// explain turns what went wrong into the error to answer with. The end of the
// request's context, or of its body, explains most other errors, so they are
// asked first. A body that cannot be read also ends the context, as if the
// client had gone.
func (x *roundTrip) explain(ctx context.Context, err error) error {
	var own *teal.Error
	cause, failure := context.Cause(ctx), x.body.failed()
	switch {
	case errors.As(cause, &own):
		return cause
	case errors.Is(failure, exchange.ErrBodyStalled):
		return exchange.ErrStalled()
	case errors.As(failure, &own):
		return failure
	case failure != nil:
		x.result.Gone = true
		return exchange.ErrNotWhole(failure)
	case cause != nil:
		return exchange.ErrClientGone
	}
	return err
}
