package routing

import (
	"context"
	"log/slog"
	"maps"
	"time"
)

// Reporter takes what this node's gateway follows, and says whether the other nodes still
// wait for it.
type Reporter interface {
	// Applied says that no request follows older states of the app's aliases than these
	// revisions, by name, nor, under "", of its own record; nil takes everything back that
	// was said of the app.
	Applied(ctx context.Context, app string, revisions map[string]uint64) error
	// Lapsed reports whether the other nodes may go on without this one.
	Lapsed() bool
	// Changed returns a channel that is closed at the next news.
	Changed() <-chan struct{}
}

// Changes tell of the apps of which something has changed that the table is made of.
type Changes interface {
	// Changed has a value when there may be something to take.
	Changed() <-chan struct{}
	// Take returns the apps since the last Take; all of them at first.
	Take() []string
	Stop()
}

// GatewayConfig is what the gateway's role needs.
type GatewayConfig struct {
	Table  *Table
	Node   Reporter
	Follow func() Changes
	// Refresh reads the aliases from the store, past what is in memory.
	Refresh func(ctx context.Context) error
	Logger  *slog.Logger
}

// Gateway is the role of a node that serves: it follows the records of aliases, makes the
// table of them and of what runs here, and acknowledges the revisions that are in force.
// It talks to nobody but through records.
type Gateway struct {
	cfg   GatewayConfig
	ready chan struct{}

	said   map[string]map[string]uint64 // what has been acknowledged, by app; of Run alone
	unsaid map[string]map[string]uint64 // what is still to be; likewise
}

// NewGateway returns the role. It follows nothing before Run, and its table is as the
// records are when Ready is closed.
func NewGateway(cfg GatewayConfig) *Gateway {
	return &Gateway{
		cfg: cfg, ready: make(chan struct{}),
		said: map[string]map[string]uint64{}, unsaid: map[string]map[string]uint64{},
	}
}

// Ready is closed when the table has followed everything that there was when Run began,
// and that has been acknowledged: a gateway that joins must not serve before.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// retryAfter is how soon something is acknowledged again that could not be.
const retryAfter = 100 * time.Millisecond

// Run follows the records until ctx ends.
func (g *Gateway) Run(ctx context.Context) error {
	changes := g.cfg.Follow()
	defer changes.Stop()
	for {
		news := g.cfg.Node.Changed()
		shut := g.shutIfLapsed(ctx)
		for _, app := range changes.Take() {
			g.follow(app)
		}
		isSaid := g.acknowledge(ctx)
		if isSaid && !shut {
			g.open()
		}
		if err := awaitAny(ctx, !isSaid || shut, changes.Changed(), news); err != nil {
			return nil
		}
	}
}

// awaitAny blocks until one of the channels has something, or, to try again, for a short
// time. The error is ctx's.
func awaitAny(ctx context.Context, again bool, changes, news <-chan struct{}) error {
	var retry <-chan time.Time
	if again {
		timer := time.NewTimer(retryAfter)
		defer timer.Stop()
		retry = timer.C
	}
	select {
	case <-changes:
	case <-news:
	case <-retry:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// open lets requests in, when everything is applied that was to be.
func (g *Gateway) open() {
	g.cfg.Table.gateway.Open()
	select {
	case <-g.ready:
	default:
		close(g.ready)
	}
}

// shutIfLapsed answers every request with teal.CodeUnavailable while the other nodes may
// move aliases without this one. It reports whether that is so. When it is over, what was
// missed is read from the store, before the gateway opens again.
func (g *Gateway) shutIfLapsed(ctx context.Context) bool {
	wasShut := g.cfg.Table.gateway.IsShut()
	if g.cfg.Node.Lapsed() {
		if !wasShut {
			g.cfg.Table.gateway.Shut()
			g.cfg.Logger.Error("no requests are taken: the other nodes cannot be told that this one lives, and may move aliases without it")
		}
		return true
	}
	if !wasShut {
		return false
	}
	if err := g.cfg.Refresh(ctx); err != nil {
		g.cfg.Logger.Warn("no requests are taken yet: the aliases cannot be read", "error", err)
		return true
	}
	g.cfg.Logger.Info("requests are taken again")
	return false
}

// follow makes the table follow the records of an app, and notes what is in force then.
func (g *Gateway) follow(app string) {
	revisions, err := g.cfg.Table.follow(app)
	if err != nil {
		g.cfg.Logger.Error("routes of app cannot be used", "app", app, "error", err)
		return
	}
	if said, ok := g.said[app]; ok == (revisions != nil) && maps.Equal(said, revisions) {
		delete(g.unsaid, app)
		return
	}
	g.unsaid[app] = revisions
}

// acknowledge says what is in force. It reports whether all has been said.
func (g *Gateway) acknowledge(ctx context.Context) bool {
	for app, revisions := range g.unsaid {
		if err := g.cfg.Node.Applied(ctx, app, revisions); err != nil {
			if ctx.Err() == nil {
				g.cfg.Logger.Warn("the other nodes do not learn yet what this gateway follows", "app", app, "error", err)
			}
			return false
		}
		delete(g.unsaid, app)
		if g.said[app] = revisions; revisions == nil {
			delete(g.said, app)
		}
	}
	return true
}

// Reroute makes the table see which environments of the app there are, before it returns.
// It is how what runs on this node tells the gateway of this node, which hands requests
// to it.
func (g *Gateway) Reroute(app string) {
	if _, err := g.cfg.Table.follow(app); err != nil {
		g.cfg.Logger.Error("routes of app cannot be used", "app", app, "error", err)
	}
}
