package loop

import (
	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// roundTrip is one request on its way. It is lent to a connection for as long as a
// request is there.
type roundTrip struct {
	request  http1.Request
	response http1.Response
	up, down flow // the bodies
	head     int  // length of the request's head, which stays at the beginning of the client's buffer
	path     []byte
	claim    gateway.Claim
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
	interim  int     // responses
	moved    int64   // what had been moved when the deadline was set
	queued   *pool   // that it waits for; nil for none
	halfDone [2]bool // the directions of a tunnel that have ended: up, down
	waits    waitingFor
	goneAt   int64          // when a client that sends no more is taken to have gone; 0 for never
	route    int            // length of the part of the path that led to the component
	result   gateway.Result // what is known of it so far
	reported bool
	trace    exchange.Trace
	code     teal.Code // of an error of Teal's own that was the answer
	// requestID is the invocation's, or that of an error of Teal's own.
	requestID string
	answer    error // to give when the body has been skipped
	skipped   int64
	body      []byte // for a function
	until     int64  // the whole body must be there then
	held      int64  // of the server's budget for bodies
}

func (l *loop) newRoundTrip() *roundTrip {
	if last := len(l.spare) - 1; last >= 0 {
		t := l.spare[last]
		l.spare = l.spare[:last]
		return t
	}
	return &roundTrip{up: flow{trailer: l.all.trailer}, down: flow{trailer: exchange.PassesTrailer}}
}

// reset makes t ready for the next request.
func (t *roundTrip) reset() {
	t.request.Reset()
	t.response.Reset()
	t.up.reset(0, false)
	t.down.reset(0, false)
	*t = roundTrip{request: t.request, response: t.response, up: t.up, down: t.down, path: t.path[:0]}
}
