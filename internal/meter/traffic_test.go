package meter

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"teal"
)

// What Lately tells is of each component, of the last minute alone, and divided by the
// time that the version has run. Seen red with the cells of all recorders counted for
// the first one, with the summary kept when the window was rolled, and with a window of
// a minute for what has run for ten seconds.
func TestLately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := runMeter(t, Config{})
		time.Sleep(time.Hour)
		web, api := m.Recorder(shop, 2, "web"), m.Recorder(shop, 2, "api")
		old := m.Recorder(shop, 1, "web")
		old.Begin()
		for range 10 {
			for range 9 {
				web.Record(Sample{Status: 200, Latency: 10 * time.Millisecond})
			}
			web.Record(Sample{Status: 200, Latency: time.Second})
			api.Record(Sample{Status: 503, Fault: FaultStatus, Route: "/api", Latency: time.Millisecond})
			api.Record(Sample{})
			old.Record(Sample{Status: 200, Latency: 20 * time.Millisecond})
			time.Sleep(time.Second)
		}
		synctest.Wait()
		got := m.Lately(shop, []teal.VersionRef{1, 2, 3})
		v2 := got.Versions[2]
		if len(got.Versions) != 2 || got.Requests != 120 || got.Errors != 10 || got.Unanswered != 10 || got.InFlight != 1 || got.Window != 10*time.Second || got.Rate() != 13 {
			t.Errorf("the app: %+v", got)
		}
		if len(v2.Components) != 2 || v2.Components[0].Component != "api" || v2.Requests != 110 {
			t.Fatalf("v2: %+v", v2)
		}
		if c := v2.Components[0]; c.ErrorShare() != 1 || !c.Traffic.Failing() || c.Requests != 10 || c.Unanswered != 10 {
			t.Errorf("api: %+v", c)
		}
		if diff := cmp.Diff([]teal.RouteErrors{{Route: "/api", What: "status 503", Errors: 10}}, v2.Components[0].Failing); diff != "" {
			t.Error(diff)
		}
		if c := v2.Components[1]; c.Errors != 0 || c.Traffic.Failing() || c.P50/(10*time.Millisecond) != 1 || c.P99/time.Second != 1 || c.Failing != nil || c.Rate() != 10 {
			t.Errorf("web: %+v", c)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := m.Lately(shop, []teal.VersionRef{2}); got.Requests != 0 || got.Window != time.Minute || got.Versions[2].Components[0].Failing != nil {
			t.Errorf("a minute later: %+v", got)
		}
		web.Record(Sample{Status: 500, Fault: FaultStatus})
		time.Sleep(2 * time.Second)
		m.Recorder(shop, 2, "web") // the version is started again
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := m.Lately(shop, []teal.VersionRef{2}).Versions[2].Components[1]; got.Requests != 0 || got.Window != 5*time.Second || got.Failing != nil {
			t.Errorf("after another start: %+v", got)
		}
	})
}

// Who asks again and again makes nobody compute. Seen red without the comparison of
// summarized and rolled.
func TestLatelyIsComputedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := runMeter(t, Config{})
		r := m.Recorder(shop, 1, "web")
		for range 100 {
			r.Record(Sample{Status: 200, Latency: time.Millisecond})
		}
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		v := m.known(shop, 1)
		m.Lately(shop, []teal.VersionRef{1})
		kept := &v.lastTraffic.Components[0]
		for range 10 {
			if got := m.Lately(shop, []teal.VersionRef{1}); got.Requests != 100 || &v.lastTraffic.Components[0] != kept {
				t.Fatalf("%+v, computed again: %v", got, &v.lastTraffic.Components[0] != kept)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if m.Lately(shop, []teal.VersionRef{1}); &v.lastTraffic.Components[0] == kept {
			t.Error("it is never computed again")
		}
	})
}

// However many kinds of errors there are, few are kept and the most frequent are told.
// Seen red without its two looks at the bound.
func TestRouteErrorsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := runMeter(t, Config{})
		r := m.Recorder(shop, 1, "web")
		for n := range 1000 {
			for range 1 + n%7 {
				r.Record(Sample{Status: 500, Fault: FaultStatus, Route: fmt.Sprintf("/%d", n)})
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(r.routes.kinds()); n != maxRouteKinds {
			t.Errorf("%d kinds are kept", n)
		}
		failing := m.Lately(shop, []teal.VersionRef{1}).Versions[1].Components[0].Failing
		if len(failing) != toldRouteKinds || failing[0].Errors != 7 || failing[4].Errors != 7 {
			t.Errorf("%+v", failing)
		}
	})
}

// What a list of a thousand apps costs.
func BenchmarkLately(b *testing.B) {
	m := New(Config{})
	for n := range 1000 {
		r := m.Recorder(fmt.Sprintf("app-%d", n), 1, "web")
		for i := range 100 {
			r.Record(Sample{Status: 200, Latency: time.Duration(i) * time.Millisecond})
		}
	}
	m.roll(time.Now())
	for b.Loop() {
		for n := range 1000 {
			m.Lately(fmt.Sprintf("app-%d", n), []teal.VersionRef{1})
		}
	}
}
