package gateway

import (
	"net"
	"sync"
	"sync/atomic"
)

// handed is the listener through which net/http gets from the loops what they
// cannot serve, each connection from its first unanswered byte.
type handed struct {
	addr net.Addr

	mu     sync.Mutex
	more   sync.Cond
	list   []net.Conn
	closed bool
}

func newHanded(addr net.Addr) *handed {
	h := &handed{addr: addr}
	h.more.L = &h.mu
	return h
}

// Accept implements net.Listener.
func (h *handed) Accept() (net.Conn, error) {
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

// give hands c over. It does not block, and closes c when the server has
// stopped.
func (h *handed) give(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		_ = c.Close() // the server is stopping
		return
	}
	h.list = append(h.list, c)
	h.more.Signal()
}

// Close implements net.Listener.
func (h *handed) Close() error {
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
func (h *handed) Addr() net.Addr { return h.addr }

// readAhead is a connection of which some has been read already. If that is a
// request that has been claimed, the claim comes with it: to choose again would
// favour the versions for which nothing is handed over.
type readAhead struct {
	net.Conn
	read  []byte
	claim atomic.Pointer[Claim]
}

// takeClaim implements claimant.
func (c *readAhead) takeClaim() *Claim { return c.claim.Swap(nil) }

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
func (c *readAhead) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
