package cli

import (
	"slices"
	"testing"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/describe"
)

// A release that is on hold says so once, in the status for as long as it lasts,
// and says when it goes on; until when something lasts is by the release's own
// clock. Seen red without the news, and with ends that look at the wall clock.
func TestAReleaseOnHoldSaysSo(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func(at time.Time) string { return at.Format("15:04") }
	r := teal.Release{
		ID: "shop-1", App: "shop", From: 1, To: 2, Phase: teal.PhaseShifting, Step: 1, StepAt: &noon, Reason: "on hold: why",
		Policy: teal.Policy{Steps: []teal.Step{{Weight: teal.Percent(10), Hold: teal.Duration(time.Hour)}}},
	}
	if got := describe.Waiting(api.ViewRelease(r), noon, clock); got != "holding until 13:00" { // a record of an older version
		t.Errorf("%q", got)
	}
	r.Observe(teal.Duration(20*time.Minute), noon.Add(40*time.Minute)) // nobody looked for 20 minutes
	if got := describe.Waiting(api.ViewRelease(r), noon, clock); got != "holding until 13:20" {
		t.Errorf("%q", got)
	}
	r.BeginOutage(noon.Add(50 * time.Minute))
	want := "on hold since 12:50: neither v1 nor v2 is healthy; continues when v2 is, rolls back when only v1 is"
	if got := describe.Waiting(api.ViewRelease(r), noon, clock); got != want {
		t.Errorf("%q", got)
	}
	p := progress{release: api.ViewRelease(r)}
	if first, again := p.seeOutage(), p.seeOutage(); !slices.Equal(first, []string{"on hold: why"}) || again != nil {
		t.Errorf("%q, then %q", first, again)
	}
	r.EndOutage()
	r.Reason = "goes on: why"
	p.release = api.ViewRelease(r)
	if got := p.seeOutage(); !slices.Equal(got, []string{"goes on: why"}) {
		t.Errorf("%q", got)
	}
	if got := p.seeOutage(); got != nil {
		t.Errorf("%q", got)
	}
}

// Seen red with the end of the last window that is looked at shown as the end.
func TestAFreezeWithoutAnEndShowsNone(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func(at time.Time) string { return at.Format("2006-01-02 15:04") }
	r := teal.Release{ID: "shop-1", App: "shop", From: 1, To: 2, Phase: teal.PhaseShifting}
	for want, freeze := range map[string]teal.Freeze{
		`frozen until 2026-03-01 13:00 ("lunch")`: {Cron: "0 12 * * *", For: teal.Duration(time.Hour), Reason: "lunch"},
		`frozen ("closed"), with no end in sight`: {Cron: "0 0 * * *", For: teal.Duration(48 * time.Hour), Reason: "closed"},
	} {
		r.Policy.Freeze = []teal.Freeze{freeze}
		if got := describe.Waiting(api.ViewRelease(r), noon, clock); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
