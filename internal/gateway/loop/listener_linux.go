package loop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// Server serves listeners on event loops, by one policy.
type Server struct{ policy *exchange.Policy }

// New returns a server that serves nothing yet.
func New(policy *exchange.Policy) *Server { return &Server{policy: policy} }

// Listener says how what comes in on a listener is served.
type Listener struct {
	exchange.Entrypoint
	TLS     *tls.Config // nil: cleartext
	Handoff Handoff     // gets what the loops do not serve
	Loops   int         // how many there are; 0 for one for each processor
	HTTP2   bool        // the loops speak it; else its connections are handed over
	// Elsewhere says for which hosts, in lower case and without port, all requests are
	// handed over; nil is none. It is asked on the path of every request and must not
	// block.
	Elsewhere func(host string) bool
	// Claim makes the claim for a request to one of these hosts, so that it need not
	// be handed over, or reports that it has to be; nil is always. It must not block,
	// nor keep host.
	Claim func(host string) (claim gateway.Claim, ok bool)
}

func (l *Listener) isElsewhere(host string) bool { return l.Elsewhere != nil && l.Elsewhere(host) }

func (l *Listener) claim(host string) (claim gateway.Claim, ok bool) {
	if l.Claim == nil {
		return gateway.Claim{}, false
	}
	return l.Claim(host)
}

// loops are the event loops of one listener, one for each processor that the
// program may use.
type loops struct {
	policy   *exchange.Policy
	at       Listener
	listener int
	port     string
	life     context.Context // ends when the grace period of a shutdown is over
	list     []*loop
	open     atomic.Int64   // connections
	beside   sync.WaitGroup // handshakes and lookups of callers, which are not the loops' to wait for
	handoff  Handoff
	warned   atomic.Int64           // when the log last said that nothing is accepted
	trailer  func(name []byte) bool // policy.PassesTrailer, made once
}

// Serve answers the requests that come in on l. It blocks until ctx ends; then it
// accepts nothing more, lets what is in flight finish for at most
// Limits.ShutdownGrace, cuts off the rest, and returns nil. It returns an error when l
// fails. Either way l is closed.
func (s *Server) Serve(ctx context.Context, l *net.TCPListener, at Listener) error {
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	all, err := s.newLoops(life, l, at)
	if err != nil {
		return errors.Join(fmt.Errorf("accept on %s: %w", l.Addr(), err), closeListener(l))
	}
	defer func() { _ = unix.Close(all.listener) }()

	var others sync.WaitGroup
	var failure error
	others.Go(func() { failure = at.Handoff.Run(ctx) })
	var running sync.WaitGroup
	for _, loop := range all.list {
		running.Go(loop.run)
	}
	<-ctx.Done()
	_ = unix.Shutdown(all.listener, unix.SHUT_RD) // also what the loops still hold takes no more connections
	err = closeListener(l)
	all.each((*loop).stop)
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	all.shutDown(ended, end)
	others.Wait()
	end(nil)
	all.beside.Wait()
	return errors.Join(err, failure)
}

// closeListener closes a listener that may be closed already.
func closeListener(l net.Listener) error {
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (s *Server) newLoops(life context.Context, l *net.TCPListener, at Listener) (*loops, error) {
	all := &loops{policy: s.policy, at: at, life: life, handoff: at.Handoff, trailer: s.policy.PassesTrailer}
	if _, port, err := net.SplitHostPort(l.Addr().String()); err == nil {
		all.port = port
	}
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failure error
	if err := raw.Control(func(fd uintptr) { all.listener, failure = listenerOf(int(fd)) }); err != nil || failure != nil {
		return nil, errors.Join(err, failure)
	}
	count := at.Loops
	if count == 0 {
		count = runtime.GOMAXPROCS(0)
	}
	for range count {
		loop, err := newLoop(all)
		if err != nil {
			for _, made := range all.list {
				made.poll.close()
			}
			return nil, errors.Join(err, unix.Close(all.listener))
		}
		all.list = append(all.list, loop)
	}
	return all, nil
}

// listenerOf returns a listener's socket for the loops. What is set on it here
// is inherited by the connections that it accepts.
func listenerOf(fd int) (int, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	for _, option := range [][3]int{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1}, // a peer that has vanished is found out
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
	} {
		if err := unix.SetsockoptInt(own, option[0], option[1], option[2]); err != nil {
			return -1, errors.Join(err, unix.Close(own))
		}
	}
	return own, nil
}

func (a *loops) each(f func(*loop)) {
	for _, l := range a.list {
		l.post(func() { f(l) })
	}
}

// shutDown waits for what is in flight, then cuts off what is left.
func (a *loops) shutDown(ended <-chan struct{}, end context.CancelCauseFunc) {
	if endsWithin(ended, a.policy.Limits.ShutdownGrace) {
		return
	}
	a.policy.Logger.Warn("the grace period of the shutdown is over; cutting off what is in flight", "count", a.open.Load(), "grace", a.policy.Limits.ShutdownGrace)
	cause := exchange.ErrShutdown()
	end(cause)
	everyone := func(*clientConn) bool { return true }
	a.each(func(l *loop) { l.cancel(cause, everyone) })
	if endsWithin(ended, exchange.CutOff) {
		return
	}
	a.each(func(l *loop) {
		for _, c := range append([]*clientConn(nil), l.clients...) {
			c.abort()
		}
	})
	<-ended
}

func endsWithin(ended <-chan struct{}, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// adopt takes a connection that a loop has accepted.
func (a *loops) adopt(by *loop, fd int, peer netip.AddrPort) {
	most := int64(a.policy.Limits.Connections)
	switch open := a.open.Add(1); {
	case a.at.TLS == nil:
		a.assign(by, fd, peer, nil)
	case open > most+most/8: // a handshake is too dear to be made to say no
		a.open.Add(-1)
		_ = unix.Close(fd)
	default:
		a.beside.Go(func() { a.handshake(fd, peer) })
	}
}

// assign gives a connection to a loop: the one on which it is called, nil for
// none, unless another one has clearly fewer.
func (a *loops) assign(by *loop, fd int, peer netip.AddrPort, s *tlsState) {
	best, least := by, int64(math.MaxInt64)
	if by != nil {
		least = by.count.Load() - 1
	}
	for _, l := range a.list {
		if n := l.count.Load(); n < least {
			best, least = l, n
		}
	}
	best.count.Add(1)
	if best == by {
		by.admit(fd, peer, s)
		return
	}
	if !best.post(func() { best.admit(fd, peer, s) }) {
		best.gone()
		_ = unix.Close(fd) // the server is stopping
	}
}

// perLoop returns a loop's share of a bound.
func (a *loops) perLoop(total int) int { return (total + len(a.list) - 1) / len(a.list) }

// reportPause says, now and then, why nothing is accepted.
func (a *loops) reportPause(err error) {
	const seldom = 10 * time.Second
	now := time.Now().UnixNano()
	last := a.warned.Load()
	if now-last > int64(seldom) && a.warned.CompareAndSwap(last, now) {
		a.policy.Logger.Warn("no more connections can be accepted for the moment; raise the limit of open files", "error", err, "connections", a.open.Load())
	}
}

// countOut counts a connection out.
func (a *loops) countOut() { a.open.Add(-1) }

// countedConn is a connection of which somebody is told, once, that it is closed.
type countedConn struct {
	net.Conn
	gone func() // nil: nobody is told
	once sync.Once
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	if c.gone != nil {
		c.once.Do(c.gone)
	}
	return c.Conn.Close()
}

// CloseWrite lets an upgraded connection be half closed.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// handOver gives a connection to net/http, with what has been read of it and the
// claim of the request in that, nil for none.
func (a *loops) handOver(c net.Conn, read []byte, claim *gateway.Claim) {
	a.open.Add(1)
	a.handoff.Give(&countedConn{Conn: c, gone: a.countOut}, read, claim)
}
