package service

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"teal"
	"teal/internal/process"
)

// Config says what a Set runs.
type Config struct {
	App     string
	Version teal.VersionRef
	Name    string // of the component

	// Exactly one of the two is set.
	Service  *teal.Service
	Upstream *teal.Upstream

	// Dir is the folder of the unpacked code: a service's working directory.
	Dir string
	// WorkDir is a folder for the instances' own folders, made when it is needed
	// and left behind; "" is none: a service that is to be Writable needs it.
	WorkDir string
	// Env is what Teal adds to a service's environment (TEAL_APP and so on).
	// It wins over the manifest's variables.
	Env map[string]string
	// Start starts a process: [process.Runner.Start]. Only a service needs it.
	Start func(process.Spec) (*process.Process, error)
	// Log gets every line that a process writes, with the stream "stdout" or
	// "stderr", and why it was started again, with "platform"; nil discards
	// them. It is called from many goroutines, and a process waits while it runs.
	Log func(instance, stream, text string)
	// Logger gets changes of state; nil discards them.
	Logger *slog.Logger
	// OnChange is called after every change of what State returns, except for
	// Output, and when a check has passed that Recheck asked for. It must not
	// block.
	OnChange func()
}

// HTTP2 reports whether the instances speak HTTP/2: at once in cleartext, by ALPN
// over TLS.
func (c Config) HTTP2() bool {
	if c.Service != nil {
		return c.Service.Protocol != ""
	}
	return c.Upstream.Protocol != ""
}

// Set is the endpoints of one component of one environment. It is safe for
// concurrent use.
type Set struct {
	cfg       Config
	policy    policy
	asks      teal.Health
	transport http.RoundTripper
	slots     []*slot

	ran          atomic.Bool
	warned       sync.Once // errCannotTell has been logged
	nextEndpoint atomic.Uint64
	view         atomic.Pointer[view]
	mu           sync.Mutex // guards the slots and orders the views; never held while waiting or calling out
	finished     bool
}

// view is what Claim chooses from. It is never changed, only replaced.
type view struct {
	usable []*Endpoint
	err    *teal.Error // when there is none
}

// slot is the place of one instance. What is in it outlives restarts.
type slot struct {
	name  string // in logs
	label string // in sentences
	url   *url.URL
	tail  tail

	// Guarded by Set.mu.
	health       health
	endpoint     *Endpoint        // nil while down
	trouble      string           // what the last check said; "" while healthy or down
	exit         string           // how the last life ended, until a check has passed
	ends         int              // lives that ended since a check passed
	crashed      bool             // the last life ended while nothing was wrong with its checks
	checkedAt    time.Time        // when the last check began
	passed       time.Time        // when the last check began that was passed
	recheckAsked bool             // Recheck asked for one, and none has been passed since
	process      *process.Process // nil while there is none, and of an upstream
	starts       int              // how often it has been tried to start it
	spent        time.Duration    // CPU time of the lives before

	retry chan struct{} // capacity 1: start again at once
}

// New checks cfg and builds a Set. Nothing runs before [Set.Run].
func New(cfg Config) (*Set, error) {
	if (cfg.Service == nil) == (cfg.Upstream == nil) {
		return nil, teal.Errorf(teal.CodeInternal, "component %q must be either a service or an upstream", cfg.Name)
	}
	if cfg.Service != nil && (cfg.Start == nil || len(cfg.Service.Command) == 0) {
		return nil, teal.Errorf(teal.CodeInternal, "service %q needs a command and a way to start it", cfg.Name)
	}
	if cfg.Service != nil && cfg.Service.Writable && cfg.WorkDir == "" {
		return nil, teal.Errorf(teal.CodeInternal, "service %q needs a folder to write to", cfg.Name)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Log == nil {
		cfg.Log = func(string, string, string) {}
	}
	if cfg.OnChange == nil {
		cfg.OnChange = func() {}
	}
	cfg.Logger = cfg.Logger.With("app", cfg.App, "version", cfg.Version, "component", cfg.Name)
	s := &Set{cfg: cfg, transport: newTransport(cfg.HTTP2())}
	if err := s.plan(); err != nil {
		return nil, err
	}
	s.publishLocked()
	return s, nil
}

// plan makes the slots and takes over the health settings.
func (s *Set) plan() error {
	if s.cfg.Service != nil {
		s.setHealth(s.cfg.Service.Health)
		for i := range s.cfg.Service.Instances {
			name := fmt.Sprintf("%s-%d", s.cfg.Name, i+1)
			label := name
			if s.cfg.Service.Instances == 1 {
				label = s.cfg.Name
			}
			s.slots = append(s.slots, &slot{name: name, label: label, retry: make(chan struct{}, 1)})
		}
		return nil
	}
	s.setHealth(s.cfg.Upstream.Health)
	for _, raw := range s.cfg.Upstream.URLs {
		if err := teal.CheckUpstreamURL(raw); err != nil {
			return err
		}
		address, err := url.Parse(raw)
		if err != nil {
			return teal.Errorf(teal.CodeInvalidInput, "%q is not an upstream address: %w", raw, err)
		}
		s.slots = append(s.slots, &slot{name: raw, label: s.cfg.Name, url: address})
	}
	return nil
}

// probe returns the check of one address.
func (s *Set) probe(url, shown string) *probe {
	return &probe{transport: s.transport, url: url, shown: shown, timeout: s.asks.Timeout.Std(), asks: s.asks, grpc: s.cfg.HTTP2() && s.asks.Path == grpcHealth}
}

func (s *Set) setHealth(h teal.Health) {
	s.asks = h
	s.policy = policy{interval: max(h.Interval.Std(), minCheckInterval), failures: max(h.Failures, 1)}
}

// Run starts what there is to start, checks it, and restarts what ends, until
// ctx ends. Then every process gets SIGTERM and, after the service's grace,
// SIGKILL; Run returns nil when the last one is gone. Cancel ctx after the
// requests in flight have been answered. Run may be called once.
func (s *Set) Run(ctx context.Context) error {
	if s.ran.Swap(true) {
		return teal.Errorf(teal.CodeInternal, "component %q has been run before", s.cfg.Name)
	}
	var running sync.WaitGroup
	for _, sl := range s.slots {
		running.Go(func() {
			if sl.url != nil {
				s.runUpstream(ctx, sl)
			} else {
				s.runService(ctx, sl)
			}
		})
	}
	running.Wait()
	s.update(func() { s.finished = true })
	return nil
}

func (s *Set) runUpstream(ctx context.Context, sl *slot) {
	base := strings.TrimRight(sl.url.EscapedPath(), "/")
	e := s.open(sl, &Endpoint{
		scheme:  sl.url.Scheme,
		host:    sl.url.Host,
		address: dialAddress(sl.url),
		path:    base,
		ownHost: s.cfg.Upstream.Host == teal.HostUpstream,
		name:    sl.name,
	})
	address := sl.url.Scheme + "://" + sl.url.Host + base + s.asks.Path
	s.monitor(ctx, sl, e, s.probe(address, address).check)
	s.down(sl)
}

func dialAddress(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// open begins a life of the slot at the endpoint.
func (s *Set) open(sl *slot, e *Endpoint) *Endpoint {
	e.recheck = make(chan struct{}, 1)
	e.refused = func(e *Endpoint) { s.refused(sl, e) }
	s.update(func() {
		sl.endpoint = e
		sl.health.started()
	})
	return e
}

// down ends the life of the slot, if it has one.
func (s *Set) down(sl *slot) {
	s.update(func() {
		sl.endpoint = nil
		sl.health.died()
	})
}

// refused hears that a request could not connect to e.
func (s *Set) refused(sl *slot, e *Endpoint) {
	var news bool
	s.update(func() {
		news = sl.endpoint == e && sl.health.refused()
		if news {
			sl.trouble = "a connection to " + e.Address() + " failed"
		}
	})
	if news {
		s.cfg.Logger.Info("an endpoint is suspect: a connection failed; checking it now", "instance", sl.name, "address", e.Address())
		e.check()
	}
}

// monitor checks e, which is the life of sl, until ctx ends.
func (s *Set) monitor(ctx context.Context, sl *slot, e *Endpoint, check func(context.Context) error) {
	monitor{
		check:   check,
		recheck: e.recheck,
		begin: func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			sl.checkedAt = time.Now()
			return sl.health.doubts
		},
		report: func(token int, err error) time.Duration { return s.checked(sl, token, err) },
	}.run(ctx)
}

// checked records the result of a check and returns the time to the next one.
func (s *Set) checked(sl *slot, token int, err error) time.Duration {
	var before, after phase
	var delay time.Duration
	var answered bool
	s.update(func() {
		before = sl.health.phase
		if err == nil {
			sl.health.passed(token)
		} else {
			sl.health.failed(s.policy.failures)
			sl.trouble = err.Error()
		}
		after, delay = sl.health.phase, sl.health.delay(s.policy)
		if after == healthy && err == nil {
			sl.trouble, sl.exit, sl.ends, sl.crashed = "", "", 0, false
			sl.passed = sl.checkedAt
			answered, sl.recheckAsked = sl.recheckAsked, false
		}
	})
	if answered {
		s.cfg.OnChange()
	}
	switch {
	case before != healthy && after == healthy:
		s.cfg.Logger.Info("an endpoint is healthy", "instance", sl.name)
	case before != unhealthy && after == unhealthy:
		s.cfg.Logger.Warn("an endpoint is not healthy", "instance", sl.name, "reason", err.Error())
	}
	return delay
}

// Recheck asks for a check of every endpoint as soon as may be, and for a start
// at once of what waits to be started again. It does not block.
func (s *Set) Recheck() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.slots {
		sl.recheckAsked = true
		if sl.endpoint != nil {
			sl.endpoint.check()
			continue
		}
		select {
		case sl.retry <- struct{}{}:
		default: // an upstream, or asked for already
		}
	}
}

// update changes the slots, makes the change visible to Claim, and calls
// OnChange if there was one.
func (s *Set) update(change func()) {
	s.mu.Lock()
	before := s.stateLocked()
	change()
	after := s.stateLocked()
	s.publishLocked()
	s.mu.Unlock()
	if before != after {
		s.cfg.OnChange()
	}
}

// publishLocked gives Claim a new view.
func (s *Set) publishLocked() {
	v := &view{}
	for _, wanted := range []phase{healthy, suspect} {
		for _, sl := range s.slots {
			if sl.endpoint != nil && sl.health.phase == wanted {
				v.usable = append(v.usable, sl.endpoint)
			}
		}
		if len(v.usable) > 0 {
			break
		}
	}
	if len(v.usable) == 0 {
		reason, _ := s.reasonLocked()
		v.err = teal.Errorf(teal.CodeNoHealthyInstance, "component %q of app %q, version %s, has no healthy instance: %s", s.cfg.Name, s.cfg.App, s.cfg.Version, reason)
	}
	s.view.Store(v)
}
