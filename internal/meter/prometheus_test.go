package meter

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"teal"
)

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := true
		m := New(Config{Slot: func(app string, version teal.VersionRef) (teal.Slot, bool) {
			return teal.SlotGreen, runs && app == shop && version == 2
		}, Role: func(_ string, version teal.VersionRef) teal.VersionRole {
			return map[teal.VersionRef]teal.VersionRole{1: teal.VersionCurrent, 2: teal.VersionNew}[version]
		}})
		r := m.Recorder(shop, 2, "web")
		r.Begin()
		for _, s := range []Sample{
			{Status: 200, Latency: 2 * time.Millisecond}, {Status: 201, Latency: 30 * time.Millisecond}, {Status: 404, Latency: time.Hour},
			{Status: 502, Fault: FaultFunction, Latency: time.Millisecond / 2}, {Status: 0, Latency: time.Millisecond / 2},
		} {
			r.Record(s)
		}
		m.Recorder(shop, 1, "web").Record(Sample{Status: 200})
		time.Sleep(retiredFor + time.Second)
		want := `
# HELP teal_requests_total Requests of users that have ended, by class of status; none: there was no answer before the client gave up.
# TYPE teal_requests_total counter
teal_requests_total{app="shop",code="1xx",component="web",role="new",slot="green",version="2"} 0
teal_requests_total{app="shop",code="2xx",component="web",role="new",slot="green",version="2"} 2
teal_requests_total{app="shop",code="3xx",component="web",role="new",slot="green",version="2"} 0
teal_requests_total{app="shop",code="4xx",component="web",role="new",slot="green",version="2"} 1
teal_requests_total{app="shop",code="5xx",component="web",role="new",slot="green",version="2"} 1
teal_requests_total{app="shop",code="none",component="web",role="new",slot="green",version="2"} 1
# HELP teal_request_errors_total Requests of users that the version failed, by fault.
# TYPE teal_request_errors_total counter
teal_request_errors_total{app="shop",component="web",fault="connection",role="new",slot="green",version="2"} 0
teal_request_errors_total{app="shop",component="web",fault="function",role="new",slot="green",version="2"} 1
teal_request_errors_total{app="shop",component="web",fault="status",role="new",slot="green",version="2"} 0
teal_request_errors_total{app="shop",component="web",fault="timeout",role="new",slot="green",version="2"} 0
# HELP teal_requests_in_flight Requests of users that have no whole answer yet.
# TYPE teal_requests_in_flight gauge
teal_requests_in_flight{app="shop",component="web",role="new",slot="green",version="2"} 1
`
		names := []string{"teal_requests_total", "teal_request_errors_total", "teal_requests_in_flight"}
		if err := testutil.CollectAndCompare(m, strings.NewReader(want), names...); err != nil {
			t.Error(err)
		}
		scrape := func() string {
			w := httptest.NewRecorder()
			m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			return w.Body.String()
		}
		text := scrape()
		for _, line := range []string{
			`teal_request_duration_seconds_bucket{app="shop",component="web",role="new",slot="green",version="2",le="0.0025"} 2`,
			`teal_request_duration_seconds_bucket{app="shop",component="web",role="new",slot="green",version="2",le="60"} 3`,
			`teal_request_duration_seconds_bucket{app="shop",component="web",role="new",slot="green",version="2",le="+Inf"} 4`,
			`teal_request_duration_seconds_sum{app="shop",component="web",role="new",slot="green",version="2"} 3600.0325`,
			`teal_request_duration_seconds_count{app="shop",component="web",role="new",slot="green",version="2"} 4`,
			"go_goroutines ",
		} {
			if !strings.Contains(text, line) {
				t.Errorf("no %s in\n%s", line, text)
			}
		}
		runs = false // retired: shown for a while, in the slot that it had
		if text := scrape(); !strings.Contains(text, `role="new",slot="green",version="2"`) || strings.Contains(text, `version="1"`) {
			t.Error(text)
		}
		time.Sleep(retiredFor + time.Second)
		if text := scrape(); strings.Contains(text, "teal_requests") {
			t.Error(text)
		}
		runs = true // and again: where it was
		if text := scrape(); !strings.Contains(text, `code="2xx",component="web",role="new",slot="green",version="2"} 2`) {
			t.Error(text)
		}
	})
}

func twice(t *testing.T) *Meter {
	t.Helper()
	component := func(restarts int, states ...teal.InstanceState) teal.RunningComponent {
		c := teal.RunningComponent{Component: "web", Kind: teal.KindService, Restarts: restarts, Usage: teal.Usage{Memory: 1000, CPU: 1500 * time.Millisecond, Load: 1}}
		for _, state := range states {
			c.Instances = append(c.Instances, teal.Instance{Name: "web", State: state})
		}
		return c
	}
	paused := time.UnixMilli(1764560000500)
	return New(Config{
		Role: func(_ string, version teal.VersionRef) teal.VersionRole {
			return map[teal.VersionRef]teal.VersionRole{1: teal.VersionCurrent, 2: teal.VersionNew}[version]
		},
		Running: func() []teal.RunningVersion {
			return []teal.RunningVersion{
				{App: shop, Version: 2, Slot: teal.SlotGreen, Draining: true, Components: []teal.RunningComponent{component(1, teal.InstanceDown)}},
				{App: shop, Version: 2, Slot: teal.SlotBlue, Components: []teal.RunningComponent{component(2, teal.InstanceHealthy, teal.InstanceStarting)}},
				{App: shop, Version: 1, Slot: teal.SlotGreen, Components: []teal.RunningComponent{{Component: "pool", Kind: teal.KindUpstream, Instances: []teal.Instance{{State: teal.InstanceUnhealthy}}}, {Component: "files", Kind: teal.KindStatic}}},
			}
		},
		Releases: func() []teal.Release {
			return []teal.Release{
				{App: shop, Phase: teal.PhaseShifting, Commands: teal.Commands{Pause: &teal.Command{At: paused}}},
				{App: "old", Phase: teal.PhaseRolledBack, WaitsSince: &paused},
			}
		},
		Lost:   func() map[string]int64 { return map[string]int64{"spans": 1} },
		Disk:   func() Disk { return Disk{Writable: true} },
		Alerts: func() []teal.Alert { return []teal.Alert{{Code: "x"}} },
	})
}

// What runs, and where releases are. A version that drains while it runs again is told
// of once: twice the same labels would fail the whole scrape. Seen red without the
// merge, and with the processes of an upstream.
func TestMetricsOfWhatRuns(t *testing.T) {
	want := `
# HELP teal_component_cpu_seconds_total CPU time of the instances of a component, those that have ended among them.
# TYPE teal_component_cpu_seconds_total counter
teal_component_cpu_seconds_total{app="shop",component="web",role="new",slot="blue",version="2"} 3
# HELP teal_component_memory_bytes Resident memory of the instances of a component; of their cgroups, where there are some.
# TYPE teal_component_memory_bytes gauge
teal_component_memory_bytes{app="shop",component="web",role="new",slot="blue",version="2"} 2000
# HELP teal_instance_restarts_total Instances that were started again, or replaced, after they had ended by themselves or had not come up.
# TYPE teal_instance_restarts_total counter
teal_instance_restarts_total{app="shop",component="web",role="new",slot="blue",version="2"} 3
# HELP teal_instances Instances of a component by state; of an upstream, its addresses.
# TYPE teal_instances gauge
teal_instances{app="shop",component="pool",role="current",slot="green",state="healthy",version="1"} 0
teal_instances{app="shop",component="pool",role="current",slot="green",state="starting",version="1"} 0
teal_instances{app="shop",component="pool",role="current",slot="green",state="unhealthy",version="1"} 1
teal_instances{app="shop",component="web",role="new",slot="blue",state="down",version="2"} 1
teal_instances{app="shop",component="web",role="new",slot="blue",state="healthy",version="2"} 1
teal_instances{app="shop",component="web",role="new",slot="blue",state="starting",version="2"} 1
teal_instances{app="shop",component="web",role="new",slot="blue",state="unhealthy",version="2"} 0
# HELP teal_release_phase Always 1: the phase of the active release of an app, else of its newest one.
# TYPE teal_release_phase gauge
teal_release_phase{app="old",phase="rolled-back"} 1
teal_release_phase{app="shop",phase="shifting"} 1
# HELP teal_release_waiting_since_timestamp_seconds Since when the active release of an app does not go on by itself, and why: outage, paused, approval or verdict.
# TYPE teal_release_waiting_since_timestamp_seconds gauge
teal_release_waiting_since_timestamp_seconds{app="shop",reason="paused"} 1.7645600005e+09
`
	names := []string{
		"teal_component_cpu_seconds_total", "teal_component_memory_bytes", "teal_instance_restarts_total", "teal_instances",
		"teal_release_phase", "teal_release_waiting_since_timestamp_seconds",
	}
	if err := testutil.CollectAndCompare(twice(t), strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

// What is served is read by Prometheus's own parser, and its rules for names and help
// texts hold: those of `promtool check metrics`. Seen red with a counter whose name does
// not end in _total.
func TestMetricsFollowTheRules(t *testing.T) {
	m := twice(t)
	m.Recorder(shop, 2, "web").Record(Sample{Status: 200, Latency: time.Millisecond})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	problems, err := promlint.New(w.Body).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "teal_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
