package release

import (
	"fmt"
	"time"

	"teal"
)

// weightOf returns green's share at a step: from 1, the steps of the policy, and
// after them everything.
func weightOf(p teal.Policy, step int) teal.Weight {
	if step <= len(p.Steps) {
		return p.Steps[step-1].Weight
	}
	return teal.All
}

func decideShifting(r teal.Release, o Observation) Decision {
	first := r.From == 0
	switch {
	case !first && r.Commands.Rollback != nil:
		return goBack(r, o, r.Commands.Rollback.At, requested(r.Commands.Rollback))
	case first && r.Fence == 0 && r.Commands.Rollback != nil:
		return abort(r, o, requested(r.Commands.Rollback))
	case r.Rollback != nil:
		return goBack(r, o, r.Rollback.DecidedAt, r.Reason)
	}
	if d, ended := endOutage(r, o); ended {
		return d
	}
	if o.Route.Alias.IsOnly(r.To) {
		return decideShifted(r, o)
	}
	if reason, late := pastDeadline(r, o); late && !first {
		return goBack(r, o, o.Now, reason)
	}
	if !o.To.ready() {
		return decideUnready(r, o)
	}
	if first {
		return shiftAll(r, o)
	}
	return orSaveJudge(r, o, decideSteps(r, o))
}

// decideSteps decides about a release that moves traffic step by step, while
// both versions have a share, or green is about to get its first one.
func decideSteps(r teal.Release, o Observation) Decision {
	if d, lost := aliasMovedElsewhere(r, o); lost {
		return d
	}
	if d, is := regressed(r, o); is {
		return d
	}
	if d, noted := noteShare(r, o); noted {
		return d
	}
	if r.Step > 0 {
		if d, done := decideStep(r, o); !done {
			return d
		}
	} else if d, may := canShift(r, o); !may {
		return d
	}
	return nextShift(r, o)
}

// noteShare notes a step that is in force and not in the record: a shift whose
// outcome a crash kept from being recorded, or a share that somebody gave green
// by hand before. Such a share is not taken away again; one above all steps has
// the conditions of the last one.
func noteShare(r teal.Release, o Observation) (d Decision, noted bool) {
	steps, share := len(r.Policy.Steps), o.Route.Alias.Weight(r.To)
	next := nextStep(r, o)
	above := r.Step == 0 && steps > 0 && hasShare(r, o, share) && share > weightOf(r.Policy, steps)
	switch {
	case above:
		return Decision{
			Change: Change{Step: steps, Share: share},
			Reason: fmt.Sprintf("v%d is at %s %% already; the conditions of the last step apply", r.To, share),
		}, true
	case next <= steps && hasShare(r, o, weightOf(r.Policy, next)):
		return Decision{Change: Change{Step: next, Share: share}, Reason: atStep(r, next)}, true
	}
	return Decision{}, false
}

// aliasMovedElsewhere decides about a release whose alias says something that no step of
// the release can have made it say.
func aliasMovedElsewhere(r teal.Release, o Observation) (d Decision, lost bool) {
	next := r.Step + 1
	if r.Step == 0 || hasShare(r, o, r.Share) || hasShare(r, o, weightOf(r.Policy, next)) {
		return Decision{}, false
	}
	return goBack(r, o, o.Now, fmt.Sprintf("%s was moved to %s while the release was shifting", r.Alias, teal.FormatTargets(o.Route.Alias.Targets))), true
}

// hasShare reports whether the alias splits the traffic between the two versions
// of the release, with green's share as given.
func hasShare(r teal.Release, o Observation, weight teal.Weight) bool {
	alias := o.Route.Alias
	return alias.PointsTo(r.To) && alias.Weight(r.To) == weight && alias.Weight(r.From) == teal.All-weight
}

// decideStep decides about a release at a step. It reports whether the step is
// done and the next one may come.
func decideStep(r teal.Release, o Observation) (d Decision, done bool) {
	if !o.Route.Holds {
		return Decision{}, false
	}
	if d, asked := startJudges(r, o); !asked {
		return d, false
	}
	if d, may := canShift(r, o); !may {
		return d, false
	}
	if r.Commands.Promote != nil {
		return Decision{}, true
	}
	step := r.Policy.Steps[r.Step-1]
	if until := ends(o, r.Marks.Step, step.Hold); o.Now.Before(until) {
		return Decision{Until: until}, false
	}
	for _, c := range step.Checks {
		if d, passed := requireTask(r, o, checkKey(r.Step, c)); !passed {
			return d, false
		}
	}
	if d, may := decideUnverified(r, o); !may {
		return d, false
	}
	if step.Approval && !r.Commands.Approved(r.Step) && r.Commands.Force == nil {
		return awaitPerson(r, o, fmt.Sprintf("step %d is waiting for approval", r.Step)), false
	}
	return Decision{}, true
}

// canShift reports whether nothing but time keeps the release from moving
// traffic.
func canShift(r teal.Release, o Observation) (d Decision, may bool) {
	if pause := r.Commands.Pause; pause != nil {
		return awaitPerson(r, o, orderedBy("paused", pause)), false
	}
	if until, is := frozen(r, o); is {
		return Decision{Until: until}, false
	}
	if r.WaitsSince != nil && r.Commands.Pause == nil && !awaitsApproval(r) {
		return Decision{Change: Change{Waits: &time.Time{}}, Reason: "continuing"}, false
	}
	return Decision{}, true
}

func awaitsApproval(r teal.Release) bool {
	return r.Step > 0 && r.Step <= len(r.Policy.Steps) && r.Policy.Steps[r.Step-1].Approval && !r.Commands.Approved(r.Step)
}

// nextShift gives green its next share.
func nextShift(r teal.Release, o Observation) Decision {
	next := nextStep(r, o)
	d := Decision{Intent: shift(r.To, weightOf(r.Policy, next), o.Route.Revision), Change: Change{Step: next, Share: weightOf(r.Policy, next)}, Reason: atStep(r, next)}
	if r.Commands.Promote != nil || next > len(r.Policy.Steps) {
		d = shiftAll(r, o)
	}
	if r.Step > 0 {
		d.Change.Findings, d.Change.Judging = judge(r, o).findings, o.Unsaved
	}
	return d
}

// nextStep returns the step after the one that the release is at. A share that
// somebody gave green by hand before is not taken away again: the steps below it
// are left out.
func nextStep(r teal.Release, o Observation) int {
	next := r.Step + 1
	for r.Step == 0 && next <= len(r.Policy.Steps) && weightOf(r.Policy, next) < o.Route.Alias.Weight(r.To) {
		next++
	}
	return next
}

func atStep(r teal.Release, step int) string {
	return fmt.Sprintf("v%d at %s %% (step %d of %d)", r.To, weightOf(r.Policy, step), step, len(r.Policy.Steps))
}

func shiftAll(r teal.Release, o Observation) Decision {
	return Decision{
		Intent: shift(r.To, teal.All, o.Route.Revision),
		Change: Change{Step: len(r.Policy.Steps) + 1, Share: teal.All},
		Reason: fmt.Sprintf("moving %s to v%d", r.Alias, r.To),
	}
}

// decideUnready decides about a release whose green was healthy and is not,
// while it has no traffic or a share.
func decideUnready(r teal.Release, o Observation) Decision {
	reason := fmt.Sprintf("v%d became unhealthy while it was getting traffic: %s", r.To, o.To.unhealthyReason())
	by := readyDeadline(r, o)
	late := !o.Now.Before(by)
	switch {
	case r.From != 0 && (late || o.To.broken()):
		return decideDown(r, o, reason)
	case r.From != 0 && r.OutageSince != nil:
		return Decision{Until: by}
	case r.From == 0 && r.Fence == 0 && late:
		return abort(r, o, reason)
	case !o.To.Running:
		return Decision{Intent: provision(r.To), Reason: fmt.Sprintf("starting v%d again", r.To)}
	case late: // a first switch that may have been made: wait until green recovers
		return Decision{}
	}
	return Decision{Until: by}
}

// decideShifted decides about a release whose alias points to green alone.
func decideShifted(r teal.Release, o Observation) Decision {
	if r.From != 0 {
		if d, is := decideUnhealthyLive(r, o, fmt.Sprintf("v%d failed at the switch: %s", r.To, o.To.unhealthyReason())); is {
			return d
		}
	}
	switch {
	case !o.Route.Holds:
		return Decision{}
	case r.Step <= len(r.Policy.Steps):
		return Decision{Change: Change{Step: len(r.Policy.Steps) + 1, Share: teal.All}, Reason: fmt.Sprintf("v%d has all traffic", r.To)}
	}
	if r.From != 0 && r.Policy.Confidence > 0 {
		if d, asked := startJudges(r, o); !asked {
			return d
		}
		if d, is := regressedAlone(r, o); is {
			return d
		}
	}
	if d, passed := requireHooks(r, o, teal.AfterAllowTraffic); !passed {
		return orSaveJudge(r, o, d)
	}
	return decideLive(r, o)
}

// decideLive decides about a release that has done everything but to watch.
func decideLive(r teal.Release, o Observation) Decision {
	switch {
	case r.From == 0:
		return Decision{Next: teal.PhaseCompleted, Reason: fmt.Sprintf("v%d is live; this was the first release", r.To)}
	case r.Policy.Confidence == 0 && !canStayAlone(r, o):
		return Decision{Until: startDeadline(r, o)}
	case r.Policy.Confidence == 0:
		return finish(r, o, fmt.Sprintf("v%d is live; no confidence period is configured", r.To))
	}
	return Decision{
		Next:   teal.PhaseWatching,
		Reason: fmt.Sprintf("v%d is live and monitored for %s; v%d on standby", r.To, r.Policy.Confidence, r.From),
	}
}
