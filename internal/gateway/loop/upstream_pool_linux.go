package loop

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"teal/internal/gateway"
)

// poolKey names the instance that connections lead to. The environment is part
// of it, so that nothing of a version that is gone is used again.
type poolKey struct {
	env  *gateway.Environment
	host string
}

// pool holds one loop's connections to one instance.
type pool struct {
	loop    *loop
	key     poolKey
	address netip.AddrPort  // not valid when the host is a name
	open    int             // connections, idle ones too
	idle    []*upstreamConn // the one used last comes last
	waiting []*clientConn   // for a connection to become free
	freed   bool            // in loop.freed
	over    bool            // its environment has drained: nothing is kept
}

// upstreamConn is one connection to an instance.
type upstreamConn struct {
	socket
	pool       *pool
	client     *clientConn // whom it works for; nil when idle
	connecting bool
	requests   int
	heard      bool // anything of the response to the present request has arrived
	idleUntil  int64
}

func (l *loop) poolFor(env *gateway.Environment, host string) *pool {
	key := poolKey{env, host}
	if p := l.pools[key]; p != nil {
		return p
	}
	address, err := netip.ParseAddrPort(host)
	if err != nil {
		address = netip.AddrPort{}
	}
	p := &pool{loop: l, key: key, address: address}
	l.pools[key] = p
	return p
}

// take returns an idle connection, or nil.
func (p *pool) take() *upstreamConn {
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		u := p.idle[last]
		p.idle = p.idle[:last]
		if !u.hungUp {
			return u
		}
		u.close()
	}
	return nil
}

// put keeps a connection for the next request.
func (p *pool) put(u *upstreamConn) {
	if p.over {
		u.close()
		return
	}
	u.client, u.heard = nil, false
	u.forget(p.loop)
	u.idleUntil = p.loop.at(p.loop.policy.Limits.BackendIdle)
	p.idle = append(p.idle, u)
	p.free()
}

// free says that there is one more connection to be had: an idle one, or room
// for a new one. Whoever makes that true calls it, so that nobody waits for what
// is there; who waits is served at the end of the loop's round.
func (p *pool) free() {
	if len(p.waiting) > 0 && !p.freed {
		p.freed = true
		p.loop.freed = append(p.loop.freed, p)
	}
}

// isFull reports whether the instance has all the connections that this loop may
// make to it.
func (p *pool) isFull() bool {
	return p.open >= p.loop.all.perLoop(p.loop.policy.Limits.InstanceRequests)
}

// serveWaiting lets those who wait have what has become free.
func (l *loop) serveWaiting() {
	for len(l.freed) > 0 {
		p := l.freed[0]
		l.freed = slices.Delete(l.freed, 0, 1)
		p.freed = false
		p.serveWaiting()
	}
}

func (p *pool) serveWaiting() {
	for len(p.waiting) > 0 && (len(p.idle) > 0 || !p.isFull()) {
		c := p.waiting[0]
		p.waiting = slices.Delete(p.waiting, 0, 1)
		p.grant(c)
		p.loop.later(c)
	}
}

// grant lets c, which has waited, have a connection.
func (p *pool) grant(c *clientConn) {
	defer p.loop.rescue(c)
	c.state = clientProxying
	c.connect(p)
}

// leave takes c out of the queue.
func (p *pool) leave(c *clientConn) {
	if i := slices.Index(p.waiting, c); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
}

// end closes what is idle, and what becomes so. A call from inside an environment may
// still be on its way when that has drained.
func (p *pool) end() {
	p.over = true
	p.closeIdle()
}

func (p *pool) closeIdle() {
	for _, u := range p.idle {
		u.close()
	}
	p.idle = nil
}

// sweepPools closes connections that have been idle for long and forgets pools
// that are empty. It returns the next time to look.
func (l *loop) sweepPools() int64 {
	next := forever
	for key, p := range l.pools {
		old := 0
		for old < len(p.idle) && p.idle[old].idleUntil <= l.now {
			p.idle[old].close()
			old++
		}
		p.idle = slices.Delete(p.idle, 0, old)
		if len(p.idle) > 0 {
			next = min(next, p.idle[0].idleUntil)
		}
		if p.open == 0 && len(p.waiting) == 0 {
			delete(l.pools, key)
		}
	}
	return next
}

// dial begins a connection for c.
func (p *pool) dial(c *clientConn) error {
	u := &upstreamConn{socket: socket{fd: -1}, pool: p, client: c, connecting: true}
	if !p.address.IsValid() {
		p.open++
		c.exchange.upstream = u
		p.resolve(u)
		return nil
	}
	fd, err := connectTo(p.address)
	if err != nil {
		return err
	}
	if err := u.adopt(fd); err != nil {
		return err
	}
	p.open++
	c.exchange.upstream = u
	return nil
}

// adopt takes a socket over.
func (u *upstreamConn) adopt(fd int) error {
	u.fd = fd
	if err := u.pool.loop.register(fd, owner{upstream: u}); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	return nil
}

func connectTo(address netip.AddrPort) (int, error) {
	family, peer := socketAddress(address)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // without it, only slower
	if err := unix.Connect(fd, peer); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// resolve connects to an instance that has a name. Looking a name up blocks, so
// it is done elsewhere.
func (p *pool) resolve(u *upstreamConn) {
	l := p.loop
	host := p.key.host
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(host, "80")
	}
	dialer := net.Dialer{Timeout: l.policy.Limits.Connect}
	l.spawned = true
	go func() {
		fd := -1
		c, err := dialer.DialContext(context.Background(), "tcp", host)
		if err == nil {
			fd, err = takeSocket(c)
		}
		if !l.post(func() { u.resolved(fd, err) }) && fd >= 0 {
			_ = unix.Close(fd)
		}
	}()
}

// resolved takes the outcome of resolve.
func (u *upstreamConn) resolved(fd int, err error) {
	c := u.client
	if c == nil { // nobody waits for it any more
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		return
	}
	if err == nil {
		err = u.adopt(fd)
	}
	if err != nil {
		u.fd = -1
		c.connectFailed(err)
	}
	u.pool.loop.serve(c)
}

// takeSocket returns a connection's descriptor, without the connection.
func takeSocket(c net.Conn) (int, error) {
	defer func() { _ = c.Close() }()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var failure error
	err = raw.Control(func(own uintptr) { fd, failure = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, failure)
}

// connected reports how the connection's beginning has ended, once it has.
func (u *upstreamConn) connected() (done bool, err error) {
	if !u.connecting {
		return true, nil
	}
	if u.fd < 0 || !u.writable {
		return false, nil
	}
	code, err := unix.GetsockoptInt(u.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	u.connecting = false
	return true, err
}

// discard closes an idle connection.
func (u *upstreamConn) discard() {
	if i := slices.Index(u.pool.idle, u); i >= 0 {
		u.pool.idle = slices.Delete(u.pool.idle, i, i+1)
	}
	u.close()
}

// close ends the connection.
func (u *upstreamConn) close() {
	u.client = nil
	u.forget(u.pool.loop)
	if u.fd >= 0 {
		u.pool.loop.drop(u.fd)
		u.fd = -1
	}
	u.pool.open--
	u.pool.free()
}

func socketAddress(a netip.AddrPort) (family int, address unix.Sockaddr) {
	ip := a.Addr().Unmap()
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: ip.As16()}
}
