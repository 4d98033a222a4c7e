package environment

import (
	"context"
	"strings"
	"time"

	"teal"
	"teal/internal/function"
	"teal/internal/gateway"
	"teal/internal/service"
	"teal/internal/static"
)

// part is one component of a running environment.
type part struct {
	name      string
	run       func(ctx context.Context) error
	condition func() condition
	component *gateway.Component
	size      sizable        // nil where the version alone says the size
	pool      *function.Pool // of a function; nil for others
	recheck   func()         // of what has checks; nil for others
	kind      teal.ComponentKind
	// inspect tells of its instances; nil where it has none.
	inspect func() (instances []teal.Instance, restarts int, usage teal.Usage)
}

// condition is how one component is.
type condition struct {
	ready   bool
	growing bool   // what is ready is not yet enough for the load that it is to take
	failed  bool   // it has tried to start several times and never managed
	reason  string // why it is not ready
	output  string // its last lines

	crashed bool          // a process of its own ended
	checked time.Time     // when the newest check began that was passed; of what has checks
	window  time.Duration // until an outage shows in the checks; 0: it has none
	healthy int           // addresses of an upstream
	total   int
	down    []string // those that are not healthy, each with the reason
}

func functionPart(name string, pool *function.Pool, f *teal.Function, called gateway.Function) part {
	return part{
		name: name,
		pool: pool, inspect: pool.Inspect,
		run: pool.Run,
		condition: func() condition {
			s := pool.State()
			return condition{
				ready: s.Ready, growing: s.Growing, failed: s.Failing, output: s.Output, crashed: !s.Ready,
				reason: withReadOnlyHint(s.Reason, s.Output, ""),
			}
		},
		component: &gateway.Component{Name: name, Function: called, Payload: f.Payload},
		size:      pool,
	}
}

func endpointPart(name string, set *service.Set, http2, upstream bool) part {
	return part{
		name: name, inspect: set.Inspect,
		run: set.Run,
		condition: func() condition {
			s := set.State()
			c := condition{ready: s.Ready, failed: s.Failed, output: s.Output, crashed: s.Crashed}
			c.reason = withReadOnlyHint(s.Reason, s.Output, ", or give the service `writable: true`")
			c.checked, c.window = set.Checked()
			if upstream {
				c.healthy, c.total, c.down = s.Healthy, s.Total, set.Down()
			}
			return c
		},
		recheck:   set.Recheck,
		component: &gateway.Component{Name: name, Endpoints: endpoints{set}, HTTP2: http2},
	}
}

func sitePart(name string, site *static.Site) part {
	return part{
		name: name,
		run:  site.Run,
		condition: func() condition {
			s := site.State()
			return condition{ready: s.Ready, failed: s.Failed, reason: s.Reason}
		},
		component: &gateway.Component{Name: name, Files: site},
	}
}

// endpoints makes a service.Set what the gateway asks for.
type endpoints struct{ set *service.Set }

func (e endpoints) Claim() (gateway.Endpoint, error) {
	claimed, err := e.set.Claim()
	if err != nil {
		return nil, err
	}
	return endpoint{claimed}, nil
}

// endpoint holds one pointer, so that making an interface of it does not
// allocate.
type endpoint struct{ *service.Endpoint }

func (e endpoint) Address() gateway.Address {
	return gateway.Address{Scheme: e.Scheme(), Host: e.Host(), Path: e.Path(), OwnHost: e.OwnHost()}
}

// withReadOnlyHint returns the reason why a component is not ready, with the way out
// where its last output says that it has tried to write beside its code: EROFS, in the
// words of the C library, which every language's runtime passes on. other is one more
// way out. No reason has none.
func withReadOnlyHint(reason, output, other string) string {
	if reason == "" || !strings.Contains(strings.ToLower(output), "read-only file system") {
		return reason
	}
	return reason + "; its code is read-only: have it write to $TMPDIR, or to $TEAL_STATE_DIR what is to stay" + other
}

// health is the state of an environment as a whole.
type health struct {
	state   teal.EnvironmentState
	reason  string
	output  string
	serves  bool // every component can take requests
	crashed bool // a component that cannot has ended by itself
}

// labelled returns a sentence about a component that begins with its name.
func labelled(name, sentence string) string {
	if rest, named := strings.CutPrefix(sentence, name); named && strings.ContainsAny(rest[:min(1, len(rest))], ": /") {
		return sentence
	}
	return name + ": " + sentence
}

// summarize returns the health of an environment from the conditions of its
// components, by name in a stable order. wasReady: it has been ready before.
func summarize(names []string, conditions map[string]condition, wasReady bool) health {
	waiting := health{state: teal.EnvironmentStarting}
	if wasReady {
		waiting.state = teal.EnvironmentDegraded
	}
	var reasons, spare []string
	works := true
	for _, name := range names {
		c := conditions[name]
		for _, down := range c.down {
			spare = append(spare, labelled(name, down))
		}
		if c.ready && !c.growing {
			continue
		}
		works = works && c.ready
		waiting.crashed = waiting.crashed || !c.ready && c.crashed
		if c.failed && !c.ready && !wasReady {
			waiting.state = teal.EnvironmentFailed
		}
		reason := c.reason
		switch {
		case reason != "":
		case c.ready:
			reason = "is starting the instances for the load that it is to take"
		default:
			reason = "is starting"
		}
		reasons = append(reasons, labelled(name, reason))
		if waiting.output == "" {
			waiting.output = c.output
		}
	}
	if len(reasons) == 0 {
		return health{state: teal.EnvironmentReady, serves: true, reason: strings.Join(spare, "; ")}
	}
	waiting.serves = works
	if works {
		waiting.state = teal.EnvironmentStarting // not degraded: nothing is missing that was there
	}
	waiting.reason = strings.Join(reasons, "; ")
	return waiting
}
