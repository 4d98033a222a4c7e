package nethttp

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"time"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// listener wraps what it accepts in conn.
type listener struct {
	net.Listener
	writeStall time.Duration
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if _, wrapped := c.(*tls.Conn); wrapped {
		return c, nil // over a conn, after its handshake
	}
	return &conn{Conn: c, writeStall: l.writeStall}, nil
}

// conn is a client's connection. Every write has its own deadline, so that a
// response may last as long as its client keeps taking it; net/http only knows a
// deadline for the whole.
type conn struct {
	net.Conn
	writeStall time.Duration
	spent      atomic.Bool
	closed     atomic.Bool
	visit      visit
}

// claimant is a connection whose first request may have been claimed before the
// connection came here. takeClaim returns that claim, once, for its caller to
// release, or nil.
type claimant interface{ takeClaim() *gateway.Claim }

type connKey struct{}

// connOf returns the connection that a request came on. Every request of a
// Server has one.
func connOf(ctx context.Context) *conn { return ctx.Value(connKey{}).(*conn) }

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.writeStall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Read implements net.Conn. A spent connection has nothing more to say.
func (c *conn) Read(p []byte) (int, error) {
	if c.spent.Load() {
		return 0, io.EOF
	}
	return c.Conn.Read(p)
}

// CloseWrite lets an upgraded connection be half closed.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn, c.Close) }

// closeWrite ends one direction of a connection, or, where it knows no directions,
// all of it.
func closeWrite(c net.Conn, whole func() error) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return whole()
}

// shared says that one request at a time is on the connection.
func (c *conn) shared() bool { return false }

// Spend ends the reading side for good, because a body was left unread: what
// follows on the connection is the rest of that body and must never be taken for
// a request. A read in progress returns.
func (c *conn) Spend() {
	c.spent.Store(true)
	_ = c.SetReadDeadline(time.Unix(1, 0)) // fails only when the connection is closed, which is as good
}

// Close implements net.Conn.
func (c *conn) Close() error {
	if c.spent.Load() && !c.closed.Swap(true) && c.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(exchange.LingerTime))
		_, _ = io.Copy(io.Discard, c.Conn)
	}
	return c.Conn.Close()
}
