package release

import (
	"fmt"
	"slices"
	"time"

	"teal"
)

// Observation is the world as the engine saw it before one decision.
type Observation struct {
	Now time.Time
	// Observed is the release's clock: how much time a running engine has looked
	// after it.
	Observed teal.Duration
	Route    Route  // the alias that the release moves
	From     Health // of the environment that the alias left; zero for a first release
	To       Health // of the environment that the alias moves to
	// Tasks holds the outcomes of the release's tasks. One that is missing has
	// not been begun by this process.
	Tasks map[teal.TaskKey]Outcome
	// Judgement is the judge's on everything measured so far; nil while nothing
	// is judged. It stands on samples up to SampledAt.
	Judgement *teal.Judgement
	SampledAt time.Time
	Unsaved   bool              // the judge knows more than the record
	Baseline  *teal.Measurement // what live did lately; nil once the record has it
	Standing  Standing          // of the app; only in the phases that look at it
}

// Route is an alias and whether what it says is in force.
type Route struct {
	Alias    teal.Alias
	Revision uint64 // 0: the alias does not exist yet
	// Holds is false while some part of the data plane may still send requests
	// by an older state of the alias.
	Holds bool
	// Behind names the nodes that may do so.
	Behind []string
}

// Health is how an environment is. The zero value is one that is not running
// and that nobody wants to run.
type Health struct {
	Running bool // it has been provisioned and not retired
	State   teal.EnvironmentState
	Since   time.Time // when it got into the state, in the life of this server
	Reason  string
	Output  string // the last lines of what failed
	// Serves says that every component can take requests, though the environment
	// is not ready: it still grows for a load.
	Serves bool
	// Crashed says that a component is not ready because its process ended, and
	// not because it fails its checks.
	Crashed bool
	// CheckedAt is when the checks began that last found it healthy, and Window
	// how long it may take until an outage shows in its checks. A Window of 0 is
	// an environment that has no checks: it is as its state says.
	CheckedAt time.Time
	Window    time.Duration
	// Upstreams is how many addresses of each upstream answer, by its name.
	Upstreams map[string]Addresses
}

// Addresses says which addresses of an upstream are healthy.
type Addresses struct {
	Healthy, Total int
	Down           []string // the others, each with the reason
}

func (h Health) ready() bool { return h.Running && h.State == teal.EnvironmentReady }

// broken reports whether the environment has stopped working. One that is
// starting has not: after a restart of the server all of them are.
func (h Health) broken() bool {
	return !h.Running || h.State == teal.EnvironmentDegraded || h.State == teal.EnvironmentFailed
}

// serves reports whether requests find somebody who answers.
func (h Health) serves() bool { return h.ready() || h.Running && h.Serves }

// seenHealthy reports whether the environment has been found healthy by checks
// that began at a time or later.
func (h Health) seenHealthy(since time.Time) bool {
	return h.ready() && (h.Window == 0 || !h.CheckedAt.Before(since))
}

// unhealthyReason returns the reason for not being ready, for people.
func (h Health) unhealthyReason() string {
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

// Decision is what to do next about a release. A decision without an act, a next
// phase and a change is to wait: until the observation changes or, when it is
// set, until Until.
type Decision struct {
	Intent teal.Intent // the act; ActNone when only the record changes
	Next   teal.Phase  // the phase to enter when the act is done; "" to stay
	Reason string
	Change Change // of the record, when the act is done
	Until  time.Time
	// Recheck is a version whose health is to be looked at now, 0 for none: the
	// release waits, and would perhaps not if that were known.
	Recheck int
	// Observed is the clock of the observation.
	Observed teal.Duration
	// Forget says that the outcomes of the release's tasks are to be forgotten,
	// when the record has been changed: those that have not ended are begun again.
	Forget bool
}

// Waits reports whether there is nothing to do now.
func (d Decision) Waits() bool {
	return d.Intent.Act == teal.ActNone && d.Next == "" && d.Change.none()
}

// Decide returns what to do about a release that has not ended. It is pure, and
// total: every phase has an answer for every observation. Its rules keep what
// the guarantees promise: the alias is only given to a version whose
// environment is ready and whose checks have passed, it moves on only while
// nothing says that green is worse, and an environment is only retired once the
// alias is seen to hold elsewhere.
func Decide(r teal.Release, o Observation) Decision {
	d := noteBehind(r, o, decide(r, o))
	if by, limited := deadline(r, o); limited && d.Waits() && o.Now.Before(by) {
		d.Until = soonest(d.Until, by)
	}
	if d.Waits() && clockSaveDue(r, o) {
		d = Decision{Change: Change{Clock: true}, Reason: r.Reason, Recheck: d.Recheck}
	}
	d.Observed = o.Observed
	return d
}

// ends returns when, by the wall clock, something will have lasted for a time
// that began at a mark on the release's clock, if nothing comes between.
func ends(o Observation, mark, length teal.Duration) time.Time {
	return o.Now.Add((length - (o.Observed - mark)).Std())
}

// clockSaveDue reports whether the record must learn how long the release has been
// observed: a crash costs the rest, a part of what there was. It must also when
// the wall clock has jumped, or nobody has looked for a while: what people read
// in the record is by the wall clock.
func clockSaveDue(r teal.Release, o Observation) bool {
	if r.Phase.Ended() {
		return false
	}
	since := o.Observed - r.Observed
	if since.Std() >= max(saveEvery, (o.Observed-r.Marks.Phase).Std()/60) {
		return true
	}
	return r.ObservedAt != nil && (o.Now.Sub(*r.ObservedAt)-since.Std()).Abs() > maxApart
}

func decide(r teal.Release, o Observation) Decision {
	switch r.Phase {
	case teal.PhaseQueued:
		return decideQueued(r, o)
	case teal.PhaseProvisioning:
		return decideProvisioning(r, o)
	case teal.PhaseWarming:
		return decideWarming(r, o)
	case teal.PhaseVerifying:
		return decideVerifying(r, o)
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
	if r.Queued {
		return decideDequeued(r, o)
	}
	if reason, stop := mustAbort(r, o); stop {
		if r.Intent != nil && r.Intent.Act != teal.ActTask { // green was started, and that was not recorded
			return abort(r, o, reason)
		}
		return Decision{Next: teal.PhaseAborted, Reason: reason}
	}
	if until, frozen := frozen(r, o); frozen {
		return Decision{Until: until}
	}
	if d, passed := requireHooks(r, o, teal.BeforeInstall); !passed {
		return d
	}
	return Decision{
		Intent: provision(r.To),
		Next:   teal.PhaseProvisioning,
		Reason: fmt.Sprintf("starting v%d", r.To),
	}
}

// decideDequeued decides about a release whose turn has come after others of its
// app: only now is it known which version it takes the traffic from.
func decideDequeued(r teal.Release, o Observation) Decision {
	from, moves := movesFrom(o.Route.Alias, r.To)
	if ordered := r.Commands.Rollback; ordered != nil {
		return Decision{Next: teal.PhaseAborted, Reason: requested(ordered)}
	}
	if !moves {
		return Decision{Next: teal.PhaseAborted, Reason: fmt.Sprintf("v%d has become %s in the meantime", r.To, r.Alias)}
	}
	return Decision{Change: Change{From: &from}, Reason: "first in the queue"}
}

func decideProvisioning(r teal.Release, o Observation) Decision {
	if reason, stop := mustAbort(r, o); stop {
		return abort(r, o, reason)
	}
	by := ends(o, r.Marks.Phase, r.Policy.ReadyWithin)
	if len(r.Tasks) > 0 { // it has been ready, and hooks have taken their time
		by = readyDeadline(r, o)
	}
	if d, ready := awaitReady(r, o, by); !ready {
		return d
	}
	if d, passed := requireHooks(r, o, teal.AfterInstall); !passed {
		return d
	}
	reason, down := fmt.Sprintf("all components of v%d are healthy", r.To), addressesDown(o)
	if len(down) > 0 {
		reason += "; not all addresses: " + down[0].Seen
	}
	if r.From == 0 {
		return Decision{Next: teal.PhaseVerifying, Reason: reason, Change: Change{Findings: down}}
	}
	return Decision{
		Change: Change{Findings: down},
		Intent: teal.Intent{Act: teal.ActSize, Version: r.To},
		Next:   teal.PhaseWarming,
		Reason: reason + fmt.Sprintf("; scaling it to the size of v%d", r.From),
	}
}

// awaitReady waits until green is healthy, and gives it up when it does not
// start or when the time is over.
func awaitReady(r teal.Release, o Observation, by time.Time) (d Decision, ready bool) {
	fewer := fewerAddresses(r, o)
	late := !o.Now.Before(by)
	if d, ended := endOutage(r, o); ended {
		return d, false
	}
	if o.To.State == teal.EnvironmentFailed || late && !o.To.ready() {
		if d, is := excusedByOutage(r, o); is {
			return d, false
		}
	}
	switch {
	case o.To.ready() && fewer == "":
		return Decision{}, true
	case o.To.ready() && late:
		return abort(r, o, fmt.Sprintf("v%d did not become as healthy as v%d within %s: %s", r.To, r.From, r.Policy.ReadyWithin, fewer)), false
	case o.To.Running && o.To.State == teal.EnvironmentFailed:
		return abort(r, o, fmt.Sprintf("v%d does not start: %s", r.To, o.To.unhealthyReason())), false
	case late:
		return abort(r, o, fmt.Sprintf("v%d did not become healthy within %s: %s", r.To, r.Policy.ReadyWithin, o.To.unhealthyReason())+orCurrentUnhealthy(r, o)), false
	case !o.To.Running:
		return Decision{Intent: provision(r.To), Reason: fmt.Sprintf("starting v%d", r.To)}, false
	}
	return Decision{Until: by}, false
}

func decideWarming(r teal.Release, o Observation) Decision {
	if reason, stop := mustAbort(r, o); stop {
		return abort(r, o, reason)
	}
	if d, ready := awaitReady(r, o, readyDeadline(r, o)); !ready {
		return d
	}
	if hasWarmUp(r.Policy.Warm) {
		if d, passed := requireTask(r, o, teal.TaskKey{Kind: teal.TaskWarm, Name: "warm"}); !passed {
			return d
		}
	}
	return Decision{Next: teal.PhaseVerifying, Reason: fmt.Sprintf("v%d is scaled and warm", r.To)}
}

func hasWarmUp(w teal.Warm) bool { return len(w.Requests) > 0 || w.Replay > 0 }

// readyDeadline is until when an environment that was ready in an earlier phase
// may take to be so again: it was told to grow, or the server was restarted.
func readyDeadline(r teal.Release, o Observation) time.Time {
	return later(ends(o, r.Marks.Phase, r.Policy.ReadyWithin), o.To.Since.Add(r.Policy.ReadyWithin.Std()))
}

func decideVerifying(r teal.Release, o Observation) Decision {
	if reason, stop := mustAbort(r, o); stop {
		return abort(r, o, reason)
	}
	if d, ready := awaitReady(r, o, readyDeadline(r, o)); !ready {
		return d
	}
	if d, passed := requireHooks(r, o, teal.AfterAllowTestTraffic); !passed {
		return d
	}
	for _, c := range r.Policy.Checks {
		if d, passed := requireTask(r, o, checkKey(0, c)); !passed {
			return d
		}
	}
	if d, passed := requireHooks(r, o, teal.BeforeAllowTraffic); !passed {
		return d
	}
	return Decision{
		Next:   teal.PhaseShifting,
		Reason: verified(r),
		Change: Change{Baseline: o.Baseline},
	}
}

func verified(r teal.Release) string {
	switch n := len(r.Policy.Checks); n {
	case 0:
		return fmt.Sprintf("v%d is ready for traffic", r.To)
	case 1:
		return fmt.Sprintf("v%d passed its check", r.To)
	default:
		return fmt.Sprintf("v%d passed its %d checks", r.To, n)
	}
}

// mustAbort returns why a release that has not moved any traffic must
// end, if it must.
func mustAbort(r teal.Release, o Observation) (reason string, stop bool) {
	from, moves := movesFrom(o.Route.Alias, r.To)
	switch {
	case r.Commands.Rollback != nil:
		return requested(r.Commands.Rollback), true
	case !moves || from != r.From:
		return fmt.Sprintf("%s was moved to %s while the release was starting",
			r.Alias, teal.FormatTargets(o.Route.Alias.Targets)), true
	}
	if late, is := pastDeadline(r, o); is {
		return late, true
	}
	return "", false
}

// movesFrom returns the version that loses its traffic when the alias is given
// wholly to another: the alias's primary one, or, for a way out of a split to
// the primary, the second one; 0 for an alias that points nowhere yet. It
// reports false when the alias is wholly to's already.
func movesFrom(alias teal.Alias, to int) (from int, moves bool) {
	if primary, _ := alias.Primary().Number(); primary != to {
		return primary, true
	}
	if len(alias.Targets) == 2 {
		second, _ := alias.Targets[1].Version.Number()
		return second, true
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

// pastDeadline reports whether a release that has not given green everything has
// used up the time that its policy allows, counted from its start.
func pastDeadline(r teal.Release, o Observation) (reason string, late bool) {
	by, limited := deadline(r, o)
	if !limited || o.Now.Before(by) {
		return "", false
	}
	reason = fmt.Sprintf("v%d did not have all traffic within the deadline of %s", r.To, r.Policy.Deadline)
	if len(o.Route.Behind) > 0 {
		reason += ": " + teal.GatewaysOf(o.Route.Behind) + " did not follow"
	}
	return reason, true
}

// noteBehind adds to a decision which nodes the release waits for, where that has
// changed. That none is any more can wait for the next record.
func noteBehind(r teal.Release, o Observation, d Decision) Decision {
	switch behind := o.Route.Behind; {
	case r.Phase.BeforeTraffic() || slices.Equal(behind, r.Behind):
	case !d.Waits():
		d.Change.Behind = &behind
	case len(behind) > 0:
		d.Change.Behind, d.Reason = &behind, r.Reason
	}
	return d
}

// deadline returns when Policy.Deadline passes: counted from the start of green,
// because time in a queue, or in a freeze, is not the release's own.
func deadline(r teal.Release, o Observation) (by time.Time, limited bool) {
	if r.Policy.Deadline == 0 {
		return time.Time{}, false
	}
	if r.OutageSince != nil { // the clock stands still
		o.Observed = r.Marks.Outage
	}
	for _, entry := range r.Phases {
		if entry.Phase == teal.PhaseProvisioning {
			return ends(o, r.Marks.Start, r.Policy.Deadline), true
		}
	}
	return time.Time{}, false
}

// requested says who ordered something, and why.
func requested(command *teal.Command) string { return orderedBy("requested", command) }

func orderedBy(what string, command *teal.Command) string {
	switch {
	case command.SupersededBy != 0:
		return command.Why
	case command.Why == "":
		return what + " by " + command.By
	}
	return fmt.Sprintf("%s by %s (%q)", what, command.By, command.Why)
}

func provision(version int) teal.Intent {
	return teal.Intent{Act: teal.ActProvision, Version: version}
}

// shift gives a version a share, of which the release's other version gets the
// rest.
func shift(version int, weight teal.Weight, revision uint64) teal.Intent {
	return teal.Intent{Act: teal.ActShift, Version: version, Weight: weight, AliasRevision: revision}
}

func retire(version int) teal.Intent {
	return teal.Intent{Act: teal.ActRetire, Version: version}
}

// soonest returns the earlier of two times, of which zero is never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
