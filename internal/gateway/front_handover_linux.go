package gateway

import (
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
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
func (c *readAhead) CloseWrite() error { return closeWrite(c.Conn, c.Close) }

// handOver gives the connection, with what has been read of it and what has been
// claimed, to the front on net/http.
func (c *caller) handOver() {
	c.leaveInstance(true)
	claim := c.takeClaim()
	c.trip.sight = sight{} // net/http keeps the record
	l := c.loop
	l.poll.remove(c.fd) // closing it is not enough while there is another descriptor of it
	read := append([]byte(nil), c.in[:c.w]...)
	own, err := unix.FcntlInt(uintptr(c.fd), unix.F_DUPFD_CLOEXEC, 0)
	var conn net.Conn
	if err == nil {
		conn, err = c.blocking(own)
	}
	l.drop(c.fd)
	c.detach()
	if err == nil {
		l.all.handOver(conn, read, claim)
	}
	if err != nil {
		if claim != nil {
			claim.Release()
		}
		l.server.logger.Warn("a connection could not be handed over", "error", err)
	}
}

// blocking returns the connection as net/http takes it, on another descriptor of
// the socket.
func (c *caller) blocking(fd int) (net.Conn, error) {
	plain, err := connectionOf(fd)
	if err != nil || c.secret == nil {
		return plain, err
	}
	secure := c.secret.blocking(plain, c.limits())
	c.secret = nil
	return secure, nil
}

// takeClaim returns the request's claim, nil for none, for somebody else to
// report and release.
func (c *caller) takeClaim() *Claim {
	t := c.trip
	if t.claim.Env == nil {
		return nil
	}
	claim := t.claim
	claim.Route = string(c.decodedPath()[:t.route])
	t.claim = Claim{}
	return &claim
}
