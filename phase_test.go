package teal_test

import (
	"slices"
	"testing"

	"teal"
)

// moves lists every transition that is allowed; all others are refused.
var moves = map[teal.Phase][]teal.Phase{
	"queued":       {"provisioning", "aborted"},
	"provisioning": {"warming", "verifying", "aborted"},
	"warming":      {"verifying", "aborted"},
	"verifying":    {"shifting", "aborted"},
	"shifting":     {"watching", "completed", "rolling-back", "aborted"},
	"watching":     {"completed", "rolling-back"},
	"rolling-back": {"rolled-back", "completed"},
	"completed":    {},
	"rolled-back":  {},
	"aborted":      {},
}

// Seen to fail: a pair added to the table, and one taken out.
func TestEveryPairOfPhasesIsAllowedOnlyIfListed(t *testing.T) {
	t.Parallel()
	if len(teal.Phases) != len(moves) {
		t.Fatalf("there are %d phases; this test knows %d", len(teal.Phases), len(moves))
	}
	for _, from := range teal.Phases {
		listed, known := moves[from]
		if !known {
			t.Errorf("this test does not know the phase %q", from)
		}
		for _, to := range teal.Phases {
			if got, want := from.CanBecome(to), slices.Contains(listed, to); got != want {
				t.Errorf("%s to %s: allowed %v, want %v", from, to, got, want)
			}
			if got, want := slices.Contains(from.Next(), to), from.CanBecome(to); got != want {
				t.Errorf("Next of %s has %s: %v, but CanBecome says %v", from, to, got, want)
			}
		}
	}
}

func TestUnknownPhasesLeadNowhere(t *testing.T) {
	t.Parallel()
	for _, unknown := range []teal.Phase{"", "Queued", "done"} {
		if len(unknown.Next()) != 0 || unknown.Ended() || unknown.BeforeTraffic() {
			t.Errorf("%q has meaning", unknown)
		}
		for _, p := range teal.Phases {
			if p.CanBecome(unknown) || unknown.CanBecome(p) {
				t.Errorf("a transition between %q and %s", unknown, p)
			}
		}
	}
}

func TestEndedPhasesAreThoseWithoutAWayOut(t *testing.T) {
	t.Parallel()
	for _, p := range teal.Phases {
		if p.Ended() != (len(p.Next()) == 0) {
			t.Errorf("%s: ended %v, next %v", p, p.Ended(), p.Next())
		}
	}
}

func TestEveryPhaseIsReachedAndLeadsToAnEnd(t *testing.T) {
	t.Parallel()
	fromQueued := reachable(teal.PhaseQueued)
	for _, p := range teal.Phases {
		if !fromQueued[p] {
			t.Errorf("%s cannot be reached", p)
		}
		ends := false
		for q := range reachable(p) {
			ends = ends || q.Ended()
			if q != p && reachable(q)[p] {
				t.Errorf("%s and %s form a circle", p, q)
			}
		}
		if !ends {
			t.Errorf("%s leads to no end", p)
		}
	}
}

func reachable(from teal.Phase) map[teal.Phase]bool {
	seen := map[teal.Phase]bool{from: true}
	for todo := []teal.Phase{from}; len(todo) > 0; todo = todo[1:] {
		for _, next := range todo[0].Next() {
			if !seen[next] {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	return seen
}

func TestTrafficCanOnlyHaveMovedFromShiftingOn(t *testing.T) {
	t.Parallel()
	for _, p := range teal.Phases {
		want := slices.Contains([]teal.Phase{"queued", "provisioning", "warming", "verifying"}, p)
		if p.BeforeTraffic() != want {
			t.Errorf("%s: BeforeTraffic %v", p, p.BeforeTraffic())
		}
		// What runs before traffic ends by aborting, never by rolling back.
		if p.BeforeTraffic() && (p.CanBecome("rolling-back") || !p.CanBecome("aborted")) {
			t.Errorf("%s cannot be aborted, or can roll back", p)
		}
	}
}

func TestNextMayBeChangedByTheCaller(t *testing.T) {
	t.Parallel()
	teal.PhaseQueued.Next()[0] = teal.PhaseCompleted
	if teal.PhaseQueued.CanBecome(teal.PhaseCompleted) {
		t.Error("the caller changed the table")
	}
}
