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
		s := v.summary(time.Now())
		out.Versions[number] = s.version()
		all = all.plus(s.total())
	}
	out.Traffic = all.traffic()
	return out
}

// summary is what was measured of something, as far as it can be added up.
type summary struct {
	window   time.Duration
	inFlight int64
	measured teal.Measurement
}

func (s summary) plus(other summary) summary {
	return summary{max(s.window, other.window), s.inFlight + other.inFlight, s.measured.Plus(other.measured)}
}

func (s summary) traffic() teal.Traffic {
	return teal.Traffic{
		Window: s.window, InFlight: s.inFlight,
		Requests: s.measured.Requests, Errors: s.measured.Errors, Unanswered: s.measured.Unanswered,
		P50: quantile(s.measured, 0.5), P99: quantile(s.measured, 0.99),
	}
}

// componentSummary is the summary of one component.
type componentSummary struct {
	name string
	summary
	failing []teal.RouteErrors
}

// versionSummary is that of a version, by component.
type versionSummary []componentSummary

func (s versionSummary) total() (all summary) {
	for _, c := range s {
		all = all.plus(c.summary)
	}
	return all
}

func (s versionSummary) version() teal.VersionTraffic {
	out := teal.VersionTraffic{Traffic: s.total().traffic()}
	for _, c := range s {
		out.Components = append(out.Components, teal.ComponentTraffic{Component: c.name, Traffic: c.traffic(), Failing: c.failing})
	}
	return out
}

// summary returns what the window of a version says, computed anew only when the
// window has been rolled since. Where nothing rolls it, it is rolled here.
func (v *version) summary(now time.Time) versionSummary {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now.Sub(v.rolled) > fineSlice {
		v.roll(now)
	}
	if v.summarized.IsZero() || v.summarized != v.rolled {
		v.lastSummary, v.summarized = v.summarize(), v.rolled
	}
	out := slices.Clone(v.lastSummary)
	for i, r := range v.recorders[:len(out)] {
		out[i].inFlight = r.inFlight()
	}
	slices.SortFunc(out, func(a, b componentSummary) int { return cmp.Compare(a.name, b.name) })
	return out
}

// summarize adds up the last minute of each recorder, but nothing from before the
// component was started. The lock must be held.
func (v *version) summarize() versionSummary {
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
	out := make(versionSummary, len(v.recorders))
	for i, r := range v.recorders {
		window := min(teal.TrafficWindow, max(v.rolled.Sub(r.since), fineSlice))
		out[i] = componentSummary{r.component, summary{window: window, measured: measurement(cells[i])}, r.routes.lately(v.rolled, window)}
	}
	return out
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
// that is known takes no lock and allocates nothing.
type routeErrors struct {
	known atomic.Pointer[map[routeKind]*routeCount] // never changed, only replaced
	mu    sync.Mutex                                // writers
}

// routeCount is a counter and what it has had at the end of each second of the last
// minute.
type routeCount struct {
	n atomic.Int64
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
	if known := e.known.Load(); known != nil {
		if c := (*known)[kind]; c != nil {
			c.n.Add(1)
			return
		}
		if len(*known) >= maxRouteKinds {
			return // the sums have it
		}
	}
	e.add(kind)
}

func (e *routeErrors) add(kind routeKind) {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := map[routeKind]*routeCount{}
	if known := e.known.Load(); known != nil {
		for k, c := range *known {
			next[k] = c
		}
	}
	c := next[kind]
	if c == nil {
		if len(next) >= maxRouteKinds {
			return
		}
		c = &routeCount{}
		kind.route = strings.Clone(kind.route)
		next[kind] = c
	}
	c.n.Add(1)
	e.known.Store(&next)
}

// roll ends a second. The lock of the version must be held.
func (e *routeErrors) roll(now time.Time) {
	known := e.known.Load()
	if known == nil {
		return
	}
	for _, c := range *known {
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

// lately returns where the most errors were within a time until now. The lock of the
// version must be held.
func (e *routeErrors) lately(now time.Time, within time.Duration) []teal.RouteErrors {
	known := e.known.Load()
	if known == nil {
		return nil
	}
	var list []teal.RouteErrors
	for kind, c := range *known {
		var n int64
		for _, s := range c.recent {
			if now.Sub(s.at) < within {
				n += s.n
			}
		}
		if n > 0 {
			list = append(list, teal.RouteErrors{Route: kind.route, What: kind.what(), Errors: n})
		}
	}
	slices.SortFunc(list, func(a, b teal.RouteErrors) int {
		return cmp.Or(cmp.Compare(b.Errors, a.Errors), cmp.Compare(a.Route, b.Route), cmp.Compare(a.What, b.What))
	})
	return list[:min(len(list), toldRouteKinds)]
}
