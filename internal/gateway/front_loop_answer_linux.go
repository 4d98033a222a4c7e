package gateway

import (
	"errors"

	"teal"
	"teal/internal/http1"
)

// fail answers with err, or ends the connection when an answer has begun. The
// rest of the request's body is skipped first, so that a small one does not cost
// the client its connection.
func (c *caller) fail(err error) {
	t := c.trip
	err = t.claim.explain(err)
	c.leaveInstance(false)
	if t.begun {
		c.abort()
		return
	}
	if t.up.body.Done() && t.up.piece == 0 {
		c.respond(err)
		return
	}
	t.answer = err
	if t.request.ExpectContinue && !t.told && c.r == c.w {
		t.closes = true // to read the body now would be to ask for it
		c.respond(err)
		return
	}
	c.startSkipping()
}

func (c *caller) startSkipping() {
	c.state = callerSkipping
	c.deadline = c.loop.at(restTime)
}

// skip throws the rest of a body away.
func (c *caller) skip() bool {
	t := c.trip
	c.r, t.up.piece = c.r+t.up.piece, 0
	for !t.up.body.Done() {
		piece, n, err := t.up.body.Next(c.unread())
		c.r += n
		t.skipped += int64(len(piece))
		switch {
		case err != nil || t.skipped > restBytes:
			c.skipOver(false)
			return true
		case n > 0:
			continue
		case c.loop.turns == 0:
			c.loop.later(c)
			return false
		}
		c.loop.turns--
		if c.fill(c.loop, 0) {
			continue
		}
		if !c.ended {
			return false
		}
		c.skipOver(false)
		return true
	}
	c.skipOver(true)
	return true
}

// skipOver goes on after the rest of a body has been thrown away, or given up.
func (c *caller) skipOver(whole bool) {
	t := c.trip
	t.closes = t.closes || !whole
	if t.answer != nil {
		c.respond(t.answer)
		return
	}
	c.afterAnswer(whole)
}

// respond writes an error as a problem.
func (c *caller) respond(err error) {
	t := c.trip
	status := statusOf(err)
	f := c.failureOf(err)
	data := f.document(status)
	t.answered(status)
	t.result.Fault = faultOf(err, status)
	t.result.Gone = t.result.Gone || errors.Is(err, errBodyCut)
	t.code = teal.CodeOf(err)
	c.loop.server.logAnswer(f, status)
	out := c.loop.buffers.get(smallBuffer)[:0]
	out = http1.AppendStatusLine(out, status, nil)
	if t.claim.Version > 0 {
		out = append(append(out, headerVersion+": "...), t.claim.Version.String()...)
		out = append(out, "\r\n"...)
	}
	if mayRetry(status) {
		out = http1.AppendLine(out, "Retry-After", retryAfter)
	}
	out = http1.AppendLine(out, "Content-Type", "application/problem+json")
	c.answer(c.complete(out, data))
}

// complete ends the head of an answer of Teal's own and appends its body.
func (c *caller) complete(out, body []byte) []byte {
	t := c.trip
	t.closes = t.closes || c.loop.stopping
	out = c.loop.appendDate(out)
	if t.closes {
		out = append(out, "Connection: close\r\n"...)
	}
	out = append(http1.AppendLength(out, int64(len(body))), "\r\n"...)
	if string(t.request.Method) == "HEAD" {
		return out
	}
	t.sight.out = int64(len(body))
	return append(out, body...)
}

// answer sends a whole response.
func (c *caller) answer(out []byte) {
	if c.out == nil {
		c.out = out
	} else {
		c.out = append(c.out, out...)
	}
	c.state = callerAnswering
	c.deadline = c.loop.at(c.limits().WriteStall)
}

func (c *caller) flushAnswer() bool {
	before := c.progress()
	c.send(c.loop, nil)
	if c.failure != 0 {
		c.close()
		return false
	}
	if !c.isFlushed() {
		if c.progress() != before {
			c.deadline = c.loop.at(c.limits().WriteStall)
		}
		return false
	}
	c.afterAnswer(c.trip.up.body.Done() && c.trip.up.piece == 0)
	return true
}

// afterAnswer goes on to the next request, or ends the connection.
func (c *caller) afterAnswer(bodyRead bool) {
	t := c.trip
	t.sight.whole = true
	c.leaveInstance(false)
	c.release()
	c.giveBack()
	switch {
	case !bodyRead || t.closes && c.r < c.w:
		c.startLingering()
	case t.closes || c.loop.stopping:
		c.close()
	default:
		c.next()
	}
}

// release says how the request went and gives the claim back.
func (c *caller) release() {
	c.record()
	if t := c.trip; t.claim.Env != nil {
		c.report()
		t.claim.Release()
		t.claim = Claim{}
	}
}

// startLingering says that nothing more comes and waits for the client to end
// too: closing with something unread makes the kernel send a reset, which can
// destroy the answer on its way.
func (c *caller) startLingering() {
	c.state = callerLingering
	c.shutdownWrite()
	c.deadline = c.loop.at(lingerTime)
}

func (c *caller) linger() {
	for c.loop.turns > 0 {
		c.loop.turns--
		c.base, c.head, c.r, c.w = 0, nil, 0, 0
		if c.fill(c.loop, 0) {
			continue
		}
		if c.ended {
			c.close()
		}
		return
	}
	c.loop.later(c)
}
