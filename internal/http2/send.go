package http2

import "strings"

// BeginHead begins the head of an answer, also an interim one, on a stream that has not
// ended. Add and its like follow, then EndHead, without anything of another stream in
// between.
func (c *Conn) BeginHead(s *Stream, status int) {
	c.beginBlockOut(s)
	c.Out = appendStatus(c.Out, status)
}

// BeginTrailer begins the trailer of an answer.
func (c *Conn) BeginTrailer(s *Stream) { c.beginBlockOut(s) }

func (c *Conn) beginBlockOut(s *Stream) {
	c.encoder.start = len(c.Out)
	c.Out = c.encoder.appendUpdate(appendFrameHead(c.Out, frameHeaders, 0, s.id, 0))
}

// Add adds a field. Its name is written in lower case; both must have been checked.
func (c *Conn) Add(name, value string) { c.Out = appendField(c.Out, name, value) }

// AddList adds one field whose value is a list.
func (c *Conn) AddList(name string, values []string) { c.Add(name, strings.Join(values, ", ")) }

// AddLength adds the length of the content.
func (c *Conn) AddLength(length int64) { c.Out = appendLength(c.Out, length) }

// EndHead ends what BeginHead or BeginTrailer has begun. ends says that nothing follows
// on the stream.
func (c *Conn) EndHead(s *Stream, ends bool) {
	length := len(c.Out) - c.encoder.start - frameHead
	flags := uint8(flagEndHeaders)
	if ends {
		flags |= flagEndStream
	}
	if length > maxFrame {
		c.split(s, flags)
	} else {
		head := c.Out[c.encoder.start:]
		head[0], head[1], head[2], head[4] = byte(length>>16), byte(length>>8), byte(length), flags
	}
	if ends {
		c.endSide(s)
	}
}

// split makes several frames of a block that is too long for one.
func (c *Conn) split(s *Stream, flags uint8) {
	start := c.encoder.start
	block := append([]byte(nil), c.Out[start+frameHead:]...)
	c.Out = c.Out[:start]
	kind, first := frameHeaders, flags&^flagEndHeaders
	for len(block) > maxFrame {
		c.Out = append(appendFrameHead(c.Out, kind, first, s.id, maxFrame), block[:maxFrame]...)
		block, kind, first = block[maxFrame:], frameContinuation, 0
	}
	c.Out = append(appendFrameHead(c.Out, kind, flagEndHeaders, s.id, len(block)), block...)
}

// Room returns how many bytes of content the windows let go out on a stream now.
func (c *Conn) Room(s *Stream) int { return int(max(min(s.room, c.room), 0)) }

// Send puts as much of a piece of content into frames as the windows allow, and returns
// how much that is. ends says that the piece is the last: the stream is ended when all
// of it has been sent.
func (c *Conn) Send(s *Stream, piece []byte, ends bool) (n int) {
	if s.Ended() {
		return 0
	}
	for n < len(piece) {
		size := min(len(piece)-n, c.Room(s), c.peerFrame)
		if size == 0 {
			break
		}
		last := ends && n+size == len(piece)
		c.Out = append(appendFrameHead(c.Out, frameData, endFlag(last), s.id, size), piece[n:n+size]...)
		n += size
		s.room, c.room, s.sent = s.room-int64(size), c.room-int64(size), s.sent+int64(size)
		c.chatter.earn(3)
		if last {
			c.endSide(s)
			return n
		}
	}
	if ends && n == len(piece) {
		c.Out = appendFrameHead(c.Out, frameData, flagEndStream, s.id, 0)
		c.endSide(s)
	}
	return n
}

func endFlag(ends bool) uint8 {
	if ends {
		return flagEndStream
	}
	return 0
}

func (c *Conn) endSide(s *Stream) {
	s.ended = true
	c.settle(s)
}

// Reset ends a stream at once. It does nothing when that is over.
func (c *Conn) Reset(s *Stream, code Code) {
	if s.forgotten {
		return
	}
	c.Out = appendReset(c.Out, s.id, code)
	c.resets.add(s.id)
	c.forget(s)
}

// Refuse resets the stream of the request that Next has just returned.
func (c *Conn) Refuse(code Code) {
	c.Out = appendReset(c.Out, c.Head.stream, code)
	c.resets.add(c.Head.stream)
}

// Leave says that the connection is to end. Streams that the client has opened, or
// opens before it has heard of that, are still taken.
func (c *Conn) Leave() { c.Out = appendGoAway(c.Out, maxStream, NoError, "") }

// Close says that no stream is taken any more beyond those that have been opened. Call
// it when the client must have heard of Leave: when it has answered a ping.
func (c *Conn) Close() {
	c.leaving = int64(c.last)
	c.Out = appendGoAway(c.Out, c.last, NoError, "")
}

// Fail ends the connection for a reason of the caller's.
func (c *Conn) Fail(code Code, reason string) { c.fail(&Error{code, reason}) }

// Ping asks whether the peer is there; the answer is a Pong.
func (c *Conn) Ping() { c.Out = appendPing(c.Out, 0, [8]byte{'t', 'e', 'a', 'l'}) }
