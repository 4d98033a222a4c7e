package http2

import "encoding/binary"

// block is a header block on its way, which nothing may interrupt.
type block struct {
	open    bool
	stream  uint32
	ends    bool // it ends the stream
	trailer bool
	unread  bool // it is decoded for what follows, and means nothing
	refused Code // the stream is reset with it when the block is whole; NoError for not
	frames  int
	bytes   int
}

// Bounds of a block: so many times what a head may be, in so many frames. A head that
// is only too long is decoded to its end, and answered.
const (
	blockFactor = 4
	blockFrames = 64
)

// takeHeaders begins a header block.
func (c *Conn) takeHeaders(f *frame, now int64) (Event, *Error) {
	fragment, err := f.unpadded()
	if err != nil {
		return Event{}, err
	}
	c.block = block{stream: f.stream, ends: f.has(flagEndStream)}
	if f.has(flagPriority) {
		if len(fragment) < 5 {
			return Event{}, errFrameShort
		}
		if binary.BigEndian.Uint32(fragment)&maxStream == f.stream {
			c.block.refused = ProtocolError
		}
		fragment = fragment[5:]
	}
	if err := c.beginBlock(f.stream); err != nil {
		return Event{}, err
	}
	c.Head.reset(f.stream, c.block.trailer, c.limits.HeaderBytes)
	c.decoder.SetEmitEnabled(!c.block.unread && c.block.refused == NoError)
	return c.takeFragment(fragment, f.has(flagEndHeaders), now)
}

// beginBlock says what a header block of a stream is.
func (c *Conn) beginBlock(id uint32) *Error {
	s := c.streams[id]
	b := &c.block
	switch {
	case id == 0:
		return errOnConnection
	case s != nil && s.received:
		b.refused = StreamClosed
	case s != nil:
		b.trailer = true
		if !b.ends {
			b.refused = ProtocolError
		}
	case id <= c.last && c.resets.has(id):
		b.unread = true
	case id <= c.last && c.ended.has(id):
		return errStreamClosed
	case id <= c.last || id&1 == 0:
		return errStreamNumber
	case c.isTooLate(id):
		b.unread = true // it has been told
		c.last = id
	case len(c.streams) >= c.limits.Streams:
		b.refused = RefusedStream
		c.last = id
	default:
		c.last = id
	}
	return nil
}

// isTooLate reports whether the client has opened a stream behind the last that is taken.
func (c *Conn) isTooLate(id uint32) bool { return c.leaving >= 0 && int64(id) > c.leaving }

func (c *Conn) takeContinuation(f *frame, now int64) (Event, *Error) {
	return c.takeFragment(f.payload, f.has(flagEndHeaders), now)
}

func (c *Conn) takeFragment(fragment []byte, whole bool, now int64) (Event, *Error) {
	b := &c.block
	b.open = !whole
	b.frames++
	b.bytes += len(fragment)
	if b.frames > blockFrames || b.bytes > blockFactor*c.limits.HeaderBytes {
		return Event{}, errBlockLong
	}
	if _, err := c.decoder.Write(fragment); err != nil {
		return Event{}, errCompression
	}
	if !whole {
		return Event{}, nil
	}
	if err := c.decoder.Close(); err != nil {
		return Event{}, errCompression
	}
	return c.endBlock(now)
}

// endBlock says what a header block has meant.
func (c *Conn) endBlock(now int64) (Event, *Error) {
	b := &c.block
	switch {
	case b.unread:
		return Event{}, nil
	case b.refused != NoError:
		return c.breakStream(b.stream, b.refused, now)
	}
	c.Head.Ends = b.ends
	if !c.Head.finish() {
		return c.breakStream(b.stream, ProtocolError, now)
	}
	c.chatter.earn(8)
	if !b.trailer {
		return Event{Kind: Request, Ends: b.ends}, nil
	}
	s := c.streams[b.stream]
	if s.left > 0 {
		return c.breakStream(b.stream, ProtocolError, now) // shorter than its length
	}
	s.received = true
	c.settle(s)
	return Event{Kind: Trailer, Stream: s, Ends: true}, nil
}

// takeData takes a piece of a body.
func (c *Conn) takeData(f *frame, now int64) (Event, *Error) {
	if f.stream == 0 {
		return Event{}, errOnConnection
	}
	content, err := f.unpadded()
	if err != nil {
		return Event{}, err
	}
	size := int64(len(f.payload))
	if c.window -= size; c.window < 0 {
		return Event{}, errWindowExceeded
	}
	s := c.streams[f.stream]
	switch {
	case s == nil && f.stream > c.last:
		return Event{}, errIdle
	case s == nil && (c.resets.has(f.stream) || c.isTooLate(f.stream)):
		c.give(size)
		return Event{}, nil
	case s == nil || s.received:
		c.give(size)
		return c.breakStream(f.stream, StreamClosed, now)
	}
	if s.window -= size; s.window < 0 {
		c.give(size)
		return c.breakStream(f.stream, FlowControlError, now)
	}
	if s.left >= 0 {
		s.left -= int64(len(content))
	}
	ends := f.has(flagEndStream)
	if s.left < 0 && s.left != unknownLength || ends && s.left > 0 {
		c.give(size)
		return c.breakStream(f.stream, ProtocolError, now)
	}
	if padding := len(f.payload) - len(content); padding > 0 {
		c.Use(s, padding)
	}
	if ends {
		s.received = true
		c.settle(s)
	}
	return Event{Kind: Data, Stream: s, Data: content, Ends: ends}, nil
}
