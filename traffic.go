package teal

import "time"

// TrafficWindow is how far Traffic looks back.
const TrafficWindow = time.Minute

// Traffic is what users asked of something lately, and how that went. A request that is
// not a user's (a check, a warm-up, one that chose its version by header) is not in it.
type Traffic struct {
	// Window is how long was measured: TrafficWindow, or less of what started since.
	Window   time.Duration
	Requests int64 // those that were answered, well or badly
	Errors   int64 // of Requests: 5xx, function errors, timeouts, broken connections
	// Unanswered counts the requests whose clients gave up first.
	Unanswered int64
	InFlight   int64 // now
	P50, P99   time.Duration
}

// Rate returns the requests per second, answered or not; 0 when nothing was measured.
func (t Traffic) Rate() float64 {
	if t.Window <= 0 {
		return 0
	}
	return float64(t.Requests+t.Unanswered) / t.Window.Seconds()
}

// ErrorShare returns which part of the requests were errors, 0 to 1; 0 without
// requests.
func (t Traffic) ErrorShare() float64 {
	if t.Requests == 0 {
		return 0
	}
	return float64(t.Errors) / float64(t.Requests)
}

// failingShare is the part of errors from which on something is said to fail: whoever
// calls it is more likely to get an error than an answer.
const failingShare = 0.5

// Failing reports whether it fails at least as often as not.
func (t Traffic) Failing() bool { return t.Errors > 0 && t.ErrorShare() >= failingShare }

// RouteErrors are the errors of one kind on one route in the same time.
type RouteErrors struct {
	Route  string // the path of the route that matched; "" for a call without one
	What   string // "status 500", "function error", "timeout", "connection"
	Errors int64
}

// ComponentTraffic is the traffic of one component of a version.
type ComponentTraffic struct {
	Component string
	Traffic
	Failing []RouteErrors // where the most errors were; the most first
}

// VersionTraffic is the traffic of a version: of all its components, and of each that
// was asked anything since it started, by name.
type VersionTraffic struct {
	Traffic
	Components []ComponentTraffic
}

// AppTraffic is the traffic of an app's versions, together and each.
type AppTraffic struct {
	Traffic
	Versions map[VersionRef]VersionTraffic
}
