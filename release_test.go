package teal_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"teal"
	"teal/internal/cron"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestEnterRefusesWhatTheTableDoesNotList(t *testing.T) {
	t.Parallel()
	for _, from := range teal.Phases {
		for _, to := range teal.Phases {
			r := teal.Release{ID: "shop-1", Phase: from, Reason: "before", Policy: teal.DefaultPolicy()}
			err := r.Enter(to, noon, "because")
			if from.CanBecome(to) {
				if err != nil || r.Phase != to || r.Reason != "because" || len(r.Phases) != 1 {
					t.Errorf("%s to %s: %v, %+v", from, to, err, r)
				}
				continue
			}
			if !teal.IsCode(err, teal.CodeTransition) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			want := teal.Release{ID: "shop-1", Phase: from, Reason: "before", Policy: teal.DefaultPolicy()}
			if diff := cmp.Diff(want, r); diff != "" {
				t.Errorf("%s to %s was refused and changed the release:\n%s", from, to, diff)
			}
		}
	}
}

func TestEnterNotesTheTimesThatMatter(t *testing.T) {
	t.Parallel()
	r := teal.Release{Phase: teal.PhaseQueued, Policy: teal.Policy{Confidence: teal.Duration(time.Hour)}}
	at := noon
	for _, p := range []teal.Phase{"provisioning", "verifying", "shifting", "watching"} {
		at = at.Add(time.Minute)
		if err := r.Enter(p, at, string(p)); err != nil {
			t.Fatal(err)
		}
	}
	if r.ShiftedAt == nil || !r.ShiftedAt.Equal(at) || r.WatchUntil == nil || !r.WatchUntil.Equal(at.Add(time.Hour)) || r.EndedAt != nil {
		t.Errorf("watching: shifted %v, until %v, ended %v", r.ShiftedAt, r.WatchUntil, r.EndedAt)
	}
	end := at.Add(time.Hour)
	if err := r.Enter(teal.PhaseCompleted, end, "over"); err != nil {
		t.Fatal(err)
	}
	if r.EndedAt == nil || !r.EndedAt.Equal(end) || !r.ShiftedAt.Equal(at) {
		t.Errorf("completed: ended %v, shifted %v", r.EndedAt, r.ShiftedAt)
	}
	want := []teal.PhaseEntry{
		{Phase: "provisioning", At: noon.Add(time.Minute), Reason: "provisioning"},
		{Phase: "verifying", At: noon.Add(2 * time.Minute), Reason: "verifying"},
		{Phase: "shifting", At: noon.Add(3 * time.Minute), Reason: "shifting"},
		{Phase: "watching", At: at, Reason: "watching"},
		{Phase: "completed", At: end, Reason: "over"},
	}
	if diff := cmp.Diff(want, r.Phases); diff != "" {
		t.Error(diff)
	}
}

// The clock of a release is the time in which somebody looked: the end of the
// confidence period is an estimate that moves with the wall clock, and an outage
// counts for nothing. Seen red with an estimate that is made once, and with an
// outage whose time counts.
func TestTheClockOfARelease(t *testing.T) {
	t.Parallel()
	minutes := func(n int) teal.Duration { return teal.Duration(time.Duration(n) * time.Minute) }
	r := teal.Release{Phase: teal.PhaseShifting, Policy: teal.Policy{Confidence: minutes(10)}, Observed: minutes(5)}
	if !r.Estimate(0, minutes(1)).IsZero() {
		t.Error("an estimate without a clock")
	}
	if err := r.Enter(teal.PhaseWatching, noon, ""); err != nil {
		t.Fatal(err)
	}
	until := func(want time.Time) {
		t.Helper()
		if !r.WatchUntil.Equal(want) {
			t.Errorf("until %s, want %s", r.WatchUntil, want)
		}
	}
	until(noon.Add(10 * time.Minute))
	r.Observe(minutes(7), noon.Add(2*time.Minute))
	until(noon.Add(10 * time.Minute))
	r.Observe(minutes(8), noon.Add(5*time.Hour)) // a jump, or nobody looked
	until(noon.Add(5*time.Hour + 7*time.Minute))
	r.Observe(minutes(6), noon) // it never goes back
	until(noon.Add(7 * time.Minute))
	r.BeginOutage(noon)
	r.Observe(minutes(20), noon.Add(12*time.Minute))
	until(noon.Add(19 * time.Minute))
	r.EndOutage()
	r.EndOutage()
	r.Observe(minutes(21), noon.Add(13*time.Minute))
	until(noon.Add(19 * time.Minute))
	if r.OutageSince != nil || r.Marks.Phase != minutes(5+12) {
		t.Errorf("%+v", r.Marks)
	}
}

func TestAReleaseThatSkipsTheWatchHasAShiftTime(t *testing.T) {
	t.Parallel()
	r := teal.Release{Phase: teal.PhaseShifting}
	if err := r.Enter(teal.PhaseCompleted, noon, ""); err != nil {
		t.Fatal(err)
	}
	if r.ShiftedAt == nil || r.EndedAt == nil || r.WatchUntil != nil {
		t.Errorf("%+v", r)
	}
	aborted := teal.Release{Phase: teal.PhaseQueued}
	if err := aborted.Enter(teal.PhaseAborted, noon, ""); err != nil {
		t.Fatal(err)
	}
	if aborted.ShiftedAt != nil || aborted.EndedAt == nil {
		t.Errorf("%+v", aborted)
	}
}

// Seen to fail: Phases appended to without clipping.
func TestCopiesOfAReleaseDoNotSharePhases(t *testing.T) {
	t.Parallel()
	r := teal.Release{Phase: teal.PhaseQueued, Phases: make([]teal.PhaseEntry, 0, 8)}
	a, b := r, r
	if err := a.Enter(teal.PhaseProvisioning, noon, "a"); err != nil {
		t.Fatal(err)
	}
	if err := b.Enter(teal.PhaseAborted, noon, "b"); err != nil {
		t.Fatal(err)
	}
	if a.Phases[0].Reason != "a" || b.Phases[0].Reason != "b" {
		t.Errorf("%v, %v", a.Phases, b.Phases)
	}
}

func TestIntendRaisesTheFenceForShiftsAlone(t *testing.T) {
	t.Parallel()
	var r teal.Release
	r.Intend(teal.Intent{Act: teal.ActProvision, Version: 2, AliasRevision: 99})
	if r.Fence != 0 || r.Intent.Act != teal.ActProvision {
		t.Errorf("%+v", r)
	}
	r.Intend(teal.Intent{Act: teal.ActShift, Version: 2})
	if r.Fence != 1 {
		t.Errorf("a shift that creates the alias: fence %d", r.Fence)
	}
	r.Intend(teal.Intent{Act: teal.ActShift, Version: 2, AliasRevision: 7})
	r.Intend(teal.Intent{Act: teal.ActShift, Version: 1, AliasRevision: 3})
	if r.Fence != 8 || r.Intent.AliasRevision != 3 {
		t.Errorf("%+v", r)
	}
}

func TestReleaseIDsNameTheirApp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		app := rapid.StringMatching(`[a-z][a-z0-9-]{0,20}[a-z0-9]`).Draw(t, "app")
		n := rapid.IntRange(1, 1<<40).Draw(t, "n")
		if got := teal.AppOfRelease(teal.ReleaseID(app, n)); got != app {
			t.Fatalf("%q", got)
		}
	})
	for id, want := range map[string]string{"": "", "shop": "", "shop-1": "shop", "a-b-12": "a-b", "-1": ""} {
		if got := teal.AppOfRelease(id); got != want {
			t.Errorf("AppOfRelease(%q) = %q, want %q", id, got, want)
		}
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	if err := teal.DefaultPolicy().Validate(cron.Check); err != nil {
		t.Errorf("the default: %v", err)
	}
	cases := map[string]struct {
		change func(*teal.Policy)
		code   teal.Code
	}{
		"no time to start": {func(p *teal.Policy) { p.ReadyWithin = 0 }, teal.CodeInvalidInput},
	}
	for name, c := range cases {
		p := teal.DefaultPolicy()
		c.change(&p)
		if err := p.Validate(cron.Check); !teal.IsCode(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := teal.DefaultPolicy()
	p.Confidence, p.Drain = 0, 0
	if err := p.Validate(cron.Check); err != nil {
		t.Errorf("no confidence period and no drain: %v", err)
	}
}

func TestReleaseSurvivesJSON(t *testing.T) {
	t.Parallel()
	until := noon.Add(time.Hour)
	r := teal.Release{
		ID: "shop-1", App: "shop", Alias: "live", From: 1, To: 2, Policy: teal.DefaultPolicy(),
		Phase: teal.PhaseWatching, Reason: "x", Fence: 9,
		Intent:    &teal.Intent{Act: teal.ActShift, Version: 2, AliasRevision: 8},
		Commands:  teal.Commands{Finish: &teal.Command{Kind: teal.CommandFinish, By: "me", Why: "y", At: noon}},
		CreatedAt: noon, ReadyBy: until, ShiftedAt: &until, WatchUntil: &until,
		Phases: []teal.PhaseEntry{{Phase: teal.PhaseQueued, At: noon}},
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back teal.Release
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Error(diff)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	live := teal.Alias{Targets: []teal.Target{{Version: 2, Weight: teal.All}, {Version: 3, Weight: 0}}}
	watching := &teal.Release{From: 1, To: 2, Phase: teal.PhaseWatching}
	shifting := &teal.Release{From: 1, To: 2, Phase: teal.PhaseShifting}
	cases := []struct {
		version int
		active  *teal.Release
		want    teal.Role
	}{
		{2, watching, teal.RoleServing}, {2, nil, teal.RoleServing},
		{1, watching, teal.RoleStandby}, {1, shifting, teal.RolePreview}, {1, nil, teal.RolePreview},
		{3, watching, teal.RolePreview}, {4, nil, teal.RolePreview},
	}
	for _, c := range cases {
		if got := teal.RoleOf(c.version, live, c.active); got != c.want {
			t.Errorf("version %d, release %+v: %s, want %s", c.version, c.active, got, c.want)
		}
	}
	slots := []teal.Slot{teal.SlotNone.Other(), teal.SlotBlue.Other(), teal.SlotGreen.Other()}
	if want := []teal.Slot{teal.SlotBlue, teal.SlotGreen, teal.SlotBlue}; !slices.Equal(slots, want) {
		t.Errorf("the other slots: %v, want %v", slots, want)
	}
}
