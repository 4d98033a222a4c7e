package loop

import (
	"slices"

	"teal/internal/gateway/carried"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
	"teal/internal/http2"
)

// stream makes the socket of a client one request of a connection of HTTP/2. What has
// arrived for it is put into the socket's buffer: its head as HTTP/1.1 would have it, so
// that what is understood of a request, and what an instance gets of it, is one rule;
// then its body, without frames. What it says goes into frames of the connection.
type stream struct {
	http2.Stream
	session  *session
	blocked  bool  // in session.blocked
	turn     int64 // when it could last say something, in turns of the session
	bare     bool  // its head was all: an instance that speaks HTTP/2 may make a difference of that
	last     bool  // no content follows what is to be sent
	refused  error
	added    int             // fields of the head that the client has not sent
	connect  bool            // it is to become a tunnel (RFC 8441)
	protocol string          // …in that protocol
	key      string          // of the WebSocket
	carried  *carried.Stream // for who answers it instead; nil for nobody
	fed      bool            // all of the body has been given to them
	done     bool            // they have said all
	pushed   int64           // bytes of the body that have arrived
	given    int64           // …that have been given back to the windows
	lingers  int64           // when the rest of the body is not waited for any more
	text     []byte          // of the trailer
	trailer  http1.Body
}

// newStream returns a client for the next request of a session.
func (l *loop) newStream(s *session) *clientConn {
	var c *clientConn
	if last := len(l.spareStreams) - 1; last >= 0 {
		c = l.spareStreams[last]
		l.spareStreams = l.spareStreams[:last]
	} else {
		c = &clientConn{loop: l, socket: socket{stream: &stream{}}}
	}
	st := c.stream
	*st = stream{session: s, text: st.text[:0], trailer: st.trailer}
	st.trailer.Reset(0)
	c.socket = socket{fd: -1, stream: st, readable: true, writable: true}
	c.client, c.peer, c.admission = s.client.client, s.client.peer, s.client.admission
	c.state, c.deadline, c.requests = clientOpening, forever, 0
	return c
}

// clientOf returns whose stream it is.
func clientOf(s *http2.Stream) *clientConn { return s.Owner.(*clientConn) }

// isOver reports whether nothing can be read or said on the stream any more.
func (s *stream) isOver() bool { return s.session.over || s.Over() }

// open begins with the request, whose head is whole.
func (c *clientConn) open() {
	st := c.stream
	t := c.loop.newRoundTrip(c)
	c.exchange = t
	t.http2, t.connect = true, st.connect
	head := c.w - int(st.pushed)
	err := st.refused
	if err == nil {
		err = st.parse(&t.request, c.in[:head])
	}
	if err != nil {
		t.Watch()
		c.respond(exchange.Refusal(err))
		return
	}
	t.head, c.base, c.r, c.head = head, head, head, &t.request
	length := t.request.Length()
	if length == http1.Chunked {
		t.up.reset(http1.UntilClose, true)
	} else {
		t.up.reset(length, false)
	}
	t.whole = length >= 0 && length <= int64(c.w-c.r)
	if err := t.CheckFields(t.request.Len() - st.added); err != nil {
		t.Watch()
		c.respond(err)
		return
	}
	c.begin()
}

// receive takes a piece of the body.
func (c *clientConn) receive(piece []byte) {
	st := c.stream
	switch c.state {
	case clientAnswering, clientFetching, clientSendingFile, clientGone:
		st.session.codec.Use(&st.Stream, len(piece)) // nobody wants it
		return
	case clientLingering:
		st.session.codec.Use(&st.Stream, len(piece))
		if !c.loop.stopping {
			c.deadline = min(c.loop.at(exchange.LingerTime), st.lingers)
		}
		c.loop.later(c)
		return
	}
	if st.refused != nil {
		st.session.codec.Use(&st.Stream, len(piece))
		return
	}
	st.pushed += int64(len(piece))
	for len(piece) > 0 {
		if c.w == len(c.in) || c.r == c.w {
			c.makeRoom(c.loop, int64(len(piece)))
		}
		n := copy(c.in[c.w:], piece)
		c.w += n
		piece = piece[n:]
	}
	c.loop.later(c)
}

// receiveTrailer takes the end of the body.
func (c *clientConn) receiveTrailer(h *http2.Head) {
	st := c.stream
	st.text = append(st.text[:0], "0\r\n"...)
	for i := range h.Fields {
		st.text = http1.AppendLine(st.text, h.Fields[i].Name, h.Fields[i].Value)
	}
	st.text = append(st.text, "\r\n"...)
	st.trailer.Reset(http1.Chunked)
	rest := st.text
	for !st.trailer.Done() {
		_, n, err := st.trailer.Next(rest)
		if err != nil || n == 0 || h.TooLarge {
			st.session.codec.Reset(&st.Stream, http2.EnhanceYourCalm)
			c.reset = true
			break
		}
		rest = rest[n:]
	}
	c.loop.later(c)
}

// settle gives back to the windows what has been used of the body.
func (s *session) settle(c *clientConn) {
	st := c.stream
	if used := st.pushed - int64(c.w-max(c.r, c.base)); c.state != clientOpening && used > st.given && !s.over {
		s.codec.Use(&st.Stream, int(used-st.given))
		st.given = used
	}
	s.touch()
}

// fillStream reports whether more has arrived, which is in the buffer already.
func (s *socket) fillStream() bool {
	switch {
	case s.stream.Received():
		s.ended = true
	case s.stream.isOver():
		s.failure, s.ended = failStream, true
	}
	return false
}

// sendStream is send on a stream.
func (s *socket) sendStream(l *loop, piece []byte) (written int) {
	st := s.stream
	if st.isOver() && !(st.Ended() && len(piece) == 0 && s.out == nil) {
		s.failure = failStream
		return 0
	}
	if waiting := s.out[s.sent:]; len(waiting) > 0 {
		s.sent += st.say(waiting, st.last && len(piece) == 0)
		s.release(l)
		if s.out != nil {
			return 0
		}
	}
	if len(piece) > 0 {
		written = st.say(piece, st.last)
	}
	return written
}

// share is what a stream may say while others wait for their turn.
const share = 16 << 10

// say puts content into frames, as much as there is room for.
func (s *stream) say(content []byte, ends bool) int {
	sess := s.session
	size := min(len(content), mostWaiting-sess.waiting(), sess.codec.Room(&s.Stream))
	if sess.crowded || len(sess.blocked) > 0 {
		size = min(size, share)
	}
	n := 0
	if size > 0 {
		const frames = 64 // what frames add
		sess.room(size + frames)
		n = sess.codec.Send(&s.Stream, content[:size], ends && size == len(content))
	}
	if n > 0 {
		sess.turns++
		s.turn = sess.turns
	}
	if n < len(content) && !s.blocked {
		s.blocked = true
		sess.blocked = append(sess.blocked, clientOf(&s.Stream))
	}
	return n
}

// finish ends what is said on the stream, with the trailer fields that pass lets
// through.
func (s *stream) finish(trailer *http1.Fields, pass func(name []byte) bool) {
	if s.Ended() || s.isOver() {
		return
	}
	codec := s.session.codec
	s.session.room(smallBuffer / 4)
	if !hasTrailer(trailer, pass) {
		codec.Send(&s.Stream, nil, true)
		return
	}
	codec.BeginTrailer(&s.Stream)
	for i := range trailer.Len() {
		if name := trailer.Name(i); trailer.Kind(i) == http1.EndToEnd && pass(name) {
			codec.Add(view(name), view(trailer.Value(i)))
		}
	}
	codec.EndHead(&s.Stream, true)
}

// hasTrailer reports whether any field of a trailer is passed on.
func hasTrailer(trailer *http1.Fields, pass func(name []byte) bool) bool {
	for i := range trailer.Len() {
		if trailer.Kind(i) == http1.EndToEnd && pass != nil && pass(trailer.Name(i)) {
			return true
		}
	}
	return false
}

// isComing reports whether the client has the whole answer and has not ended its side.
func (s *stream) isComing() bool { return s.Ended() && !s.isOver() && !s.Received() }

// lingerOnStream throws away what still comes of a body that was refused. A client that
// is sending takes a reset for a failure, and does not look at the answer that it has:
// its stream is only reset when it pauses, or goes on for exchange.StreamLingerTime.
func (c *clientConn) lingerOnStream() {
	st := c.stream
	if left := st.pushed - st.given; left > 0 {
		st.session.codec.Use(&st.Stream, int(left))
		st.given = st.pushed
	}
	c.rest()
	c.state = clientLingering
	st.lingers = c.loop.at(exchange.StreamLingerTime)
	c.deadline = c.loop.at(exchange.LingerTime)
	st.session.touch()
}

// endStream takes a stream out of its session. One that has not ended on both sides is
// reset: without an error when all that there was to say has been said.
func (c *clientConn) endStream() {
	st, s := c.stream, c.stream.session
	if !s.over {
		if !st.Over() {
			code := http2.InternalError
			if st.Ended() {
				code = http2.NoError
			}
			s.codec.Reset(&st.Stream, code)
		}
		if left := st.pushed - st.given; left > 0 {
			s.codec.Use(&st.Stream, int(left))
			st.given = st.pushed
		}
		s.touch()
	}
	if st.blocked {
		st.blocked = false
		s.blocked = slices.DeleteFunc(s.blocked, func(other *clientConn) bool { return other == c })
	}
	if s.open--; s.open == 0 {
		s.idle = c.loop.now
		if s.leaving == closing && !s.over && !s.dirty {
			s.dirty = true
			c.loop.unflushed = append(c.loop.unflushed, s)
		}
		s.arm()
	}
}

// recycle keeps a stream that has gone for another request.
func (l *loop) recycle(c *clientConn) {
	const most = 1024
	if !c.again && !c.stream.blocked && c.stream.carried == nil && len(l.spareStreams) < most {
		l.spareStreams = append(l.spareStreams, c)
	}
}
