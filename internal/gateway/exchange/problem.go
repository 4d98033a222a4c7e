package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"teal"
	"teal/internal/gateway"
	"teal/internal/http1"
)

// Problem is an error of Teal's own as RFC 9457 writes it, with Teal's code.
type Problem struct {
	Type   string    `json:"type"`
	Title  string    `json:"title"`
	Status int       `json:"status"`
	Code   teal.Code `json:"code"`
	Detail string    `json:"detail"`
	// RequestID is in the server's log too, with the whole of what went wrong; for
	// an invocation it is the one in the function's log.
	RequestID string `json:"request_id,omitempty"`
}

// RetryAfter is what clients are told to wait, in seconds, when trying again may
// help.
const RetryAfter = "1"

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

// StatusOf returns the status to answer an error with.
func StatusOf(err error) int {
	var refused *http1.Error
	switch {
	case errors.Is(err, ErrBodyStalled), errors.Is(err, ErrHeadStalled):
		return statusRequestTimeout // the client's delay, not an instance's
	case errors.Is(err, ErrNotImplemented):
		return statusNotImplemented
	case errors.As(err, &refused):
		return refused.Status
	}
	return statuses[teal.CodeOf(err).Kind()]
}

// MayRetry reports whether trying again in a moment may help.
func MayRetry(status int) bool {
	return status == statusServiceUnavailable || status == statusTooManyRequests
}

// Failure is a request that Teal itself answers with an error.
type Failure struct {
	Err     error
	ID      string // the same in the answer and in the log
	Insider bool   // the client may know what is behind
	Claim   gateway.Claim
	Method  string
	Path    string
}

// Document returns the error as the client reads it.
func (f Failure) Document(status int) []byte {
	data, err := json.Marshal(Problem{
		Type:      "about:blank",
		Title:     http1.StatusText(status),
		Status:    status,
		Code:      teal.CodeOf(f.Err),
		Detail:    SentenceFor(f.Err, f.Insider),
		RequestID: f.ID,
	})
	if err != nil {
		panic("exchange: problem cannot be encoded: " + err.Error()) // it holds strings and an int
	}
	return data
}

// FailureOf returns err as a request's. id is the request's, "" for one that has none
// yet and gets one.
func (p *Policy) FailureOf(err error, id string, at *Entrypoint, peer netip.Addr, head Head) Failure {
	return Failure{Err: err, ID: or(id, uuid.NewString()), Insider: p.isInsider(at, peer, head)}
}

// LogAnswer logs an error that the client was not told whole. What is wrong with
// a request is for its client; it is logged for those who look for it.
func (p *Policy) LogAnswer(f Failure, status int) {
	switch {
	case gateway.IsPublic(f.Err):
	case status >= statusInternalServerError, status == statusTooManyRequests:
		p.LogFailure(f)
	default:
		p.Logger.Debug("request refused", f.attributes()...)
	}
}

// LogFailure says why a request failed. So many a second are logged; the next
// that is says how many were not.
func (p *Policy) LogFailure(f Failure) {
	dropped, ok := p.failures.take(time.Now().Unix())
	if !ok {
		return
	}
	attributes := f.attributes()
	if dropped > 0 {
		attributes = append(attributes, "not_logged", dropped)
	}
	p.Logger.Warn("request failed", attributes...)
}

// attributes are what the log has of a failure. A cause goes to the log only: it
// may say more than even an insider should know.
func (f Failure) attributes() []any {
	attributes := []any{"code", teal.CodeOf(f.Err), "reason", teal.MessageOf(f.Err), "request", f.ID, "method", f.Method, "path", f.Path}
	if env := f.Claim.Env; env != nil {
		attributes = append(attributes, "app", env.App(), "version", env.Version())
	}
	if f.Claim.Component != nil {
		attributes = append(attributes, "component", f.Claim.Component.Name)
	}
	for cause := f.Err; cause != nil; cause = errors.Unwrap(cause) {
		if errors.Unwrap(cause) == nil && cause.Error() != teal.MessageOf(f.Err) {
			attributes = append(attributes, "cause", cause.Error())
		}
	}
	return attributes
}

// ErrBodyStalled ends a request of whose body nothing arrives in time.
var ErrBodyStalled = errors.New("the client stopped sending the request's body")

// ErrNotImplemented is in what Teal refuses because it does not know it.
var ErrNotImplemented = errors.New("not implemented")

// ErrHeadStalled ends a request of which not even the head arrives in time.
var ErrHeadStalled = errors.New("the request's head did not arrive")

// ErrClientGone ends a request that nobody waits for any more.
var ErrClientGone = errors.New("the client has gone")

// ErrInstance says how an instance failed a request.
func ErrInstance(c gateway.Claim, code teal.Code, reason string, cause error) error {
	return &teal.Error{Code: code, Message: fmt.Sprintf("component %q of version %s %s", c.Component.Name, c.Version, reason), Err: cause}
}

// ErrStalled says that a body does not come.
func ErrStalled() error {
	return gateway.PublicErrorf(teal.CodeTimeout, "%w; send it faster", ErrBodyStalled)
}

// ErrNotWhole says that a part of a body is missing.
func ErrNotWhole(cause error) error {
	return gateway.PublicErrorf(teal.CodeInvalidInput, "the request's body did not arrive whole: %w", cause)
}

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

// SentenceFor returns what a client is told of an error. Only an insider is told
// of apps, versions, instances and their addresses; anybody else gets a sentence
// for the kind of error, and the log has the rest.
func SentenceFor(err error, insider bool) string {
	if insider || gateway.IsPublic(err) {
		return teal.MessageOf(err)
	}
	return sentences[teal.CodeOf(err).Kind()]
}

var sentences = map[teal.Kind]string{
	teal.KindInvalid:      "the request cannot be served as it was sent",
	teal.KindUnauthorized: "the request does not say who sends it",
	teal.KindForbidden:    "this client may not do that",
	teal.KindNotFound:     "there is nothing at this address",
	teal.KindConflict:     "the request cannot be served in the present state",
	teal.KindTooLarge:     "the request is too large; send less",
	teal.KindThrottled:    "there are too many requests at the moment; try again",
	teal.KindUnavailable:  "the service is not available at the moment; try again",
	teal.KindTimeout:      "the service did not answer in time",
	teal.KindBadGateway:   "the service did not answer as it should",
	teal.KindInternal:     "something inside the server failed",
}

// failuresPerSecond bounds the lines about failed requests in the log. A flood of
// them must not become a flood of writes; the access log has them all.
const failuresPerSecond = 50

// failureBudget says which failures are logged. It is for concurrent use.
type failureBudget struct {
	second  atomic.Int64
	used    atomic.Int64
	dropped atomic.Int64
}

// take reports whether one more failure may be logged in that second, and how
// many were not since one was.
func (b *failureBudget) take(second int64) (dropped int64, ok bool) {
	if last := b.second.Load(); last != second && b.second.CompareAndSwap(last, second) {
		b.used.Store(0)
	}
	if b.used.Add(1) > failuresPerSecond {
		b.dropped.Add(1)
		return 0, false
	}
	return b.dropped.Swap(0), true
}

// ErrShutdown ends what is in flight when the grace period of a shutdown is over.
func ErrShutdown() error {
	return gateway.PublicErrorf(teal.CodeUnavailable, "the server is shutting down; try again")
}

// CutOff is what requests get, after they have been told that the grace period is
// over, to say so to their clients.
const CutOff = time.Second
