package consumer

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/queue"
	"teal/internal/store"
)

// Queues are the queues of the server.
type Queues interface {
	Ensure(ctx context.Context, name string) error
	Receive(ctx context.Context, r queue.Receive) ([]queue.Delivery, error)
	Finish(ctx context.Context, name string, results []queue.Result) error
	// Bound returns the versions that messages belong to, by queue. It does no I/O.
	Bound() map[string][]store.EnvironmentKey
	// GiveBack takes the messages of a version away from it.
	GiveBack(ctx context.Context, version store.EnvironmentKey) error
}

// Apps are the records of apps.
type Apps interface {
	// Apps returns all apps, those that are being deleted among them. It does no I/O.
	Apps() []teal.App
	// Alias returns an alias; false when there is none. It does no I/O.
	Alias(key store.AliasKey) (store.Record[teal.Alias], bool)
}

// Versions are the contents of versions.
type Versions interface {
	// Spec returns what a version is made of.
	Spec(ctx context.Context, app string, version int) (teal.Spec, error)
}

// Gateway counts in what a version is to work on.
type Gateway interface {
	// ClaimMessages claims a component of a version for messages that the weights of
	// live have given to it.
	ClaimMessages(app string, version teal.VersionRef, component string) (gateway.Claim, error)
}

// Starter starts versions.
type Starter interface {
	// Ensure starts a version that does not run, and blocks until it is ready or is
	// known to fail. That it is of use is noted.
	Ensure(ctx context.Context, app string, version teal.VersionRef) error
}

// Addresses are where versions are asked.
type Addresses interface {
	// Address returns where a component of a running version is asked by the server.
	Address(app string, version int, component string) (string, error)
}

// Config is what a Consumer needs.
type Config struct {
	Queues    Queues
	Apps      Apps
	Versions  Versions
	Gateway   Gateway
	Starter   Starter
	Addresses Addresses
	Releases  *Releases
	// QueueARN returns the name of a queue in AWS's form, Region is the one in it.
	QueueARN func(name string) string
	Region   string
	Logger   *slog.Logger
}

// Consumer reads queues for what is live. It is safe for concurrent use.
type Consumer struct {
	cfg    Config
	client *http.Client
	specs  map[store.EnvironmentKey][]teal.Trigger // Run's alone: the triggers of versions that are read for
	known  atomic.Pointer[reads]                   // what readers may ask
}

// New returns a consumer that reads nothing before Run.
func New(cfg Config) *Consumer {
	return &Consumer{cfg: cfg, specs: map[store.EnvironmentKey][]teal.Trigger{}, client: &http.Client{
		// One that answers with a redirect has not done its work.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: 30 * time.Second},
	}}
}

// lookEvery is how often it is looked who reads what.
const lookEvery = time.Second

// workGrace is how long what is being worked on may take when the server ends. What has
// not ended then is given out again by the next server.
const workGrace = 10 * time.Second

// Run reads queues until ctx ends, and then blocks until what is being worked on has
// ended, for workGrace at most.
func (c *Consumer) Run(ctx context.Context) error {
	defer c.client.CloseIdleConnections()
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(workGrace, cancel) })()
	var readers sync.WaitGroup
	defer readers.Wait()
	running := map[readerKey]context.CancelFunc{}
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		wanted := c.wanted(ctx)
		for key, stop := range running {
			if _, ok := wanted[key]; !ok {
				stop()
				delete(running, key)
			}
		}
		for key, r := range wanted {
			if running[key] == nil {
				reading, stop := context.WithCancel(ctx)
				running[key] = stop
				readers.Go(func() { r.run(reading, working) })
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case back := <-c.cfg.Releases.back:
			c.giveBack(ctx, back)
		}
	}
}

// readerKey tells the readers apart: a version is never another one later.
type readerKey struct {
	version store.EnvironmentKey
	trigger string
}

// wanted returns who is to read what.
func (c *Consumer) wanted(ctx context.Context) map[readerKey]*reader {
	found := map[readerKey]*reader{}
	running := map[string]bool{}
	used := map[store.EnvironmentKey]bool{}
	for _, app := range c.cfg.Apps.Apps() {
		if app.Name == "" || app.Deleting || app.Stopped != nil {
			continue
		}
		running[app.Name] = true
		for _, target := range c.targets(app.Name) {
			version := store.EnvironmentKey{App: app.Name, Version: target.Version}
			used[version] = true
			for _, t := range c.triggers(ctx, version) {
				c.want(found, version, t)
			}
		}
	}
	for name, versions := range c.cfg.Queues.Bound() {
		for _, version := range versions {
			if !running[version.App] {
				continue
			}
			used[version] = true
			for _, t := range c.triggers(ctx, version) {
				if t.Queue.Queue == name {
					c.want(found, version, t)
				}
			}
		}
	}
	known := reads{}
	for version, triggers := range c.specs {
		if !used[version] {
			delete(c.specs, version)
			continue
		}
		known[version] = map[string]bool{}
		for _, t := range triggers {
			known[version][t.Queue.Queue] = true
		}
	}
	c.known.Store(&known)
	return found
}

// reads says which queues versions read.
type reads map[store.EnvironmentKey]map[string]bool

// mayRead reports whether a version reads a queue, or that is not known yet.
func (c *Consumer) mayRead(version store.EnvironmentKey, name string) bool {
	queues, known := (*c.known.Load())[version]
	return !known || queues[name]
}

func (c *Consumer) want(found map[readerKey]*reader, version store.EnvironmentKey, t teal.Trigger) {
	key := readerKey{version, t.Name}
	if found[key] == nil {
		found[key] = &reader{consumer: c, version: version, trigger: t}
	}
}

// triggers returns the triggers of a version that read queues; none of one whose record
// cannot be read now.
func (c *Consumer) triggers(ctx context.Context, version store.EnvironmentKey) (list []teal.Trigger) {
	number, ok := version.Version.Number()
	if !ok {
		return nil
	}
	if known, ok := c.specs[version]; ok {
		return known
	}
	spec, err := c.cfg.Versions.Spec(ctx, version.App, number)
	if err != nil {
		return nil // its record's alert says so; it is tried again
	}
	for _, t := range spec.Triggers {
		if t.Queue != nil {
			list = append(list, t)
		}
	}
	c.specs[version] = list
	return list
}

func (c *Consumer) targets(app string) []teal.Target {
	alias, _ := c.cfg.Apps.Alias(store.AliasKey{App: app, Name: teal.AliasLive})
	return alias.Value.Targets
}

func (c *Consumer) giveBack(ctx context.Context, version store.EnvironmentKey) {
	if err := c.cfg.Queues.GiveBack(ctx, version); err != nil && ctx.Err() == nil {
		c.cfg.Logger.Warn("that a version has been rolled back could not be written down of all its messages; it is tried again", "app", version.App, "version", version.Version, "error", err)
	}
}

// Releases carries which versions were rolled back, from who runs releases to a
// Consumer. It is made before both.
type Releases struct{ back chan store.EnvironmentKey }

// NewReleases returns a Releases that carries nothing yet.
func NewReleases() *Releases { return &Releases{make(chan store.EnvironmentKey, 1000)} }

// Changed takes the news about a release. It does not block. Once the traffic of a
// version goes back its messages do, and when it has gone back those that the version has
// got meanwhile.
func (r *Releases) Changed(release teal.Release) {
	switch release.Phase {
	case teal.PhaseRollingBack, teal.PhaseRolledBack, teal.PhaseAborted:
		select {
		case r.back <- store.EnvironmentKey{App: release.App, Version: teal.VersionRef(release.To)}:
		default: // it is told again when the next release goes back
		}
	}
}
