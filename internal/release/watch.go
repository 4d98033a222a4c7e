package release

import (
	"fmt"

	"teal"
)

func decideWatching(r teal.Release, o Observation) Decision {
	switch {
	case r.Orders.Rollback != nil:
		return goBack(r, o, r.Orders.Rollback.At, askedFor(r.Orders.Rollback))
	case !o.Route.Alias.IsOnly(r.To):
		// Possibly by a rollback of ours that a crash kept from being recorded.
		return goBack(r, o, o.Now, fmt.Sprintf("%s was moved to %s while version %d was watched", r.Alias, teal.FormatTargets(o.Route.Alias.Targets), r.To))
	case o.To.broken() && o.From.ready():
		return goBack(r, o, o.Now, fmt.Sprintf("version %d has no healthy instance any more: %s", r.To, o.To.why()))
	}
	if d, asked := askJudges(r, o); !asked {
		return d
	}
	if d, is := worse(r, o); is {
		return d
	}
	if r.Orders.Finish != nil {
		return finish(r, o, askedFor(r.Orders.Finish))
	}
	return orSave(r, o, decideConfidence(r, o))
}

// decideConfidence decides about a green that nothing speaks against.
func decideConfidence(r teal.Release, o Observation) Decision {
	until := r.CreatedAt
	if r.WatchUntil != nil {
		until = *r.WatchUntil
	}
	over := !o.Now.Before(until)
	switch {
	case over && o.To.ready():
		return decideOver(r, o)
	case !o.From.Running:
		return Decision{Intent: provision(r.From), Reason: fmt.Sprintf("starting the standby, version %d, again", r.From)}
	case over: // nobody knows yet which of the two will be healthy: keep both
		return Decision{}
	}
	return Decision{Until: until}
}

// decideOver decides at the end of the confidence period. Too few users to judge
// by is no reason to keep blue for longer, and no pass either: the evidence says
// so. A judge outside that was asked for and has no answer is waited for.
func decideOver(r teal.Release, o Observation) Decision {
	j := judge(r, o)
	whole := fmt.Sprintf("version %d was live for the whole confidence period of %s", r.To, r.Policy.Confidence)
	if j.verdict == teal.VerdictPass {
		return finish(r, o, whole)
	}
	if j.verdict == teal.VerdictInconclusive && !j.outside && r.Policy.Judge.OnInconclusive != teal.DoubtRollback {
		d := finish(r, o, whole+"; nothing spoke against it, but it was not judged: "+j.reason)
		d.Change.Findings = j.findings
		return d
	}
	d, may := doubt(r, o)
	if may {
		return finish(r, o, whole+"; it was not judged: "+j.reason)
	}
	return d
}

// finish ends a release that went well, once it is certain that green has
// everything and keeps it: blue is decommissioned.
func finish(r teal.Release, o Observation, reason string) Decision {
	switch {
	case !o.Route.Holds:
		return Decision{}
	case !settled(r, o):
		return confirm(r, o, r.To)
	}
	d := Decision{Next: teal.PhaseCompleted, Reason: reason}
	if o.From.Running {
		d.Intent = retire(r.From)
	}
	return d
}
