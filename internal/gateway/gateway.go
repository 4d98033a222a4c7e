package gateway

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"teal"
)

// Gateway holds the current table and claims environments for requests.
type Gateway struct {
	table   atomic.Pointer[Table]
	writing sync.Mutex // serialises Update; no reader takes it
}

// New returns a gateway with an empty table.
func New() *Gateway {
	g := &Gateway{}
	g.table.Store(&Table{})
	return g
}

// Table returns the current table.
func (g *Gateway) Table() *Table { return g.table.Load() }

// Update replaces the table by what change makes of it. Writers wait for each
// other; requests wait for nobody: each sees the table before or the table
// after, whole. When Update has returned, every request that starts sees the new
// one. An error of change leaves the table as it is.
func (g *Gateway) Update(change func(*Table) (*Table, error)) error {
	g.writing.Lock()
	defer g.writing.Unlock()
	next, err := change(g.table.Load())
	if err != nil {
		return err
	}
	g.table.Store(next)
	return nil
}

// Shut makes Claim and ClaimQualifier refuse every request with teal.CodeUnavailable until
// Open: what the table says may not be true any more. The table can be updated meanwhile.
func (g *Gateway) Shut() { g.setShut(true) }

// Open ends what Shut has begun. It costs nothing where that has not been called.
func (g *Gateway) Open() { g.setShut(false) }

// IsShut reports whether Shut has been called, and Open not since.
func (g *Gateway) IsShut() bool { return g.table.Load().shut }

func (g *Gateway) setShut(shut bool) {
	if g.IsShut() == shut {
		return
	}
	_ = g.Update(func(t *Table) (*Table, error) { // never fails
		next := *t
		next.shut = shut
		return &next, nil
	})
}

var errShut = Public(teal.Errorf(teal.CodeUnavailable, "this server has lost touch with the others and takes no requests; try again"))

// Claim is one request's hold on an environment: as long as it is held, the
// environment is not stopped (before the drain deadline). Give it back exactly
// once: with End when the request has been answered, with Release when how it
// went has been reported already or is of no interest.
type Claim struct {
	Env       *Environment
	Component *Component
	// Version is the version that was chosen. It is set as soon as one is
	// known, so also together with an error.
	Version teal.VersionRef
	Alias   string // through which the version was chosen; "" when asked for by number
	Route   string // the part of the path that led to the component; "" for "/"
	// Stream asks for a function's answer as it comes, not read as API Gateway
	// reads it: a function URL's mode RESPONSE_STREAM.
	Stream bool
	Inside bool // a component of the environment calls
	Strip  bool // Route is left out of what the component is asked for

	user  bool      // the weights of an alias have chosen the version
	since time.Time // of a measured claim
}

// claimAttempts bounds how often a claim looks at the table again. Each failed
// try means that the environment found was retired after the table had been
// loaded. Whoever retires has swapped the table first, so the next load finds
// another one: a try can only fail again when yet another switch went by in the
// meantime. So many in one claim do not happen; a table that goes on pointing to
// a retired environment does, and is a defect of the writer.
const claimAttempts = 64

// Claim finds the app, version and component for a request and counts the
// request in. point, from 0 up to but not including teal.All, decides between
// the two versions of an alias: a random number, or the hash of an affinity key.
// It takes no lock, does not block, and allocates nothing unless it fails, or the path is
// not in normal form.
//
// Errors carry teal.CodeNoRoute, CodeVersionNotRunning, CodeUnknownAlias,
// CodeMethodNotAllowed, CodeInvalidInput (of an override or a path), CodeAppStopped, or
// CodeUnavailable;
// or are a *Redirection, where the route leads elsewhere.
func (g *Gateway) Claim(h Head, point teal.Weight) (Claim, error) {
	by, err := h.selector()
	if err != nil {
		return Claim{}, err
	}
	a, err := ask(h)
	if err != nil {
		return Claim{}, err
	}
	return g.acquire(func(t *Table) (Claim, error) {
		r := t.find(&a, by)
		if r == nil {
			return Claim{}, PublicErrorf(teal.CodeNoRoute, "no app has a route for %s", a.String())
		}
		if direct := a.direct(); a.resolved != "" && t.find(&direct, by) != r {
			return Claim{}, errLeavesRoute()
		}
		return r.route(&a, by, point)
	})
}

// ClaimQualifier claims a function of an app for an invocation by name.
// qualifier is an alias, a version number, or "" for live; component is the
// function's name, or "" for the app's only one. Errors are those of Claim, and
// teal.CodeUnknownApp and CodeUnknownComponent.
func (g *Gateway) ClaimQualifier(app, qualifier, component string, point teal.Weight) (Claim, error) {
	by := selectorOf(qualifier)
	return g.acquire(func(t *Table) (Claim, error) {
		r, ok := t.apps.get(app)
		if !ok {
			return Claim{}, teal.Errorf(teal.CodeUnknownApp, "there is no app %q", app)
		}
		claim, err := r.choose(by, point)
		if err != nil {
			return claim, err
		}
		claim.user = claim.Alias != "" && claim.Alias != teal.AliasPreview
		claim.Component, err = claim.Env.function(component)
		return claim, err
	})
}

// ClaimMessages claims a component of a version for messages of a queue that the weights
// of live have given to the version: they count as users' requests, each once it is
// reported. Errors are those of Claim, and teal.CodeUnknownApp and CodeUnknownComponent.
func (g *Gateway) ClaimMessages(app string, version teal.VersionRef, component string) (Claim, error) {
	return g.acquire(func(t *Table) (Claim, error) {
		r, ok := t.apps.get(app)
		if !ok {
			return Claim{}, teal.Errorf(teal.CodeUnknownApp, "there is no app %q", app)
		}
		claim, err := r.choose(selector{version: version}, 0)
		if err != nil {
			return claim, err
		}
		claim.user, claim.Alias = true, teal.AliasLive
		claim.Component, err = claim.Env.Component(component)
		return claim, err
	})
}

// acquire repeats look until the environment that it finds admits the request.
func (g *Gateway) acquire(look func(*Table) (Claim, error)) (Claim, error) {
	var claim Claim
	var err error
	for range claimAttempts {
		t := g.table.Load()
		if t.shut {
			return Claim{}, errShut
		}
		claim, err = look(t)
		if err != nil {
			return Claim{Version: claim.Version}, err
		}
		if claim.Env.Acquire() {
			claim.begin()
			return claim, nil
		}
	}
	return Claim{Version: claim.Version}, teal.Errorf(teal.CodeUnavailable, "version %s of app %q is being stopped and nothing has taken its place; try again", claim.Version, claim.Env.app)
}

// route chooses the version for a request, then the component by that version's
// own routes.
func (r *record) route(a *asked, by selector, point teal.Weight) (Claim, error) {
	claim, err := r.choose(by, point)
	if err != nil {
		return claim, err
	}
	claim.user = !by.overrides()
	return claim, claim.lead(a)
}

// lead finds the component by the routes of the environment.
func (c *Claim) lead(a *asked) error {
	found := c.Env.routes.match(a)
	if found == nil {
		return c.errNoRoute(a)
	}
	if a.resolved != "" {
		// The second look first: what both lead to has no encoded slash, so its path is the
		// beginning of both readings.
		if direct := a.direct(); c.Env.routes.match(&direct) != found || climbs(a.readAsSlashes(), found.prefix) {
			return errLeavesRoute()
		}
	}
	if found.redirect != nil {
		return &Redirection{*found.redirect, found.prefix}
	}
	c.Component, c.Route, c.Strip = found.component, found.prefix, found.strip
	return nil
}

func (c *Claim) errNoRoute(a *asked) error {
	if allowed := c.Env.routes.allowed(a); len(allowed) > 0 {
		return ErrNotAllowed(allowed...)
	}
	return teal.Errorf(teal.CodeNoRoute, "version %s of app %q has no route for %s", c.Version, c.Env.app, a.String())
}

// choose picks the version and finds its environment.
func (r *record) choose(by selector, point teal.Weight) (Claim, error) {
	version, alias := by.version, ""
	if version == 0 {
		alias = by.aliasName()
		targets := r.Aliases[alias]
		if len(targets) == 0 {
			return Claim{}, teal.Errorf(teal.CodeUnknownAlias, "app %q has no alias %q", r.Name, alias)
		}
		version = Pick(targets, point)
	}
	if r.Stopped { // also where something of it still runs: nothing that comes now is begun
		return Claim{Version: version}, PublicErrorf(teal.CodeAppStopped, "this service has been stopped by those who run it; it answers again when they start it")
	}
	if env, ok := r.Environments[version]; ok {
		return Claim{Env: env, Version: version, Alias: alias}, nil
	}
	if _, starting := r.Starting[version]; starting || alias == teal.AliasLive {
		return Claim{Version: version}, teal.Errorf(teal.CodeUnavailable, "version %s of app %q is starting; try again in a moment", version, r.Name)
	}
	return Claim{}, teal.Errorf(teal.CodeVersionNotRunning, "version %s of app %q is not running (%s)", version, r.Name, r.versions())
}

// RandomPoint draws the point, for Pick and Claim, of a request that has no affinity key.
func RandomPoint() teal.Weight { return teal.Weight(rand.Int32N(int32(teal.All))) }

// Pick chooses between the versions of an alias. The points below the second
// one's weight are the second one's: raising that weight moves points from the
// first to the second and never back, 0 is nothing and teal.All is everything.
func Pick(targets []teal.Target, point teal.Weight) teal.VersionRef {
	if len(targets) == 2 && point < targets[1].Weight {
		return targets[1].Version
	}
	return targets[0].Version
}
