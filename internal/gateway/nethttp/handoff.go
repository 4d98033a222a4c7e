package nethttp

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"teal/internal/gateway"
)

// Handoff is the listener through which net/http gets from another carrier what that
// cannot serve, each connection from its first unanswered byte.
type Handoff struct {
	server   *Server
	at       Listener
	addr     net.Addr
	carrying carrying

	mu     sync.Mutex
	more   sync.Cond
	list   []net.Conn
	closed bool
}

// NewHandoff returns a handoff of what another carrier has accepted at an address.
// That has made the handshakes: at.TLS is not used.
func (s *Server) NewHandoff(addr net.Addr, at Listener) *Handoff {
	at.TLS = nil
	h := &Handoff{server: s, at: at, addr: addr}
	h.more.L = &h.mu
	return h
}

// Run serves what is given until ctx ends, as Server.Serve does.
func (h *Handoff) Run(ctx context.Context) error { return h.server.Serve(ctx, h, h.at) }

// Blocking returns a client's connection as net/http wants it below TLS: every write
// has its own deadline.
func (h *Handoff) Blocking(c net.Conn) BlockingConn {
	return &conn{Conn: c, writeStall: h.server.policy.Limits.WriteStall}
}

// BlockingConn is a connection of which whoever closes it says whether something of it
// is left unread.
type BlockingConn = interface {
	net.Conn
	// Spend ends the reading side. Close then lets the peer read what was sent to it.
	Spend()
}

// Give hands a connection over, with what has been read of it and the claim of the
// request in that; nil for neither. It does not block, and closes the connection when
// the server has stopped.
func (h *Handoff) Give(c net.Conn, read []byte, claim *gateway.Claim) {
	if read != nil || claim != nil {
		ahead := &readAhead{Conn: c, read: read}
		ahead.claim.Store(claim)
		c = ahead
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		_ = c.Close() // the server is stopping
		return
	}
	h.list = append(h.list, c)
	h.more.Signal()
}

// Accept implements net.Listener.
func (h *Handoff) Accept() (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.list) == 0 {
		if h.closed {
			return nil, net.ErrClosed
		}
		h.more.Wait()
	}
	c := h.list[0]
	h.list = h.list[1:]
	return c, nil
}

// Close implements net.Listener.
func (h *Handoff) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, c := range h.list {
		_ = c.Close() // nothing has been answered on it
	}
	h.list = nil
	h.more.Broadcast()
	return nil
}

// Addr implements net.Listener.
func (h *Handoff) Addr() net.Addr { return h.addr }

// readAhead is a connection of which some has been read already. If that is a
// request that has been claimed, the claim comes with it: to choose again would
// favour the versions for which nothing is handed over.
type readAhead struct {
	net.Conn
	read  []byte
	claim atomic.Pointer[gateway.Claim]
}

// takeClaim implements claimant.
func (c *readAhead) takeClaim() *gateway.Claim { return c.claim.Swap(nil) }

// Close implements net.Conn.
func (c *readAhead) Close() error {
	if claim := c.takeClaim(); claim != nil {
		claim.Release() // no request came of it
	}
	return c.Conn.Close()
}

// Read implements net.Conn.
func (c *readAhead) Read(p []byte) (int, error) {
	if len(c.read) > 0 {
		n := copy(p, c.read)
		c.read = c.read[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// CloseWrite lets an upgraded connection be half closed.
func (c *readAhead) CloseWrite() error { return closeWrite(c.Conn, c.Close) }
