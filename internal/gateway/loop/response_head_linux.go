package loop

import (
	"errors"

	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// readResponse reads the head of the response, and those of interim ones before
// it. False means that the request has ended, or begins again.
func (c *clientConn) readResponse() bool {
	t, u := c.exchange, c.exchange.upstream
	limits := c.loop.policy.ResponseLimits()
	for !t.begun && !t.tunnel {
		n, err := 0, error(nil)
		if u.r < u.w {
			n, err = t.response.Parse(u.unread(), limits)
		}
		if err != nil {
			c.fail(t.NotHTTP(errors.New(err.Error())))
			return false
		}
		if n > 0 {
			u.r += n
			if !c.takeHead() {
				return false
			}
			continue
		}
		if u.fill(c.loop, 0) {
			u.heard = true
			continue
		}
		if u.ended {
			c.instanceBroke(u)
			return false
		}
		return true
	}
	return true
}

// instanceBroke sends the request once more if the connection was one that had
// been kept and was closed before the instance can have begun with it, and
// answers with 502 otherwise.
func (c *clientConn) instanceBroke(u *upstreamConn) {
	t := c.exchange
	untouched := u.sent == 0 && u.out != nil && t.up.passed == 0
	if u.requests < 2 || u.heard || t.resent || !t.whole || !untouched && !t.isIdempotent() {
		var cause error
		if u.failure != 0 {
			cause = u.failure
		}
		c.fail(t.Broken(cause))
		return
	}
	t.resent, t.sent = true, false
	c.r = t.head
	t.up.reset(t.request.Length(), t.request.Length() == http1.Chunked)
	c.tryAnother()
}

// takeHead passes on a head of the instance; false means that the request has
// ended.
func (c *clientConn) takeHead() bool {
	t := c.exchange
	r := &t.response
	switch {
	case r.Status == 101:
		return c.startTunnel()
	case r.Interim():
		t.interim++
		if t.interim > exchange.MostInterim {
			c.fail(t.Misbehaved("sends interim answers without end"))
			return false
		}
		if t.request.Minor > 0 && !(r.Status == 100 && t.told) {
			c.passInterim()
			t.told = t.told || r.Status == 100
		}
		r.Reset()
		return true
	case t.connect:
		if err := t.CheckTunnel(r.Status); err != nil {
			c.fail(err)
			return false
		}
	}
	c.beginResponse()
	return true
}

// passInterim passes on the head of an interim response.
func (c *clientConn) passInterim() {
	if c.stream != nil {
		c.interimOnStream()
		return
	}
	r := &c.exchange.response
	c.room(c.loop, c.exchange.upstream.r+smallBuffer/4)
	w := c.loop.headWriter(http1.AppendStatusLine(c.out, r.Status, r.Reason))
	exchange.PassInterim(w, fields{&r.Fields})
	c.out = append(w.out, "\r\n"...)
	c.send(c.loop, nil)
}

// beginResponse passes on the head of the final response.
func (c *clientConn) beginResponse() {
	t := c.exchange
	r := &t.response
	t.begun = true
	t.Instance = t.endpoint.Address().Host
	t.Begins(r.Status, fields{&r.Fields})
	t.closes = t.closes || c.loop.stopping || t.request.ExpectContinue && !t.sent && !t.told
	toHead := string(t.request.Method) == "HEAD"
	length := r.Length(toHead)
	framed := length
	if c.stream != nil {
		c.beginOnStream(length, toHead)
		t.down.reset(length, false)
		return
	}
	if length < 0 && t.request.Minor > 0 {
		framed = http1.Chunked
	} else if length < 0 {
		framed, t.closes = http1.UntilClose, true
	}
	c.room(c.loop, t.upstream.r+smallBuffer/4)
	w := c.loop.headWriter(http1.AppendStatusLine(c.out, r.Status, r.Reason))
	dated := t.PassResponse(w, fields{&r.Fields})
	out := w.out
	if !dated {
		out = c.loop.appendDate(out)
	}
	if t.closes {
		out = append(out, "Connection: close\r\n"...)
	}
	switch sized, known := r.Sized(); {
	case r.Status == 204 || framed == http1.UntilClose:
	case toHead || r.Status == 304:
		if known {
			out = http1.AppendLength(out, sized)
		}
	default:
		out = http1.AppendLength(out, framed)
	}
	c.out = append(out, "\r\n"...)
	t.down.reset(length, framed == http1.Chunked)
}

// startTunnel lets the two go on in the protocol that they have agreed on.
func (c *clientConn) startTunnel() bool {
	t := c.exchange
	if !t.upgrades() || !t.response.Upgrades() || !t.sent {
		c.fail(t.Misbehaved("changed the protocol without being asked to"))
		return false
	}
	if c.stream != nil {
		return c.startStreamTunnel()
	}
	protocol, _ := t.response.Get("upgrade")
	c.room(c.loop, t.upstream.r+smallBuffer/4)
	w := c.loop.headWriter(http1.AppendStatusLine(c.out, 101, t.response.Reason))
	t.PassResponse(w, fields{&t.response.Fields})
	out := append(w.out, "Connection: Upgrade\r\nUpgrade: "...)
	c.out = append(append(out, protocol...), "\r\n\r\n"...)
	t.Begins(101, fields{&t.response.Fields})
	t.startTunnel()
	return true
}

// startTunnel makes the bodies those of a tunnel.
func (t *roundTrip) startTunnel() {
	t.begun, t.tunnel, t.closes = true, true, true
	t.Instance, t.Whole = t.endpoint.Address().Host, true
	t.up.reset(http1.UntilClose, false)
	t.down.reset(http1.UntilClose, false)
}

// relayTunnel moves bytes both ways until both have ended.
func (c *clientConn) relayTunnel() {
	t, u := c.exchange, c.exchange.upstream
	up := c.relayHalf(&t.halfDone[0], &t.up, &c.socket, &u.socket)
	down := c.relayHalf(&t.halfDone[1], &t.down, &u.socket, &c.socket)
	switch {
	case up == flowEnded || down == flowEnded || up == flowUndelivered || down == flowUndelivered, up == flowDone && down == flowDone:
		c.close()
	case c.stream != nil && down == flowDone:
		c.close() // the instance has said its last; the client is told to stop
	case up == flowAgain || down == flowAgain:
		c.loop.later(c)
	case down == flowAwaitsTo:
		c.await(waitsForClient)
	case up == flowAwaitsTo:
		c.await(waitsForInstance)
	default:
		t.waits, c.deadline = waitsForNothing, forever // a tunnel may be silent
	}
}

func (c *clientConn) relayHalf(done *bool, f *flow, from, to *socket) flowState {
	if *done {
		return flowDone
	}
	state := f.pump(c.loop, from, to)
	if state == flowDone {
		*done = true
		to.shutdownWrite()
	}
	return state
}

// upgrades reports whether the client asks for another protocol that may be
// passed on.
func (t *roundTrip) upgrades() bool {
	if !t.request.Upgrades() || t.request.Length() != 0 {
		return false
	}
	for i := range t.request.Len() {
		if t.request.Kind(i) == http1.Upgrade && exchange.IsUpgradeToHTTP2(view(t.request.Value(i))) {
			return false
		}
	}
	return true
}
