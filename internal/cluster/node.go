package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"teal/internal/keylock"
	"teal/internal/store"
)

// DefaultTTL is how long a node is believed to live after its newest heartbeat.
const DefaultTTL = 10 * time.Second

// Config says which node this is.
type Config struct {
	// Name is that of the node, of letters, digits, "-" and "_".
	Name string
	// KV holds the observed state of all nodes; it need not be durable.
	KV     store.KV
	TTL    time.Duration // the same on all nodes; 0 is DefaultTTL
	Logger *slog.Logger
}

// Node is this server among the nodes that share a store. It reports the observed state
// of its own and sees that of the others. Safe for concurrent use.
type Node struct {
	cfg         Config
	incarnation string
	heartbeats  *store.Mirror[heartbeat]
	applied     *store.Mirror[applied]
	watches     []*store.Watch
	writing     keylock.Locks[string] // of a key: one write at a time

	mu      sync.Mutex
	seen    map[string]sighting
	joined  bool
	lapsed  bool
	renewed time.Time     // before the newest heartbeat of this node that was written began
	changed chan struct{} // closed and replaced at every news
}

// sighting is the newest heartbeat of a node that has been seen.
type sighting struct {
	heartbeat
	at time.Time // by the clock of this machine that only goes on
}

// New returns a node that has not joined and sees nothing; see [Node.Join].
func New(cfg Config) *Node {
	cfg.TTL = cmp.Or(cfg.TTL, DefaultTTL)
	n := &Node{cfg: cfg, incarnation: rand.Text(), seen: map[string]sighting{}, changed: make(chan struct{})}
	n.heartbeats = store.NewMirror(cfg.KV, "heartbeat.*", decode[heartbeat])
	n.applied = store.NewMirror(n.heartbeats, "applied.*.*", decode[applied])
	return n
}

// Name returns the node's name.
func (n *Node) Name() string { return n.cfg.Name }

// mirror is what all mirrors have in common.
type mirror interface {
	Load(ctx context.Context) (*store.Watch, error)
	Follow(ctx context.Context, watch *store.Watch) error
}

// Join reads what the nodes have said and writes the first heartbeat. From then on every
// switch waits for this node, so what its gateway reads of aliases afterwards is all that
// it could have missed. Run ends what Join opens.
func (n *Node) Join(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	for _, m := range []mirror{n.heartbeats, n.applied} {
		watch, err := m.Load(ctx)
		if err != nil {
			return fmt.Errorf("cluster: read the observed state: %w", err)
		}
		n.watches = append(n.watches, watch)
	}
	if err := n.beat(ctx); err != nil {
		return fmt.Errorf("cluster: join: %w", err)
	}
	return nil
}

// Run renews the heartbeat and follows the other nodes until ctx ends; then it takes the
// node out, so that nobody waits for it.
func (n *Node) Run(ctx context.Context) error {
	own, stop := context.WithCancel(ctx)
	defer stop()
	var tasks sync.WaitGroup
	for i, m := range []mirror{n.heartbeats, n.applied} {
		tasks.Go(func() {
			defer stop() // one without the others is of no use
			_ = m.Follow(own, n.watches[i])
		})
	}
	tasks.Go(func() { n.keepBeating(own) })
	n.follow(own)
	tasks.Wait()
	n.leave(context.WithoutCancel(ctx))
	if ctx.Err() == nil {
		return errors.New("cluster: the observed state cannot be followed any more")
	}
	return nil
}

// Changed returns a channel that is closed at the next news: of a node that has come or
// gone, of what a gateway follows.
func (n *Node) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

func (n *Node) announce() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.changed)
	n.changed = make(chan struct{})
}

// follow announces what others say, and the end of those that say nothing any more.
func (n *Node) follow(ctx context.Context) {
	beats, acks := n.heartbeats.Subscribe(), n.applied.Subscribe()
	defer beats.Stop()
	defer acks.Stop()
	for {
		_, next := n.look()
		ends := time.NewTimer(next)
		news := true
		select {
		case <-beats.Changed():
			news = n.isNews(beats.Take())
		case <-acks.Changed():
			acks.Take()
		case <-ends.C:
		case <-ctx.Done():
			ends.Stop()
			return
		}
		ends.Stop()
		if news {
			n.announce()
		}
	}
}

// isNews reports whether heartbeats are more than those of nodes that are known to live.
func (n *Node) isNews(keys map[string]bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for key := range keys {
		now, ok := n.heartbeats.Value(key)
		if was, known := n.seen[now.Node]; !ok || !known || was.Incarnation != now.Incarnation || time.Since(was.at) >= n.cfg.TTL {
			return true
		}
	}
	return false
}

// look returns the nodes that live, by name, and how long until the first of them does
// not if it says nothing more. This node lives for as long as it looks.
func (n *Node) look() (live []sighting, next time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next = n.cfg.TTL
	now := time.Now()
	n.heartbeats.Each(func(h heartbeat) {
		was, known := n.seen[h.Node]
		if !known || was.heartbeat != h {
			was = sighting{h, now}
			n.seen[h.Node] = was
		}
		left := n.cfg.TTL - now.Sub(was.at)
		switch {
		case n.joined && h.Node == n.cfg.Name:
			live = append(live, was)
		case left > 0:
			live, next = append(live, was), min(next, left)
		}
	})
	slices.SortFunc(live, func(a, b sighting) int { return cmp.Compare(a.Node, b.Node) })
	return live, next
}

// Look reads which nodes have joined: afterwards none is missing from [Node.Behind] that
// had joined before the call. A switch that has been written holds only when somebody has
// looked since: a node that had joined by then may have read an older state of the alias,
// and one that joins later reads this one.
func (n *Node) Look(ctx context.Context) error {
	if err := n.heartbeats.Refresh(ctx); err != nil {
		return fmt.Errorf("cluster: look which nodes there are: %w", err)
	}
	return nil
}

// Live returns the names of the nodes that live, sorted.
func (n *Node) Live() []string {
	live, _ := n.look()
	names := make([]string, len(live))
	for i, node := range live {
		names[i] = node.Node
	}
	return names
}

// Applied says that no request that this node's gateway takes from now on follows an
// older state of the app's aliases than these revisions, by name; none is that the app
// has no alias.
func (n *Node) Applied(ctx context.Context, app string, revisions map[string]uint64) error {
	defer n.announce()
	return put(ctx, n, n.applied, appliedKey(n.cfg.Name, app), applied{n.cfg.Name, n.incarnation, revisions})
}

// Behind returns the live nodes whose gateway may still follow an older state of an alias
// than the revision, sorted; gone asks about an alias that had that revision and has been
// removed.
func (n *Node) Behind(key store.AliasKey, revision uint64, gone bool) []string {
	if revision == 0 {
		return nil // there is nothing to follow
	}
	var behind []string
	live, _ := n.look()
	for _, node := range live {
		has, _ := n.applied.Value(appliedKey(node.Node, key.App))
		if has.Incarnation != node.Incarnation || !has.follows(key.Name, revision, gone) {
			behind = append(behind, node.Node)
		}
	}
	return behind
}
