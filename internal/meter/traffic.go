package meter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"teal"
)

// Lately returns what users asked of the given versions of an app in the last minute,
// until at most a second ago. It reads memory alone, and computes what it returns at
// most once a second for each version, however many ask.
func (m *Meter) Lately(app string, numbers []teal.VersionRef) teal.AppTraffic {
	out := teal.AppTraffic{Versions: map[teal.VersionRef]teal.VersionTraffic{}}
	var all summary
	for _, number := range numbers {
		v := m.known(app, number)
		if v == nil {
			continue
		}
		s, told := v.summary(time.Now())
		out.Versions[number] = told
		out.Traffic, all = joined(all, out.Traffic, s, told.Traffic)
	}
	return out
}

// summary is what was measured of something, as far as it can be added up.
type summary struct {
	window   time.Duration
	measured teal.Measurement
}

func (s summary) traffic() teal.Traffic {
	return teal.Traffic{
		Window: s.window, Requests: s.measured.Requests, Errors: s.measured.Errors, Unanswered: s.measured.Unanswered,
		P50: quantile(s.measured, 0.5), P99: quantile(s.measured, 0.99),
	}
}

// joined returns what two summaries are together, and as traffic. Where there is nothing
// in one of them that is the other one.
func joined(a summary, ta teal.Traffic, b summary, tb teal.Traffic) (teal.Traffic, summary) {
	both := summary{max(a.window, b.window), a.measured}
	t := ta
	switch {
	case a.measured.Received() == 0:
		both.measured, t = b.measured, tb
	case b.measured.Received() > 0:
		both.measured = a.measured.Plus(b.measured)
		t = both.traffic()
	}
	t.Window, t.InFlight = both.window, ta.InFlight+tb.InFlight
	return t, both
}

// summary returns what the window of a version says, computed anew only when the
// window has been rolled since. Where nothing rolls it, it is rolled here.
func (v *version) summary(now time.Time) (summary, teal.VersionTraffic) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now.Sub(v.rolled) > fineSlice {
		v.roll(now)
	}
	if v.summarized.IsZero() || v.summarized != v.rolled {
		v.lastSummary, v.lastTraffic = v.summarize()
		v.summarized = v.rolled
	}
	told := v.lastTraffic
	told.Components = slices.Clone(told.Components)
	for i, r := range v.recorders[:len(told.Components)] {
		told.Components[i].InFlight = r.inFlight()
		told.InFlight += told.Components[i].InFlight
	}
	slices.SortFunc(told.Components, func(a, b teal.ComponentTraffic) int { return cmp.Compare(a.Component, b.Component) })
	return v.lastSummary, told
}

// summarize adds up the last minute of each recorder, but nothing from before the
// component was started, in the order of the recorders. The lock must be held.
func (v *version) summarize() (all summary, told teal.VersionTraffic) {
	cells := make([][]cell, len(v.recorders))
	from := v.rolled.Add(-teal.TrafficWindow)
	for _, s := range v.window {
		if s.from.Before(from) {
			continue
		}
		for _, c := range s.cells {
			if r := v.recorders[c.of]; !s.to.Before(r.since) {
				cells[c.of] = append(cells[c.of], c)
			}
		}
	}
	for i, r := range v.recorders {
		s := summary{min(teal.TrafficWindow, max(v.rolled.Sub(r.since), fineSlice)), measurement(cells[i])}
		t := s.traffic()
		told.Traffic, all = joined(all, told.Traffic, s, t)
		told.Components = append(told.Components, teal.ComponentTraffic{Component: r.component, Traffic: t, Failing: r.routes.lately(from, r.since)})
	}
	return all, told
}

// Bounds of what is kept about routes: how many kinds of errors of a component, and
// how many are told.
const (
	maxRouteKinds  = 64
	toldRouteKinds = 5
)

// routeKind is a route, as the manifest has it, and what was wrong there. What clients
// send is not in it, so that there are few.
type routeKind struct {
	route  string
	fault  Fault
	status int
}

func (k routeKind) what() string {
	switch k.fault {
	case FaultFunction:
		return "function error"
	case FaultTimeout:
		return "timeout"
	case FaultConnection:
		return "no connection"
	}
	return fmt.Sprintf("status %d", k.status)
}

// routeErrors counts the errors of each route. The zero value has none. Counting a kind
// that is known takes no lock and allocates nothing: it looks through a list, which is
// short.
type routeErrors struct {
	known atomic.Pointer[[]*routeCount] // only appended to, in another one
	mu    sync.Mutex                    // writers
}

// routeCount is a counter and what it has had at the end of each second of the last
// minute.
type routeCount struct {
	kind routeKind
	n    atomic.Int64
	// The rest is guarded by version.mu.
	rolled int64
	recent []routeSlice
}

type routeSlice struct {
	at time.Time
	n  int64
}

// note counts an error.
func (e *routeErrors) note(s *Sample) {
	kind := routeKind{route: s.Route, fault: s.Fault}
	if s.Fault == FaultStatus {
		kind.status = s.Status
	}
	known := e.kinds()
	if c := find(known, &kind); c != nil {
		c.n.Add(1)
	} else if len(known) < maxRouteKinds { // else the sums have it
		e.add(kind)
	}
}

func (e *routeErrors) kinds() []*routeCount {
	if known := e.known.Load(); known != nil {
		return *known
	}
	return nil
}

// find compares numbers before texts, which mostly are the very same.
func find(known []*routeCount, kind *routeKind) *routeCount {
	for _, c := range known {
		if c.kind.status == kind.status && c.kind.fault == kind.fault && c.kind.route == kind.route {
			return c
		}
	}
	return nil
}

func (e *routeErrors) add(kind routeKind) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.kinds()
	c := find(known, &kind)
	if c == nil {
		if len(known) >= maxRouteKinds {
			return
		}
		kind.route = strings.Clone(kind.route)
		c = &routeCount{kind: kind}
		known = append(slices.Clip(known), c)
		e.known.Store(&known)
	}
	c.n.Add(1)
}

// roll ends a second. The lock of the version must be held.
func (e *routeErrors) roll(now time.Time) {
	for _, c := range e.kinds() {
		if n := c.n.Load(); n != c.rolled {
			if last := len(c.recent) - 1; last >= 0 && now.Sub(c.recent[last].at) < fineSlice {
				c.recent[last].n += n - c.rolled
			} else {
				c.recent = append(c.recent, routeSlice{now, n - c.rolled})
			}
			c.rolled = n
		}
		gone := 0
		for gone < len(c.recent) && now.Sub(c.recent[gone].at) >= teal.TrafficWindow {
			gone++
		}
		c.recent = slices.Delete(c.recent, 0, gone)
	}
}

// lately returns where the most errors were after a time, and not before another one.
// The lock of the version must be held.
func (e *routeErrors) lately(from, since time.Time) []teal.RouteErrors {
	var list []teal.RouteErrors
	for _, c := range e.kinds() {
		var n int64
		for _, s := range c.recent {
			if s.at.After(from) && !s.at.Before(since) {
				n += s.n
			}
		}
		if n > 0 {
			list = append(list, teal.RouteErrors{Route: c.kind.route, What: c.kind.what(), Errors: n})
		}
	}
	slices.SortFunc(list, func(a, b teal.RouteErrors) int {
		return cmp.Or(cmp.Compare(b.Errors, a.Errors), cmp.Compare(a.Route, b.Route), cmp.Compare(a.What, b.What))
	})
	return list[:min(len(list), toldRouteKinds)]
}
