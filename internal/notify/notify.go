package notify

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"teal"
)

// Limits of what is kept.
const (
	maxQueue = 100  // notifications that wait for one address
	maxSent  = 4096 // phases of releases that are known to have been told
)

// Config is what a Notifier needs to know.
type Config struct {
	Logger *slog.Logger // nil discards
}

// Notifier tells the addresses that policies name. It is safe for concurrent
// use.
type Notifier struct {
	log     *slog.Logger
	client  *http.Client
	dropped atomic.Int64

	mu        sync.Mutex
	running   context.Context // of Run; nil before it
	closed    bool            // Run's context has ended
	work      sync.WaitGroup  // one for each address that is being told something
	targets   map[teal.Notify]*target
	sent      map[step]bool
	sentOrder []step // of told, the oldest first
}

// step is one phase of one release.
type step struct {
	release string
	phase   teal.Phase
}

// target is an address that is being told something, or will be.
type target struct {
	teal.Notify
	queue []message // without the one that is being delivered
	busy  bool      // a goroutine is at it
	full  bool      // something has been dropped since it was last empty
}

// New returns a Notifier that delivers nothing before Run.
func New(cfg Config) *Notifier {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Notifier{
		log: cfg.Logger,
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				DialContext:            (&net.Dialer{Timeout: attemptTimeout}).DialContext,
				TLSHandshakeTimeout:    attemptTimeout,
				MaxResponseHeaderBytes: maxHeader,
				DisableKeepAlives:      true, // there are hours between two of them
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		targets: map[teal.Notify]*target{},
		sent:    map[step]bool{},
	}
}

// Run delivers until ctx ends. It may be called once, and returns nil.
func (n *Notifier) Run(ctx context.Context) error {
	n.mu.Lock()
	n.running = ctx
	for _, t := range n.targets {
		n.startLocked(t)
	}
	n.mu.Unlock()
	<-ctx.Done()
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.work.Wait()
	n.forget()
	return nil
}

// forget says what has not been delivered when the server ends.
func (n *Notifier) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range n.targets {
		if len(t.queue) > 0 {
			n.log.Warn("notifications were not delivered before the server's end", "to", host(t.URL), "count", len(t.queue))
		}
	}
	clear(n.targets)
}

// Tell notes that a release has entered its phase, for every address of its
// policy. It never blocks. The same phase of the same release is told once in
// the life of the process.
func (n *Notifier) Tell(r teal.Release) {
	if len(r.Policy.Notify) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || !n.newLocked(step{r.ID, r.Phase}) {
		return
	}
	m := messageOf(r)
	for _, to := range r.Policy.Notify {
		t := n.targets[to]
		if t == nil {
			t = &target{Notify: to}
			n.targets[to] = t
		}
		n.addLocked(t, m)
		n.startLocked(t)
	}
}

// Dropped returns how many notifications have been dropped because too many
// waited for one address.
func (n *Notifier) Dropped() int64 { return n.dropped.Load() }

// newLocked reports whether a phase has not been told yet, and notes it.
func (n *Notifier) newLocked(s step) bool {
	if n.sent[s] {
		return false
	}
	n.sent[s] = true
	n.sentOrder = append(n.sentOrder, s)
	if len(n.sentOrder) > maxSent {
		delete(n.sent, n.sentOrder[0])
		n.sentOrder = append(n.sentOrder[:0], n.sentOrder[1:]...)
	}
	return true
}

// addLocked queues a message. What an address has missed is less worth than
// what happens now, so of too many the oldest goes.
func (n *Notifier) addLocked(t *target, m message) {
	t.queue = append(t.queue, m)
	if len(t.queue) <= maxQueue {
		return
	}
	t.queue = append(t.queue[:0], t.queue[1:]...)
	n.dropped.Add(1)
	if !t.full {
		t.full = true
		n.log.Warn("too many notifications wait for one address; the oldest are dropped until it answers", "to", host(t.URL), "waiting", maxQueue)
	}
}

func (n *Notifier) startLocked(t *target) {
	if n.running == nil || t.busy {
		return
	}
	t.busy = true
	ctx := n.running
	n.work.Go(func() { n.drain(ctx, t) })
}

// drain delivers what waits for a target, one after another, until there is
// nothing left or ctx ends.
func (n *Notifier) drain(ctx context.Context, t *target) {
	for {
		m, ok := n.next(ctx, t)
		if !ok {
			return
		}
		if err := n.deliver(ctx, t.Notify, m); err != nil && ctx.Err() == nil {
			n.log.Warn("a notification could not be delivered", "to", host(t.URL), "release", m.Release, "phase", m.Phase, "error", err)
		}
	}
}

// next takes the oldest message that waits for a target, or forgets the target.
func (n *Notifier) next(ctx context.Context, t *target) (message, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if ctx.Err() != nil {
		return message{}, false
	}
	if len(t.queue) == 0 {
		delete(n.targets, t.Notify)
		return message{}, false
	}
	m := t.queue[0]
	t.queue = append(t.queue[:0], t.queue[1:]...)
	return m, true
}

// host returns what of an address may be shown: a path, such as Slack's, is a
// secret.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "an address that cannot be read"
	}
	return u.Host
}

// wait returns after d, or with an error when ctx ends first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
