package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"teal"
	"teal/internal/http1"
)

// problem is an error of Teal's own as RFC 9457 writes it, with Teal's code.
type problem struct {
	Type   string    `json:"type"`
	Title  string    `json:"title"`
	Status int       `json:"status"`
	Code   teal.Code `json:"code"`
	Detail string    `json:"detail"`
}

// retryAfter is what clients are told to wait, in seconds, when trying again may
// help.
const retryAfter = "1"

var statuses = map[teal.Kind]int{
	teal.KindInvalid:      http.StatusBadRequest,
	teal.KindUnauthorized: http.StatusUnauthorized,
	teal.KindForbidden:    http.StatusForbidden,
	teal.KindNotFound:     http.StatusNotFound,
	teal.KindConflict:     http.StatusConflict,
	teal.KindTooLarge:     http.StatusRequestEntityTooLarge,
	teal.KindThrottled:    http.StatusTooManyRequests,
	teal.KindUnavailable:  http.StatusServiceUnavailable,
	teal.KindTimeout:      http.StatusGatewayTimeout,
	teal.KindBadGateway:   http.StatusBadGateway,
	teal.KindInternal:     http.StatusInternalServerError,
}

// statusOf returns the status to answer an error with.
func statusOf(err error) int {
	var refused *http1.Error
	switch {
	case errors.Is(err, errBodyStalled), errors.Is(err, errHeadStalled):
		return http.StatusRequestTimeout // the client's delay, not an instance's
	case errors.Is(err, errNotImplemented):
		return http.StatusNotImplemented
	case errors.As(err, &refused):
		return refused.Status
	}
	return statuses[teal.CodeOf(err).Kind()]
}

// isFault reports whether a status says that something behind the gateway is
// wrong, which somebody should see in the log.
func isFault(status int) bool {
	return status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable
}

// mayRetry reports whether trying again in a moment may help.
func mayRetry(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

// document returns an error as a client reads it.
func document(err error, status int) []byte {
	data, encodeErr := json.Marshal(problem{
		Type:   "about:blank",
		Title:  http.StatusText(status),
		Status: status,
		Code:   teal.CodeOf(err),
		Detail: teal.MessageOf(err),
	})
	if encodeErr != nil {
		panic("gateway: problem cannot be encoded: " + encodeErr.Error()) // it holds strings and an int
	}
	return data
}

// fail answers with err as a problem, or closes the connection when the client
// has gone. The head of a response must not have been sent.
func (x *exchange) fail(err error) {
	if errors.Is(err, errClientGone) {
		panic(http.ErrAbortHandler)
	}
	status := statusOf(err)
	x.answered(status)
	x.code = teal.CodeOf(err)
	x.result.Fault = faultOf(err, status)
	if isFault(status) {
		x.front.server.logFailure(err, x.claim, x.in.Method, x.in.URL.Path)
	}
	h := x.w.Header()
	clear(h)
	if x.claim.Version > 0 {
		h.Set(headerVersion, strconv.Itoa(x.claim.Version))
	}
	if mayRetry(status) {
		h.Set("Retry-After", retryAfter)
	}
	if isGRPC(x.in) {
		x.failGRPC(err)
		return
	}
	data := document(err, status)
	if !x.body.finish() {
		h.Set("Connection", "close")
	}
	x.sight.out = int64(len(data))
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	x.w.WriteHeader(status)
	_, _ = x.w.Write(data) // the client may have gone; nobody is left to tell
}

// logFailure says why a request was answered with an error that is not the
// client's. A cause goes to the log only: it may say more than a client should
// know.
func (s *Server) logFailure(err error, claim Claim, method, path string) {
	attributes := []any{"code", teal.CodeOf(err), "reason", teal.MessageOf(err), "method", method, "path", path}
	if env := claim.Env; env != nil {
		attributes = append(attributes, "app", env.app, "version", env.version)
	}
	if claim.Component != nil {
		attributes = append(attributes, "component", claim.Component.Name)
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		if errors.Unwrap(cause) == nil && cause.Error() != teal.MessageOf(err) {
			attributes = append(attributes, "cause", cause.Error())
		}
	}
	s.logger.Warn("request failed", attributes...)
}

// errHeadStalled ends a request of which not even the head arrives in time.
var errHeadStalled = errors.New("the request's head did not arrive")

// errClientGone ends a request that nobody waits for any more.
var errClientGone = errors.New("the client has gone")

// explain turns what went wrong into the error to answer with. The end of the
// request's context, or of its body, explains most other errors, so they are
// asked first. A body that cannot be read also ends the context, as if the
// client had gone.
func (x *exchange) explain(ctx context.Context, err error) error {
	var own *teal.Error
	cause, failure := context.Cause(ctx), x.body.failed()
	switch {
	case errors.As(cause, &own):
		return own
	case errors.Is(failure, errBodyStalled):
		return errStalled()
	case errors.As(failure, &own):
		return own
	case failure != nil:
		x.result.Gone = true
		return teal.Errorf(teal.CodeInvalidInput, "the request's body did not arrive whole: %w", failure)
	case cause != nil:
		return errClientGone
	}
	return err
}

// errStalled says that a body does not come.
func errStalled() error { return teal.Errorf(teal.CodeTimeout, "%w; send it faster", errBodyStalled) }

// explainEnd returns the error with which what ran in ctx has ended: why ctx was
// ended comes before what that did to it.
func explainEnd(ctx context.Context, err error) error {
	var own *teal.Error
	if errors.As(context.Cause(ctx), &own) {
		return own
	}
	return err
}

// refusal returns what the codec refuses as an error of Teal's.
func refusal(err error) error {
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
	return &teal.Error{Code: code, Message: bad.Reason, Err: bad}
}
