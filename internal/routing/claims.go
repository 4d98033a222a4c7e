package routing

import (
	"maps"
	"slices"
	"sync"

	"teal"
	"teal/internal/environment"
	"teal/internal/gateway"
	"teal/internal/store"
)

// Fleet is what runs on this machine.
type Fleet interface {
	Running(app string) []environment.Running
	Runs(app string, version teal.VersionRef) bool
}

// Known are the records that the table is made of, in memory, and never behind what has
// been written through this server.
type Known interface {
	// Alias returns an alias; false when there is none, or it cannot be understood.
	Alias(key store.AliasKey) (store.Record[teal.Alias], bool)
	// AliasesOf returns the aliases of an app, in no order.
	AliasesOf(app string) []store.Record[teal.Alias]
	// AliasedApps returns the apps that have aliases, in no order.
	AliasedApps() []string
	// AppRecord returns the record of an app; false when there is none.
	AppRecord(name string) (store.Record[teal.App], bool)
	// RoutesOf returns the routes of a version, also of one that does not run.
	RoutesOf(key store.VersionKey) []teal.Route
}

// Table is the gateway's table of this node, and which routes are taken in it: by what
// the table has, and by what is about to be written. It is made before the [Gateway] role,
// which alone changes the table, and the [Router], which has routes promised. Safe for
// concurrent use; it does no I/O, and no request takes its lock.
type Table struct {
	gateway *gateway.Gateway
	known   Known
	fleet   Fleet
	alerts  Alerts

	// mu orders the changes of the table, and guards what follows.
	mu      sync.Mutex
	pending map[string][]teal.Target // what live gets when the change of the app is durable
	claimed *gateway.Table           // what apps have, and will have after what is pending
	// withheld are routes that more than one app has.
	withheld withheld
	told     map[string]bool // the apps of which alerts know that
}

// NewTable returns the table of a gateway in which nothing is routed yet.
func NewTable(g *gateway.Gateway, known Known, fleet Fleet, alerts Alerts) *Table {
	return &Table{
		gateway: g, known: known, fleet: fleet, alerts: alerts,
		pending: map[string][]teal.Target{}, claimed: g.Table(),
		withheld: withheld{}, told: map[string]bool{},
	}
}

// claim takes the routes that an app will have with an alias changed, so that no other
// app is given them meanwhile; no targets are that the alias goes.
func (t *Table) claim(key store.AliasKey, targets []teal.Target) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.state(key.App)
	if next.Aliases[key.Name] = targets; targets == nil {
		delete(next.Aliases, key.Name)
	}
	if _, err := t.claimed.Claiming(next); err != nil {
		return err
	}
	t.pending[key.App] = next.Aliases[teal.AliasLive]
	t.reclaim(key.App)
	return nil
}

// settle ends what an app has had claimed: the table has it, or it will not come.
func (t *Table) settle(app string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pending, app)
	t.reclaim(app)
}

// check returns teal.CodeRouteTaken when the app, as given, would take requests away from
// another one.
func (t *Table) check(app gateway.App) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.claimed.Claiming(app)
	return err
}

// ofApp stands for the record of an app itself among the revisions of its aliases.
const ofApp = ""

// follow swaps in a table in which the app is as its records and its environments are
// now. It returns the revisions of its aliases, and under ofApp that of its own record,
// that requests follow from here on.
func (t *Table) follow(app string) (map[string]uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.followLocked(app)
}

// followLocked is follow for callers that hold mu.
func (t *Table) followLocked(app string) (map[string]uint64, error) {
	defer t.giveBack(app)
	defer t.reclaim(app)
	revisions := map[string]uint64{}
	if record, known := t.known.AppRecord(app); known {
		revisions[ofApp] = record.Revision
	}
	for _, record := range t.known.AliasesOf(app) {
		revisions[record.Value.Name] = record.Revision
	}
	state := t.state(app)
	if t.isForgotten(app, state) {
		t.claimed = t.claimed.Without(app)
		delete(t.withheld, app)
		t.tell(app)
		return nil, t.gateway.Update(func(has *gateway.Table) (*gateway.Table, error) { return has.Without(app), nil })
	}
	state, err := t.fit(app)
	t.tell(app)
	if err != nil {
		return nil, err
	}
	return revisions, t.replace(state)
}

// replace swaps in a table in which an app is as given. No route may be another app's:
// what is claimed holds all that the table has.
func (t *Table) replace(state gateway.App) error {
	return t.gateway.Update(func(has *gateway.Table) (*gateway.Table, error) { return has.With(state) })
}

// isForgotten reports whether nothing is left of an app. The caller holds mu.
func (t *Table) isForgotten(app string, state gateway.App) bool {
	_, known := t.known.AppRecord(app)
	return !known && len(state.Aliases) == 0 && len(state.Environments) == 0 && len(state.Starting) == 0
}

// reclaim claims for an app what the table has of it, and what it gets when its
// pending change is durable. While nothing is pending, what is claimed is the table
// itself, and takes no memory twice. The caller holds mu.
func (t *Table) reclaim(app string) {
	if len(t.pending) == 0 {
		t.claimed = t.gateway.Table()
		return
	}
	have, _ := t.gateway.Table().App(app)
	both := t.with(app, nil)
	both.Aliases[teal.AliasLive] = slices.DeleteFunc(slices.Concat(have.Aliases[teal.AliasLive], t.pending[app]),
		func(target teal.Target) bool { return target.Weight == 0 })
	maps.Copy(both.Environments, have.Environments)
	maps.Copy(both.Starting, have.Starting)
	// The two take nothing from others, each by itself.
	if claimed, err := t.claimed.Claiming(both); err == nil {
		t.claimed = claimed
	}
}

// state returns what the table is to know of an app now. The caller holds mu.
func (t *Table) state(name string) gateway.App { return t.with(name, t.known.AliasesOf(name)) }

// with returns what the table is to know of an app with these aliases.
func (t *Table) with(name string, aliases []store.Record[teal.Alias]) gateway.App {
	app := gateway.App{
		Name:         name,
		Aliases:      make(map[string][]teal.Target, len(aliases)+1),
		Environments: map[teal.VersionRef]*gateway.Environment{},
		Starting:     map[teal.VersionRef][]teal.Route{},
		Withheld:     t.withheld.places(name),
	}
	var live teal.Alias
	for _, record := range aliases {
		app.Aliases[record.Value.Name] = record.Value.Targets
		if record.Value.Name == teal.AliasLive {
			live = record.Value
		}
	}
	running := t.fleet.Running(name)
	for _, e := range running {
		if e.Handle == nil {
			app.Starting[e.Version] = e.Routes
		} else {
			app.Environments[e.Version] = e.Handle
		}
	}
	t.keepRoutes(&app)
	if version, _ := preview(live, running); version != 0 {
		app.Aliases[teal.AliasPreview] = teal.Only(version)
	}
	return app
}

// keepRoutes adds the routes of what aliases of an app point to and what does not run
// here, or not yet: while the app is stopped, or its environments are begun again, nobody
// else is given them. An app on its way out has none but those of what still runs.
func (t *Table) keepRoutes(app *gateway.App) {
	record, _ := t.known.AppRecord(app.Name)
	if record.Value.Deleting {
		return
	}
	app.Stopped = record.Value.Stopped != nil
	for _, targets := range app.Aliases {
		for _, target := range targets {
			number, isNumber := target.Version.Number()
			_, starts := app.Starting[target.Version]
			_, runs := app.Environments[target.Version]
			if isNumber && !starts && !runs {
				app.Starting[target.Version] = t.known.RoutesOf(store.VersionKey{App: app.Name, Number: number})
			}
		}
	}
}
