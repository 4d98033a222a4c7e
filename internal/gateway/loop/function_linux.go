package loop

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// startCollecting begins to read the body of a request to a function.
func (c *clientConn) startCollecting() {
	t := c.exchange
	length := t.request.Length()
	var err error
	if t.body, err = c.loop.policy.NewBody(length); err != nil {
		c.fail(err)
		return
	}
	c.state = clientCollecting
	t.until = c.loop.at(c.limits().FunctionBody)
	c.awaitBody()
	if t.request.ExpectContinue && length != 0 && c.r == c.w {
		c.tellContinue()
	}
}

func (c *clientConn) awaitBody() {
	c.deadline = min(c.exchange.until, c.loop.at(c.limits().BodyStall))
}

// collect reads the body, then invokes the function.
func (c *clientConn) collect() bool {
	c.sendRest()
	t := c.exchange
	for !t.up.body.Done() {
		piece, n, err := t.up.body.Next(c.unread())
		if err == nil {
			err = t.body.Add(piece)
		} else {
			t.closes = true
			err = exchange.Refusal(err)
		}
		c.r += n
		switch {
		case err != nil:
			c.fail(err)
			return true
		case n > 0:
			continue
		case !c.mayRead():
			return false
		}
		if c.fill(c.loop, t.up.body.Left()) {
			c.awaitBody()
			continue
		}
		if c.ended && t.up.body.UntilClose() && c.failure == 0 {
			t.up.body.Reset(0)
			continue
		}
		if c.ended {
			t.closes = true
			c.fail(exchange.ErrNotWhole(errBodyCut))
			return true
		}
		return false
	}
	c.invoke()
	return false
}

// invocation is a request to a function on its way. While it lasts, the client's
// socket is its own to write to.
type invocation struct {
	exchange.Invocation
	client  *clientConn
	fd      int
	env     *gateway.Environment
	life    context.Context
	closes  bool
	secure  bool // the answer has to be encrypted, which is the loop's to do
	stream  bool // the answer is a stream's, which is the loop's to write
	status  int  // of the answer
	result  exchange.FunctionAnswer
	failure *gateway.Failure // what the function said if it failed
}

// invoke runs the function on a goroutine of its own. A client that goes away
// meanwhile does not end the invocation, as it does not on AWS: the handler may
// be half way through. The drain deadline and the end of the server do.
func (c *clientConn) invoke() {
	t := c.exchange
	c.state, c.deadline = clientInvoking, forever
	c.noteLeaving()
	t.closes = t.closes || c.loop.stopping
	call := &invocation{
		Invocation: t.Invocation(c.loop.all.port, t.body.Bytes(), time.Now()),
		client:     c, fd: c.fd, env: t.Claim.Env, life: c.loop.all.life, closes: t.closes, secure: c.tls != nil, stream: c.stream != nil,
	}
	c.loop.spawned = true
	go call.run()
}

// noteLeaving remembers when a client that waits for its function ended its own
// direction.
func (c *clientConn) noteLeaving() {
	if c.hungUp && c.exchange.goneAt == 0 {
		c.exchange.goneAt = c.loop.at(lingerFor)
	}
}

// run invokes, writes the answer as far as the kernel takes it at once, and lets
// the loop do the rest.
func (k *invocation) run() {
	head, body, err := k.answer()
	answered := time.Now()
	written := 0
	var errno syscall.Errno
	if err == nil && !k.secure && !k.stream && k.client.loop.all.life.Err() == nil {
		written, errno = writeSocket(k.fd, head, body)
	}
	if errno != 0 {
		written = 0
	}
	k.client.loop.post(func() {
		inHead := min(written, len(head))
		t := k.client.exchange
		t.Result.Failure = k.failure
		t.Result.Status, t.Result.Answered = k.status, answered
		t.out = int64(len(body))
		if k.stream && err == nil {
			k.client.invokedOnStream(&k.result)
			return
		}
		k.client.invoked(head[inHead:], body[written-inHead:], err, errno)
	})
}

func (k *invocation) answer() (head, body []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			k.client.loop.policy.LogPanic(v, "method", k.Request().Method, "path", k.Request().Path)
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	ctx, done := k.env.Bind(k.life)
	defer done()
	answer, failure, err := k.Collect(ctx)
	k.failure = failure
	if err != nil {
		return nil, nil, exchange.ExplainEnd(ctx, err)
	}
	k.status = answer.Status
	if k.stream {
		k.result = answer
		return nil, answer.Body, nil
	}
	return k.head(&answer), answer.Body, nil
}

// head writes the head of what the function has answered.
func (k *invocation) head(answer *exchange.FunctionAnswer) []byte {
	w := &headWriter{out: http1.AppendStatusLine(make([]byte, 0, smallBuffer/4), answer.Status, nil)}
	dated := answer.WriteHead(w)
	out := w.out
	if !dated {
		out = (&dateLine{}).append(out, time.Now())
	}
	if k.closes {
		out = append(out, "Connection: close\r\n"...)
	}
	if answer.Length >= 0 {
		out = http1.AppendLength(out, answer.Length)
	}
	return append(out, "\r\n"...)
}

// invoked goes on with the client when its function has answered.
func (c *clientConn) invoked(head, body []byte, err error, errno syscall.Errno) {
	c.state = clientCollecting
	t, lost := c.exchange, errno != 0 && errno != unix.EAGAIN
	t.Result.Gone = lost || c.reset || t.goneAt != 0 && t.goneAt <= c.loop.now
	switch {
	case lost:
		c.close()
	case err != nil:
		c.fail(err)
	case len(head)+len(body) == 0:
		c.afterAnswer(true)
	default:
		c.writable = true
		c.answer(append(head, body...))
	}
	c.loop.serve(c)
}
