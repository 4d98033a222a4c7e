package loop

import (
	"cmp"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
	"teal/internal/http2"
)

// session is what a client's connection has beside its socket when it speaks HTTP/2.
// Each request is a stream, which goes through the states of a clientConn by itself;
// the connection only reads frames and writes what has gathered, once in a round of its
// loop.
type session struct {
	codec   *http2.Conn
	client  *clientConn   // the connection
	open    int           // streams that are clients of the loop; more than the codec has while functions run
	blocked []*clientConn // streams that have something to say and no room for it
	asking  []*clientConn // streams that wait until it is known who has opened the connection
	dirty   bool          // in loop.unflushed
	paused  bool          // nothing is read until the client has read some
	crowded bool          // several streams have something to say
	turns   int64         // of streams that could say something
	over    bool

	heard   int64 // when something has been read
	asked   int64 // when it was asked whether it is there; 0 for not since it was heard
	idle    int64 // when the last stream ended
	stalled int64 // when it last took something, while something waits; 0 for nothing waits
	taken   int64 // what it had taken then
	leaving leaving
	left    int64 // when leaving began
}

// leaving is how far a connection has come that is to end: its client is told, and then,
// when it must have heard that, which stream was the last.
type leaving uint8

const (
	stays leaving = iota
	told
	closing
)

// The windows of what comes in: what a client may send before it is taken.
const (
	streamWindow  = 256 << 10
	sessionWindow = 1 << 20
)

// mostWaiting is what waits at most to be written before streams get no more in, and
// before nothing more is read of a client that does not read.
const mostWaiting = 64 << 10

// leaveTime is how long a client may take to hear that the connection is to end.
const leaveTime = time.Second

// startSession lets the connection speak HTTP/2, from the preface on, which may have
// been read.
func (c *clientConn) startSession() {
	l := c.loop
	if c.exchange != nil {
		l.spare = append(l.spare, c.exchange)
		c.exchange = nil
	}
	c.base, c.head, c.r = 0, nil, 0
	c.state = clientConversing
	limits := c.limits()
	const typical = 10 * 32 // what a typical head counts beside its texts
	c.session = &session{client: c, heard: l.now, idle: l.now, codec: http2.New(http2.Limits{
		Streams: limits.Streams, HeaderBytes: limits.HeaderBytes + typical, StreamWindow: streamWindow, ConnectionWindow: sessionWindow,
	})}
	if l.stopping {
		c.session.leave()
	}
}

// converse reads frames.
func (c *clientConn) converse() {
	s := c.session
	defer s.arm()
	s.flush()
	for !s.over {
		if !s.read() {
			return
		}
		if s.waiting() > mostWaiting {
			s.paused = true // until the client has read some
			s.touch()
			return
		}
		if !c.mayRead() {
			s.touch()
			return
		}
		if c.fill(c.loop, 0) {
			s.heard, s.asked = c.loop.now, 0
			continue
		}
		if c.ended {
			c.close()
			return
		}
		if c.r == c.w && c.in != nil {
			c.loop.buffers.put(c.in)
			c.in, c.r, c.w = nil, 0, 0
		}
		s.touch()
		return
	}
}

// waiting returns how much waits to be written.
func (s *session) waiting() int { return len(s.client.out) - s.client.sent + len(s.codec.Out) }

// read takes the frames that have arrived. False means that the connection has ended.
func (s *session) read() bool {
	c := s.client
	for c.r < c.w {
		e, n, err := s.codec.Next(c.unread(), c.loop.now)
		c.r += n
		if err != nil {
			c.loop.policy.Logger.Debug("a connection of HTTP/2 has failed", "peer", c.client, "error", err)
			s.end()
			return false
		}
		if n == 0 {
			return true
		}
		s.take(&e)
		if s.waiting() > mostWaiting {
			return true
		}
	}
	return true
}

// take does what a frame asks for. What a stream makes of it comes later, when all that
// has arrived has been read.
func (s *session) take(e *http2.Event) {
	switch e.Kind {
	case http2.Request:
		s.begin()
	case http2.Data:
		clientOf(e.Stream).receive(e.Data)
	case http2.Trailer:
		clientOf(e.Stream).receiveTrailer(&s.codec.Head)
	case http2.Reset:
		c := clientOf(e.Stream)
		c.reset = true
		c.loop.later(c)
	case http2.Opened:
		if e.Stream == nil {
			s.wake()
		} else if c := clientOf(e.Stream); c.stream.blocked {
			c.loop.later(c)
		}
	case http2.Pong:
		s.asked = 0
		if s.leaving == told {
			s.close()
		}
	}
}

// wake lets the streams go on that have something to say: first who has waited longest.
// Those whose own windows are shut stay, and so do those for whom the connection's has no
// byte: a client must not get hundreds of streams looked at for each ping or byte of room.
// What is left when the first have spoken is for the others, at the next flush.
func (s *session) wake() {
	most := s.codec.Window()
	if most == 0 {
		return
	}
	slices.SortFunc(s.blocked, byTurn)
	kept := s.blocked[:0]
	woken := 0
	for _, c := range s.blocked {
		if !c.stream.Over() && (!c.stream.IsOpen() || woken >= most) {
			kept = append(kept, c)
			continue
		}
		c.stream.blocked = false
		c.loop.later(c)
		woken++
	}
	clear(s.blocked[len(kept):])
	s.blocked, s.crowded = kept, woken > 1
}

func byTurn(a, b *clientConn) int { return cmp.Compare(a.stream.turn, b.stream.turn) }

// begin makes the request that has been read a client of the loop.
func (s *session) begin() {
	if s.open >= s.client.limits().Streams { // some are still worked for that the client has reset
		s.codec.Refuse(http2.RefusedStream)
		return
	}
	l := s.client.loop
	c := l.newStream(s)
	s.codec.Accept(&c.stream.Stream, c)
	c.writeHead(&s.codec.Head)
	s.open++
	c.index = len(l.clients)
	l.clients = append(l.clients, c)
	l.later(c)
}

// touch makes sure that what has gathered is written at the end of the round.
func (s *session) touch() {
	if !s.dirty && !s.over && len(s.codec.Out) > 0 {
		s.dirty = true
		s.client.loop.unflushed = append(s.client.loop.unflushed, s)
	}
}

// flushSessions writes what has gathered in this round.
func (l *loop) flushSessions() {
	for i := 0; i < len(l.unflushed); i++ {
		s := l.unflushed[i]
		s.dirty = false
		if !s.over {
			s.flushNow()
		}
	}
	clear(l.unflushed)
	l.unflushed = l.unflushed[:0]
}

func (s *session) flushNow() {
	defer s.client.loop.rescue(s.client)
	s.flush()
	s.arm()
}

// flush writes what waits, as far as the client takes it.
func (s *session) flush() {
	c := s.client
	if len(s.codec.Out) > 0 {
		if c.out == nil {
			c.out, c.sent, s.codec.Out = s.codec.Out, 0, nil
		} else {
			c.room(c.loop, len(s.codec.Out))
			c.out = append(c.out, s.codec.Out...)
			s.codec.Out = s.codec.Out[:0]
		}
	}
	if !c.isFlushed() {
		c.send(c.loop, nil)
	}
	switch {
	case c.failure != 0:
		c.close()
		return
	case c.isFlushed():
		s.stalled = 0
	case s.stalled == 0 || c.progress() != s.taken:
		s.stalled, s.taken = c.loop.now, c.progress()
	}
	if len(s.blocked) > 0 && s.waiting() < mostWaiting/2 {
		s.wake()
	}
	if s.paused && s.waiting() < mostWaiting {
		s.paused = false
		c.loop.later(c)
	}
	if s.leaving == closing && s.open == 0 && c.isFlushed() {
		s.drop()
		c.startLingering()
		c.loop.later(c)
	}
}

// room makes sure that n more bytes can be written without another buffer.
func (s *session) room(n int) {
	out := s.codec.Out
	if cap(out)-len(out) >= n {
		return
	}
	l := s.client.loop
	next := append(l.buffers.get(len(out) + n)[:0], out...)
	if out != nil {
		l.buffers.put(out)
	}
	s.codec.Out = next
}

// arm sets the connection's deadline.
func (s *session) arm() {
	if s.over || s.client.state != clientConversing {
		return
	}
	l, limits := s.client.loop, s.client.limits()
	deadline := s.heard + int64(limits.Ping)
	if !s.codec.Greeted() {
		deadline = s.heard + int64(limits.Head)
	}
	if s.asked != 0 {
		deadline = s.asked + int64(limits.Ping)
	}
	if s.open == 0 {
		deadline = min(deadline, s.idle+int64(limits.KeepAlive))
	}
	if s.stalled != 0 {
		deadline = min(deadline, s.stalled+int64(limits.WriteStall))
	}
	if s.leaving == told {
		deadline = min(deadline, s.left+int64(leaveTime))
	}
	s.client.deadline = l.until(deadline)
}

// expired is called when the deadline has passed.
func (s *session) expired() {
	c, l, limits := s.client, s.client.loop, s.client.limits()
	late := func(since int64, limit time.Duration) bool { return since != 0 && since+int64(limit) <= l.now }
	switch {
	case late(s.stalled, limits.WriteStall), late(s.asked, limits.Ping):
		c.abort()
	case !s.codec.Greeted() && s.heard+int64(limits.Head) <= l.now:
		c.close()
	case s.leaving == told && late(s.left, leaveTime), s.leaving == stays && s.open == 0 && s.idle+int64(limits.KeepAlive) <= l.now:
		s.close()
	case s.asked == 0 && s.heard+int64(limits.Ping) <= l.now:
		s.asked = l.now
		s.codec.Ping()
	}
	s.touch()
	s.arm()
}

// leave tells the client that the connection is to end.
func (s *session) leave() {
	if s.leaving != stays || s.over {
		return
	}
	s.leaving, s.left = told, s.client.loop.now
	s.codec.Leave()
	s.codec.Ping()
	s.touch()
	s.arm()
}

// close ends the connection with the streams that are open.
func (s *session) close() {
	if s.leaving == closing || s.over {
		return
	}
	s.leaving = closing
	s.codec.Close()
	s.touch()
}

// end ends a connection that has failed, and says why.
func (s *session) end() {
	s.flush()
	if s.over {
		return
	}
	s.drop()
	s.client.startLingering()
	s.client.loop.later(s.client)
}

// drop ends what is left of the session: nobody will read what its streams say.
func (s *session) drop() {
	s.over = true
	l := s.client.loop
	for i := 0; i < len(l.clients) && s.open > 0; i++ { // a look at every client only for those that are there
		if c := l.clients[i]; c.stream != nil && c.stream.session == s {
			c.reset = true
			l.later(c)
		}
	}
	s.blocked, s.asking = nil, nil
	if s.codec.Out != nil {
		l.buffers.put(s.codec.Out)
		s.codec.Out = nil
	}
}

// errHeadTooLarge refuses a head of which not everything has been kept.
var errHeadTooLarge = &http1.Error{Status: 431, Reason: "the head is too large"}

// askAdmission looks up who has opened the connection, with its first request.
func (s *session) askAdmission(c *clientConn) {
	c.state, c.deadline = clientAdmitting, forever
	s.asking = append(s.asking, c)
	if len(s.asking) > 1 {
		return
	}
	s.client.lookUp(func(granted gateway.Admission) {
		waiting := s.asking
		s.asking = nil
		s.client.admission = admission{known: true, granted: granted}
		for _, c := range waiting {
			if c.state == clientAdmitting && c.stream.session == s {
				c.admitted(granted)
			}
		}
	})
}

// failStream is what a stream that is over does instead of reading and writing.
const failStream = unix.ECONNRESET

var _ exchange.Fields = (*http2.Conn)(nil)
