package loop

import (
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// fail answers with err, or ends the connection when an answer has begun. The
// rest of the request's body is skipped first, so that a small one does not cost
// the client its connection.
func (c *clientConn) fail(err error) {
	t := c.exchange
	c.leaveInstance(false)
	c.endFile()
	if t.begun {
		c.abort()
		return
	}
	t.answer = err
	c.skipBody()
}

// skipBody gives the answer behind the rest of the request's body.
func (c *clientConn) skipBody() {
	t := c.exchange
	if c.stream != nil || t.up.body.Done() && t.up.piece == 0 {
		c.give()
		return
	}
	if t.request.ExpectContinue && !t.told && c.r == c.w {
		t.closes = true // to read the body now would be to ask for it
		c.give()
		return
	}
	c.startSkipping()
}

// give gives the answer that has been decided.
func (c *clientConn) give() {
	if c.exchange.answer != nil {
		c.respond(c.exchange.answer)
	} else {
		c.beginFile()
	}
}

func (c *clientConn) startSkipping() {
	c.state = clientSkipping
	c.deadline = c.loop.at(exchange.RestTime)
}

// skip throws the rest of a body away.
func (c *clientConn) skip() bool {
	t := c.exchange
	c.r, t.up.piece = c.r+t.up.piece, 0
	for !t.up.body.Done() {
		piece, n, err := t.up.body.Next(c.unread())
		c.r += n
		t.skipped += int64(len(piece))
		switch {
		case err != nil || t.skipped > exchange.RestBytes:
			c.skipOver(false)
			return true
		case n > 0:
			continue
		case !c.mayRead():
			return false
		}
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
func (c *clientConn) skipOver(whole bool) {
	t := c.exchange
	t.closes = t.closes || !whole
	if t.answer != nil || t.file.due {
		c.give()
		return
	}
	c.afterAnswer(whole)
}

// respond writes an error as a problem.
func (c *clientConn) respond(err error) {
	t := c.exchange
	answer := t.Fail(err)
	if c.stream != nil {
		c.respondOnStream(answer)
		return
	}
	w := c.loop.headWriter(http1.AppendStatusLine(c.loop.buffers.get(smallBuffer)[:0], answer.Status, nil))
	answer.WriteHead(w)
	c.answer(c.complete(w.out, answer.Body))
}

// complete ends the head of an answer of Teal's own and appends its body.
func (c *clientConn) complete(out, body []byte) []byte {
	t := c.exchange
	t.closes = t.closes || c.loop.stopping
	out = c.loop.appendDate(out)
	if t.closes {
		out = append(out, "Connection: close\r\n"...)
	}
	out = append(http1.AppendLength(out, int64(len(body))), "\r\n"...)
	if string(t.request.Method) == "HEAD" {
		return out
	}
	t.out = int64(len(body))
	return append(out, body...)
}

// answer sends a whole response.
func (c *clientConn) answer(out []byte) {
	if c.out == nil {
		c.out = out
	} else {
		c.out = append(c.out, out...)
	}
	c.state = clientAnswering
	c.deadline = c.loop.at(c.limits().WriteStall)
}

func (c *clientConn) flushAnswer() bool {
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
	c.afterAnswer(c.exchange.up.body.Done() && c.exchange.up.piece == 0)
	return true
}

// afterAnswer goes on to the next request, or ends the connection.
func (c *clientConn) afterAnswer(bodyRead bool) {
	t := c.exchange
	t.Whole = true
	c.leaveInstance(false)
	c.release()
	t.body.Release()
	c.endFile()
	switch {
	case c.stream != nil && !bodyRead && c.stream.isComing():
		c.lingerOnStream()
	case c.stream != nil:
		c.detach()
	case !bodyRead || t.closes && c.r < c.w:
		c.startLingering()
	case t.closes || c.loop.stopping:
		c.close()
	default:
		c.next()
	}
}

// release says how the request went and gives the claim back.
func (c *clientConn) release() {
	t := c.exchange
	in, out := t.up.passed+t.skipped+int64(t.body.Len()), t.out+t.down.passed
	if t.tunnel {
		in, out = 0, 0 // what went through is not counted
	}
	t.Record(in, out)
	t.End()
}

// startLingering says that nothing more comes and waits for the client to end
// too: closing with something unread makes the kernel send a reset, which can
// destroy the answer on its way.
func (c *clientConn) startLingering() {
	c.state = clientLingering
	c.shutdownWrite()
	c.deadline = c.loop.at(exchange.LingerTime)
}

func (c *clientConn) linger() {
	if c.stream != nil {
		if c.stream.isOver() {
			c.detach()
		}
		return
	}
	for c.loop.readsLeft > 0 {
		c.loop.readsLeft--
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
