package loop

import (
	"context"
	"net/netip"
	"strings"

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
	l, client, server := c.loop, c.client, localAddress(c.fd)
	l.spawned = true
	go func() {
		granted := l.all.at.Admission(client, server)
		l.post(func() { c.admitted(granted) })
	}()
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

// askClaim lets whoever knows the host say what answers the request, and waits.
func (c *clientConn) askClaim(host string) {
	c.state, c.deadline = clientAdmitting, forever
	l := c.loop
	ctx, giveUp := context.WithCancel(l.all.life)
	c.giveUp, l.spawned = giveUp, true
	host = strings.Clone(host) // of a buffer
	go func() {
		claim, ok := l.all.at.Claim(ctx, host)
		if !l.post(func() { c.claimed(claim, ok) }) && ok {
			claim.End(gateway.Result{})
		}
	}()
}

// claimed goes on with the request that has waited for its claim, here or elsewhere.
func (c *clientConn) claimed(claim gateway.Claim, ok bool) {
	if c.state != clientAdmitting { // it has gone
		if ok {
			claim.End(gateway.Result{})
		}
		return
	}
	defer c.loop.rescue(c)
	c.endAsking()
	c.state = clientReading
	if !ok {
		c.handOver()
		return
	}
	c.exchange.Watch()
	c.exchange.Claim = claim
	c.start()
	c.loop.serve(c)
}

// endAsking ends what is being asked for a client.
func (c *clientConn) endAsking() {
	if c.giveUp != nil {
		c.giveUp()
		c.giveUp = nil
	}
}

// localAddress returns this end of a connection; not valid when it has no address.
func localAddress(fd int) netip.AddrPort {
	address, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addressOf(address)
}
