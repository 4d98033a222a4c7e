package teal_test

import (
	"testing"

	"teal"
)

func TestRollbackTarget(t *testing.T) {
	first := teal.Release{ID: "shop-1", From: 0, To: 1, Phase: teal.PhaseCompleted, CreatedBy: "deploy"}
	second := teal.Release{ID: "shop-2", From: 1, To: 2, Phase: teal.PhaseCompleted, CreatedBy: "deploy"}
	back := teal.Release{ID: "shop-3", From: 2, To: 1, Phase: teal.PhaseCompleted, CreatedBy: "ann", Back: true}
	rolledBack := teal.Release{ID: "shop-2", From: 1, To: 2, Phase: teal.PhaseRolledBack, CreatedBy: "deploy"}
	aborted := teal.Release{ID: "shop-3", From: 2, To: 3, Phase: teal.PhaseAborted, CreatedBy: "deploy"}
	only := func(version int) teal.Alias { return teal.Alias{Targets: teal.Only(version)} }
	split := teal.Alias{Targets: []teal.Target{{Version: 1, Weight: teal.Percent(90)}, {Version: 2, Weight: teal.Percent(10)}}}

	for _, c := range []struct {
		name    string
		live    teal.Alias
		history []teal.Release
		to      int
		want    int
		done    string
		code    teal.Code
	}{
		{name: "to where the last release came from", live: only(2), history: []teal.Release{first, second}, want: 1},
		{name: "an aborted release does not count", live: only(2), history: []teal.Release{first, second, aborted}, want: 1},
		{name: "out of a split to its primary", live: split, history: []teal.Release{first}, want: 1},
		{name: "asked for", live: only(3), history: []teal.Release{first, second}, to: 1, want: 1},
		{name: "a second caller gets the first one's result", live: only(1), history: []teal.Release{first, rolledBack}, done: "shop-2"},
		{name: "also when the version had to be started again", live: only(1), history: []teal.Release{first, second, back}, done: "shop-3"},
		{name: "asked for what is live", live: only(2), history: []teal.Release{first, second}, to: 2, done: "shop-2"},
		{name: "the first version", live: only(1), history: []teal.Release{first}, code: teal.CodeNothingToRollBackTo},
		{name: "never live", history: nil, code: teal.CodeNothingToRollBackTo},
		{name: "live was moved by hand", live: only(5), history: []teal.Release{first, second}, code: teal.CodeNothingToRollBackTo},
		{name: "live only by hand", live: only(1), history: nil, code: teal.CodeNothingToRollBackTo},
	} {
		t.Run(c.name, func(t *testing.T) {
			target, done, err := teal.RollbackTarget("shop", c.live, c.history, c.to)
			if teal.CodeOf(err) != c.code {
				t.Fatalf("error %v, want code %q", err, c.code)
			}
			if target != c.want {
				t.Errorf("target %d, want %d", target, c.want)
			}
			if got := idOf(done); got != c.done {
				t.Errorf("done %q, want %q", got, c.done)
			}
		})
	}
}

func idOf(r *teal.Release) string {
	if r == nil {
		return ""
	}
	return r.ID
}
