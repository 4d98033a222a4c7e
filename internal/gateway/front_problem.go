package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

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
	// RequestID is in the server's log too, with the whole of what went wrong; for
	// an invocation it is the one in the function's log.
	RequestID string `json:"request_id,omitempty"`
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

// mayRetry reports whether trying again in a moment may help.
func mayRetry(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

// failure is a request that Teal itself answers with an error.
type failure struct {
	err     error
	id      string // the same in the answer and in the log
	insider bool   // the client may know what is behind
	claim   Claim
	method  string
	path    string
}

// document returns the error as the client reads it.
func (f failure) document(status int) []byte {
	data, err := json.Marshal(problem{
		Type:      "about:blank",
		Title:     http.StatusText(status),
		Status:    status,
		Code:      teal.CodeOf(f.err),
		Detail:    sentenceFor(f.err, f.insider),
		RequestID: f.id,
	})
	if err != nil {
		panic("gateway: problem cannot be encoded: " + err.Error()) // it holds strings and an int
	}
	return data
}

// isInsider reports whether the sender of a request may read what is behind the
// gateway: whoever is admitted to a listener of an environment, and on the public
// ones whoever asks for a version and may.
func (f *front) isInsider(peer netip.Addr, fields sentFields) bool {
	if f.env != nil {
		return true
	}
	for name := range fields {
		if strings.EqualFold(name, headerVersion) || strings.EqualFold(name, headerAlias) {
			return f.server.mayOverride(peer, fields)
		}
	}
	return false
}

// fail answers with err as a problem, or closes the connection when the client
// has gone. The head of a response must not have been sent.
func (x *exchange) fail(err error) {
	if errors.Is(err, errClientGone) {
		panic(http.ErrAbortHandler)
	}
	err = x.claim.explain(err)
	status := statusOf(err)
	x.answered(status)
	x.code = teal.CodeOf(err)
	x.result.Fault = faultOf(err, status)
	f := x.failureOf(err)
	x.front.server.logAnswer(f, status)
	h := x.w.Header()
	clear(h)
	if x.claim.Version > 0 {
		h.Set(headerVersion, x.claim.Version.String())
	}
	if mayRetry(status) {
		h.Set("Retry-After", retryAfter)
	}
	if isGRPC(x.in) {
		x.failGRPC(f)
		return
	}
	data := f.document(status)
	if !x.body.finish() {
		h.Set("Connection", "close")
	}
	x.sight.out = int64(len(data))
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	x.w.WriteHeader(status)
	_, _ = x.w.Write(data) // the client may have gone; nobody is left to tell
}

// failureOf returns err as the request's.
func (x *exchange) failureOf(err error) failure {
	x.requestID = or(x.requestID, uuid.NewString())
	return failure{
		err: err, id: x.requestID, insider: x.front.isInsider(remoteAddr(x.in), fieldsOf(x.in.Header)),
		claim: x.claim, method: x.in.Method, path: x.in.URL.Path,
	}
}

// logAnswer logs an error that the client was not told whole. What is wrong with
// a request is for its client; it is logged for those who look for it.
func (s *Server) logAnswer(f failure, status int) {
	switch {
	case isPublic(f.err):
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests:
		s.logFailure(f)
	default:
		s.logger.Debug("request refused", f.attributes()...)
	}
}

// logFailure says why a request failed. So many a second are logged; the next
// that is says how many were not.
func (s *Server) logFailure(f failure) {
	dropped, ok := s.failures.take(time.Now().Unix())
	if !ok {
		return
	}
	attributes := f.attributes()
	if dropped > 0 {
		attributes = append(attributes, "not_logged", dropped)
	}
	s.logger.Warn("request failed", attributes...)
}

// attributes are what the log has of a failure. A cause goes to the log only: it
// may say more than even an insider should know.
func (f failure) attributes() []any {
	attributes := []any{"code", teal.CodeOf(f.err), "reason", teal.MessageOf(f.err), "request", f.id, "method", f.method, "path", f.path}
	if env := f.claim.Env; env != nil {
		attributes = append(attributes, "app", env.app, "version", env.version)
	}
	if f.claim.Component != nil {
		attributes = append(attributes, "component", f.claim.Component.Name)
	}
	for cause := f.err; cause != nil; cause = errors.Unwrap(cause) {
		if errors.Unwrap(cause) == nil && cause.Error() != teal.MessageOf(f.err) {
			attributes = append(attributes, "cause", cause.Error())
		}
	}
	return attributes
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
		return cause
	case errors.Is(failure, errBodyStalled):
		return errStalled()
	case errors.As(failure, &own):
		return failure
	case failure != nil:
		x.result.Gone = true
		return errNotWhole(failure)
	case cause != nil:
		return errClientGone
	}
	return err
}

// errStalled says that a body does not come.
func errStalled() error { return publicErrorf(teal.CodeTimeout, "%w; send it faster", errBodyStalled) }

// errNotWhole says that a part of a body is missing.
func errNotWhole(cause error) error {
	return publicErrorf(teal.CodeInvalidInput, "the request's body did not arrive whole: %w", cause)
}

// explainEnd returns the error with which what ran in ctx has ended: why ctx was
// ended comes before what that did to it.
func explainEnd(ctx context.Context, err error) error {
	var own *teal.Error
	if cause := context.Cause(ctx); errors.As(cause, &own) {
		return cause
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
	return publicError{&teal.Error{Code: code, Message: bad.Reason, Err: bad}}
}
