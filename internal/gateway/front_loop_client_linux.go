package gateway

import (
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"teal"
	"teal/internal/http1"
)

// caller is one connection of a client. It goes round:
//
//	reading → proxying ─────────────┐
//	   ▲    → collecting → invoking ┤
//	   │                            ▼
//	   └── (next request) ◀──── answering ──→ lingering → gone
//
// with waiting before proxying when an instance has all the requests that it
// takes, and skipping before an answer, or after one, while the rest of a body
// that nobody wants is thrown away.
type caller struct {
	side
	loop     *loop
	index    int // in loop.clients
	state    callerState
	again    bool // in loop.again
	trusted  bool
	peer     netip.Addr
	address  string // of peer, once it has been asked for
	deadline int64
	requests int
	trip     *trip // nil while nothing of a request has arrived
}

type callerState uint8

const (
	callerReading    callerState = iota // a head
	callerWaiting                       // for an instance to take one more request
	callerProxying                      //
	callerCollecting                    // the body of a request to a function
	callerInvoking                      //
	callerSkipping                      // the rest of a body
	callerAnswering                     // with what is in out
	callerLingering                     // until the client has seen the end
	callerGone
)

// trip is one request on its way. It is lent to a connection for as long as a
// request is there.
type trip struct {
	request  http1.Request
	response http1.Response
	up, down flow // the bodies
	head     int  // length of the request's head, which stays at the beginning of the client's buffer
	path     []byte
	claim    Claim
	endpoint Endpoint // nil for none
	link     *link
	attempts int     // connections that could not be made
	unsent   bool    // nothing of it has gone out on link, which was kept
	resent   bool    // once more, after a kept connection had been closed
	whole    bool    // the body had arrived with the head
	sent     bool    // the request, whole
	begun    bool    // the final response's head is on its way to the client
	told     bool    // to go on: 100 has been sent
	closes   bool    // the connection ends with this request
	tunnel   bool    // the two have gone on in another protocol
	interim  int     // responses
	moved    int64   // what had been moved when the deadline was set
	queued   *pool   // that it waits for; nil for none
	halfDone [2]bool // the directions of a tunnel that have ended: up, down
	waits    waitingFor
	goneAt   int64  // when a client that sends no more is taken to have gone; 0 for never
	route    int    // length of the part of the path that led to the component
	result   Result // what is known of it so far
	reported bool
	sight    sight
	code     teal.Code // of an error of Teal's own that was the answer
	// requestID is the invocation's, or that of an error of Teal's own.
	requestID string
	answer    error // to give when the body has been skipped
	skipped   int64
	body      []byte // for a function
	until     int64  // the whole body must be there then
	held      int64  // of the server's budget for bodies
}

func (l *loop) newTrip() *trip {
	if last := len(l.trips) - 1; last >= 0 {
		t := l.trips[last]
		l.trips = l.trips[:last]
		return t
	}
	return &trip{up: flow{trailer: l.server.requestTrailer}, down: flow{trailer: passesTrailer, body: http1.Body{Repairs: true}}}
}

// reset makes t ready for the next request.
func (t *trip) reset() {
	t.request.Reset()
	t.response.Reset()
	t.up.reset(0, false)
	t.down.reset(0, false)
	*t = trip{request: t.request, response: t.response, up: t.up, down: t.down, path: t.path[:0]}
}

func (c *caller) limits() *Limits { return &c.loop.server.limits }

func (c *caller) isIdle() bool {
	return c.state == callerReading && c.r == c.w
}

func (c *caller) uses(env *Environment) bool { return c.trip != nil && c.trip.claim.Env == env }

// proceed goes on to where everything would block.
func (c *caller) proceed() {
	for more := true; more; {
		switch c.state {
		case callerReading:
			more = c.readHead()
		case callerProxying:
			more = c.relay()
		case callerCollecting:
			more = c.collect()
		case callerSkipping:
			more = c.skip()
		case callerAnswering:
			more = c.flushAnswer()
		case callerLingering:
			c.linger()
			return
		case callerWaiting:
			more = c.stillThere()
		case callerInvoking:
			c.noteLeaving()
			return
		default:
			return
		}
	}
}

// readHead reads the head of the next request.
func (c *caller) readHead() bool {
	c.sendRest()
	for {
		if c.r < c.w {
			if more, done := c.parseHead(); done {
				return more
			}
		}
		if c.loop.turns == 0 {
			c.loop.later(c)
			return false
		}
		c.loop.turns--
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
func (c *caller) sendRest() {
	if !c.isFlushed() {
		c.send(c.loop, nil)
	}
}

// rest gives back what an idle connection does not need.
func (c *caller) rest() {
	c.forget(c.loop)
	c.full = false
	if c.trip != nil {
		c.loop.trips = append(c.loop.trips, c.trip)
		c.trip = nil
	}
}

// parseHead reports whether it is done with the head, and then whether to
// proceed.
func (c *caller) parseHead() (more, done bool) {
	t := c.trip
	if t == nil {
		t = c.loop.newTrip()
		t.reset()
		c.trip = t
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

// refuseHead answers what cannot be read, or gives a client that speaks another
// protocol to the front that may know it.
func (c *caller) refuseHead(err error) {
	const first = len("PRI * HTTP/2.0\r\n") // what of the preface looks like a request
	if c.w >= first && string(c.in[:first]) == http2Preface[:first] {
		c.handOver()
		return
	}
	c.look()
	c.trip.closes = true
	c.trip.up.reset(http1.UntilClose, false) // whatever follows is no request
	c.respond(refusal(err))
}

// begin claims the environment and takes the way to its component.
func (c *caller) begin() {
	t := c.trip
	if c.loop.server.isAround(normalHost(view(t.request.Host))) {
		c.handOver()
		return
	}
	c.look()
	err := c.claim()
	if err != nil {
		c.fail(err)
		return
	}
	c.loop.watch(t.claim.Env)
	if err := c.loop.server.checkInFlight(t.claim); err != nil {
		c.fail(err)
		return
	}
	if t.claim.Component.Function != nil {
		c.startCollecting()
	} else {
		c.startProxying()
	}
}

// claim claims by host, path and override headers.
func (c *caller) claim() error {
	t := c.trip
	head := Head{Host: view(t.request.Host), Path: view(c.decodedPath())}
	for i := range t.request.Len() {
		name := t.request.Name(i)
		switch {
		case len(name) == len(headerVersion) && http1.EqualFold(name, "teal-version"):
			head.Version = or(head.Version, string(t.request.Value(i)))
		case len(name) == len(headerAlias) && http1.EqualFold(name, "teal-alias"):
			head.Alias = or(head.Alias, string(t.request.Value(i)))
		}
	}
	if (head.Version != "" || head.Alias != "") && !c.loop.server.mayOverride(c.peer, c.fields) {
		return errOverride()
	}
	claim, err := c.loop.server.gateway.Claim(head, randomPoint())
	t.route, claim.Route = len(claim.Route), "" // it points into a buffer that may change
	t.claim = claim
	return err
}

// fields are the header fields of the request, in place: none before its head has
// been read.
func (c *caller) fields(yield func(name, value string) bool) {
	q := &c.trip.request
	if c.trip.head == 0 {
		return
	}
	for i := range q.Len() {
		if !yield(view(q.Name(i)), view(q.Value(i))) {
			return
		}
	}
}

// answered notes that the response begins.
func (t *trip) answered(status int) {
	t.result.Status = status
	if t.claim.measured() || !t.sight.start.IsZero() {
		t.result.Answered = time.Now()
	}
}

// report tells the meter how the request went, once.
func (c *caller) report() {
	t := c.trip
	if t.reported || !t.claim.measured() {
		return
	}
	t.reported = true
	t.result.Method, t.result.Host, t.result.Path = view(t.request.Method), view(t.request.Host), view(t.request.Target())
	t.claim.Route = view(c.decodedPath())[:t.route]
	t.claim.Report(t.result)
	t.claim.Route = ""
}

// decodedPath returns the path as the routes have it.
func (c *caller) decodedPath() []byte {
	t := c.trip
	sent := t.request.Path
	for i := 0; i < len(sent); i++ {
		if sent[i] == '%' {
			t.path = http1.AppendUnescaped(t.path[:0], sent)
			return t.path
		}
	}
	return sent
}

// view returns bytes as a string without copying them; it is valid as long as
// they are.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// next waits for another request.
func (c *caller) next() {
	c.state = callerReading
	c.base, c.head = 0, nil
	c.trip.reset()
	c.deadline = c.loop.at(c.limits().KeepAlive)
}

// stillThere ends a request that waits for an instance when its client has gone.
func (c *caller) stillThere() bool {
	if c.reset {
		c.abort()
	}
	return false
}

// expired is called when the deadline has passed.
func (c *caller) expired() {
	c.deadline = forever
	switch c.state {
	case callerReading:
		if c.r == c.w {
			c.close()
			return
		}
		c.look()
		c.trip.closes = true
		c.trip.up.reset(http1.UntilClose, false)
		c.respond(publicErrorf(teal.CodeTimeout, "%w within %s; send it faster", errHeadStalled, c.limits().Head))
	case callerWaiting:
		c.trip.queued.leave(c)
		c.fail(teal.Errorf(teal.CodeUnavailable, "every instance of %q has all the requests that it takes; try again", c.trip.claim.Component.Name))
	case callerProxying:
		c.relayExpired()
	case callerCollecting:
		c.fail(errStalled())
	case callerSkipping:
		c.skipOver(false)
	case callerAnswering, callerLingering:
		c.close()
	}
}

// cancelled ends the request because of what its environment or the server does.
func (c *caller) cancelled(cause error) {
	switch c.state {
	case callerWaiting:
		c.trip.queued.leave(c)
		c.fail(cause)
	case callerProxying, callerCollecting:
		c.fail(cause)
	case callerReading, callerLingering:
		c.close()
	}
	// An invocation hears it by its context; an answer on its way has a
	// deadline.
}

// refuseConnection answers before anything has been asked.
func (c *caller) refuseConnection(err error) {
	c.trip = c.loop.newTrip()
	c.trip.reset()
	c.trip.closes = true
	c.trip.up.reset(http1.UntilClose, false)
	c.respond(err)
}

// abort ends the connection at once, in a way that cannot be taken for the end
// of an answer.
func (c *caller) abort() {
	if c.state == callerGone || c.state == callerInvoking {
		return
	}
	c.failure = unix.ECONNABORTED                                                            // so that TLS does not say that this was all
	_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // else it is closed politely
	c.close()
}

// close ends the connection and gives back everything that it holds.
func (c *caller) close() {
	if c.state == callerGone || c.state == callerInvoking {
		return
	}
	if c.state == callerWaiting {
		c.trip.queued.leave(c)
	}
	if c.trip != nil {
		c.leaveInstance(false)
		c.release()
		c.giveBack()
	}
	c.farewell()
	c.loop.drop(c.fd)
	c.detach()
}

// detach takes the client out of the loop.
func (c *caller) detach() {
	l := c.loop
	c.rest()
	last := len(l.clients) - 1
	l.clients[c.index] = l.clients[last]
	l.clients[c.index].index = c.index
	l.clients[last] = nil
	l.clients = l.clients[:last]
	c.state, c.deadline = callerGone, forever
	l.gone()
}

// lingerFor bounds the patience with a client that has sent its end while it
// waits for an answer: it may have gone altogether, which looks the same.
const lingerFor = time.Second
