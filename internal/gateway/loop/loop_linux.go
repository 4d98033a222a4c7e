package loop

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// loop serves a share of the connections on one goroutine: the clients' and
// those to the instances that answer them. Whatever an event makes possible is
// done at once, to where it would block. Nothing of a loop is touched by another
// goroutine but the mail, and the socket of a client while its function runs.
type loop struct {
	all       *loops
	policy    *exchange.Policy
	poll      *poller
	begun     time.Time
	now       int64 // of this round, in nanoseconds since begun
	readsLeft int   // reads that the present connection may still make before others get their turn

	owners   []owner // by descriptor
	clients  []*clientConn
	pools    map[poolKey]*pool
	watched  map[*gateway.Environment]func() bool // stops watching for its end
	again    []*clientConn                        // could go on, but others had to get their turn
	resumed  []*clientConn                        // room for the next of again
	closing  []int                                // descriptors to close when no event of this round can mean them any more
	freed    []*pool                              // have something for those who wait
	earliest int64                                // no deadline is before this
	count    atomic.Int64                         // of clients, for those who share connections out

	buffers      bufferStock
	spare        []*roundTrip
	unflushed    []*session // have something to write
	spareStreams []*clientConn
	date         dateLine
	dateSpace    []byte
	head         headWriter

	accepting bool
	paused    int64 // when to accept again; 0 for not paused
	stopping  bool
	yielded   int64
	spawned   bool

	mailing sync.Mutex
	mail    []func()
	ended   bool
	mailed  atomic.Bool
}

// owner is what a descriptor is: one of the two, or neither.
type owner struct {
	client   *clientConn
	upstream *upstreamConn
}

// readsInARow bounds how many reads one connection makes before others get
// their turn.
const readsInARow = 32

// forever is a deadline that does not come.
const forever = int64(1<<63 - 1)

func newLoop(all *loops) (*loop, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &loop{
		all: all, policy: all.policy, poll: poll, begun: time.Now(), earliest: forever,
		pools: map[poolKey]*pool{}, watched: map[*gateway.Environment]func() bool{},
	}, nil
}

// run serves until the loop has been told to stop and its last client has gone.
func (l *loop) run() {
	l.startAccepting()
	for !l.stopping || len(l.clients) > 0 {
		events := l.poll.poll()
		if len(events) == 0 && len(l.again) == 0 {
			events = l.poll.wait(l.nextDeadline(), &l.mailed)
		}
		l.now = int64(time.Since(l.begun))
		l.handle(events)
		l.resume()
		l.readMail()
		if l.now >= l.earliest {
			l.sweep()
		}
		l.serveWaiting()
		l.flushSessions()
		l.closeSockets()
		l.yield()
	}
	l.end()
}

// yield lets other goroutines run. A loop that always finds events would not
// otherwise, until the runtime takes its processor away.
func (l *loop) yield() {
	const fair = int64(100 * time.Microsecond)
	if l.spawned || l.now-l.yielded > fair {
		l.spawned, l.yielded = false, l.now
		runtime.Gosched()
	}
}

func (l *loop) nextDeadline() time.Time {
	if l.earliest == forever {
		return time.Time{}
	}
	return l.begun.Add(time.Duration(l.earliest))
}

// handle passes events on.
func (l *loop) handle(events []unix.EpollEvent) {
	for i := range events {
		fd := int(events[i].Fd)
		if fd == l.all.listener {
			l.accept()
			continue
		}
		if fd >= len(l.owners) {
			continue
		}
		switch s := l.owners[fd]; {
		case s.client != nil:
			s.client.note(events[i].Events)
			l.serve(s.client)
		case s.upstream != nil:
			s.upstream.note(events[i].Events)
			if s.upstream.client != nil {
				l.serve(s.upstream.client)
			} else {
				s.upstream.discard() // it ended, or it spoke without being asked
			}
		}
	}
}

// serve takes a client as far as it goes.
func (l *loop) serve(c *clientConn) {
	defer l.rescue(c)
	l.readsLeft = readsInARow
	c.proceed()
	if c.stream != nil {
		c.stream.session.settle(c)
	}
}

// rescue is deferred wherever a client is worked for: a defect costs that client
// its connection and nobody else theirs.
func (l *loop) rescue(c *clientConn) {
	if v := recover(); v != nil {
		l.policy.LogPanic(v)
		c.abort()
		if c.stream != nil { // it may have been in the middle of a frame
			c.stream.session.client.abort()
		}
	}
}

// resume goes on with those who had to wait for others.
func (l *loop) resume() {
	waiting := l.again
	l.again = l.resumed[:0]
	for _, c := range waiting {
		c.again = false
		if c.state != clientGone {
			l.serve(c)
		}
	}
	clear(waiting)
	l.resumed = waiting
}

// later lets others go first.
func (l *loop) later(c *clientConn) {
	if !c.again {
		c.again = true
		l.again = append(l.again, c)
	}
}

// post makes the loop call f; false means that it has ended.
func (l *loop) post(f func()) bool {
	l.mailing.Lock()
	defer l.mailing.Unlock()
	if l.ended {
		return false
	}
	l.mail = append(l.mail, f)
	l.mailed.Store(true)
	l.poll.wake()
	return true
}

func (l *loop) readMail() {
	if !l.mailed.Load() {
		return
	}
	l.mailing.Lock()
	mail := l.mail
	l.mail = nil
	l.mailed.Store(false)
	l.mailing.Unlock()
	for _, f := range mail {
		f()
	}
}

// register watches a socket.
func (l *loop) register(fd int, o owner) error {
	if fd >= len(l.owners) {
		l.owners = append(l.owners, make([]owner, max(fd+1, 2*len(l.owners))-len(l.owners))...)
	}
	l.owners[fd] = o
	if err := l.poll.add(fd, interest); err != nil {
		l.owners[fd] = owner{}
		return err
	}
	return nil
}

// drop closes a socket at the end of the round: an event of this round that
// still names it must not be taken for one of a new connection's.
func (l *loop) drop(fd int) {
	l.owners[fd] = owner{}
	l.closing = append(l.closing, fd)
}

func (l *loop) closeSockets() {
	for _, fd := range l.closing {
		_ = unix.Close(fd) // whatever it says, the descriptor is free
	}
	l.closing = l.closing[:0]
}

// at returns the time after a duration, and remembers that something is to be
// done then.
func (l *loop) at(after time.Duration) int64 {
	return l.until(l.now + int64(after))
}

// sweep ends what has taken too long. It looks at every connection, but only
// when the earliest deadline has come, which is seldom: a deadline that is met
// is only ever moved away.
func (l *loop) sweep() {
	l.earliest = forever
	next := forever
	for i := 0; i < len(l.clients); i++ {
		c := l.clients[i]
		if c.deadline <= l.now {
			l.expire(c)
			if i < len(l.clients) && l.clients[i] != c {
				i-- // the last one has taken the place of one that went
				continue
			}
		}
		if c.state != clientGone {
			next = min(next, c.deadline)
		}
	}
	next = min(next, l.sweepPools())
	if l.paused != 0 && l.paused <= l.now {
		l.startAccepting()
	}
	if l.paused != 0 {
		next = min(next, l.paused)
	}
	if next != forever {
		l.earliest = min(l.earliest, next+int64(time.Millisecond))
	}
}

func (l *loop) expire(c *clientConn) {
	defer l.rescue(c)
	l.readsLeft = readsInARow
	c.expired()
	c.proceed()
	if c.stream != nil {
		c.stream.session.settle(c)
	}
}

// watch makes the loop hear when an environment has drained, and when what is
// still in flight in it is to end.
func (l *loop) watch(env *gateway.Environment) {
	if _, known := l.watched[env]; known {
		return
	}
	l.watched[env] = env.OnCancel(func(cause error) {
		l.post(func() { l.cancel(cause, func(c *clientConn) bool { return c.uses(env) }) })
	})
	env.OnDrained(func() { l.post(func() { l.forget(env) }) })
}

// forget closes the connections to the instances of an environment that has
// drained.
func (l *loop) forget(env *gateway.Environment) {
	for key, p := range l.pools {
		if key.env == env {
			p.end()
			delete(l.pools, key)
		}
	}
	if stop, known := l.watched[env]; known {
		stop()
		delete(l.watched, env)
	}
}

// cancel ends the requests that which says yes to.
func (l *loop) cancel(cause error, which func(*clientConn) bool) {
	for _, c := range append([]*clientConn(nil), l.clients...) {
		if c.state != clientGone && which(c) {
			c.cancelled(cause)
			l.serve(c)
		}
	}
}

// stop ends accepting and closes what is idle.
func (l *loop) stop() {
	l.stopping = true
	l.stopAccepting()
	for _, c := range append([]*clientConn(nil), l.clients...) {
		switch {
		case c.session != nil:
			c.session.leave()
		case c.isIdle():
			c.close()
		}
	}
}

// end gives back what the loop holds.
func (l *loop) end() {
	l.mailing.Lock()
	l.ended = true
	l.mailing.Unlock()
	l.readMail() // connections that were given to this loop too late
	l.stopAccepting()
	for _, p := range l.pools {
		p.closeIdle()
	}
	for _, stop := range l.watched {
		stop()
	}
	l.closeSockets()
	l.poll.close()
}

// until remembers that something is to be done at a time.
func (l *loop) until(when int64) int64 {
	// The sweep looks at every connection, so it is not to happen for each
	// deadline by itself.
	const coarse = int64(5 * time.Millisecond)
	l.earliest = min(l.earliest, when+coarse)
	return when
}

// dateLine is the Date header, made once a second.
type dateLine struct {
	second int64
	text   []byte
}

func (l *loop) appendDate(to []byte) []byte { return l.date.append(to, time.Now()) }

// dateText returns the value of the header, for now.
func (l *loop) dateText() string {
	const name, end = len("Date: "), len("\r\n")
	line := l.date.append(l.dateSpace[:0], time.Now())
	l.dateSpace = line
	return view(line[name : len(line)-end])
}

func (d *dateLine) append(to []byte, now time.Time) []byte {
	if second := now.Unix(); d.second != second {
		d.second = second
		d.text = append(now.UTC().AppendFormat(append(d.text[:0], "Date: "...), "Mon, 02 Jan 2006 15:04:05 GMT"), "\r\n"...)
	}
	return append(to, d.text...)
}
