package nethttp

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// instanceConn is a connection to an instance that speaks HTTP/1.1, on which
// net/http reads what package http1 has read before: what an instance may send,
// what is repaired and what is refused is one rule for both fronts.
type instanceConn struct {
	net.Conn
	limits http1.Limits
	toHead atomic.Bool // the present request is one of method HEAD
	asks   atomic.Bool // it waits to be told to send its body

	in     []byte // has been read and not used
	space  []byte // of in
	out    []byte // [sent:] can be handed over
	sent   int
	head   http1.Response
	body   http1.Body
	state  instanceState
	failed error // what every further read ends with

	interim int // responses to the present request
}

var errInterim = errors.New("there are interim answers without end")

type instanceState uint8

const (
	instanceHead    instanceState = iota // a head is being read, or nothing
	instanceBody                         //
	instanceThrough                      // what comes is not HTTP any more, or nothing that can be understood
)

func newInstanceConn(c net.Conn, limits http1.Limits) *instanceConn {
	return &instanceConn{Conn: c, limits: limits, body: http1.Body{Repairs: true}}
}

// expecting returns r, whose connection will know what kind of an answer comes.
func expecting(r *http.Request) *http.Request {
	toHead, asks := r.Method == http.MethodHead, r.Header.Get("Expect") != ""
	trace := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		if c, ok := got.Conn.(*instanceConn); ok {
			c.toHead.Store(toHead)
			c.asks.Store(asks)
		}
	}}
	return r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
}

// Read implements net.Conn.
func (c *instanceConn) Read(p []byte) (int, error) {
	for c.sent == len(c.out) {
		c.rest()
		if len(c.in) == 0 {
			if n, direct, err := c.readDirectly(p); direct {
				return n, err
			}
		}
		before := len(c.in)
		if c.take(); len(c.out) > c.sent || len(c.in) < before {
			continue
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.out[c.sent:])
	c.sent += n
	return n, nil
}

// The sizes of what has been read: heads are small, bodies are not.
const (
	headSpace = 4 << 10
	bodySpace = 32 << 10
)

// rest gives back what only bodies need.
func (c *instanceConn) rest() {
	c.out, c.sent = c.out[:0], 0
	if c.state == instanceHead && len(c.in) == 0 && len(c.space) > headSpace {
		c.space, c.out = nil, nil
	}
}

// readDirectly reads what needs no reading by anybody else.
func (c *instanceConn) readDirectly(p []byte) (n int, direct bool, err error) {
	switch {
	case c.state == instanceThrough:
	case c.state == instanceBody && c.head.Length(c.toHead.Load()) != http1.Chunked:
		if left := c.body.Left(); left > 0 && int64(len(p)) > left {
			p = p[:left]
		}
	default:
		return 0, false, nil
	}
	n, err = c.Conn.Read(p)
	if n > 0 && c.state == instanceBody {
		_, _, _ = c.body.Next(p[:n]) // content alone is never malformed
		c.next()
	}
	return n, true, err
}

// take uses what has been read, as far as it is whole.
func (c *instanceConn) take() {
	if len(c.in) == 0 {
		return
	}
	switch c.state {
	case instanceHead:
		c.takeHead()
	case instanceBody:
		c.takeBody()
	case instanceThrough:
		c.hand(c.in)
		c.in = nil
	}
}

func (c *instanceConn) takeHead() {
	n, err := c.head.Parse(c.in, c.limits)
	if err != nil {
		c.refuse(err)
		return
	}
	if n == 0 {
		return
	}
	c.in = c.in[n:]
	toHead := c.toHead.Load()
	switch {
	case c.head.Status == http.StatusContinue:
		c.asks.Store(false)
	case !c.head.Interim() && c.asks.Load():
		// To use the connection again, net/http would send the body, and to
		// have it would tell the client to go on.
		c.head.SetClose()
	}
	c.out = c.head.AppendHead(c.out, toHead)
	switch {
	case c.head.Status == http.StatusSwitchingProtocols:
		c.state = instanceThrough
	case c.head.Interim():
		c.head.Reset()
		if c.interim++; c.interim > exchange.MostInterim {
			c.refuse(errInterim)
		}
	default:
		c.interim = 0
		c.state = instanceBody
		c.body.Reset(c.head.Length(toHead))
		c.next()
	}
}

func (c *instanceConn) takeBody() {
	piece, n, err := c.body.Next(c.in)
	if err != nil {
		c.refuse(err)
		return
	}
	chunked := c.head.Length(false) == http1.Chunked
	if chunked {
		c.out = http1.AppendChunk(c.out, piece)
	} else {
		c.hand(piece)
	}
	c.in = c.in[n:]
	if chunked && c.body.Done() {
		c.out = http1.AppendTrailer(c.out, c.body.Trailer(), func([]byte) bool { return true })
	}
	c.next()
}

// next goes on to the next head when the body has ended.
func (c *instanceConn) next() {
	if c.body.Done() {
		c.state = instanceHead
		c.head.Reset()
	}
}

func (c *instanceConn) hand(piece []byte) { c.out = append(c.out, piece...) }

// refuse makes net/http find something that is not HTTP, in which it reads why.
// An error would look like a connection that had been closed while it was idle,
// and the request would be sent again.
func (c *instanceConn) refuse(err error) {
	c.out = append(append(c.out, "refused: "...), err.Error()+"\r\n\r\n"...)
	c.in, c.state = nil, instanceThrough
	c.failed = io.ErrUnexpectedEOF
}

// fill reads more into in.
func (c *instanceConn) fill() error {
	if c.failed != nil {
		return c.failed
	}
	size := headSpace
	if c.state == instanceBody {
		size = bodySpace
	}
	if len(c.in) == len(c.space) && len(c.in) > 0 {
		size = 2 * len(c.in)
	}
	if size > len(c.space) {
		c.space = make([]byte, size)
	}
	kept := copy(c.space, c.in)
	n, err := c.Conn.Read(c.space[kept:])
	c.in = c.space[:kept+n]
	switch {
	case n > 0:
		return nil
	case err != nil && kept > 0 && c.state == instanceHead: // for the reason that refuse has
		c.hand(c.in)
		c.in, c.failed = nil, err
		return nil
	}
	return err
}

// CloseWrite lets an upgraded connection be half closed.
func (c *instanceConn) CloseWrite() error { return closeWrite(c.Conn, c.Close) }
