package loop

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"teal/internal/gateway"
)

// admission is what whoever has opened a connection may do at an entrypoint that is not
// for everybody.
type admission struct {
	known   bool
	granted gateway.Admission
}

// askAdmission looks up who has opened the connection, with its first request. That may
// block, so it is done elsewhere: the loop goes on meanwhile, and with the request when
// it hears of the answer.
func (c *clientConn) askAdmission() {
	c.state, c.deadline = clientAdmitting, forever
	c.lookUp(c.admitted)
}

// lookUp looks up who has opened the connection and calls then, on the loop.
func (c *clientConn) lookUp(then func(gateway.Admission)) {
	l, client, server := c.loop, c.client, localAddress(c.fd)
	l.spawned = true
	l.all.beside.Go(func() {
		granted := gateway.AdmitNone
		defer func() {
			if v := recover(); v != nil { // costs this client its answer and nobody else theirs
				l.all.policy.LogPanic(v)
			}
			l.post(func() { then(granted) })
		}()
		granted = l.all.at.Admission(client, server)
	})
}

// admitted goes on with the request that has waited for it.
func (c *clientConn) admitted(granted gateway.Admission) {
	if c.state != clientAdmitting {
		return // it has gone
	}
	defer c.loop.rescue(c)
	c.admission = admission{known: true, granted: granted}
	c.state = clientReading
	c.begin()
	c.loop.serve(c)
}

// localAddress returns this end of a connection; not valid when it has no address.
func localAddress(fd int) netip.AddrPort {
	address, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addressOf(address)
}
