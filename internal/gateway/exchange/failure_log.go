package exchange

import (
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"

	"teal"
	"teal/internal/gateway"
)

// logAnswer logs an error that the client was not told whole. What is wrong with
// a request is for its client; it is logged for those who look for it.
func (p *Policy) logAnswer(f failure, status int) {
	switch {
	case gateway.IsPublic(f.err):
	case status >= statusInternalServerError, status == statusTooManyRequests:
		p.logFailure(f)
	default:
		p.Logger.Debug("request refused", f.attributes()...)
	}
}

// logFailure says why a request failed. So many a second are logged; the next
// that is says how many were not.
func (p *Policy) logFailure(f failure) {
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
// may say more than even who may see the internals should know.
func (f failure) attributes() []any {
	attributes := []any{"code", teal.CodeOf(f.err), "reason", teal.MessageOf(f.err), "request", f.id, "method", f.method, "path", f.path}
	if env := f.claim.Env; env != nil {
		attributes = append(attributes, "app", env.App(), "version", env.Version())
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

// LogPanic logs a defect with its stack, from within the deferred function that has
// recovered it.
func (p *Policy) LogPanic(v any, attributes ...any) {
	p.Logger.Error("a request caused a panic", append(attributes, "panic", v, "stack", string(debug.Stack()))...)
}
