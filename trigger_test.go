package teal_test

import (
	"encoding/json"
	"strings"
	"testing"

	"teal"
)

// specWith returns a sound spec with one trigger.
func specWith(t teal.Trigger) teal.Spec {
	return teal.Spec{
		App: "shop",
		Components: map[string]teal.Component{
			"web":    {Upstream: &teal.Upstream{URLs: []string{"http://10.0.0.1"}, Health: teal.Health{Path: "/", Interval: 1e9, Timeout: 1e9, Failures: 1}}},
			"worker": {Function: &teal.Function{Runtime: "python3", Handler: "a.b", Code: "sha256:" + strings.Repeat("0", 64), Memory: teal.DefaultMemory, Timeout: 1e9, Init: 1e9, Idle: 1e9, Concurrency: teal.Concurrency{Max: 1}, Payload: "2.0"}},
		},
		Routes:   []teal.Route{},
		Triggers: []teal.Trigger{t},
	}
}

// Seen red with a trigger's kinds, and with its component, not looked at.
func TestTriggersAreChecked(t *testing.T) {
	t.Parallel()
	hourly := teal.Schedule{Cron: "0 * * * *", TimeZone: "UTC"}
	for name, c := range map[string]struct {
		trigger teal.Trigger
		want    string // "" is sound
	}{
		"sound":        {teal.Trigger{Name: "a", To: "worker", Schedule: &hourly}, ""},
		"no kind":      {teal.Trigger{Name: "a", To: "worker"}, "triggers.0: is 0 kinds of trigger"},
		"no component": {teal.Trigger{Name: "a", Schedule: &hourly}, "triggers.0.to: is missing"},
		"unknown":      {teal.Trigger{Name: "a", To: "b", Schedule: &hourly}, `triggers.0.to: "b" is not a component`},
		"no name":      {teal.Trigger{To: "worker", Schedule: &hourly}, "triggers.0.name: "},
		"an upstream":  {teal.Trigger{Name: "a", To: "web", Schedule: &hourly}, "triggers.0.to: is of the kind upstream"},
		"the server's zone": {
			teal.Trigger{Name: "a", To: "worker", Schedule: &teal.Schedule{Cron: "0 * * * *", TimeZone: "Local"}}, "triggers.0.time_zone: ",
		},
		"no JSON": {
			teal.Trigger{Name: "a", To: "worker", Schedule: &teal.Schedule{Cron: "0 * * * *", TimeZone: "UTC", Payload: json.RawMessage("{")}}, "triggers.0.payload: is not JSON",
		},
	} {
		var found []string
		for _, p := range specWith(c.trigger).Check() {
			found = append(found, p.String())
		}
		if got := strings.Join(found, "\n"); c.want == "" && got != "" || !strings.HasPrefix(got, c.want) || len(found) > 1 {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Seen red with the triggers left out of the spec's JSON.
func TestTriggersAreContent(t *testing.T) {
	t.Parallel()
	spec := specWith(teal.Trigger{Name: "a", To: "worker", Schedule: &teal.Schedule{Cron: "0 * * * *"}})
	with := spec.Digest()
	if spec.Triggers = nil; spec.Digest() == with {
		t.Error("a spec with a schedule is the one without")
	}
}
