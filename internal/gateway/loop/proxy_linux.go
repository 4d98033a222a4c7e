package loop

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// waitingFor is what a request waits for, and so how long it may.
type waitingFor uint8

const (
	waitsForNothing    waitingFor = iota
	waitsForHead                  // of the request
	waitsForConnection            // to an instance
	waitsForContinue              // from an instance, by a client that asked whether to go on
	waitsForBody                  // from the client
	waitsForFirstByte             // from the instance
	waitsForInstance              // to send more, or to take more
	waitsForClient                // to take more
)

func (c *clientConn) patience(w waitingFor) time.Duration {
	limits := c.limits()
	switch w {
	case waitsForConnection:
		return limits.Connect
	case waitsForContinue:
		return limits.Continue
	case waitsForBody:
		return limits.BodyStall
	case waitsForFirstByte:
		return limits.FirstByte
	case waitsForInstance:
		return limits.InstanceStall
	}
	return limits.WriteStall
}

// await sets the deadline for what is waited for, anew when something has moved.
func (c *clientConn) await(w waitingFor) {
	t := c.exchange
	moved := t.up.passed + t.down.passed + c.progress()
	if t.waits != w || moved != t.moved && w != waitsForFirstByte {
		t.waits, t.moved = w, moved
		c.deadline = c.loop.at(c.patience(w))
	}
	if c.hungUp && t.goneAt == 0 && t.sent {
		t.goneAt = c.loop.at(lingerFor)
	}
	if t.goneAt != 0 {
		c.deadline = min(c.deadline, t.goneAt)
	}
}

// startProxying claims an instance and a connection to it.
func (c *clientConn) startProxying() {
	t := c.exchange
	c.state = clientProxying
	if t.Claim.Component.HTTP2 {
		c.handOver()
		return
	}
	if err := t.CheckBody(t.request.Length()); err != nil {
		c.fail(err)
		return
	}
	endpoint, err := t.Claim.Component.Endpoints.Claim()
	if err != nil {
		c.fail(err)
		return
	}
	t.endpoint = endpoint
	address := endpoint.Address()
	if address.Scheme != "http" {
		c.handOver()
		return
	}
	p := c.loop.poolFor(t.Claim.Env, address.Host)
	if len(p.waiting) > 0 { // they came first
		c.queue(p)
		return
	}
	if len(p.idle) == 0 && p.isFull() {
		c.queue(p)
		return
	}
	c.connect(p)
}

// queue waits for a connection to become free.
func (c *clientConn) queue(p *pool) {
	if len(p.waiting) >= c.loop.all.perLoop(c.limits().InstanceQueue) {
		c.fail(teal.Errorf(teal.CodeUnavailable, "every instance of %q has all the requests that it takes, and many wait; try again", c.exchange.Claim.Component.Name))
		return
	}
	p.waiting = append(p.waiting, c)
	c.exchange.queued = p
	c.state = clientWaiting
	c.deadline = c.loop.at(c.limits().Queue)
}

// connect goes on with a connection that is free, or with a new one.
func (c *clientConn) connect(p *pool) {
	c.exchange.queued = nil
	if u := p.take(); u != nil {
		c.use(u)
	} else {
		c.dial(p)
	}
}

func (c *clientConn) dial(p *pool) {
	if err := p.dial(c); err != nil {
		c.connectFailed(err)
		return
	}
	c.use(c.exchange.upstream)
}

// use sends the request on a connection.
func (c *clientConn) use(u *upstreamConn) {
	t := c.exchange
	t.upstream, u.client = u, c
	u.requests++
	u.heard = false
	t.response.Reset()
	t.waits = waitsForNothing
	t.unsent = u.requests > 1
	u.out, u.sent = c.appendRequest(c.loop.buffers.get(2*t.head + smallBuffer/4)[:0]), 0
}

// connectFailed tries another instance: nothing has been sent, so that is safe.
func (c *clientConn) connectFailed(err error) {
	t := c.exchange
	if t.upstream != nil {
		t.upstream.close()
		t.upstream = nil
	}
	ours := errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EADDRNOTAVAIL)
	t.endpoint.Done(!ours)
	t.endpoint = nil
	if ours {
		c.fail(&teal.Error{Code: teal.CodeUnavailable, Message: "the server can open no more connections; try again", Err: err})
		return
	}
	if t.attempts++; t.attempts < exchange.ConnectAttempts {
		c.startProxying()
		return
	}
	c.fail(t.NoConnection(err))
}

// isIdempotent reports whether sending the request twice is the same as once:
// RFC 9110, 9.2.2.
func (t *roundTrip) isIdempotent() bool {
	switch string(t.request.Method) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// isStale reports whether the kept connection that a request is about to go out
// on has ended. It is asked once, just before the first byte: a request may have
// waited for the connection, or with it. For one that must not be sent twice the
// kernel is asked, since an event may be on its way.
func (c *clientConn) isStale() bool {
	t := c.exchange
	t.unsent = false
	return t.upstream.hungUp || !t.isIdempotent() && !isQuiet(t.upstream.fd)
}

// redial goes on with a new connection to the same instance: others that were
// kept are likely to be closed too.
func (c *clientConn) redial() {
	u := c.exchange.upstream
	c.exchange.upstream = nil
	u.close()
	c.dial(u.pool)
}

// tryAnother sends the request once more, on a new connection: to another instance where
// there is one, because the one that broke may be ending, and the kernel may go on
// accepting connections for it.
func (c *clientConn) tryAnother() {
	t := c.exchange
	other, err := t.Claim.Component.Endpoints.Claim()
	if err != nil {
		c.redial()
		return
	}
	if to := other.Address(); to.Scheme != "http" || to.Host == t.endpoint.Address().Host {
		other.Done(false)
		c.redial()
		return
	}
	u := t.upstream
	t.upstream = nil
	u.close()
	t.endpoint.Done(false)
	t.endpoint = other
	if p := c.loop.poolFor(t.Claim.Env, other.Address().Host); p.isFull() {
		c.queue(p)
	} else {
		c.dial(p)
	}
}

// relay moves what can be moved between the client and the instance, both ways.
func (c *clientConn) relay() bool {
	t := c.exchange
	u := t.upstream
	if c.reset {
		c.abort()
		return false
	}
	if done, err := u.connected(); err != nil {
		c.connectFailed(err)
		return true
	} else if !done {
		c.await(waitsForConnection)
		return false
	}
	if t.tunnel {
		c.relayTunnel()
		return false
	}
	if t.unsent && c.isStale() {
		c.redial()
		return true
	}
	if !t.begun {
		c.sendRest()
	}
	up := flowDone
	if !t.sent {
		if up = t.up.pump(c.loop, &c.socket, &u.socket); !c.sending(up) {
			return true
		}
	}
	if !t.begun && !c.readResponse() {
		return true
	}
	if t.tunnel {
		return true
	}
	down := flowAwaitsFrom
	if t.begun {
		if down = t.down.pump(c.loop, &u.socket, &c.socket); down == flowDone {
			c.finish()
			return true
		}
		if !c.receiving(down) {
			return false
		}
	}
	if up == flowAgain || down == flowAgain {
		c.loop.later(c)
	}
	c.await(c.awaited(up, down))
	return false
}

// sending looks at how the request's way has stopped; false means that the request
// has ended, or begins again.
func (c *clientConn) sending(up flowState) bool {
	t := c.exchange
	if err := t.CheckBody(t.up.passed); err != nil {
		t.closes = true
		c.fail(err)
		return false
	}
	switch up {
	case flowDone:
		t.sent = true
	case flowUndelivered:
		t.upstream.readable = true // it may have answered before it went
	case flowMalformed:
		t.closes = true
		c.fail(exchange.Refusal(t.up.err))
		return false
	case flowEnded:
		t.closes = true
		c.fail(exchange.ErrNotWhole(errBodyCut))
		return false
	}
	return true
}

var errBodyCut = errors.New("the client ended the connection")

// receiving looks at how the response's way has stopped; false means that the
// connection has ended.
func (c *clientConn) receiving(down flowState) bool {
	switch down {
	case flowEnded, flowMalformed:
		c.noteBreak(down)
		c.cut()
		return false
	case flowUndelivered:
		c.abort()
		return false
	}
	return true
}

// noteBreak says that the instance has broken off in the middle of its answer.
func (c *clientConn) noteBreak(down flowState) {
	t := c.exchange
	if t.Claim.IsOverdue() {
		return
	}
	err := t.BrokenOff(nil)
	if down == flowMalformed {
		err = t.Misbehaved("sent a body that is malformed: " + t.down.err.Reason)
	}
	t.Break(err, gateway.FaultConnection)
}

// awaited says what the request waits for now.
func (c *clientConn) awaited(up, down flowState) waitingFor {
	t := c.exchange
	switch {
	case down == flowAwaitsTo || !c.isFlushed():
		return waitsForClient
	case !t.sent && up == flowAwaitsFrom && t.request.ExpectContinue && !t.told && t.up.passed == 0 && !t.begun:
		return waitsForContinue
	case !t.sent && up == flowAwaitsFrom:
		return waitsForBody
	case t.begun || !t.sent:
		return waitsForInstance
	}
	return waitsForFirstByte
}

// relayExpired is called when what was waited for has not come in time.
func (c *clientConn) relayExpired() {
	t := c.exchange
	if t.goneAt != 0 && t.goneAt <= c.loop.now {
		c.abort()
		return
	}
	switch t.waits {
	case waitsForConnection:
		c.connectFailed(fmt.Errorf("no connection within %s", c.limits().Connect))
	case waitsForContinue:
		c.tellContinue()
	case waitsForBody:
		if t.begun {
			c.cut()
			return
		}
		t.closes = true
		c.fail(exchange.ErrStalled())
	case waitsForFirstByte, waitsForInstance:
		if t.begun {
			t.Break(t.Stalled(c.limits().InstanceStall), gateway.FaultTimeout)
			c.cut()
			return
		}
		c.fail(t.NoAnswer(c.patience(t.waits), nil))
	default:
		c.abort()
	}
}

// tellContinue lets the client send its body, because the instance does not say
// whether it wants it.
func (c *clientConn) tellContinue() {
	c.exchange.told = true
	if c.stream != nil {
		c.stream.tellContinue()
		return
	}
	c.room(c.loop, smallBuffer/4)
	c.out = append(c.out, "HTTP/1.1 100 Continue\r\n\r\n"...)
	c.send(c.loop, nil)
}

// cut ends the connection so that the answer on its way cannot be taken for
// whole. Framing says so, unless the end of the connection is all the framing
// there is.
func (c *clientConn) cut() {
	if c.stream == nil && (c.exchange.down.chunked || c.exchange.request.Minor > 0) {
		c.close()
	} else {
		c.abort()
	}
}

// finish ends a request whose response has been passed on whole.
func (c *clientConn) finish() {
	t := c.exchange
	t.Whole = true
	u := t.upstream
	c.leaveInstance(t.sent && !t.response.Close() && !u.hungUp && !u.ended && u.failure == 0 && u.r == u.w)
	if c.stream != nil || t.up.body.Done() && t.up.piece == 0 {
		c.afterAnswer(true)
		return
	}
	c.startSkipping()
}

// leaveInstance gives back the connection and the endpoint.
func (c *clientConn) leaveInstance(keep bool) {
	t := c.exchange
	if u := t.upstream; u != nil {
		t.upstream = nil
		if keep && !c.loop.stopping {
			u.pool.put(u)
		} else {
			u.close()
		}
	}
	if t.endpoint != nil {
		t.endpoint.Done(false)
		t.endpoint = nil
	}
}
