package loop

import (
	"context"
	"net"

	"golang.org/x/sys/unix"

	"teal/internal/gateway"
	"teal/internal/gateway/carried"
	"teal/internal/gateway/exchange"
)

// Handoff takes over the connections that the loops do not serve.
type Handoff interface {
	// Run serves what is given until ctx ends and what was in flight then is over, or
	// its grace. It blocks.
	Run(ctx context.Context) error
	// Blocking returns a client's connection as Give wants it below TLS.
	Blocking(c net.Conn) BlockingConn
	// Give hands a connection over, with what has been read of it and the claim of the
	// request in that; nil for neither. A connection over TLS whose handshake has been
	// made is a *tls.Conn. Give does not block.
	Give(c net.Conn, read []byte, claim *gateway.Claim)
	// Carry answers one request of HTTP/2, with its claim, nil for none, on a goroutine
	// of its own, and calls done when it has. What the request's texts lie in is the
	// caller's again when Carry has returned. life ends what is in flight.
	Carry(life context.Context, in exchange.Request, from carried.From, claim *gateway.Claim, on *carried.Stream, done func())
}

// BlockingConn is a connection that is read and written on a goroutine of its own.
type BlockingConn = interface {
	net.Conn
	// Spend ends the reading side. Close then lets the peer read what was sent to it.
	Spend()
}

// handOver gives the connection, with what has been read of it and what has been
// claimed, to who serves what the loops do not.
func (c *clientConn) handOver() {
	if c.stream != nil {
		c.carry()
		return
	}
	c.leaveInstance(true)
	claim := c.exchange.Leave() // net/http keeps the record
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
		return
	}
	if claim != nil {
		claim.Release()
	}
	l.policy.Logger.Warn("a connection could not be handed over", "error", err)
}

// blocking returns the connection as net/http takes it, on another descriptor of
// the socket.
func (c *clientConn) blocking(fd int) (net.Conn, error) {
	plain, err := connectionOf(fd)
	if err != nil || c.tls == nil {
		return plain, err
	}
	secure := c.tls.blocking(plain, c.loop.all.handoff)
	c.tls = nil
	return secure, nil
}
