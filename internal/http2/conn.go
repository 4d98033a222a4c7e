package http2

import (
	"encoding/binary"

	"golang.org/x/net/http2/hpack"
)

// Conn is the server's side of one connection. The zero Conn is not one: see New.
type Conn struct {
	// Out is what is to be written. The caller takes it away when it likes; what goes
	// out in between is in order.
	Out []byte
	// Head is the request, or the trailer, that Next has just returned.
	Head Head

	limits  Limits
	streams map[uint32]*Stream
	decoder *hpack.Decoder
	block   block
	state   connState
	last    uint32 // the greatest stream that has been opened
	window  int64  // what the peer may still send
	owed    int64  // used and not yet given back to the window
	room    int64  // that the peer has made

	peerWindow int64 // of a new stream
	peerFrame  int   // the longest payload

	resets  recent // reset by this side: what was under way then comes to nothing
	ended   recent // …or ended otherwise: what comes for them is an error
	broken  budget // streams that were reset
	chatter budget // frames that ask for nothing
	leaving int64  // no stream above it is taken; negative for no bound
	encoder encoder
}

type connState uint8

const (
	awaitsPreface  connState = iota
	awaitsSettings           // of the peer, which come first
	connOpen
	connFailed
)

// Kind is what a frame means to the caller.
type Kind uint8

// The kinds of events.
const (
	None    Kind = iota // nothing
	Request             // Conn.Head; Accept or Refuse it before the next call
	Data                // of a stream; it may be the end
	Trailer             // Conn.Head, and the end of the stream's body
	Reset               // the stream is over, before its end
	Opened              // a window: of the stream, or of all where there is none
	Pong                // the answer to a ping
)

// Event is what a frame means.
type Event struct {
	Kind   Kind
	Stream *Stream
	Data   []byte // in place
	Ends   bool   // the client says no more
	Code   Code   // of Reset
	Ours   bool   // it is this side that has reset it, for what the client did
}

// New returns a connection on which nothing has been read, with what a server says
// first in Out.
func New(limits Limits) *Conn {
	c := &Conn{
		limits: limits, streams: map[uint32]*Stream{}, window: defaultWindow, room: defaultWindow,
		peerWindow: defaultWindow, peerFrame: maxFrame, leaving: -1,
	}
	c.decoder = hpack.NewDecoder(tableBytes, c.takeField)
	c.decoder.SetMaxStringLength(2 * limits.HeaderBytes)
	c.Start()
	return c
}

// Start appends what a server says first.
func (c *Conn) Start() {
	c.Out = c.limits.appendSettings(c.Out)
	if more := int64(c.limits.ConnectionWindow) - c.window; more > 0 {
		c.Out = appendWindow(c.Out, 0, more)
		c.window += more
	}
}

// Next takes the next frame of what has arrived: n bytes, 0 when more must arrive. now
// is the time in nanoseconds since any moment. The error is an *Error: the connection
// has failed, and what is in Out is the last that it says.
func (c *Conn) Next(data []byte, now int64) (e Event, n int, err error) {
	e, n, failure := c.next(data, now)
	if failure != nil {
		c.fail(failure)
		return Event{}, n, failure
	}
	return e, n, nil
}

func (c *Conn) next(data []byte, now int64) (e Event, n int, err *Error) {
	switch c.state {
	case awaitsPreface:
		n := min(len(data), len(Preface))
		if string(data[:n]) != Preface[:n] {
			return Event{}, 0, errPreface
		}
		if n < len(Preface) {
			return Event{}, 0, nil
		}
		c.state = awaitsSettings
		return Event{}, n, nil
	case connFailed:
		return Event{}, len(data), nil // of a connection that has failed nothing is read
	}
	f, n, length := readFrame(data)
	if length > maxFrame {
		return Event{}, n, errFrameLong
	}
	if n == 0 {
		return Event{}, 0, nil
	}
	if c.state == awaitsSettings {
		if f.kind != frameSettings || f.has(flagAck) {
			return Event{}, n, errFirstFrame
		}
		c.state = connOpen
	}
	e, err = c.take(&f, now)
	return e, n, err
}

// take takes a frame.
func (c *Conn) take(f *frame, now int64) (Event, *Error) {
	if c.block.open != (f.kind == frameContinuation) || c.block.open && f.stream != c.block.stream {
		return Event{}, errContinuation
	}
	if c.isChatter(f) && !c.chatter.take(now, chatterAtOnce, chatterAgain) {
		return Event{}, errFlood
	}
	switch f.kind {
	case frameData:
		return c.takeData(f, now)
	case frameHeaders:
		return c.takeHeaders(f, now)
	case frameContinuation:
		return c.takeContinuation(f, now)
	case framePriority:
		return c.takePriority(f, now)
	case frameReset:
		return c.takeReset(f, now)
	case frameSettings:
		return c.takeSettings(f)
	case framePush:
		return Event{}, errPush
	case framePing:
		return c.takePing(f)
	case frameGoAway:
		if f.stream != 0 {
			return Event{}, errOnStream
		}
		if len(f.payload) < 8 {
			return Event{}, errFrameShort
		}
	case frameWindow:
		return c.takeWindow(f, now)
	}
	return Event{}, nil // of a kind that is not known: RFC 9113, 5.5
}

// isChatter reports whether a frame asks for nothing by itself.
func (c *Conn) isChatter(f *frame) bool {
	switch f.kind {
	case frameHeaders, frameContinuation, frameReset:
		return false // they have bounds of their own
	case frameData:
		return len(f.payload) == 0 && !f.has(flagEndStream)
	}
	return true
}

func (c *Conn) takePing(f *frame) (Event, *Error) {
	switch {
	case f.stream != 0:
		return Event{}, errOnStream
	case len(f.payload) != 8:
		return Event{}, errFrameSize
	case f.has(flagAck):
		return Event{Kind: Pong}, nil
	}
	c.Out = appendPing(c.Out, flagAck, [8]byte(f.payload))
	return Event{}, nil
}

func (c *Conn) takePriority(f *frame, now int64) (Event, *Error) {
	switch {
	case f.stream == 0:
		return Event{}, errOnConnection
	case len(f.payload) != 5:
		return c.breakStream(f.stream, FrameSizeError, now)
	case binary.BigEndian.Uint32(f.payload)&maxStream == f.stream:
		return c.breakStream(f.stream, ProtocolError, now)
	}
	return Event{}, nil
}

// takeWindow lets more be sent.
func (c *Conn) takeWindow(f *frame, now int64) (Event, *Error) {
	if len(f.payload) != 4 {
		return Event{}, errFrameSize
	}
	more := int64(binary.BigEndian.Uint32(f.payload) & maxStream)
	if f.stream == 0 {
		switch {
		case more == 0:
			return Event{}, errWindowZero
		case c.room+more > maxStream:
			return Event{}, errWindowOverflow
		}
		c.room += more
		return Event{Kind: Opened}, nil
	}
	s := c.streams[f.stream]
	switch {
	case s == nil && f.stream > c.last:
		return Event{}, errIdle
	case s == nil:
		return Event{}, nil // it may have been under way when the stream ended
	case more == 0:
		return c.breakStream(f.stream, ProtocolError, now)
	case s.room+more > maxStream:
		return c.breakStream(f.stream, FlowControlError, now)
	}
	s.room += more
	return Event{Kind: Opened, Stream: s}, nil
}

func (c *Conn) takeReset(f *frame, now int64) (Event, *Error) {
	switch {
	case f.stream == 0:
		return Event{}, errOnConnection
	case len(f.payload) != 4:
		return Event{}, errFrameSize
	case f.stream > c.last:
		return Event{}, errIdle
	case !c.broken.take(now, resetsAtOnce, resetsPerSecond):
		return Event{}, errResets
	}
	s := c.streams[f.stream]
	if s == nil {
		return Event{}, nil
	}
	c.forget(s)
	return Event{Kind: Reset, Stream: s, Code: Code(binary.BigEndian.Uint32(f.payload))}, nil
}

// breakStream resets a stream for what the peer has done with it. A peer that makes
// this side reset costs as much as one that resets.
func (c *Conn) breakStream(id uint32, code Code, now int64) (Event, *Error) {
	if !c.broken.take(now, resetsAtOnce, resetsPerSecond) {
		return Event{}, errResets
	}
	c.Out = appendReset(c.Out, id, code)
	c.resets.add(id)
	s := c.streams[id]
	if s == nil {
		return Event{}, nil
	}
	c.forget(s)
	return Event{Kind: Reset, Stream: s, Code: code, Ours: true}, nil
}

// fail ends the connection.
func (c *Conn) fail(e *Error) {
	if c.state != connFailed {
		c.state = connFailed
		c.Out = appendGoAway(c.Out, c.last, e.Code, e.Reason)
	}
}

// Failed reports whether the connection has failed.
func (c *Conn) Failed() bool { return c.state == connFailed }

// Greeted reports whether the client has begun as it must: with the preface and its
// settings.
func (c *Conn) Greeted() bool { return c.state != awaitsPreface && c.state != awaitsSettings }
