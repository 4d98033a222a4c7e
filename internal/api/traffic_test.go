package api_test

import (
	"testing"
	"time"

	"teal"
	"teal/internal/api"
)

// A version that fails says so beside its state, in numbers; one component that fails
// is not hidden by another one that is asked more often. Seen red with the total alone.
func TestFailing(t *testing.T) {
	t.Parallel()
	of := func(requests, errors int64) teal.Traffic {
		return teal.Traffic{Window: time.Minute, Requests: requests, Errors: errors}
	}
	young := of(5, 5)
	young.Window = 1200 * time.Millisecond
	for _, c := range []struct {
		total      teal.Traffic
		components map[string]teal.Traffic
		want       string
	}{
		{of(240, 240), nil, "100 % of 240 requests in the last minute are errors"},
		{of(2000, 1999), nil, "over 99.9 % of 2000 requests in the last minute are errors"},
		{of(200, 101), nil, "50 % of 200 requests in the last minute are errors"},
		{of(200, 99), nil, ""},
		{of(0, 0), nil, ""},
		{of(1, 1), nil, "the only request in the last minute is an error"},
		{young, nil, "100 % of 5 requests in the 2 s since it started are errors"},
		{of(1010, 10), map[string]teal.Traffic{"web": of(1000, 0), "api": of(10, 10)}, "api: 100 % of 10 requests in the last minute are errors"},
		{of(20, 20), map[string]teal.Traffic{"web": of(10, 10), "api": of(10, 10)}, "100 % of 20 requests in the last minute are errors"},
	} {
		v := teal.VersionTraffic{Traffic: c.total}
		for name, traffic := range c.components {
			v.Components = append(v.Components, teal.ComponentTraffic{Component: name, Traffic: traffic})
		}
		status := api.NewStatus(api.Records{
			App:          "shop",
			Environments: []teal.Environment{{App: "shop", Version: 2, State: teal.EnvironmentReady}},
			Aliases:      []teal.Alias{{Name: teal.AliasLive, Targets: teal.Only(2)}},
			Traffic:      &teal.AppTraffic{Traffic: c.total, Versions: map[teal.VersionRef]teal.VersionTraffic{2: v}},
		})
		if got := status.Environments[0]; got.Failing != c.want || got.State != api.StateServing || got.Role != teal.VersionCurrent {
			t.Errorf("%+v: %+v, want %q", c.total, got, c.want)
		}
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]string{
		0: "0 %", 0.0001: "under 0.1 %", 0.004: "0.4 %", 0.0999: "10.0 %", 0.25: "25 %", 0.992: "99.2 %", 0.9999: "over 99.9 %", 1: "100 %",
	} {
		if got := api.Percent(share); got != want {
			t.Errorf("%v: %s, want %s", share, got, want)
		}
	}
}
