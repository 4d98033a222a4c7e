package http2

// Stream is one request and its answer on a connection. It belongs to the caller; the
// zero Stream can be accepted, also after it has been another one.
type Stream struct {
	Owner any // the caller's

	id        uint32
	room      int64 // that the peer has made for what is sent to it; may be below 0
	window    int64 // what the peer may still send
	owed      int64 // of what it has sent, used and not yet given back to its window
	left      int64 // of the body, by its length; negative when that is not known
	sent      int64 // of bodies, in all
	received  bool  // everything that the peer has to say
	ended     bool  // everything has been said to it
	forgotten bool
}

// ID returns its number.
func (s *Stream) ID() uint32 { return s.id }

// Received reports whether the client has ended its side.
func (s *Stream) Received() bool { return s.received }

// Ended reports whether this side has been ended, or the stream is over.
func (s *Stream) Ended() bool { return s.ended || s.forgotten }

// Over reports whether the connection has forgotten the stream: it has ended on both
// sides, or has been reset.
func (s *Stream) Over() bool { return s.forgotten }

// IsOpen reports whether the client lets anything be sent on the stream, as far as its
// own window goes.
func (s *Stream) IsOpen() bool { return s.room > 0 }

// Sent returns how many bytes of content have been sent on it.
func (s *Stream) Sent() int64 { return s.sent }

// Accept makes the request that Next has just returned a stream.
func (c *Conn) Accept(s *Stream, owner any) {
	*s = Stream{Owner: owner, id: c.Head.stream, room: c.peerWindow, window: int64(c.limits.StreamWindow), left: c.Head.Length, received: c.Head.Ends}
	c.streams[s.id] = s
}

// Use gives n bytes that have been used of a body back to the windows, so that the peer
// may send more. The stream may be over.
func (c *Conn) Use(s *Stream, n int) {
	c.give(int64(n))
	if s.forgotten || s.received {
		return
	}
	if s.owed += int64(n); s.owed >= int64(c.limits.StreamWindow)/2 {
		c.Out = appendWindow(c.Out, s.id, s.owed)
		s.window, s.owed = s.window+s.owed, 0
	}
}

// give gives bytes back to the connection's window.
func (c *Conn) give(n int64) {
	if c.owed += n; c.owed >= int64(c.limits.ConnectionWindow)/2 {
		c.Out = appendWindow(c.Out, 0, c.owed)
		c.window, c.owed = c.window+c.owed, 0
	}
}

// forget takes a stream out of the connection.
func (c *Conn) forget(s *Stream) {
	if !s.forgotten {
		s.forgotten = true
		delete(c.streams, s.id)
		c.ended.add(s.id)
	}
}

// settle forgets a stream that has ended on both sides.
func (c *Conn) settle(s *Stream) {
	if s.received && s.ended {
		c.forget(s)
	}
}

// Len returns how many streams there are.
func (c *Conn) Len() int { return len(c.streams) }

// recent remembers the last streams of which something is to be known when they are
// over.
type recent struct {
	ids  [64]uint32
	next int
}

func (r *recent) add(id uint32) {
	r.ids[r.next%len(r.ids)] = id
	r.next++
}

func (r *recent) has(id uint32) bool {
	for _, own := range r.ids {
		if own == id {
			return true
		}
	}
	return false
}
