package loop

import (
	"context"
	"fmt"
	"net/textproto"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/gateway/payload"
	"teal/internal/http1"
)

// startCollecting begins to read the body of a request to a function.
func (c *clientConn) startCollecting() {
	t := c.exchange
	length := t.request.Length()
	if err := c.loop.policy.CheckEvent(length); err != nil {
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
			err = c.hold(piece)
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
		case c.loop.readsLeft == 0:
			c.loop.later(c)
			return false
		}
		c.loop.readsLeft--
		if c.fill(c.loop, t.up.body.Left()) {
			c.awaitBody()
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

// hold keeps a piece of the body. What the body holds beyond a small one is
// taken from the server's budget as it arrives, so that a client which only
// announces much costs nothing; giveBack returns it.
func (c *clientConn) hold(piece []byte) error {
	t := c.exchange
	if t.body == nil && len(piece) > 0 {
		t.body = make([]byte, 0, max(512, min(t.request.Length(), exchange.FreeBody)))
	}
	if err := c.loop.policy.CheckEvent(int64(len(t.body) + len(piece))); err != nil {
		return err
	}
	for cap(t.body)-len(t.body) < len(piece) {
		more := int64(cap(t.body))
		if !c.loop.policy.Hold(more) {
			return exchange.ErrTooManyBodies()
		}
		t.held += more
		t.body = append(make([]byte, 0, 2*cap(t.body)), t.body...)
	}
	t.body = append(t.body, piece...)
	return nil
}

func (c *clientConn) giveBack() {
	t := c.exchange
	if t.held > 0 {
		c.loop.policy.GiveBack(t.held)
	}
	t.held, t.body = 0, nil
}

// invocation is a request to a function on its way. While it lasts, the client's
// socket is its own to write to.
type invocation struct {
	client  *clientConn
	fd      int
	claim   gateway.Claim
	life    context.Context
	request payload.Request
	closes  bool
	secure  bool             // the answer has to be encrypted, which is the loop's to do
	status  int              // of the answer
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
	call := &invocation{client: c, fd: c.fd, claim: t.claim, life: c.loop.all.life, request: c.event(time.Now()), closes: t.closes, secure: c.tls != nil}
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
	if err == nil && !k.secure && k.client.loop.all.life.Err() == nil {
		written, errno = writeSocket(k.fd, head, body)
	}
	if errno != 0 {
		written = 0
	}
	k.client.loop.post(func() {
		inHead := min(written, len(head))
		t := k.client.exchange
		t.result.Failure = k.failure
		t.result.Status, t.result.Answered = k.status, answered
		t.trace.Out = int64(len(body))
		k.client.invoked(head[inHead:], body[written-inHead:], err, errno)
	})
}

func (k *invocation) answer() (head, body []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			k.client.loop.policy.Logger.Error("a request caused a panic", "method", k.request.Method, "path", k.request.Path, "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	ctx, done := k.claim.Env.Bind(k.life)
	defer done()
	var response payload.Response
	response, k.failure, err = k.client.loop.policy.Invoke(ctx, k.claim, k.request)
	if err != nil {
		return nil, nil, exchange.ExplainEnd(ctx, err)
	}
	k.status = response.Status
	head, body = k.response(response)
	return head, body, nil
}

// response writes what the function has answered.
func (k *invocation) response(r payload.Response) (head, body []byte) {
	out := http1.AppendStatusLine(make([]byte, 0, smallBuffer/4), r.Status, nil)
	dated := false
	for _, pair := range r.Headers {
		if name := pair[0]; !http1.IsAboutConnection(name) && !strings.EqualFold(name, exchange.HeaderVersion) {
			out = http1.AppendLine(out, name, pair[1])
			dated = dated || strings.EqualFold(name, "Date")
		}
	}
	for _, cookie := range r.Cookies {
		out = http1.AppendLine(out, "Set-Cookie", cookie)
	}
	out = http1.AppendLine(out, exchange.HeaderVersion, k.claim.Env.Label())
	if !dated {
		out = (&dateLine{}).append(out, time.Now())
	}
	if k.closes {
		out = append(out, "Connection: close\r\n"...)
	}
	if !exchange.Bodyless(r.Status) {
		out = http1.AppendLength(out, int64(len(r.Body)))
	}
	out = append(out, "\r\n"...)
	if exchange.Bodyless(r.Status) || k.request.Method == "HEAD" {
		return out, nil
	}
	return out, r.Body
}

// invoked goes on with the client when its function has answered.
func (c *clientConn) invoked(head, body []byte, err error, errno syscall.Errno) {
	c.state = clientCollecting
	t, lost := c.exchange, errno != 0 && errno != unix.EAGAIN
	t.result.Gone = lost || c.reset || t.goneAt != 0 && t.goneAt <= c.loop.now
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

// event describes the request to the function.
func (c *clientConn) event(now time.Time) payload.Request {
	t := c.exchange
	t.requestID = uuid.NewString()
	r := &t.request
	sent := textproto.MIMEHeader{}
	for i := range r.Len() {
		if r.Kind(i) == http1.EndToEnd {
			sent.Add(string(r.Name(i)), string(r.Value(i)))
		}
	}
	h := make(textproto.MIMEHeader, len(sent)+8)
	for name, values := range sent {
		h[name] = values
	}
	from := c.loop.policy.Origin(&c.loop.all.at.Entrypoint, c.peer, string(r.Host), t.claim.Env.Label())
	from.Set(h, sent)
	t.trace.Pass(h)
	exchange.CompleteEvent(h, from.Host, c.loop.all.port, len(t.body), now)
	return payload.Request{
		Method:    string(r.Method),
		Path:      string(r.Path),
		RawQuery:  string(r.RawQuery()),
		Protocol:  protocolOf(r),
		Host:      from.Host,
		SourceIP:  from.SourceIP(sent),
		Headers:   h,
		Body:      t.body,
		RequestID: t.requestID,
		Time:      now,
	}
}

func protocolOf(r *http1.Request) string {
	if r.Minor == 0 {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}
