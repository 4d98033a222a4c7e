package loop

import (
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"teal"
	"teal/internal/gateway"
)

// The accepting side. All loops watch the one listener; the kernel wakes one of
// them for each connection, and that one gives it to the loop that has the
// fewest.

func (l *loop) startAccepting() {
	if l.accepting || l.stopping {
		return
	}
	l.paused = 0
	if err := l.poll.add(l.all.listener, unix.EPOLLIN|unix.EPOLLEXCLUSIVE); err != nil {
		l.pauseAccepting(err)
		return
	}
	l.accepting = true
}

func (l *loop) stopAccepting() {
	if l.accepting {
		l.poll.remove(l.all.listener)
		l.accepting = false
	}
	l.paused = 0
}

// acceptPause is how long nothing is accepted when there are no descriptors, or
// no memory, for another connection.
const acceptPause = 50 * time.Millisecond

func (l *loop) pauseAccepting(err error) {
	l.stopAccepting()
	l.paused = l.at(acceptPause)
	l.all.reportPause(err)
}

func (l *loop) accept() {
	const atOnce = 16
	for range atOnce {
		fd, peer, err := unix.Accept4(l.all.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == nil:
			l.all.adopt(l, fd, addressOf(peer))
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
			l.pauseAccepting(err)
			return
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EBADF):
			l.stopAccepting() // it does not listen any more
			return
		}
		// Any other error is that of a connection which is gone already.
	}
}

func addressOf(peer unix.Sockaddr) netip.AddrPort {
	switch p := peer.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(p.Addr), uint16(p.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(p.Addr).Unmap(), uint16(p.Port))
	}
	return netip.AddrPort{}
}

// admit takes a connection in.
func (l *loop) admit(fd int, peer netip.AddrPort, s *tlsState) {
	c := &clientConn{
		socket: socket{fd: fd, tls: s}, loop: l, client: peer, peer: l.policy.Peer(&l.all.at.Entrypoint, peer.Addr()), index: len(l.clients),
		admission: admission{known: l.all.at.IsPublic(), granted: gateway.AdmitAll},
	}
	if l.stopping || l.register(fd, owner{client: c}) != nil {
		_ = unix.Close(fd)
		l.gone()
		return
	}
	if s != nil {
		s.raw.socket, s.raw.loop = &c.socket, l
		c.readable, c.writable = true, true // what came behind the handshake may have been read with it
	}
	l.clients = append(l.clients, c)
	c.deadline = l.at(l.policy.Limits.Head)
	if s != nil && s.http2 {
		c.startSession()
	}
	if int(l.all.open.Load()) > l.policy.Limits.Connections {
		if c.session != nil {
			c.close() // one too many
			return
		}
		c.refuseConnection(gateway.PublicErrorf(teal.CodeUnavailable, "the server has all the connections that it takes; try again"))
	}
	l.serve(c)
}

// gone counts a connection out.
func (l *loop) gone() {
	l.count.Add(-1)
	l.all.open.Add(-1)
}
