package cli

import (
	"slices"
	"testing"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/describe"
)

// The list of apps begins with what needs somebody. Seen red with the order of names.
func TestProblemsFirst(t *testing.T) {
	t.Parallel()
	now := time.Now()
	measured := func(share float64) *api.TrafficView { return &api.TrafficView{Requests: 100, ErrorShare: share} }
	apps := []api.Status{
		{App: "a", Traffic: measured(0.001)},
		{App: "b", Traffic: measured(0.05)},
		{App: "c", Release: &api.ReleaseView{Phase: teal.PhaseShifting, WaitsSince: &now}},
		{App: "d", Environments: []api.EnvironmentView{{State: api.StateDegraded}}},
		{App: "e", Environments: []api.EnvironmentView{{State: api.StateDegraded}, {State: api.StateServing, Failing: "100 % …"}}, Traffic: measured(1)},
		{App: "f", Release: &api.ReleaseView{Phase: teal.PhaseRolledBack, WaitsSince: &now}},
		{App: "g", Environments: []api.EnvironmentView{{State: api.StateFailed}}},
		{App: "h"},
	}
	var got []string
	for _, status := range describe.ProblemsFirst(apps) {
		got = append(got, status.App)
	}
	if want := []string{"e", "d", "g", "c", "b", "a", "f", "h"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
