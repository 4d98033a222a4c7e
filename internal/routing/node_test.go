package routing

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal"
	"teal/internal/cluster"
	"teal/internal/doctor"
	"teal/internal/gateway"
	"teal/internal/release"
	"teal/internal/store"
	"teal/internal/store/index"
)

// nodeRoles are the roles of one node, in this process, that have to do with aliases.
type nodeRoles struct {
	*Router
	node    *cluster.Node
	index   *index.Index
	table   *Table
	gateway *Gateway
	woken   chan string // apps of which the engine has been told
	wakeups *release.Wakeups
	alerts  *doctor.Alerts
	stop    func()
}

// ttl is that of the nodes in tests.
const ttl = 3 * time.Second

// newNode returns the roles of a node; kv has the records of all nodes, observed what they
// say of themselves.
func newNode(t testing.TB, name string, kv, observed store.KV) *nodeRoles {
	return newNodeWith(t, name, kv, observed, &twoEach{})
}

func newNodeWith(t testing.TB, name string, kv, observed store.KV, fleet Fleet) *nodeRoles {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	n := &nodeRoles{alerts: doctor.New(logger, nil), woken: make(chan string, 1000), wakeups: release.NewWakeups()}
	n.index = index.New(kv, func(teal.Spec) []string { return nil })
	n.node = cluster.New(cluster.Config{Name: name, KV: observed, TTL: ttl, Logger: logger})
	n.table = NewTable(gateway.New(), n.index, fleet, n.alerts)
	n.gateway = NewGateway(GatewayConfig{
		Table: n.table, Node: n.node, Follow: func() Changes { return n.index.FollowRoutes() }, Refresh: n.index.RefreshAliases, Logger: logger,
	})
	typed := n.index.Store()
	n.Router = New(Config{
		Table: n.table, Known: n.index, Aliases: typed.Aliases, Journal: NewJournal(typed), Fleet: fleet, Nodes: n.node,
		Changed: func(app string) { n.woken <- app; n.wakeups.Wake(app) }, Logger: logger,
	})
	return n
}

// start runs the roles until the test ends, or stop is called, and waits until the gateway may
// serve.
func (n *nodeRoles) start(t testing.TB) {
	t.Helper()
	n.join(t)
	n.run(t, n.index.Run, n.node.Run, n.gateway.Run, n.Router.Run)
	<-n.gateway.Ready()
}

func (n *nodeRoles) join(t testing.TB) {
	t.Helper()
	if err := n.node.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.index.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (n *nodeRoles) run(t testing.TB, roles ...func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, role := range roles {
		running.Go(func() {
			if err := role(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	n.stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(n.stop)
}

// mortal is a store that can be cut off: then nothing of it can be read or written.
type mortal struct {
	store.KV
	died atomic.Bool
}

var errCut = errors.New("cut off")

func (m *mortal) Get(ctx context.Context, key string) (store.Entry, error) {
	if m.died.Load() {
		return store.Entry{}, errCut
	}
	return m.KV.Get(ctx, key)
}

func (m *mortal) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	if m.died.Load() {
		return 0, errCut
	}
	return m.KV.Create(ctx, key, value)
}

func (m *mortal) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if m.died.Load() {
		return 0, errCut
	}
	return m.KV.Update(ctx, key, value, revision)
}

func (m *mortal) Delete(ctx context.Context, key string, revision uint64) error {
	if m.died.Load() {
		return errCut
	}
	return m.KV.Delete(ctx, key, revision)
}

func (m *mortal) List(ctx context.Context, pattern string) ([]store.Entry, error) {
	if m.died.Load() {
		return nil, errCut
	}
	return m.KV.List(ctx, pattern)
}

func (m *mortal) Scan(ctx context.Context, pattern string, visit func(store.Entry) error) error {
	if m.died.Load() {
		return errCut
	}
	return m.KV.Scan(ctx, pattern, visit)
}

func (m *mortal) Watch(ctx context.Context, pattern string) (*store.Watch, error) {
	if m.died.Load() {
		return nil, errCut
	}
	return m.KV.Watch(ctx, pattern)
}
