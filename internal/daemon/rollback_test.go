package daemon

import (
	"testing"
	"time"

	"teal"
	"teal/internal/environment"
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
			target, done, err := rollbackTarget("shop", c.live, c.history, c.to)
			if teal.CodeOf(err) != c.code {
				t.Fatalf("error %v, want code %q", err, c.code)
			}
			if target != c.want {
				t.Errorf("target %d, want %d", target, c.want)
			}
			if got := derefRelease(done).ID; got != c.done {
				t.Errorf("done %q, want %q", got, c.done)
			}
		})
	}
}

func TestPreviewFollowsTheNewestVersionThatIsNotLive(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 12, minute, 0, 0, time.UTC) }
	older := environment.Running{Version: 1, Since: at(1)}
	live := environment.Running{Version: 2, Since: at(2)}
	newer := environment.Running{Version: 3, Since: at(3)}
	newest := environment.Running{Version: 1, Since: at(4)} // old content, released again
	alias := teal.Alias{Targets: teal.Only(2)}
	for _, c := range []struct {
		name    string
		alias   teal.Alias
		running []environment.Running
		want    int
	}{
		{"nothing beside live", alias, []environment.Running{live}, 0},
		{"a standby is no preview", alias, []environment.Running{older, live}, 0},
		{"green before the switch", alias, []environment.Running{live, newer}, 3},
		{"newest, not highest", alias, []environment.Running{newest, live, newer}, 1},
		{"what runs for an alias is no preview", alias, []environment.Running{live, newer, {Version: 1, Since: at(4), Aside: true}}, 3},
		{"nothing is live yet", teal.Alias{}, []environment.Running{older}, 1},
		{"a version in a split is live", teal.Alias{Targets: []teal.Target{{Version: 2, Weight: teal.Percent(90)}, {Version: 3, Weight: teal.Percent(10)}}},
			[]environment.Running{live, newer}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := preview(c.alias, c.running); got != c.want {
				t.Errorf("preview %d, want %d", got, c.want)
			}
		})
	}
}
