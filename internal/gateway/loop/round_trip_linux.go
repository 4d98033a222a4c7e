package loop

import (
	"unsafe"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// roundTrip is one request on its way. It is lent to a connection for as long as a
// request is there.
type roundTrip struct {
	exchange.Exchange
	request  http1.Request
	response http1.Response
	up, down flow // the bodies
	progress
}

// progress is how far a request has come: what begins at nothing with each.
type progress struct {
	head     int              // length of the request's head, which stays at the beginning of the client's buffer
	endpoint gateway.Endpoint // nil for none
	upstream *upstreamConn
	attempts int     // connections that could not be made
	unsent   bool    // nothing of it has gone out on upstream, which was kept
	resent   bool    // once more, after a kept connection had been closed
	whole    bool    // the body had arrived with the head
	sent     bool    // the request, whole
	begun    bool    // the final response's head is on its way to the client
	told     bool    // to go on: 100 has been sent
	closes   bool    // the connection ends with this request
	tunnel   bool    // the two have gone on in another protocol
	http2    bool    // it is a stream of HTTP/2
	connect  bool    // …that is to become a tunnel
	interim  int     // responses
	moved    int64   // what had been moved when the deadline was set
	queued   *pool   // that it waits for; nil for none
	halfDone [2]bool // the directions of a tunnel that have ended: up, down
	waits    waitingFor
	goneAt   int64 // when a client that sends no more is taken to have gone; 0 for never
	out      int64 // bytes of the body of an answer that is Teal's own, or a function's
	answer   error // to give when the body has been skipped
	skipped  int64
	body     exchange.Body // for a function
	file     fileAnswer
	until    int64 // the whole body must be there then
}

// newRoundTrip returns one for the next request of a client.
func (l *loop) newRoundTrip(c *clientConn) *roundTrip {
	last := len(l.spare) - 1
	if last < 0 {
		t := &roundTrip{up: flow{trailer: l.all.trailer}, down: flow{trailer: exchange.PassesTrailer, body: http1.Body{Repairs: true}}}
		t.reset(c)
		return t
	}
	t := l.spare[last]
	l.spare = l.spare[:last]
	t.reset(c)
	return t
}

// reset makes t ready for the next request of a client.
func (t *roundTrip) reset(c *clientConn) {
	t.request.Reset()
	t.response.Reset()
	t.up.reset(0, false)
	t.down.reset(0, false)
	t.progress = progress{}
	t.Begin(c.loop.policy, &c.loop.all.at.Entrypoint, &c.peer, received{t})
}

// received is the request as package exchange reads it, in place.
type received struct{ *roundTrip }

// Len implements exchange.Request: there are no fields before the head has been read.
func (r received) Len() int {
	if r.head == 0 {
		return 0
	}
	return r.request.Len()
}

// Field implements exchange.Request.
func (r received) Field(i int) (name, value string, endToEnd bool) {
	return fields{&r.request.Fields}.Field(i)
}

// Line implements exchange.Request.
func (r received) Line() exchange.Line {
	if r.head == 0 {
		return exchange.Line{Protocol: r.protocol()}
	}
	q := &r.request
	method := view(q.Method)
	if r.connect {
		method = "CONNECT"
	}
	return exchange.Line{
		Method: method, Host: view(q.Host), Target: view(q.Target()),
		Path: view(q.Path), RawQuery: view(q.RawQuery()), Protocol: r.protocol(),
	}
}

// fields are the fields of a head as package exchange reads them, in place.
type fields struct{ *http1.Fields }

// Field implements exchange.Head.
func (f fields) Field(i int) (name, value string, endToEnd bool) {
	return view(f.Name(i)), view(f.Value(i)), f.Kind(i) == http1.EndToEnd
}

func (t *roundTrip) protocol() string {
	switch {
	case t.http2:
		return "HTTP/2.0"
	case t.request.Minor == 0:
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// view returns bytes as a string without copying them; it is valid as long as
// they are.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
