package meter

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"teal"
)

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := true
		m := New(Config{Slot: func(app string, version teal.VersionRef) (teal.Slot, bool) {
			return teal.SlotGreen, runs && app == shop && version == 2
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
teal_requests_total{app="shop",code="1xx",component="web",slot="green",version="2"} 0
teal_requests_total{app="shop",code="2xx",component="web",slot="green",version="2"} 2
teal_requests_total{app="shop",code="3xx",component="web",slot="green",version="2"} 0
teal_requests_total{app="shop",code="4xx",component="web",slot="green",version="2"} 1
teal_requests_total{app="shop",code="5xx",component="web",slot="green",version="2"} 1
teal_requests_total{app="shop",code="none",component="web",slot="green",version="2"} 1
# HELP teal_request_errors_total Requests of users that the version failed, by fault.
# TYPE teal_request_errors_total counter
teal_request_errors_total{app="shop",component="web",fault="connection",slot="green",version="2"} 0
teal_request_errors_total{app="shop",component="web",fault="function",slot="green",version="2"} 1
teal_request_errors_total{app="shop",component="web",fault="status",slot="green",version="2"} 0
teal_request_errors_total{app="shop",component="web",fault="timeout",slot="green",version="2"} 0
# HELP teal_requests_in_flight Requests of users that have no whole answer yet.
# TYPE teal_requests_in_flight gauge
teal_requests_in_flight{app="shop",component="web",slot="green",version="2"} 1
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
			`teal_request_duration_seconds_bucket{app="shop",component="web",slot="green",version="2",le="0.0025"} 2`,
			`teal_request_duration_seconds_bucket{app="shop",component="web",slot="green",version="2",le="60"} 3`,
			`teal_request_duration_seconds_bucket{app="shop",component="web",slot="green",version="2",le="+Inf"} 4`,
			`teal_request_duration_seconds_sum{app="shop",component="web",slot="green",version="2"} 3600.0325`,
			`teal_request_duration_seconds_count{app="shop",component="web",slot="green",version="2"} 4`,
			"go_goroutines ",
		} {
			if !strings.Contains(text, line) {
				t.Errorf("no %s in\n%s", line, text)
			}
		}
		runs = false // retired: shown for a while, in the slot that it had
		if text := scrape(); !strings.Contains(text, `slot="green",version="2"`) || strings.Contains(text, `version="1"`) {
			t.Error(text)
		}
		time.Sleep(retiredFor + time.Second)
		if text := scrape(); strings.Contains(text, "teal_requests") {
			t.Error(text)
		}
		runs = true // and again: where it was
		if text := scrape(); !strings.Contains(text, `code="2xx",component="web",slot="green",version="2"} 2`) {
			t.Error(text)
		}
	})
}
