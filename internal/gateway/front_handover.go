package gateway

import (
	"net"
	"sync"
)

// handover is a listener of connections that another front end has accepted and
// read from, and that need what net/http has: HTTP/2, TLS, upgrades. A front end
// of its own gives them away with adopt and has nothing to do with them any
// more.
type handover struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// newHandover returns a listener for a server that is reached at addr.
func newHandover(addr net.Addr) *handover {
	return &handover{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// adopt hands c over to whoever serves the listener, from its first byte: read
// is what has been read from it already, and is not to be changed afterwards. c
// must block, as net.Conn says, and have no deadline set. adopt waits for the
// server to take it, which it does at once; it reports false, and has closed c,
// when the server has stopped.
func (h *handover) adopt(c net.Conn, read []byte) bool {
	if len(read) > 0 {
		c = &begunConn{Conn: c, read: read}
	}
	select {
	case <-h.closed: // before all: a stopped server may still look at conns
	default:
		select {
		case h.conns <- c:
			return true
		case <-h.closed:
		}
	}
	_ = c.Close()
	return false
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return h.addr }

// begunConn is a connection of which the beginning has been read already.
type begunConn struct {
	net.Conn
	read []byte // what is left of it
}

// Read implements net.Conn.
func (c *begunConn) Read(p []byte) (int, error) {
	if len(c.read) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.read)
	if c.read = c.read[n:]; len(c.read) == 0 {
		c.read = nil
	}
	return n, nil
}

// CloseWrite lets the connection be half closed.
func (c *begunConn) CloseWrite() error { return closeWrite(c.Conn) }

// closeWrite half closes c if it can be, else wholly.
func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// http2Preface is how a client begins that speaks HTTP/2 without having asked
// (RFC 9113, section 3.3): no HTTP/1.1 request begins so. A front end that reads
// it hands the connection over with all that it has read.
const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// beginsHTTP2 reports whether read is the preface of HTTP/2, and, when it is too
// short to tell, that more is needed.
func beginsHTTP2(read []byte) (yes, more bool) {
	n := min(len(read), len(http2Preface))
	if string(read[:n]) != http2Preface[:n] {
		return false, false
	}
	return n == len(http2Preface), n < len(http2Preface)
}
