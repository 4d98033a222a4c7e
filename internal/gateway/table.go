package gateway

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"teal"
)

// App is what the table knows of one app.
type App struct {
	Name    string
	Aliases map[string][]teal.Target
	// Environments holds every running version that may be asked for, by
	// number.
	Environments map[teal.VersionRef]*Environment
	// Starting holds the routes of versions that an alias points to and that
	// have no environment yet. Requests for them are answered "try again"
	// instead of "no such route".
	Starting map[teal.VersionRef][]teal.Route
	// Stopped says that the app takes no requests because somebody wants that. Its
	// routes, which are in Starting unless they run, are its own all the same.
	Stopped bool
	// Withheld are places, as [Table.Conflict] names them, that the app does not get
	// although its live version has a route there.
	Withheld map[string]bool
}

// Table says which app, version and component answers which request. It is
// immutable: With and Without return a new table that shares what they did not
// change. Reading it takes no lock. The zero value is an empty table.
//
// The places of all apps are in one hash map, as the nodes of a tree: the node
// of every prefix on the way to a route is there. A lookup walks down from "/"
// while there is a node, so its cost depends on the depth of the routes, not on
// their number, nor on the path that a client sends. A node names the app that
// claims its place; the app's record, in a second map, is all that changes when
// a release only moves weights.
type Table struct {
	apps  shards[string, *record]
	nodes shards[place, node]
	shut  bool // every request is refused, see Gateway.Shut
}

// record is one app and the places that it claims.
type record struct {
	App
	claims map[place]bool // true: by a version that live sends requests to
}

// node is one place.
type node struct {
	live   string   // the app that has it; "" for none
	hidden []string // apps with a running version that has it but gets nothing from live; sorted
	below  int      // claims here and below; a node without any is removed
}

// With returns a table in which app is as given, whatever it was before. The
// error carries teal.CodeRouteTaken when a live route of the app is already
// another app's. The caller must not change the maps of app afterwards.
func (t *Table) With(app App) (*Table, error) { return t.with(newRecord(app)) }

// Claiming is With for a table that nobody reads but to learn which routes are taken:
// it is t itself when the routes of app are taken in it already, by this app.
func (t *Table) Claiming(app App) (*Table, error) {
	next := newRecord(app)
	if old, ok := t.apps.get(app.Name); ok && maps.Equal(old.claims, next.claims) {
		return t, nil
	}
	return t.with(next)
}

// Conflict returns a place that a live route of the app and one of another app have, and
// that app. Of several it is always the same one.
func (t *Table) Conflict(app App) (at, other string, found bool) {
	next := newRecord(app)
	var before map[place]bool
	if old, ok := t.apps.get(app.Name); ok {
		before = old.claims
	}
	for _, p := range difference(next.claims, before) {
		if n, _ := t.nodes.get(p); next.claims[p] && n.live != "" && n.live != app.Name {
			return p.String(), n.live, true
		}
	}
	return "", "", false
}

// HasLive reports whether live requests of a place, as [Table.Conflict] names it, are the
// app's.
func (t *Table) HasLive(app, place string) bool {
	r, ok := t.apps.get(app)
	if !ok {
		return false
	}
	for at, live := range r.claims {
		if live && at.String() == place {
			return true
		}
	}
	return false
}

func (t *Table) with(next *record) (*Table, error) {
	var before map[place]bool
	if old, ok := t.apps.get(next.Name); ok {
		before = old.claims
	}
	nodes, err := t.changeClaims(next.Name, before, next.claims)
	if err != nil {
		return nil, err
	}
	apps := t.apps.edit()
	apps.set(next.Name, next)
	return &Table{apps: apps.done(), nodes: nodes, shut: t.shut}, nil
}

// Without returns a table that does not know the app.
func (t *Table) Without(app string) *Table {
	old, ok := t.apps.get(app)
	if !ok {
		return t
	}
	edit := nodeEdit{t.nodes.edit()}
	for at, live := range old.claims {
		edit.withdraw(app, at, live)
	}
	apps := t.apps.edit()
	apps.delete(app)
	return &Table{apps: apps.done(), nodes: edit.done(), shut: t.shut}
}

// App returns what the table knows of an app. The caller must not change it.
func (t *Table) App(name string) (App, bool) {
	if r, ok := t.apps.get(name); ok {
		return r.App, true
	}
	return App{}, false
}

// LiveHosts returns the hosts of routes by which live sends requests somewhere, in lower
// case and sorted; a wildcard begins with "*.".
func (t *Table) LiveHosts() []string {
	seen := map[string]bool{}
	t.apps.each(func(r *record) {
		for at, live := range r.claims {
			if live && at.host != "" {
				seen[shownHost(at.host)] = true
			}
		}
	})
	return slices.Sorted(maps.Keys(seen))
}

// changeClaims returns the nodes after an app's claims have changed. It touches
// only the places whose claim is different.
func (t *Table) changeClaims(app string, before, after map[place]bool) (shards[place, node], error) {
	gone, added := difference(before, after), difference(after, before)
	if len(gone) == 0 && len(added) == 0 {
		return t.nodes, nil
	}
	edit := nodeEdit{t.nodes.edit()}
	for _, at := range gone {
		edit.withdraw(app, at, before[at])
	}
	for _, at := range added {
		if err := edit.claim(app, at, after[at]); err != nil {
			return shards[place, node]{}, err
		}
	}
	return edit.done(), nil
}

// difference returns, sorted, the places of a that b lacks or claims otherwise.
func difference(a, b map[place]bool) []place {
	var list []place
	for at, live := range a {
		if other, ok := b[at]; !ok || other != live {
			list = append(list, at)
		}
	}
	slices.SortFunc(list, func(x, y place) int {
		return cmp.Or(strings.Compare(x.host, y.host), strings.Compare(x.prefix, y.prefix))
	})
	return list
}

func newRecord(app App) *record {
	r := &record{App: app, claims: map[place]bool{}}
	live := map[teal.VersionRef]bool{}
	for _, target := range app.Aliases[teal.AliasLive] {
		live[target.Version] = target.Weight > 0
	}
	for version, env := range app.Environments {
		for at, targets := range env.routes {
			if len(targets) > 0 {
				r.claims[at] = r.claims[at] || live[version]
			}
		}
	}
	for version, list := range app.Starting {
		for _, route := range list {
			r.claims[placeOf(route)] = r.claims[placeOf(route)] || live[version]
		}
	}
	if len(app.Withheld) > 0 {
		for at, live := range r.claims {
			r.claims[at] = live && !app.Withheld[at.String()]
		}
	}
	return r
}

// nodeEdit changes the claims on places.
type nodeEdit struct {
	*shardsEdit[place, node]
}

func (e nodeEdit) claim(app string, at place, live bool) error {
	e.count(at, 1)
	n, _ := e.get(at)
	if !live {
		n.hidden = append(slices.Clone(n.hidden), app)
		slices.Sort(n.hidden)
	} else if n.live != "" {
		return teal.Errorf(teal.CodeRouteTaken, "the route %s of app %q is already app %q's; change the host or the path of one of them", at, app, n.live)
	} else {
		n.live = app
	}
	e.set(at, n)
	return nil
}

func (e nodeEdit) withdraw(app string, at place, live bool) {
	n, _ := e.get(at)
	if live {
		n.live = ""
	} else {
		n.hidden = slices.DeleteFunc(slices.Clone(n.hidden), func(name string) bool { return name == app })
	}
	e.set(at, n)
	e.count(at, -1)
}

// count adds to the number of claims of every node from the root to at.
func (e nodeEdit) count(at place, change int) {
	for end := 0; end >= 0; end = nextSegment(at.prefix, end) {
		step := place{at.host, at.prefix[:end]}
		n, _ := e.get(step)
		if n.below += change; n.below == 0 {
			e.delete(step)
		} else {
			e.set(step, n)
		}
	}
}

// find returns the app that a request belongs to; nil when there is none. Only a
// selector that overrides sees places that live does not lead to.
func (t *Table) find(a *asked, by selector) *record {
	r, _, _ := match(owners{t, by}, a)
	return r
}

// owners are the apps that places belong to for a request. It implements places.
type owners struct {
	*Table
	by selector
}

func (o owners) at(p place) (r *record, ok, known bool) {
	n, known := o.nodes.get(p)
	if known {
		r = o.owner(n, p, o.by)
	}
	return r, r != nil, known
}

// owner returns the app that a place belongs to for a request: the live one
// before any other.
func (t *Table) owner(n node, at place, by selector) *record {
	if n.live != "" {
		r, _ := t.apps.get(n.live)
		return r
	}
	if !by.overrides() {
		return nil
	}
	for _, name := range n.hidden {
		if r, _ := t.apps.get(name); r.selects(by, at) {
			return r
		}
	}
	return nil
}

// selects reports whether a version that the override names has a route at the
// very place.
func (r *record) selects(by selector, at place) bool {
	if by.version > 0 {
		return r.has(by.version, at)
	}
	for _, target := range r.Aliases[by.alias] {
		if target.Weight > 0 && r.has(target.Version, at) {
			return true
		}
	}
	return false
}

func (r *record) has(version teal.VersionRef, at place) bool {
	if env, ok := r.Environments[version]; ok {
		return len(env.routes[at]) > 0
	}
	return slices.ContainsFunc(r.Starting[version], func(route teal.Route) bool { return placeOf(route) == at })
}

// versions returns the numbers of the running versions, for people.
func (r *record) versions() string {
	if len(r.Environments) == 0 {
		return "none is"
	}
	return "running: " + joinVersions(slices.Sorted(maps.Keys(r.Environments)))
}

func joinVersions(versions []teal.VersionRef) string {
	text := make([]string, len(versions))
	for i, v := range versions {
		text[i] = v.String()
	}
	return strings.Join(text, ", ")
}
