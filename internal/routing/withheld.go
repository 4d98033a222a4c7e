package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"teal"
	"teal/internal/gateway"
)

// Alerts are told what is wrong with an app. They must not block. See [doctor.Alerts].
type Alerts interface {
	Report(teal.Alert)
	Resolve(code teal.AlertCode, subject string)
}

// withheld says which app has a route that another one has, too, by the other one's name
// and the place of the route. No order leads there; records can, that were written
// before two ways to write a route were known to be one place.
type withheld map[string]map[string]string

func (w withheld) note(app, place, owner string) {
	if w[app] == nil {
		w[app] = map[string]string{}
	}
	w[app][place] = owner
}

// places returns what an app does not get.
func (w withheld) places(app string) map[string]bool {
	if len(w[app]) == 0 {
		return nil
	}
	places := make(map[string]bool, len(w[app]))
	for place := range w[app] {
		places[place] = true
	}
	return places
}

// fit returns what the table is to know of an app when it has to share no place with
// another one: of two, the app that was made later does without. Every node finds the
// same, in whatever order it learns of the apps. The caller holds mu.
func (t *Table) fit(app string) (gateway.App, error) {
	delete(t.withheld, app)
	for {
		state := t.state(app)
		place, other, found := t.claimed.Conflict(state)
		if !found {
			return state, nil
		}
		loser, owner := app, other
		if t.isBefore(app, other) {
			loser, owner = other, app
		}
		if t.withheld[loser][place] != "" { // what another app is about to get is in the way
			_, err := t.claimed.Claiming(state)
			return state, err
		}
		t.withheld.note(loser, place, owner)
		if loser == other {
			if err := t.replace(t.state(other)); err != nil {
				return state, err
			}
			t.reclaim(other)
			t.tell(other)
		}
	}
}

// isBefore reports whether app a was made before app b. One without a record is the last.
func (t *Table) isBefore(a, b string) bool {
	recordA, knownA := t.known.AppRecord(a)
	recordB, knownB := t.known.AppRecord(b)
	if knownA != knownB {
		return knownA
	}
	if order := recordA.Value.CreatedAt.Compare(recordB.Value.CreatedAt); order != 0 {
		return order < 0
	}
	return a < b
}

// giveBack gives other apps the places that they did without for this one, if it does not
// have them any more. The caller holds mu.
func (t *Table) giveBack(app string) {
	for _, other := range slices.Sorted(maps.Keys(t.withheld)) {
		for place, owner := range t.withheld[other] {
			if owner == app && !t.claimed.HasLive(app, place) {
				_, _ = t.followLocked(other) // what is wrong with it is said when it changes itself
				break
			}
		}
	}
}

// tell reports which routes an app does without.
func (t *Table) tell(app string) {
	if len(t.withheld[app]) == 0 {
		if t.told[app] {
			delete(t.told, app)
			t.alerts.Resolve(teal.AlertRouteWithheld, app)
		}
		return
	}
	var list []string
	for _, place := range slices.Sorted(maps.Keys(t.withheld[app])) {
		list = append(list, fmt.Sprintf("%s (has app %q)", place, t.withheld[app][place]))
	}
	t.told[app] = true
	t.alerts.Report(teal.Alert{
		Code: teal.AlertRouteWithheld, Subject: app,
		Message: fmt.Sprintf("App %q does not get the requests of %s: two apps have the same route, written in two ways, and the older app has it. The other routes of %q are served.", app, strings.Join(list, ", "), app),
		Remedy:  "Change the host or the path in the teal.yaml of one of them, and deploy it.",
	})
}
