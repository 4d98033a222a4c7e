package api

import (
	"fmt"
	"math"
	"slices"
	"time"

	"teal"
)

// TrafficView is what users asked of something lately, and how that went. Checks,
// warm-ups and requests that chose their version by header are not in it.
type TrafficView struct {
	WindowSeconds     float64 `json:"window_seconds" doc:"How long was measured: the last minute, or less of what started since"`
	Requests          int64   `json:"requests" doc:"Those that were answered in the window, well or badly"`
	Errors            int64   `json:"errors" doc:"Of requests: 5xx, function errors, timeouts, broken connections"`
	Unanswered        int64   `json:"unanswered" doc:"Requests whose clients gave up first; not in requests"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	ErrorShare        float64 `json:"error_share" doc:"errors of requests, 0 to 1"`
	P50               float64 `json:"p50_ms"`
	P99               float64 `json:"p99_ms"`
	InFlight          int64   `json:"in_flight" doc:"At this moment"`
}

// ComponentView is a component of a version that runs on this server.
type ComponentView struct {
	Component     string             `json:"component"`
	Kind          teal.ComponentKind `json:"kind"`
	Traffic       TrafficView        `json:"traffic"`
	FailingRoutes []RouteErrorsView  `json:"failing_routes,omitempty" doc:"Where the most errors of the window were, at most five"`
	Restarts      int                `json:"restarts" doc:"Instances that were started again, or replaced, after they had ended by themselves or had not come up, since the version was started"`
	Memory        int64              `json:"memory_bytes" doc:"Resident: of the cgroups, where there are some"`
	CPUSeconds    float64            `json:"cpu_seconds" doc:"Since the version was started"`
	Load          float64            `json:"cpu_load" doc:"Processors that were busy on average in the last minute"`
	Instances     []InstanceView     `json:"instances"`
	LastError     *ErrorLineView     `json:"last_error,omitempty" doc:"The last line of its log that looks like one about an error"`
}

// RouteErrorsView are errors of one kind on one route.
type RouteErrorsView struct {
	Route  string `json:"route" doc:"The path of the route that matched, not of the request; empty for a call without one"`
	What   string `json:"what" doc:"status 500, function error, timeout, no connection"`
	Errors int64  `json:"errors"`
}

// InstanceView is one instance, or one address of an upstream.
type InstanceView struct {
	Name       string             `json:"name"`
	State      teal.InstanceState `json:"state"`
	Restarts   int                `json:"restarts"`
	Memory     int64              `json:"memory_bytes"`
	CPUSeconds float64            `json:"cpu_seconds"`
	Load       float64            `json:"cpu_load"`
}

// ErrorLineView is a line of a component's log.
type ErrorLineView struct {
	At       time.Time `json:"at"`
	Instance string    `json:"instance"`
	Text     string    `json:"text"`
}

func viewTraffic(t teal.Traffic) TrafficView {
	return TrafficView{
		WindowSeconds: rounded(t.Window.Seconds()), Requests: t.Requests, Errors: t.Errors, Unanswered: t.Unanswered,
		RequestsPerSecond: rounded(t.Rate()), ErrorShare: t.ErrorShare(), P50: milliseconds(t.P50), P99: milliseconds(t.P99), InFlight: t.InFlight,
	}
}

func milliseconds(d time.Duration) float64 { return rounded(d.Seconds() * 1e3) }

// rounded leaves three places.
func rounded(n float64) float64 { return math.Round(n*1e3) / 1e3 }

// viewComponents puts together what the components of a version were asked, and what
// runs of them: by name. A component that only one of the two knows is in it, too.
func viewComponents(traffic []teal.ComponentTraffic, running []teal.RunningComponent) []ComponentView {
	var list []ComponentView
	for _, c := range running {
		list = append(list, viewRunning(c))
	}
	for _, t := range traffic {
		at := slices.IndexFunc(list, func(c ComponentView) bool { return c.Component == t.Component })
		if at < 0 {
			continue // it has ended
		}
		list[at].Traffic = viewTraffic(t.Traffic)
		for _, r := range t.Failing {
			list[at].FailingRoutes = append(list[at].FailingRoutes, RouteErrorsView(r))
		}
	}
	return list
}

func viewRunning(c teal.RunningComponent) ComponentView {
	view := ComponentView{
		Component: c.Component, Kind: c.Kind, Restarts: c.Restarts,
		Memory: int64(c.Usage.Memory), CPUSeconds: rounded(c.Usage.CPU.Seconds()), Load: rounded(c.Usage.Load),
		Instances: make([]InstanceView, 0, len(c.Instances)),
	}
	for _, i := range c.Instances {
		view.Instances = append(view.Instances, InstanceView{
			Name: i.Name, State: i.State, Restarts: i.Restarts,
			Memory: int64(i.Usage.Memory), CPUSeconds: rounded(i.Usage.CPU.Seconds()), Load: rounded(i.Usage.Load),
		})
	}
	if e := c.LastError; e != nil {
		view.LastError = &ErrorLineView{At: e.At, Instance: e.Instance, Text: e.Text}
	}
	return view
}

// failing says what fails of a version at least as often as not: "100 % of 240 requests
// in the last minute are errors"; "" for nothing. Of several components it names those.
func failing(t teal.VersionTraffic) string {
	if len(t.Components) > 1 {
		for _, c := range t.Components {
			if c.Traffic.Failing() && !t.Traffic.Failing() {
				return c.Component + ": " + failureText(c.Traffic)
			}
		}
	}
	if !t.Traffic.Failing() {
		return ""
	}
	return failureText(t.Traffic)
}

func failureText(t teal.Traffic) string {
	since := "in the last minute"
	if t.Window < teal.TrafficWindow {
		since = fmt.Sprintf("in the %d s since it started", int(math.Ceil(t.Window.Seconds())))
	}
	if t.Requests == 1 {
		return "the only request " + since + " is an error"
	}
	return fmt.Sprintf("%s of %d requests %s are errors", Percent(t.ErrorShare()), t.Requests, since)
}

// Percent writes a part of a whole for people: "12 %", "0.3 %". It says 0 or 100 only
// where it is so.
func Percent(share float64) string {
	percent := share * 100
	switch {
	case share <= 0:
		return "0 %"
	case share >= 1:
		return "100 %"
	case percent < 0.1:
		return "under 0.1 %"
	case percent > 99.9:
		return "over 99.9 %"
	case percent < 10 || percent > 99:
		return fmt.Sprintf("%.1f %%", percent)
	}
	return fmt.Sprintf("%.0f %%", percent)
}
