package release

import (
	"fmt"
	"time"

	"teal"
)

// goBack begins a rollback because of what was seen at a time. Where blue can
// take requests now, the alias goes back in the same step: that is what blue
// stood by for.
func goBack(r teal.Release, o Observation, seen time.Time, reason string) Decision {
	if r.Rollback != nil { // decided before a crash, which is no reason to forget why
		seen, reason = r.Rollback.DecidedAt, r.Reason
	}
	d := Decision{Next: teal.PhaseRollingBack, Reason: reason, Change: Change{Decided: seen}}
	if o.From.ready() && !o.Route.Alias.IsOnly(r.From) {
		d.Intent = shift(r.From, teal.All, o.Route.Revision)
	}
	return d
}

func decideRollingBack(r teal.Release, o Observation) Decision {
	switch {
	case !o.From.Running:
		return Decision{Intent: provision(r.From), Reason: fmt.Sprintf("starting v%d again", r.From)}
	case !o.Route.Alias.IsOnly(r.From) && o.From.ready():
		return Decision{Intent: shift(r.From, teal.All, o.Route.Revision), Reason: fmt.Sprintf("moving %s back to v%d", r.Alias, r.From)}
	case o.Route.Alias.IsOnly(r.To):
		return decideStuckRollback(r, o)
	case !o.Route.Alias.IsOnly(r.From):
		return decideSplitRollback(r, o)
	case !o.Route.Holds:
		return Decision{}
	case r.Rollback != nil && r.Rollback.BackAt == nil:
		return Decision{Change: Change{Back: true}, Reason: r.Reason}
	case !isSettled(r, o):
		return reaffirm(r, o, r.From)
	}
	return rolledBack(r, o)
}

// rolledBack ends a rollback whose blue has everything. Green goes when blue is
// healthy. One that is not has its time to become so; after that both are left
// running.
func rolledBack(r teal.Release, o Observation) Decision {
	d := Decision{Next: teal.PhaseRolledBack, Reason: fmt.Sprintf("v%d has all traffic again: %s", r.From, r.Reason)}
	switch until, hopeless := recoverableUntil(r, o); {
	case o.To.Running && o.From.serves():
		d.Intent = retire(r.To)
	case o.To.Running && !hopeless:
		return Decision{Until: until}
	case o.To.Running:
		d.Reason = fmt.Sprintf("v%d has all traffic again but is not healthy, so v%d is left running: %s", r.From, r.To, o.From.unhealthyReason())
	}
	return d
}

// decideSplitRollback decides about a rollback out of a split whose blue is not
// healthy now. It waits for blue: green has been found wanting, and blue has most
// of the traffic anyway. A blue that is given up leaves green everything, if that
// is healthy.
func decideSplitRollback(r teal.Release, o Observation) Decision {
	if until, hopeless := recoverableUntil(r, o); !hopeless {
		return Decision{Until: until}
	}
	if !o.To.ready() { // to wait on would keep the cure from being released
		return Decision{Next: teal.PhaseCompleted, Reason: neitherHealthy(r, o)}
	}
	return Decision{
		Intent: shift(r.To, teal.All, o.Route.Revision),
		Reason: fmt.Sprintf("cannot go back to v%d, v%d takes all traffic: %s", r.From, r.To, o.From.unhealthyReason()),
	}
}

// recoverableUntil returns until when blue may yet recover. One that does not start
// is given up at once, where green serves.
func recoverableUntil(r teal.Release, o Observation) (until time.Time, hopeless bool) {
	until = o.From.Since.Add(r.Policy.ReadyWithin.Std())
	return until, o.From.State == teal.EnvironmentFailed && o.To.serves() || !o.Now.Before(until)
}

// decideStuckRollback decides about a rollback while green has everything and blue
// cannot take it. Waiting for ever would keep every later release from starting,
// the one with the cure among them: a blue that does not start is given up at
// once, and any blue when it has had the time that a new version has.
func decideStuckRollback(r teal.Release, o Observation) Decision {
	until, hopeless := recoverableUntil(r, o)
	switch {
	case !hopeless:
		return Decision{Until: until}
	case !isSettled(r, o) && !o.To.ready():
		return Decision{}
	case !o.To.serves():
		return finish(r, o, neitherHealthy(r, o))
	}
	return finish(r, o, fmt.Sprintf("cannot go back to v%d, v%d keeps all traffic: %s", r.From, r.To, o.From.unhealthyReason()))
}

// isSettled reports whether no shift that was ever intended can still happen.
func isSettled(r teal.Release, o Observation) bool { return o.Route.Revision >= r.Fence }

// reaffirm gives the alias to the version that has it already. That changes its
// revision, so that a shift which is still on its way fails.
func reaffirm(r teal.Release, o Observation, version int) Decision {
	return Decision{
		Intent: shift(version, teal.All, o.Route.Revision),
		Reason: fmt.Sprintf("confirming that %s stays with v%d", r.Alias, version),
	}
}
