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
	answer := x.Fail(err)
	h := x.w.Header()
	clear(h)
	answer.WriteHead(&header{Header: h})
	if answer.Body != nil {
		h.Set("Content-Length", strconv.Itoa(len(answer.Body)))
		if !x.body.finish() {
			h.Set("Connection", "close")
		}
	}
	x.out = int64(len(answer.Body))
	x.w.WriteHeader(answer.Status)
	if answer.Body != nil {
		_, _ = x.w.Write(answer.Body) // the client may have gone; nobody is left to tell
		if x.body != nil && x.carrier.shared() {
			x.refused = http.NewResponseController(x.w).Flush() == nil
		}
	}
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
		return exchange.ErrNotWhole(failure)
	case cause != nil:
		return exchange.ErrClientGone
	}
	return err
}
