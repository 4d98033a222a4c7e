package gateway

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"teal"
)

// EnvironmentConfig is what an environment is made of.
type EnvironmentConfig struct {
	App        string
	Version    teal.VersionRef
	Routes     []teal.Route
	Components map[string]*Component
	Admit      AdmitFunc // nil admits everybody
}

// Environment is one running version as the gateway sees it: its own routes,
// its components, and the count of what it has in flight.
type Environment struct {
	app        string
	version    teal.VersionRef
	label      string // the version as requests and responses name it
	routes     routes
	components map[string]*Component
	admit      AdmitFunc

	gate        Gate
	overdue     atomic.Bool     // Expire was called
	life        context.Context // ends with Cancel
	cancel      context.CancelCauseFunc
	connections atomic.Pointer[Connections]

	beginning sync.Once     // closes started
	started   chan struct{} // closed when it is known how the start has gone

	ending  sync.Mutex // guards drained; only whoever drains the environment takes it, and whoever first uses it
	drained []func()   // to call when it has drained
	isOver  bool       // they have been called
}

// Connections is a pool of idle connections to the instances of one
// environment. It belongs to the environment, so that nothing of a version that
// is gone is kept open or used again.
type Connections interface {
	CloseIdleConnections()
}

// NewEnvironment compiles an environment. It starts nothing. The configuration
// must have passed teal.Spec's check; a route to a component that is not there
// leads nowhere.
func NewEnvironment(config EnvironmentConfig) *Environment {
	life, cancel := context.WithCancelCause(context.Background())
	components := maps.Clone(config.Components)
	return &Environment{
		app:        config.App,
		version:    config.Version,
		label:      config.Version.String(),
		routes:     compileRoutes(config.Routes, components),
		components: components,
		admit:      config.Admit,
		gate:       NewGate(),
		life:       life,
		cancel:     cancel,
		started:    make(chan struct{}),
	}
}

// App returns the name of the app.
func (e *Environment) App() string { return e.app }

// Version returns the number of the version.
func (e *Environment) Version() teal.VersionRef { return e.version }

// Label returns the version as requests and responses name it.
func (e *Environment) Label() string { return e.label }

// Component returns the component of that name, or an error with
// teal.CodeUnknownComponent.
func (e *Environment) Component(name string) (*Component, error) {
	if c, ok := e.components[name]; ok {
		return c, nil
	}
	return nil, teal.Errorf(teal.CodeUnknownComponent, "version %s of app %q has no component %q; it has %s",
		e.version, e.app, name, quoteAll(slices.Sorted(maps.Keys(e.components))))
}

// onlyFunction returns the function that an invocation without a component's
// name means.
func (e *Environment) onlyFunction() (*Component, error) {
	var names []string
	for name, c := range e.components {
		if c.Function != nil {
			names = append(names, name)
		}
	}
	if len(names) == 1 {
		return e.components[names[0]], nil
	}
	if len(names) == 0 {
		return nil, teal.Errorf(teal.CodeUnknownComponent, "version %s of app %q has no function to invoke", e.version, e.app)
	}
	slices.Sort(names)
	return nil, teal.Errorf(teal.CodeUnknownComponent, "app %q has several functions; name one of %s", e.app, quoteAll(names))
}

// function returns the named function, or the only one for "".
func (e *Environment) function(name string) (*Component, error) {
	if name == "" {
		return e.onlyFunction()
	}
	c, err := e.Component(name)
	if err == nil && c.Function == nil {
		return nil, teal.Errorf(teal.CodeUnknownComponent, "component %q of app %q is not a function; only functions can be invoked", name, e.app)
	}
	return c, err
}

// Acquire counts a request in. It reports false when the environment has been
// retired: the caller must look at the table again. Whoever was counted in must
// call Release once. It neither blocks nor allocates.
func (e *Environment) Acquire() bool { return e.gate.Acquire() }

// Enter counts in a request that comes from inside the environment: one of its
// components calls another. It is never refused, because the request that made
// the component call keeps the environment alive, and refusing would break that
// request. While the environment drains, such calls are waited for like any
// other. A call that no request stands behind, from a component's own timer, may
// come after draining: it is counted, but nobody waits for it any more, and it
// meets instances that are being stopped.
func (e *Environment) Enter() { e.gate.Enter() }

// Release counts a request out. It panics when called more often than Acquire
// and Enter.
func (e *Environment) Release() {
	if e.gate.Release() {
		e.closeConnections()
	}
}

// Preview claims the environment by its own routes. Where no route has the host of
// the head, the path alone decides, unless it leads to several components. Errors
// carry teal.CodeNoRoute or CodeVersionNotRunning.
func (e *Environment) Preview(h Head) (Claim, error) {
	claim := Claim{Env: e, Version: e.version}
	a, err := ask(h)
	if err == nil && e.routes.match(&a) == nil {
		err = e.chooseHost(&a)
	}
	if err == nil {
		err = claim.lead(&a)
	}
	if err == nil && !e.Acquire() {
		err = teal.Errorf(teal.CodeVersionNotRunning, "version %s of app %q is being stopped", e.version, e.app)
	}
	if err != nil {
		return Claim{Version: e.version}, err
	}
	return claim, nil
}

// chooseHost gives what is asked for a host that has a route for it. There may be none.
func (e *Environment) chooseHost(a *asked) error {
	found, hosts := e.routes.matchAnyHost(a)
	if found == nil && len(hosts) > 0 {
		return teal.Errorf(teal.CodeNoRoute,
			"the path %s leads to different components on different hosts; send one of the hosts %s", Excerpt("", a.path), quoteAll(hosts))
	}
	if found != nil {
		a.host = hosts[0]
	}
	return nil
}

// MarkStarted says that it is known how the start of the environment has gone, or that
// it has ended without that. It may be called again.
func (e *Environment) MarkStarted() { e.beginning.Do(func() { close(e.started) }) }

// Started returns a channel that is closed when MarkStarted has been called: before
// that a function may refuse calls as one that does not run.
func (e *Environment) Started() <-chan struct{} { return e.started }

// HasStarted reports whether MarkStarted has been called. It neither blocks nor
// allocates.
func (e *Environment) HasStarted() bool {
	select {
	case <-e.started:
		return true
	default:
		return false
	}
}

// Retire ends admission: from now on Acquire reports false. The channel that it
// returns is closed when nothing is in flight. Take the environment out of the
// table first. It may be called again, and by several callers; all get the same
// channel.
func (e *Environment) Retire() <-chan struct{} {
	if e.gate.Retire() {
		e.closeConnections()
	}
	return e.gate.Drained()
}

// Expire says that the drain deadline has passed and the instances are being
// stopped: what is in flight goes on for as long as they do, and a request that
// they leave without an answer gets 504. Cancel follows.
func (e *Environment) Expire() { e.overdue.Store(true) }

// Cancel ends what is still in flight because the drain deadline has passed: a
// request whose answer has not begun gets 504, streams and upgraded connections
// are closed. It does not wait for them; the channel of Retire says when they
// are gone.
func (e *Environment) Cancel() { e.cancel(e.errStopped()) }

func (e *Environment) errStopped() error {
	return teal.Errorf(teal.CodeTimeout, "version %s of app %q was stopped before it had answered; send the request again", e.version, e.app)
}

// IsOverdue reports whether the instances of the claim are being stopped because
// the drain deadline has passed: that they break off is then no fault of theirs.
func (c Claim) IsOverdue() bool { return c.Env != nil && c.Env.overdue.Load() }

// Explain returns the error to answer a request of the claim with. That its
// instance was stopped at the drain deadline is why it does not answer, whatever
// that looks like.
func (c Claim) Explain(err error) error {
	if !c.IsOverdue() {
		return err
	}
	switch teal.CodeOf(err) {
	case teal.CodeUpstreamFailed, teal.CodeNoHealthyInstance, teal.CodeUnavailable:
		return c.Env.errStopped()
	}
	return err
}

// InFlight returns how many requests and connections the environment has at the
// moment.
func (e *Environment) InFlight() int { return e.gate.Count() }

// Bind returns a context that ends with parent, or when Cancel is called; then
// its cause is a *teal.Error that says so. The caller must call the returned
// function when the request is over.
func (e *Environment) Bind(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	stop := context.AfterFunc(e.life, func() { cancel(context.Cause(e.life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// OnCancel calls f, on a goroutine of its own, with the reason when Cancel is called.
// stop ends that; it reports whether f will not be called.
func (e *Environment) OnCancel(f func(cause error)) (stop func() bool) {
	return context.AfterFunc(e.life, func() { f(context.Cause(e.life)) })
}

// Connections returns the environment's pool, made by open on the first call.
// Its idle connections are closed when the environment has drained. open must
// not connect anything: it may be called and its result dropped when two
// callers are first.
func (e *Environment) Connections(open func() Connections) Connections {
	if pool := e.connections.Load(); pool != nil {
		return *pool
	}
	pool := open()
	if e.connections.CompareAndSwap(nil, &pool) {
		return pool
	}
	return *e.connections.Load()
}

func (e *Environment) closeConnections() {
	if pool := e.connections.Load(); pool != nil {
		(*pool).CloseIdleConnections()
	}
	e.ending.Lock()
	calls := e.drained
	e.drained, e.isOver = nil, true
	e.ending.Unlock()
	for _, call := range calls {
		call()
	}
}

// OnDrained calls f when the environment has drained, at once when it has already.
// f must not block.
func (e *Environment) OnDrained(f func()) {
	e.ending.Lock()
	over := e.isOver
	if !over {
		e.drained = append(e.drained, f)
	}
	e.ending.Unlock()
	if over {
		f()
	}
}

// AnswersTo reports whether a host is this machine's loopback, or stands in the
// environment's routes.
func (e *Environment) AnswersTo(host string) bool {
	host = NormalHost(host)
	if address, err := netip.ParseAddr(host); err == nil {
		return address.IsLoopback()
	}
	candidates := hostsFor(host)
	return host == "localhost" || slices.ContainsFunc(candidates[:], func(own string) bool {
		_, routed := e.routes[place{host: own}]
		return own != "" && routed
	})
}

// Admit says what whoever has opened a connection to the listener of a component, ""
// for the preview, may do there, as AdmitFunc does.
func (e *Environment) Admit(client, server netip.AddrPort, component string) Admission {
	if e.admit == nil {
		return AdmitAll
	}
	return e.admit(client, server, component)
}

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return strings.Join(quoted, ", ")
}
