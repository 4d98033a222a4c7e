package release

import (
	"fmt"
	"time"

	"teal"
)

// Observation is the world as the engine saw it before one decision.
type Observation struct {
	Now   time.Time
	Route Route  // the alias that the release moves
	From  Health // of the environment that the alias left; zero for a first release
	To    Health // of the environment that the alias moves to
}

// Route is an alias and whether what it says is in force.
type Route struct {
	Alias    teal.Alias
	Revision uint64 // 0: the alias does not exist yet
	// Holds is false while some part of the data plane may still send requests
	// by an older state of the alias.
	Holds bool
}

// Health is how an environment is. The zero value is one that is not running
// and that nobody wants to run.
type Health struct {
	Running bool // it has been provisioned and not retired
	State   teal.EnvironmentState
	Since   time.Time // when it got into the state, in the life of this server
	Reason  string
	Output  string // the last lines of what failed
}

func (h Health) ready() bool { return h.Running && h.State == teal.EnvironmentReady }

// broken reports whether the environment has stopped working. One that is
// starting has not: after a restart of the server all of them are.
func (h Health) broken() bool {
	return !h.Running || h.State == teal.EnvironmentDegraded || h.State == teal.EnvironmentFailed
}

// why returns the reason for not being ready, for people.
func (h Health) why() string {
	switch {
	case !h.Running:
		return "it is not running"
	case h.Reason == "":
		return "it is " + string(h.State)
	case h.Output == "":
		return h.Reason
	}
	return h.Reason + "\n" + h.Output
}

// Decision is what to do next about a release. A decision without an act and
// without a next phase is to wait: until the observation changes or, when it is
// set, until Until.
type Decision struct {
	Intent teal.Intent // the act; ActNone when only the record changes
	Next   teal.Phase  // the phase to enter when the act is done; "" to stay
	Reason string
	Until  time.Time
}

// Waits reports whether there is nothing to do now.
func (d Decision) Waits() bool { return d.Intent.Act == teal.ActNone && d.Next == "" }

// Decide returns what to do about a release that has not ended. It is pure, and
// total: every phase has an answer for every observation. Its rules keep what
// the guarantees promise: the alias is only given to a version whose
// environment is ready, and an environment is only retired once the alias is
// seen to hold elsewhere.
func Decide(r teal.Release, o Observation) Decision {
	switch r.Phase {
	case teal.PhaseQueued:
		return decideQueued(r, o)
	case teal.PhaseProvisioning, teal.PhaseWarming, teal.PhaseVerifying:
		return decideProvisioning(r, o)
	case teal.PhaseShifting:
		return decideShifting(r, o)
	case teal.PhaseWatching:
		return decideWatching(r, o)
	case teal.PhaseRollingBack:
		return decideRollingBack(r, o)
	}
	return Decision{}
}

func decideQueued(r teal.Release, o Observation) Decision {
	if reason, stop := stopBeforeTraffic(r, o); stop {
		if r.Intent != nil { // green was started, and that was not recorded
			return abort(r, o, reason)
		}
		return Decision{Next: teal.PhaseAborted, Reason: reason}
	}
	return Decision{
		Intent: provision(r.To),
		Next:   teal.PhaseProvisioning,
		Reason: fmt.Sprintf("starting version %d", r.To),
	}
}

func decideProvisioning(r teal.Release, o Observation) Decision {
	if reason, stop := stopBeforeTraffic(r, o); stop {
		return abort(r, o, reason)
	}
	switch {
	case o.To.ready():
		return Decision{Next: teal.PhaseShifting, Reason: fmt.Sprintf("every component of version %d is healthy", r.To)}
	case o.To.Running && o.To.State == teal.EnvironmentFailed:
		return abort(r, o, fmt.Sprintf("version %d does not start: %s", r.To, o.To.why()))
	case !o.Now.Before(r.ReadyBy):
		return abort(r, o, fmt.Sprintf("version %d was not healthy within %s: %s", r.To, r.Policy.ReadyWithin, o.To.why()))
	case !o.To.Running:
		return Decision{Intent: provision(r.To), Reason: fmt.Sprintf("starting version %d", r.To)}
	}
	return Decision{Until: r.ReadyBy}
}

// stopBeforeTraffic returns why a release that has not moved any traffic must
// end, if it must.
func stopBeforeTraffic(r teal.Release, o Observation) (reason string, stop bool) {
	from, moves := leaves(o.Route.Alias, r.To)
	switch {
	case ordered(r, teal.OrderRollback):
		return orderReason(r), true
	case !moves || from != r.From:
		return fmt.Sprintf("%s was moved to %s while the release was starting",
			r.Alias, teal.FormatTargets(o.Route.Alias.Targets)), true
	}
	return "", false
}

// leaves returns the version that loses its traffic when the alias is given
// wholly to another: the alias's primary one, or, for a way out of a split to
// the primary, the second one; 0 for an alias that points nowhere yet. It
// reports false when the alias is wholly to's already.
func leaves(alias teal.Alias, to int) (from int, moves bool) {
	if alias.Primary() != to {
		return alias.Primary(), true
	}
	if len(alias.Targets) == 2 {
		return alias.Targets[1].Version, true
	}
	return 0, false
}

// abort ends a release before any traffic moved: green goes away, unless the
// alias had already given it a share by hand.
func abort(r teal.Release, o Observation, reason string) Decision {
	d := Decision{Next: teal.PhaseAborted, Reason: reason}
	if o.To.Running && !o.Route.Alias.PointsTo(r.To) {
		d.Intent = retire(r.To)
	}
	return d
}

func decideShifting(r teal.Release, o Observation) Decision {
	first := r.From == 0
	switch {
	case !first && ordered(r, teal.OrderRollback):
		return goBack(r, o, orderReason(r))
	case first && r.Fence == 0 && ordered(r, teal.OrderRollback):
		return abort(r, o, orderReason(r))
	}
	if o.Route.Alias.IsOnly(r.To) {
		return decideShifted(r, o)
	}
	if !o.To.ready() {
		return decideUnready(r, o)
	}
	return Decision{
		Intent: shift(r.To, o.Route.Revision),
		Reason: fmt.Sprintf("giving %s to version %d", r.Alias, r.To),
	}
}

// decideUnready decides about a release whose green was healthy and is not, just
// before the switch.
func decideUnready(r teal.Release, o Observation) Decision {
	reason := fmt.Sprintf("version %d stopped being healthy before the switch: %s", r.To, o.To.why())
	late := !o.Now.Before(r.ReadyBy)
	switch {
	case r.From != 0 && (late || o.To.broken()):
		return goBack(r, o, reason)
	case r.From == 0 && r.Fence == 0 && late:
		return abort(r, o, reason)
	case !o.To.Running:
		return Decision{Intent: provision(r.To), Reason: fmt.Sprintf("starting version %d again", r.To)}
	case late: // a first switch that may have been made: wait until green recovers
		return Decision{}
	}
	return Decision{Until: r.ReadyBy}
}

// decideShifted decides about a release whose alias points to green alone.
func decideShifted(r teal.Release, o Observation) Decision {
	switch {
	case r.From != 0 && o.To.broken() && o.From.ready():
		return goBack(r, o, fmt.Sprintf("version %d stopped being healthy during the switch: %s", r.To, o.To.why()))
	case !o.Route.Holds:
		return Decision{}
	case r.From == 0:
		return Decision{Next: teal.PhaseCompleted, Reason: fmt.Sprintf("version %d is live; there was no version before it", r.To)}
	case r.Policy.Confidence == 0:
		return finish(r, o, fmt.Sprintf("version %d is live; no confidence period was asked for", r.To))
	}
	return Decision{
		Next:   teal.PhaseWatching,
		Reason: fmt.Sprintf("version %d is live; version %d stands by for %s", r.To, r.From, r.Policy.Confidence),
	}
}

func decideWatching(r teal.Release, o Observation) Decision {
	until := r.CreatedAt
	if r.WatchUntil != nil {
		until = *r.WatchUntil
	}
	over := !o.Now.Before(until)
	switch {
	case ordered(r, teal.OrderRollback):
		return goBack(r, o, orderReason(r))
	case !o.Route.Alias.IsOnly(r.To):
		// Possibly by a rollback of ours that a crash kept from being recorded.
		return goBack(r, o, fmt.Sprintf("%s was moved to %s while version %d was watched", r.Alias, teal.FormatTargets(o.Route.Alias.Targets), r.To))
	case o.To.broken() && o.From.ready():
		return goBack(r, o, fmt.Sprintf("version %d has no healthy instance any more: %s", r.To, o.To.why()))
	case ordered(r, teal.OrderFinish):
		return finish(r, o, orderReason(r))
	case over && o.To.ready():
		return finish(r, o, fmt.Sprintf("version %d was live for the whole confidence period of %s", r.To, r.Policy.Confidence))
	case !o.From.Running:
		return Decision{Intent: provision(r.From), Reason: fmt.Sprintf("starting the standby, version %d, again", r.From)}
	case over: // nobody knows yet which of the two will be healthy: keep both
		return Decision{}
	}
	return Decision{Until: until}
}

// goBack begins a rollback. Where blue can take requests now, the alias goes
// back in the same step: that is what blue stood by for.
func goBack(r teal.Release, o Observation, reason string) Decision {
	d := Decision{Next: teal.PhaseRollingBack, Reason: reason}
	if o.From.ready() && !o.Route.Alias.IsOnly(r.From) {
		d.Intent = shift(r.From, o.Route.Revision)
	}
	return d
}

func decideRollingBack(r teal.Release, o Observation) Decision {
	switch {
	case !o.Route.Alias.IsOnly(r.From) && !o.From.Running:
		return Decision{Intent: provision(r.From), Reason: fmt.Sprintf("starting version %d again", r.From)}
	case !o.Route.Alias.IsOnly(r.From) && o.From.ready():
		return Decision{Intent: shift(r.From, o.Route.Revision), Reason: fmt.Sprintf("giving %s back to version %d", r.Alias, r.From)}
	case o.Route.Alias.IsOnly(r.To):
		return decideNoWayBack(r, o)
	case !o.Route.Alias.IsOnly(r.From) || !o.Route.Holds:
		return Decision{}
	case !settled(r, o):
		return confirm(r, o, r.From)
	}
	d := Decision{Next: teal.PhaseRolledBack, Reason: fmt.Sprintf("version %d has everything again: %s", r.From, r.Reason)}
	if o.To.Running {
		d.Intent = retire(r.To)
	}
	return d
}

// decideNoWayBack decides about a rollback while green has everything and blue
// cannot take it. Waiting for ever would keep every later release from starting,
// the one with the cure among them: a blue that does not start is given up at
// once, and any blue when it has had the time that a new version has.
func decideNoWayBack(r teal.Release, o Observation) Decision {
	deadline := o.From.Since.Add(r.Policy.ReadyWithin.Std())
	hopeless := o.From.State == teal.EnvironmentFailed
	switch {
	case !hopeless && o.Now.Before(deadline):
		return Decision{Until: deadline}
	case !settled(r, o) && !o.To.ready():
		return Decision{}
	}
	return finish(r, o, fmt.Sprintf("version %d could not be gone back to and version %d keeps everything: %s", r.From, r.To, o.From.why()))
}

// settled reports whether no shift that was ever intended can still happen.
func settled(r teal.Release, o Observation) bool { return o.Route.Revision >= r.Fence }

// confirm gives the alias to the version that has it already. That changes its
// revision, so that a shift which is still on its way fails.
func confirm(r teal.Release, o Observation, version int) Decision {
	return Decision{
		Intent: shift(version, o.Route.Revision),
		Reason: fmt.Sprintf("making sure that %s stays with version %d", r.Alias, version),
	}
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

func ordered(r teal.Release, kind teal.OrderKind) bool {
	return order(r, kind) != nil
}

func order(r teal.Release, kind teal.OrderKind) *teal.Order {
	switch kind {
	case teal.OrderRollback:
		return r.Orders.Rollback
	case teal.OrderFinish:
		return r.Orders.Finish
	}
	return nil
}

func orderReason(r teal.Release) string {
	asked := r.Orders.Rollback
	if asked == nil {
		asked = r.Orders.Finish
	}
	if asked.Why == "" {
		return "asked for by " + asked.By
	}
	return fmt.Sprintf("asked for by %s: %s", asked.By, asked.Why)
}

func provision(version int) teal.Intent {
	return teal.Intent{Act: teal.ActProvision, Version: version}
}

func shift(version int, revision uint64) teal.Intent {
	return teal.Intent{Act: teal.ActShift, Version: version, AliasRevision: revision}
}

func retire(version int) teal.Intent {
	return teal.Intent{Act: teal.ActRetire, Version: version}
}
