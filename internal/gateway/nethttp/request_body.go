package nethttp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"teal/internal/gateway/exchange"
)

var errBodyLeft = errors.New("the request is over")

// carrier is what a request's body comes on: a connection in HTTP/1.1, a stream
// of one in HTTP/2.
type carrier interface {
	SetReadDeadline(t time.Time) error
	// Spend makes sure that what is unread of the body is never taken for a
	// request.
	Spend()
	// shared reports whether other requests go on meanwhile.
	shared() bool
}

// requestBody is the body of a request, with a deadline for every read. The
// goroutine that sends it to an instance may outlive the handler: after finish,
// reads fail instead of touching what belongs to the next request.
type requestBody struct {
	carrier carrier
	source  io.ReadCloser
	expects bool                   // Expect: 100-continue: the first read tells the client to go on
	stall   time.Duration          // zero for no limit
	until   time.Time              // for the whole; zero for no limit
	check   func(size int64) error // of what has come; nil for no limit
	whole   func()                 // is called when it has been read to its end; nil for nothing

	mu      sync.Mutex
	started bool
	reading bool
	ended   bool      // read to its end, or never there
	severed bool      // sever was called, or the instance takes no more
	left    bool      // the instance takes no more
	late    time.Time // when the read that goes on, or was the last, has taken too long; zero for never
	over    bool      // finish was called
	coming  bool      // when it was, more could be read
	bytes   int64
	failure error
}

// newRequestBody takes over the body of r; nil when there is none. stall bounds every
// read; zero does not.
func newRequestBody(r *http.Request, from carrier, stall time.Duration) *requestBody {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 || isConnect(r) {
		return nil
	}
	return &requestBody{
		carrier: from,
		source:  r.Body,
		expects: strings.EqualFold(r.Header.Get("Expect"), "100-continue"),
		stall:   stall,
	}
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) { return b.read(p, nil) }

// read reads for an attempt; nil for none.
func (b *requestBody) read(p []byte, by *attempt) (int, error) {
	if !b.begin(by) {
		return 0, errBodyLeft
	}
	n, err := b.source.Read(p)
	return n, b.end(n, err)
}

// received returns how many bytes have been read. b may be nil.
func (b *requestBody) received() int64 {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}

func (b *requestBody) begin(by *attempt) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over || b.severed || by != nil && by.closed {
		return false
	}
	b.started, b.reading = true, true
	deadline := b.until
	if stalled := time.Now().Add(b.stall); b.stall > 0 && (deadline.IsZero() || stalled.Before(deadline)) {
		deadline = stalled
	}
	b.late = deadline
	_ = b.carrier.SetReadDeadline(deadline) // a closed connection fails the read itself
	return true
}

func (b *requestBody) end(n int, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes += int64(n)
	b.reading = false
	if !b.over {
		// net/http watches the connection while the handler runs; a deadline
		// left behind would look to it like a client that has gone.
		_ = b.carrier.SetReadDeadline(time.Time{})
	}
	if errors.Is(err, io.EOF) {
		b.ended = true
		if b.whole != nil {
			b.whole()
		}
	}
	if tooLarge := b.tooLarge(); tooLarge != nil {
		err = tooLarge
	} else if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if b.left {
		return errBodyLeft // no failure of the client's
	}
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		if b.severed && (b.late.IsZero() || time.Now().Before(b.late)) {
			return err // its context has ended it, and says why
		}
		err = exchange.ErrBodyStalled
	}
	if b.failure == nil {
		b.failure = err
	}
	return err
}

// limit makes a read fail with what check says of the bytes read so far. b may be
// nil.
func (b *requestBody) limit(check func(size int64) error) {
	if b != nil {
		b.check = check
	}
}

// whenRead makes f be called when the body has been read to its end, before the
// reader hears of it. b may be nil.
func (b *requestBody) whenRead(f func()) {
	if b != nil {
		b.whole = f
	}
}

func (b *requestBody) tooLarge() error {
	if b.check == nil {
		return nil
	}
	return b.check(b.bytes)
}

// boundTo makes the body fail when ctx ends, also for a read that is waiting for
// the client: neither net/http's transport nor a read of the whole body looks at
// a context meanwhile. The caller must call stop before ctx ends for another
// reason. b may be nil.
func (b *requestBody) boundTo(ctx context.Context) (stop func() bool) {
	if b == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, b.sever)
}

func (b *requestBody) sever() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over || b.ended {
		return // what comes on the connection is not the body's any more
	}
	b.severed = true
	_ = b.carrier.SetReadDeadline(time.Unix(1, 0)) // fails only when the connection is closed, which is as good
}

// attempt is a request's body as one attempt sends it to an instance. A transport
// that cannot connect closes it unread, and the next attempt needs the body. One that
// has begun to read closes it when the instance takes no more, because it has
// answered or broken off: over HTTP/2 it then waits for the read that goes on, and
// what has come of the answer waits with it.
type attempt struct {
	*requestBody
	ctx    context.Context
	closed bool // guarded by mu
}

// Read implements io.Reader.
func (a *attempt) Read(p []byte) (int, error) { return a.read(p, a) }

// Close implements io.Closer. A read that waits for the client returns.
func (a *attempt) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if !a.started || a.over || a.ended || a.severed || a.ctx.Err() != nil {
		return nil // at the end of its context, boundTo does the rest
	}
	a.severed, a.left = true, true
	if a.reading { // else the rest may still be read, to keep the connection
		_ = a.carrier.SetReadDeadline(past)
	}
	return nil
}

// clientContext returns the context that ends when the client of r has gone. For
// net/http, an HTTP/1.1 client whose body can not be read has gone, also when it was
// the instance that wanted no more of it: then there is an answer for it. b may be
// nil.
func (b *requestBody) clientContext(r *http.Request) (ctx context.Context, done func()) {
	if b == nil || b.carrier.shared() {
		return r.Context(), func() {}
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	stop := context.AfterFunc(r.Context(), func() {
		if !b.abandoned() {
			cancel(context.Cause(r.Context()))
		}
	})
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// abandoned reports whether it was the instance that ended the body. b may be nil.
func (b *requestBody) abandoned() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left
}

// Close implements io.Closer. It does nothing; finish ends the body.
func (b *requestBody) Close() error { return nil }

// failed returns why the body could not be read, or nil. b may be nil.
func (b *requestBody) failed() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failure
}

// finish ends the body when its request is over. It reports whether the
// connection can take another request; one with an unread rest is spent. It may
// be called again. b may be nil.
func (b *requestBody) finish() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return b.ended
	}
	b.over = true
	untouched := b.expects && !b.started // to read now would tell the client to send it
	if b.carrier.shared() {
		b.coming = !b.ended && !untouched && !b.reading && (b.failure == nil || b.tooLarge() != nil)
		b.ended = true // an unread rest is the library's to refuse
		return true
	}
	if !b.ended && !untouched && !b.reading && b.failure == nil {
		b.ended = b.skipRest()
	}
	if !b.ended {
		b.carrier.Spend()
	}
	return b.ended
}

// linger reads and throws away what still comes of a body that is finished on a stream,
// until the client pauses for exchange.LingerTime, or for exchange.StreamLingerTime.
// net/http resets the stream when the handler returns, and a client that is sending does
// not look at the answer then: curl and Python's h2 are two. b may be nil.
func (b *requestBody) linger() {
	if b == nil || !b.coming {
		return
	}
	rest := make([]byte, exchange.RestBytes)
	for end := time.Now().Add(exchange.StreamLingerTime); time.Now().Before(end); {
		_ = b.carrier.SetReadDeadline(time.Now().Add(exchange.LingerTime))
		if _, err := b.source.Read(rest); err != nil {
			return // at its end, or the client has gone
		}
	}
}

func (b *requestBody) skipRest() bool {
	_ = b.carrier.SetReadDeadline(time.Now().Add(exchange.RestTime))
	_, err := io.CopyN(io.Discard, b.source, exchange.RestBytes)
	if !errors.Is(err, io.EOF) {
		return false
	}
	_ = b.carrier.SetReadDeadline(time.Time{})
	return true
}
