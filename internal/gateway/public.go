package gateway

import (
	"errors"
	"sync/atomic"

	"teal"
)

// publicError is an error whose sentence anybody may read: it is about the request
// itself, or the server as a whole, and names nothing of what is behind.
type publicError struct{ error }

// Unwrap returns the error itself.
func (e publicError) Unwrap() error { return e.error }

// publicErrorf is teal.Errorf for a sentence that anybody may read.
func publicErrorf(code teal.Code, format string, args ...any) error {
	return publicError{teal.Errorf(code, format, args...)}
}

func isPublic(err error) bool {
	var p publicError
	return errors.As(err, &p)
}

// sentenceFor returns what a client is told of an error. Only an insider is told
// of apps, versions, instances and their addresses; anybody else gets a sentence
// for the kind of error, and the log has the rest.
func sentenceFor(err error, insider bool) string {
	if insider || isPublic(err) {
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
