package release

import (
	"fmt"
	"time"

	"teal"
)

func decideWatching(r teal.Release, o Observation) Decision {
	switch {
	case r.Commands.Rollback != nil:
		return goBack(r, o, r.Commands.Rollback.At, requested(r.Commands.Rollback))
	case !o.Route.Alias.IsOnly(r.To):
		// Possibly by a rollback of ours that a crash kept from being recorded.
		return goBack(r, o, o.Now, fmt.Sprintf("%s was moved to %s while v%d was monitored", r.Alias, teal.FormatTargets(o.Route.Alias.Targets), r.To))
	case r.Rollback != nil:
		return goBack(r, o, r.Rollback.DecidedAt, r.Reason)
	}
	if d, ended := endOutage(r, o); ended {
		return d
	}
	if d, is := decideUnhealthyLive(r, o, fmt.Sprintf("v%d has no healthy instance left: %s", r.To, o.To.unhealthyReason())); is {
		return d
	}
	if d, asked := startJudges(r, o); !asked {
		return d
	}
	if d, is := regressedAlone(r, o); is {
		return d
	}
	switch {
	case !canStayAlone(r, o):
		return orSaveJudge(r, o, decideConfidencePeriod(r, o))
	case r.Commands.Finish != nil:
		return finish(r, o, requested(r.Commands.Finish))
	case o.Standing.Waiting:
		return finish(r, o, "superseded by the next release in the queue")
	}
	return orSaveJudge(r, o, decideConfidencePeriod(r, o))
}

// decideConfidencePeriod decides about a green that nothing speaks against.
func decideConfidencePeriod(r teal.Release, o Observation) Decision {
	until := ends(o, r.Marks.Phase, r.Policy.Confidence)
	over := !o.Now.Before(until)
	switch {
	case over && canStayAlone(r, o):
		return decideConfidenceOver(r, o)
	case !o.From.Running:
		return Decision{Intent: provision(r.From), Reason: fmt.Sprintf("starting the standby, v%d, again", r.From)}
	case over: // nobody knows yet which of the two will be healthy: keep both
		until = time.Time{}
	}
	if !o.To.ready() {
		until = soonest(until, startDeadline(r, o))
	}
	return Decision{Until: until}
}

// decideConfidenceOver decides at the end of the confidence period. Too few users to judge
// by is no reason to keep blue for longer, and no pass either: the evidence says
// so. A judge outside that was asked for and has no answer is waited for.
func decideConfidenceOver(r teal.Release, o Observation) Decision {
	j := judge(r, o)
	whole := fmt.Sprintf("v%d passed its confidence period of %s", r.To, r.Policy.Confidence)
	unverified := fmt.Sprintf("v%d completed its confidence period of %s unverified: %s", r.To, r.Policy.Confidence, j.reason)
	if j.verdict == teal.VerdictPass {
		return withEvidence(finish(r, o, whole), j)
	}
	if j.doubtful { // this is what blue stands by for
		return Decision{}
	}
	if j.verdict == teal.VerdictInconclusive && !j.outside && r.Policy.Judge.OnInconclusive != teal.DoubtRollback {
		return withEvidence(finish(r, o, unverified), j)
	}
	d, may := decideUnverified(r, o)
	if may {
		return withEvidence(finish(r, o, unverified), j)
	}
	return d
}

// withEvidence makes the end of a release keep what it was judged by.
func withEvidence(d Decision, j judged) Decision {
	if d.Next.Ended() {
		d.Change.Findings = j.findings
	}
	return d
}

// canStayAlone reports whether green is known to be able to stay alone: blue must not
// go before. One that is being started, after a restart of the server, is not;
// one that serves and wants to grow has the time of a start for that.
func canStayAlone(r teal.Release, o Observation) bool {
	return o.To.ready() || o.To.serves() && !o.Now.Before(o.To.Since.Add(r.Policy.ReadyWithin.Std()))
}

// startDeadline is until when a green that starts may take to be healthy; zero when
// that time is over.
func startDeadline(r teal.Release, o Observation) time.Time {
	if by := o.To.Since.Add(r.Policy.ReadyWithin.Std()); o.Now.Before(by) {
		return by
	}
	return time.Time{}
}

// finish ends a release, once it is certain that green has everything and keeps
// it: blue is decommissioned. Beside a green that answers nobody blue is left
// running: it may be the only one that will ever be healthy.
func finish(r teal.Release, o Observation, reason string) Decision {
	switch {
	case !o.Route.Holds:
		return Decision{}
	case !isSettled(r, o):
		return reaffirm(r, o, r.To)
	}
	d := Decision{Next: teal.PhaseCompleted, Reason: reason}
	if o.From.Running && o.To.serves() {
		d.Intent = retire(r.From)
	}
	return d
}
