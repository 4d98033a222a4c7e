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
	case r.Rollback != nil:
		return goBack(r, o, r.Rollback.DecidedAt, r.Reason)
	case o.To.broken() && o.From.ready():
		return goBack(r, o, o.Now, fmt.Sprintf("version %d has no healthy instance any more: %s", r.To, o.To.why()))
	}
	if d, asked := askJudges(r, o); !asked {
		return d
	}
	if d, is := worse(r, o); is {
		return d
	}
	switch {
	case startsAgain(o):
		return orSave(r, o, decideConfidence(r, o))
	case r.Orders.Finish != nil:
		return finish(r, o, askedFor(r.Orders.Finish))
	case o.Waiting:
		return finish(r, o, "the next release waits for its turn")
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
		return noting(finish(r, o, whole), j)
	}
	if j.doubtful { // this is what blue stands by for
		return Decision{}
	}
	if j.verdict == teal.VerdictInconclusive && !j.outside && r.Policy.Judge.OnInconclusive != teal.DoubtRollback {
		return noting(finish(r, o, whole+"; nothing spoke against it, but it was not judged: "+j.reason), j)
	}
	d, may := doubt(r, o)
	if may {
		return noting(finish(r, o, whole+"; it was not judged: "+j.reason), j)
	}
	return d
}

// noting makes the end of a release keep what it was judged by.
func noting(d Decision, j judged) Decision {
	if d.Next.Ended() {
		d.Change.Findings = j.findings
	}
	return d
}

// startsAgain reports whether green is being started, after a restart of the
// server: nobody knows whether it will be healthy, and blue must not go before
// somebody does.
func startsAgain(o Observation) bool {
	return o.To.Running && o.To.State == teal.EnvironmentStarting
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
