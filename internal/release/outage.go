package release

import (
	"fmt"
	"time"

	"teal"
)

// After an outage of both versions green has recovery from the moment that blue
// is healthy again; it is looked at every recheckEvery.
const (
	recovery     = 10 * time.Second
	recheckEvery = time.Second
)

// outage reports whether neither version of a release is healthy, so that
// nothing that is measured says anything about green alone.
func outage(r teal.Release, o Observation) bool {
	return r.OutageSince != nil || r.From != 0 && o.From.Running && o.From.broken() && o.To.broken()
}

// isDown reports whether a green that has traffic answers nobody. One that is being
// started again, after a restart of the server, has the time of a start.
func isDown(r teal.Release, o Observation) bool {
	if o.To.serves() {
		return false
	}
	return o.To.broken() || !o.Now.Before(o.To.Since.Add(r.Policy.ReadyWithin.Std()))
}

// isNewAtFault reports whether it is green alone that has lost its health, and not
// something that both versions depend on; until when that is open, if it is.
//
// A process that ended is green's own. For everything else blue must have been
// seen healthy by a check that began after green's loss: two versions notice one
// outage at different moments. Blue that was down as well and has recovered
// gives green a bounded time to do the same.
func isNewAtFault(r teal.Release, o Observation) (until time.Time, is bool) {
	lost := o.To.Since
	switch {
	case !o.From.ready():
		return time.Time{}, false
	case o.From.Since.After(lost):
		until = o.From.Since.Add(min(recovery, r.Policy.ReadyWithin.Std()))
	case o.To.Crashed || o.From.seenHealthy(lost):
		return time.Time{}, true
	default:
		until = lost.Add(o.From.Window)
	}
	return until, !o.Now.Before(until)
}

// decideDown decides about a green that is down while it has traffic or is about
// to get its first, and for which there is a version to go back to.
func decideDown(r teal.Release, o Observation, reason string) Decision {
	until, fault := isNewAtFault(r, o)
	switch {
	case fault:
		return goBack(r, o, unhealthySince(o), reason)
	case !o.From.Running:
		return Decision{Intent: provision(r.From), Reason: fmt.Sprintf("starting v%d again", r.From)}
	case !o.To.Running:
		return Decision{Intent: provision(r.To), Reason: fmt.Sprintf("starting v%d again", r.To)}
	case o.From.Since.After(o.To.Since) && o.From.ready():
		return Decision{Until: soonest(until, o.Now.Add(recheckEvery)), Recheck: r.To}
	case o.From.ready():
		return Decision{Until: until, Recheck: r.From}
	case r.OutageSince == nil && o.From.broken():
		return beginOutage(r, o)
	}
	return Decision{}
}

// decideUnhealthyLive decides about a green that has everything and is not healthy. It
// reports false when green answers, or may still be starting.
func decideUnhealthyLive(r teal.Release, o Observation, reason string) (d Decision, is bool) {
	if !isDown(r, o) {
		return Decision{}, false
	}
	d = decideDown(r, o, reason)
	if !d.Waits() || o.From.ready() || r.Commands.Finish == nil && !o.Standing.Waiting {
		return d, true
	}
	// Somebody waits for the end, perhaps with the cure.
	until := later(o.To.Since, o.From.Since).Add(r.Policy.ReadyWithin.Std())
	if o.Now.Before(until) {
		d.Until = soonest(d.Until, until)
		return d, true
	}
	return finish(r, o, neitherHealthy(r, o)), true
}

// neitherHealthy says that both versions are left running.
func neitherHealthy(r teal.Release, o Observation) string {
	return fmt.Sprintf("neither v%d nor v%d is healthy; both keep running, and %s stays as it is; v%d: %s; v%d: %s",
		r.From, r.To, r.Alias, r.From, o.From.unhealthyReason(), r.To, o.To.unhealthyReason())
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// excusedByOutage decides about a green that has no users yet and would be given up,
// while blue has lost its health, too, since green was begun. Blue has the time of
// a start to recover, and then green has it. It reports false when there is no
// excuse.
func excusedByOutage(r teal.Release, o Observation) (d Decision, is bool) {
	lost, until := currentUnhealthySince(o, (o.Observed - r.Marks.Start).Std())
	until = until.Add(r.Policy.ReadyWithin.Std())
	switch {
	case r.From == 0 || !lost || !o.To.Running || !o.Now.Before(until):
		return Decision{}, false
	case o.From.ready():
		return Decision{Until: soonest(until, o.Now.Add(recheckEvery)), Recheck: r.To}, true
	case r.OutageSince == nil:
		return beginOutage(r, o), true
	}
	return Decision{Until: until}, true
}

// currentUnhealthySince reports whether blue has lost its health within a time, and since when
// it is as it is now: whether it has it again or not.
func currentUnhealthySince(o Observation, within time.Duration) (lost bool, since time.Time) {
	settled := o.From.ready() || o.From.broken()
	return o.From.Running && settled && o.Now.Sub(o.From.Since) < within, o.From.Since
}

// orCurrentUnhealthy says that blue is not healthy either, where that is so.
func orCurrentUnhealthy(r teal.Release, o Observation) string {
	if r.From == 0 || !o.From.Running || !o.From.broken() {
		return ""
	}
	return fmt.Sprintf(" (v%d is not healthy either: %s)", r.From, o.From.unhealthyReason())
}

// retryTask decides about a task that has not passed while blue lost its health:
// that says nothing about green. It is begun again when blue is healthy. It
// reports false when there is no such reason.
func retryTask(r teal.Release, o Observation, t teal.Task) (d Decision, is bool) {
	lost, since := currentUnhealthySince(o, o.Now.Sub(t.StartedAt))
	switch {
	case r.From == 0 || !lost || r.Commands.Force != nil:
		return Decision{}, false
	case o.From.ready():
		t.StartedAt = o.Now
		return Decision{
			Change: Change{Task: &t}, Forget: true,
			Reason: fmt.Sprintf("running %s again: v%d was unhealthy in the meantime", t.Key, r.From),
		}, true
	}
	until := since.Add(r.Policy.ReadyWithin.Std())
	return Decision{Until: until}, o.Now.Before(until)
}

// unhealthySince is when green's loss of health was seen.
func unhealthySince(o Observation) time.Time {
	if o.To.Since.IsZero() || o.To.Since.After(o.Now) {
		return o.Now
	}
	return o.To.Since
}

// beginOutage notes that neither version is healthy: the release neither goes on
// nor back until one of them is.
func beginOutage(r teal.Release, o Observation) Decision {
	seen := fmt.Sprintf("v%d: %s; v%d: %s", r.From, o.From.unhealthyReason(), r.To, o.To.unhealthyReason())
	return Decision{
		Change: Change{Outage: &o.Now, Findings: []teal.Finding{{
			Name: "outage", Asked: fmt.Sprintf("is only new (v%d) unhealthy?", r.To), Seen: seen, Verdict: teal.VerdictInconclusive,
		}}},
		Reason: fmt.Sprintf("on hold: neither v%d nor v%d is healthy, so v%d is not to blame; %s", r.From, r.To, r.To, seen),
	}
}

// endOutage notes that the new version is healthy again. It reports false when there is
// nothing to note.
func endOutage(r teal.Release, o Observation) (d Decision, ended bool) {
	if r.OutageSince == nil || !o.To.serves() {
		return Decision{}, false
	}
	reason := fmt.Sprintf("continuing: v%d is healthy again after an outage of both versions of %s", r.To, teal.Duration(o.Now.Sub(*r.OutageSince).Round(time.Second)))
	return Decision{
		Change: Change{Outage: &time.Time{}, Findings: []teal.Finding{{
			Name: "outage", Asked: "is the outage over?", Seen: reason + "; judging starts over", Verdict: teal.VerdictPass,
		}}},
		Reason: reason,
	}, true
}

// regressedAlone is regressed for a green that has everything: nobody uses blue, so what
// users get does not tell a green that is worse from an outage of something that
// both versions need. Blue is asked before green is blamed; a blue that is
// healthy answers in milliseconds.
func regressedAlone(r teal.Release, o Observation) (d Decision, is bool) {
	d, is = regressed(r, o)
	if !is {
		return d, false
	}
	seen := failedSince(r, o)
	if seen.IsZero() || seen.After(o.Now) { // by a clock that nobody can wait for
		return d, true
	}
	if o.From.ready() {
		until := seen.Add(o.From.Window)
		if o.From.seenHealthy(seen) || !o.Now.Before(until) {
			return d, true
		}
		return Decision{Until: until, Recheck: r.From}, true
	}
	// Blue has just broken: should green's checks fail as well, it is an outage.
	until := o.From.Since.Add(o.To.Window)
	if o.From.Running && o.From.broken() && o.Now.Before(until) && !o.To.seenHealthy(o.From.Since) {
		return Decision{Until: until, Recheck: r.To}, true
	}
	return d, true
}
