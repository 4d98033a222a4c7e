package loop

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
	"teal/internal/http2"
)

// clientConn is one connection of a client. It goes round:
//
//	reading → proxying ─────────────────┐
//	   ▲    → collecting → invoking ────┤
//	   │    → fetching ↔ sending a file ┤
//	   │                                ▼
//	   └── (next request) ◀──────── answering ──→ lingering → gone
//
// with admitting behind the first head where not everybody may come in, waiting before
// proxying when an instance has all the requests that it takes, and skipping before an
// answer, or after one, while the rest of a body that nobody wants is thrown away.
type clientConn struct {
	socket
	loop      *loop
	index     int // in loop.clients
	state     clientState
	again     bool           // in loop.again
	client    netip.AddrPort // the other end
	peer      exchange.Peer
	admission admission
	deadline  int64
	requests  int
	exchange  *roundTrip // nil while nothing of a request has arrived
	session   *session   // nil for HTTP/1.1, and for a stream
}

type clientState uint8

const (
	clientReading     clientState = iota // a head
	clientAdmitting                      // until it is known who it is
	clientWaiting                        // for an instance to take one more request
	clientProxying                       //
	clientCollecting                     // the body of a request to a function
	clientInvoking                       //
	clientFetching                       // what a file has, from a disk
	clientSendingFile                    //
	clientSkipping                       // the rest of a body
	clientAnswering                      // with what is in out
	clientOpening                        // a stream of HTTP/2 whose head has been read
	clientCarried                        // a stream that goes on elsewhere
	clientConversing                     // in HTTP/2, whose streams are clients of their own
	clientLingering                      // until the client has seen the end
	clientGone
)

func (c *clientConn) limits() *gateway.Limits { return &c.loop.policy.Limits }

func (c *clientConn) isIdle() bool {
	return c.state == clientReading && c.r == c.w
}

func (c *clientConn) uses(env *gateway.Environment) bool {
	return c.exchange != nil && c.exchange.Claim.Env == env
}

// proceed goes on to where everything would block.
func (c *clientConn) proceed() {
	for more := true; more; {
		if c.stream != nil && c.reset {
			c.abort()
			return
		}
		switch c.state {
		case clientReading:
			more = c.readHead()
		case clientProxying:
			more = c.relay()
		case clientCollecting:
			more = c.collect()
		case clientSkipping:
			more = c.skip()
		case clientAnswering:
			more = c.flushAnswer()
		case clientSendingFile:
			more = c.sendFile()
		case clientLingering:
			c.linger()
			return
		case clientAdmitting, clientWaiting:
			more = c.stillThere()
		case clientInvoking:
			c.noteLeaving()
			return
		case clientOpening:
			c.open()
		case clientConversing:
			c.converse()
			return
		case clientCarried:
			c.relayCarried()
			return
		default:
			return
		}
	}
}

// mayRead takes one of the reads that a connection has in a row. Without one the
// connection goes on when others have had their turn.
func (c *clientConn) mayRead() bool {
	if c.loop.readsLeft == 0 {
		c.loop.later(c)
		return false
	}
	c.loop.readsLeft--
	return true
}

// readHead reads the head of the next request.
func (c *clientConn) readHead() bool {
	c.sendRest()
	for {
		if c.r < c.w {
			if more, done := c.parseHead(); done {
				return more
			}
		}
		if !c.mayRead() {
			return false
		}
		if c.fill(c.loop, 0) {
			continue
		}
		if c.ended {
			c.close()
			return false
		}
		if c.r == c.w && c.isFlushed() {
			c.rest()
		}
		return false
	}
}

// sendRest writes what has had to wait, for which nothing else may come along.
func (c *clientConn) sendRest() {
	if !c.isFlushed() {
		c.send(c.loop, nil)
	}
}

// rest gives back what an idle connection does not need.
func (c *clientConn) rest() {
	c.forget(c.loop)
	c.full = false
	if c.exchange != nil {
		c.loop.spare = append(c.loop.spare, c.exchange)
		c.exchange = nil
	}
}

// parseHead reports whether it is done with the head, and then whether to
// proceed.
func (c *clientConn) parseHead() (more, done bool) {
	t := c.exchange
	if t == nil {
		t = c.loop.newRoundTrip(c)
		c.exchange = t
	}
	if c.r > 0 { // the head of a request that came behind another one
		c.w = copy(c.in, c.unread())
		c.r = 0
	}
	n, err := t.request.Parse(c.in[:c.w], http1.Limits{Bytes: c.limits().HeaderBytes, Fields: c.limits().HeaderFields})
	if err != nil {
		c.refuseHead(err)
		return true, true
	}
	if n == 0 {
		if t.waits != waitsForHead {
			t.waits = waitsForHead
			c.deadline = c.loop.at(c.limits().Head)
		}
		return false, false
	}
	c.requests++
	t.head, c.base, c.r, c.head = n, n, n, &t.request
	t.closes = t.request.Close()
	t.up.reset(t.request.Length(), t.request.Length() == http1.Chunked)
	t.whole = t.request.Length() >= 0 && t.request.Length() <= int64(c.w-c.r)
	c.begin()
	return true, true
}

// refuseHead answers what cannot be read, or goes on in HTTP/2 with a client that begins
// with its preface (RFC 9113, section 3.4): no HTTP/1.1 request begins so. Behind a
// request it is none: a proxy sends requests of several people on one connection, and what
// one of them slips in must not change the protocol of the others.
func (c *clientConn) refuseHead(err error) {
	const first = len("PRI * HTTP/2.0\r\n") // what of the preface looks like a request
	if c.requests == 0 && c.w >= first && string(c.in[:first]) == http2.Preface[:first] {
		if c.loop.all.at.HTTP2 {
			c.startSession()
		} else {
			c.handOver()
		}
		return
	}
	c.exchange.Watch()
	c.exchange.closes = true
	c.exchange.up.reset(http1.UntilClose, false) // whatever follows is no request
	c.respond(exchange.Refusal(err))
}

// begin claims the environment and takes the way to its component.
func (c *clientConn) begin() {
	t := c.exchange
	if host := gateway.NormalHost(view(t.request.Host)); c.loop.all.at.isElsewhere(host) {
		c.beginElsewhere(host)
		return
	}
	if !c.admission.known {
		if c.stream != nil {
			c.stream.session.askAdmission(c)
		} else {
			c.askAdmission()
		}
		return
	}
	c.exchange.Watch()
	err := c.loop.all.at.CheckAdmission(c.admission.granted, received{t})
	if err == nil {
		err = c.exchange.Choose()
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.start()
}

// beginElsewhere begins with what has been claimed for a host that is not the table's,
// and hands over what cannot be claimed here.
func (c *clientConn) beginElsewhere(host string) {
	if claim, ok := c.loop.all.at.claim(host); ok {
		c.exchange.Watch()
		c.exchange.Claim = claim
		c.start()
	} else {
		c.handOver()
	}
}

// start takes the way to the component that has been claimed.
func (c *clientConn) start() {
	t := c.exchange
	c.loop.watch(t.Claim.Env)
	err := t.CheckInFlight()
	if err == nil {
		err = c.checkConnect()
	}
	if err != nil {
		c.fail(err)
		return
	}
	switch component := t.Claim.Component; {
	case component.Function != nil:
		c.startCollecting()
	case component.Files != nil:
		c.startFile()
	default:
		c.startProxying()
	}
}

// next waits for another request.
func (c *clientConn) next() {
	c.state = clientReading
	c.base, c.head = 0, nil
	c.exchange.reset(c)
	c.deadline = c.loop.at(c.limits().KeepAlive)
}

// stillThere ends a request that waits when its client has gone.
func (c *clientConn) stillThere() bool {
	if c.reset {
		c.abort()
	}
	return false
}

// expired is called when the deadline has passed.
func (c *clientConn) expired() {
	c.deadline = forever
	switch c.state {
	case clientReading:
		if c.r == c.w {
			c.close()
			return
		}
		c.exchange.Watch()
		c.exchange.closes = true
		c.exchange.up.reset(http1.UntilClose, false)
		c.respond(exchange.ErrHead(c.limits().Head))
	case clientWaiting:
		c.exchange.queued.leave(c)
		c.fail(teal.Errorf(teal.CodeUnavailable, "every instance of %q has all the requests that it takes; try again", c.exchange.Claim.Component.Name))
	case clientProxying:
		c.relayExpired()
	case clientCollecting:
		c.fail(exchange.ErrStalled())
	case clientSkipping:
		c.skipOver(false)
	case clientAnswering, clientLingering, clientSendingFile:
		c.close()
	case clientConversing:
		c.session.expired()
	case clientCarried:
		c.reset = true // the client takes nothing
	}
}

// cancelled ends the request because of what its environment or the server does.
func (c *clientConn) cancelled(cause error) {
	switch c.state {
	case clientWaiting:
		c.exchange.queued.leave(c)
		c.fail(cause)
	case clientAdmitting:
		c.exchange.closes = true // what has been asked must not answer for a later request
		c.fail(cause)
	case clientProxying, clientCollecting, clientSendingFile:
		c.fail(cause)
	case clientFetching:
		c.exchange.file.cause = cause
	case clientReading, clientLingering:
		c.close()
	}
	// An invocation hears it by its context; an answer on its way has a
	// deadline.
}

// refuseConnection answers before anything has been asked.
func (c *clientConn) refuseConnection(err error) {
	c.exchange = c.loop.newRoundTrip(c)
	c.exchange.closes = true
	c.exchange.up.reset(http1.UntilClose, false)
	c.respond(err)
}

// isItsOwn reports whether the connection can be ended: it is there, and no goroutine has
// it.
func (c *clientConn) isItsOwn() bool {
	return c.state != clientGone && c.state != clientInvoking && c.state != clientFetching && c.state != clientCarried
}

// abort ends the connection at once, in a way that cannot be taken for the end
// of an answer.
func (c *clientConn) abort() {
	if c.state == clientCarried {
		c.leaveCarried()
		return
	}
	if !c.isItsOwn() {
		return
	}
	c.failure = unix.ECONNABORTED // so that TLS does not say that this was all
	if c.stream == nil {
		_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // else it is closed politely
	}
	c.close()
}

// close ends the connection and gives back everything that it holds.
func (c *clientConn) close() {
	if !c.isItsOwn() {
		return
	}
	if c.state == clientWaiting {
		c.exchange.queued.leave(c)
	}
	if c.exchange != nil {
		c.leaveInstance(false)
		c.release()
		c.exchange.body.Release()
		c.endFile()
	}
	if c.session != nil && !c.session.over {
		c.session.drop()
	}
	if c.stream == nil {
		c.closeNotify()
		c.loop.drop(c.fd)
	}
	c.detach()
}

// detach takes the client out of the loop.
func (c *clientConn) detach() {
	l := c.loop
	if c.stream != nil {
		c.endStream()
	}
	c.rest()
	last := len(l.clients) - 1
	l.clients[c.index] = l.clients[last]
	l.clients[c.index].index = c.index
	l.clients[last] = nil
	l.clients = l.clients[:last]
	c.state, c.deadline = clientGone, forever
	if c.stream != nil {
		l.recycle(c)
		return
	}
	l.gone()
}

// lingerFor bounds the patience with a client that has sent its end while it
// waits for an answer: it may have gone altogether, which looks the same.
const lingerFor = time.Second
