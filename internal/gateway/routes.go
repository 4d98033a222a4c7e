package gateway

import (
	"maps"
	"slices"

	"teal"
)

// target is what a route leads to.
type target struct {
	component *Component
	redirect  *teal.Redirect // nil for none
	prefix    string         // of the route's place
	methods   []string       // none for all
	strip     bool
}

// takes reports whether the route is for a method, "" for any.
func (t *target) takes(method string) bool {
	return len(t.methods) == 0 || method == "" || slices.Contains(t.methods, method) ||
		method == "HEAD" && slices.Contains(t.methods, "GET")
}

// routes leads places to targets. Every prefix on the way to a route is there, with
// none when no route stands on it, so that a walk ends at the deepest route below it,
// however long the path that a client sends. It is never changed after compileRoutes.
type routes map[place][]*target

func compileRoutes(list []teal.Route, components map[string]*Component) routes {
	compiled := routes{}
	for _, r := range list {
		at := placeOf(r)
		for end := 0; end >= 0; end = nextSegment(at.prefix, end) {
			step := place{at.host, at.prefix[:end]}
			if _, known := compiled[step]; !known {
				compiled[step] = nil // a step on the way, to be walked through
			}
		}
		if component := components[r.To]; component != nil || r.Redirect != nil {
			compiled[at] = append(compiled[at], &target{component, r.Redirect, at.prefix, r.Methods, r.Strip})
		}
	}
	for _, targets := range compiled {
		slices.SortStableFunc(targets, bySpecificity)
	}
	return compiled
}

// bySpecificity orders the routes of a place: one that names HEAD before one that has it
// from GET, one for all methods last.
func bySpecificity(a, b *target) int {
	rank := func(t *target) int {
		switch {
		case slices.Contains(t.methods, "HEAD"):
			return 0
		case len(t.methods) > 0:
			return 1
		}
		return 2
	}
	return rank(a) - rank(b)
}

// routesFor are the routes for a method, "" for any. It implements places.
type routesFor struct {
	routes
	method string
}

func (r routesFor) at(p place) (found *target, ok, known bool) {
	targets, known := r.routes[p]
	for _, t := range targets {
		if t.takes(r.method) {
			return t, true, true
		}
	}
	return nil, false, known
}

// match returns what a request is led to; nil when there is nothing.
func (r routes) match(a *asked) *target {
	found, _, _ := match(routesFor{r, a.method}, a)
	return found
}

// allowed returns the methods for which there is a route where a request finds none for
// its own: those of all places on its way. None when there is no route at all.
func (r routes) allowed(a *asked) []string {
	methods := map[string]bool{}
	for _, host := range hostsFor(a.host) {
		for _, path := range [...]string{a.path, a.slashes} {
			r.addMethods(methods, host, path)
		}
	}
	if methods["GET"] {
		methods["HEAD"] = true
	}
	return slices.Sorted(maps.Keys(methods))
}

// addMethods adds the methods of the routes of a host that a path leads to.
func (r routes) addMethods(methods map[string]bool, host, path string) {
	for end := 0; end >= 0; end = nextSegment(path, end) {
		targets, known := r[place{host, path[:end]}]
		if !known {
			return
		}
		for _, t := range targets {
			for _, method := range t.methods {
				methods[method] = true
			}
		}
	}
}

// matchAnyHost is match for a request whose host no route has: the longest prefix
// among the routes of all hosts. It is nil, with the hosts to choose from, when
// that leads to several components or addresses.
func (r routes) matchAnyHost(a *asked) (best *target, hosts []string) {
	several := false
	for _, host := range r.hosts() {
		there := *a
		there.host = shownHost(host) // a * is a label like any other
		found := r.match(&there)
		if found == nil || best != nil && len(found.prefix) < len(best.prefix) {
			continue
		}
		if best == nil || len(found.prefix) > len(best.prefix) {
			best, hosts, several = found, nil, false
		}
		several = several || !found.leadsAs(best)
		hosts = append(hosts, shownHost(host))
	}
	if several {
		return nil, hosts
	}
	return best, hosts
}

// leadsAs reports whether two routes lead to one component, or to one address.
func (t *target) leadsAs(other *target) bool {
	if t.redirect != nil && other.redirect != nil {
		return *t.redirect == *other.redirect
	}
	return t.component == other.component && t.redirect == nil && other.redirect == nil
}

// hosts returns the hosts of the routes, sorted.
func (r routes) hosts() []string {
	set := map[string]bool{}
	for at := range r {
		set[at.host] = true
	}
	return slices.Sorted(maps.Keys(set))
}
