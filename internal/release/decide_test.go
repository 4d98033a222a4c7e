package release_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teal"
	"teal/internal/release"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The environments of the tables below.
var (
	stopped  = release.Health{}
	starting = release.Health{Running: true, State: teal.EnvironmentStarting, Since: start}
	ready    = release.Health{Running: true, State: teal.EnvironmentReady}
	degraded = release.Health{Running: true, State: teal.EnvironmentDegraded, Since: start, Reason: "web: connection refused"}
	growing  = release.Health{Running: true, State: teal.EnvironmentStarting, Since: start, Serves: true}
	failed   = release.Health{Running: true, State: teal.EnvironmentFailed, Since: start, Reason: "hello: no handler", Output: "Traceback"}
)

// What follows has checks, of which an outage shows within 8 s. unwell fails them
// since 12:01; crashed ended then.
const checkedSoon = time.Minute + 200*time.Millisecond

var (
	unwell  = release.Health{Running: true, State: teal.EnvironmentDegraded, Since: start.Add(time.Minute), Window: 8 * time.Second, Reason: "web: 503"}
	crashed = release.Health{Running: true, State: teal.EnvironmentDegraded, Since: start.Add(time.Minute), Window: 8 * time.Second, Crashed: true}
)

// seenAt is ready since noon, by a check that began then.
func seenAt(d time.Duration) release.Health {
	return release.Health{Running: true, State: teal.EnvironmentReady, Since: start, Window: 8 * time.Second, CheckedAt: start.Add(d)}
}

// backAt is ready again since then.
func backAt(d time.Duration) release.Health {
	h := seenAt(d)
	h.Since = h.CheckedAt
	return h
}
func held(s *situation) {
	at := start.Add(time.Minute)
	s.OutageSince, s.Marks.Outage = &at, teal.Duration(time.Minute)
}

// upstream says how many of green's two addresses are healthy, and of blue's.
func upstream(healthy, before int) func(*situation) {
	return func(s *situation) {
		now := release.Addresses{Healthy: healthy, Total: 2}
		if healthy < 2 {
			now.Down = []string{"http://b: refused"}
		}
		s.Observation.To.Upstreams = map[string]release.Addresses{"legacy": now}
		s.Observation.From.Upstreams = map[string]release.Addresses{"legacy": {Healthy: before, Total: 3}}
	}
}

func isReady(h release.Health) bool { return h.Running && h.State == teal.EnvironmentReady }

// situation is a release from version 1 to version 2, created at noon, to be
// ready by 12:02, and the world around it. live points to version 1 at revision
// 7, and everything runs and is healthy, unless a case says otherwise.
type situation struct {
	teal.Release
	release.Observation
}

func in(phase teal.Phase, changes ...func(*situation)) situation {
	s := situation{
		Release: teal.Release{
			ID: "shop-1", App: "shop", Alias: teal.AliasLive, From: 1, To: 2, Phase: phase, Policy: teal.DefaultPolicy(),
			CreatedAt: start, ReadyBy: start.Add(2 * time.Minute),
		},
		Observation: release.Observation{
			Now: start.Add(time.Minute), Observed: teal.Duration(time.Minute),
			Route: release.Route{Alias: teal.Alias{Targets: teal.Only(1)}, Revision: 7, Holds: true},
			From:  ready, To: ready,
		},
	}
	s.Release.Observed = s.Observation.Observed
	if phase == teal.PhaseWatching {
		until := start.Add(10 * time.Minute)
		s.WatchUntil = &until
		s.Route.Alias.Targets = teal.Only(2)
	}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func green(h release.Health) func(*situation) { return func(s *situation) { s.Observation.To = h } }
func blue(h release.Health) func(*situation)  { return func(s *situation) { s.Observation.From = h } }
func live(targets ...teal.Target) func(*situation) {
	return func(s *situation) { s.Route.Alias.Targets = targets }
}

// after is when somebody has looked all the time.
func after(d time.Duration) func(*situation) {
	return func(s *situation) { s.Now = start.Add(d); observed(d)(s) }
}

// observed is how long somebody has looked, whatever the wall clock says.
func observed(d time.Duration) func(*situation) {
	return func(s *situation) {
		s.Release.Observed, s.Observation.Observed = teal.Duration(d), teal.Duration(d)
	}
}
func noted(d time.Duration, at time.Duration) func(*situation) {
	return func(s *situation) {
		when := start.Add(at)
		s.Release.Observed, s.ObservedAt = teal.Duration(d), &when
	}
}
func order(kind teal.CommandKind) func(*situation) {
	return ordered(kind, "why not")
}

func ordered(kind teal.CommandKind, why string) func(*situation) {
	return func(s *situation) { s.Commands.Give(teal.Command{Kind: kind, By: "ann", Why: why}) }
}

// superseded is an order that makes way for the release of another version.
func superseded(kind teal.CommandKind, by int) func(*situation) {
	return func(s *situation) {
		s.Commands.Give(teal.Command{Kind: kind, By: "ann", Why: fmt.Sprintf("superseded by the release of v%d", by), SupersededBy: by})
	}
}

// first makes it the first release of an app: there is no version before it.
func first(s *situation) {
	s.Release.From, s.Observation.From = 0, stopped
	s.Route.Alias.Targets, s.Route.Revision = nil, 0
}
func provisioned(s *situation) {
	s.Intend(teal.Intent{Act: teal.ActProvision, Version: 2})
}
func notEverywhere(s *situation) { s.Route.Holds = false }
func noConfidence(s *situation)  { s.Policy.Confidence = 0 }

// unsettled has the fence of the release, after a shift at the alias's present revision was
// intended and its outcome was not learnt.
func unsettled(s *situation) { s.Fence = s.Route.Revision + 1 }

const (
	pass         = teal.VerdictPass
	fail         = teal.VerdictFail
	inconclusive = teal.VerdictInconclusive
	unknown      = teal.VerdictError
)

// canary is 10 % for five minutes, then 50 % for five minutes.
func canary(s *situation) {
	s.Policy.Steps = []teal.Step{{Weight: teal.Percent(10), Hold: teal.Duration(5 * time.Minute)}, {Weight: teal.Percent(50), Hold: teal.Duration(5 * time.Minute)}}
	s.Policy.Judge.DoubtAfter = teal.Duration(2 * time.Minute)
}
func approval(s *situation) { s.Policy.Steps[1].Approval = true }

// atStep says that the step has been in force since noon.
func atStep(n int) func(*situation) {
	return func(s *situation) {
		s.Step, s.StepAt, s.Share = n, &s.CreatedAt, teal.All
		if n <= len(s.Policy.Steps) {
			s.Share = s.Policy.Steps[n-1].Weight
		}
	}
}
func share(percent int) func(*situation) {
	return func(s *situation) { s.Share = teal.Percent(percent) }
}
func says(v teal.Verdict) func(*situation) {
	return func(s *situation) {
		s.Judgement, s.SampledAt = &teal.Judgement{Verdict: v, Reason: "it is " + string(v)}, s.Now
	}
}
func unsaved(s *situation) { s.Unsaved = true }
func savedAt(d time.Duration) func(*situation) {
	return func(s *situation) { at := start.Add(d); s.JudgingAt = &at }
}

// doubted says that the verdict has been missing since the end of the first hold.
func doubted(s *situation) {
	at := start.Add(5 * time.Minute)
	s.DoubtSince, s.Marks.Doubt = &at, teal.Duration(5*time.Minute)
}
func onDoubt(d teal.OnDoubt) func(*situation) {
	return func(s *situation) { s.Policy.Judge.OnInconclusive = d }
}
func waited(s *situation) {
	at := start.Add(5 * time.Minute)
	s.WaitsSince, s.Marks.Waits = &at, teal.Duration(5*time.Minute)
}
func forced(s *situation) {
	s.Commands.Force = &teal.Command{Kind: teal.CommandForce, By: "ann", Why: "it burns"}
}
func approved(step int) func(*situation) {
	return func(s *situation) { s.Commands.Give(teal.Command{Kind: teal.CommandApprove, By: "ann", Step: step}) }
}
func within(d time.Duration) func(*situation) {
	return func(s *situation) {
		s.Policy.Deadline = teal.Duration(d)
		s.Phases = []teal.PhaseEntry{{Phase: teal.PhaseProvisioning, At: start}}
	}
}
func startingSince(d time.Duration) release.Health {
	h := starting
	h.Since = start.Add(d)
	return h
}

// frozenUntil is a freeze that somebody has ordered; until 0 it has no end.
func frozenUntil(d time.Duration) func(*situation) {
	return func(s *situation) {
		s.Standing.Frozen = &teal.AppOrder{Kind: teal.OrderFreeze, By: "ann", At: start}
		if end := start.Add(d); d != 0 {
			s.Standing.Frozen.Until = &end
		}
	}
}
func queued(s *situation) { s.Queued, s.Release.From = true, 0 }
func rolling(s *situation) {
	s.Rollback, s.Release.Reason = &teal.RollbackTimes{DecidedAt: start}, "why it was decided"
}
func notBegun(s *situation) { s.Phases = nil }
func doubtful(s *situation) { s.Judgement.Doubtful = true }
func next(s *situation)     { s.Standing.Waiting = true }
func answeredAt(key teal.TaskKey, v teal.Verdict, d time.Duration) func(*situation) {
	return func(s *situation) {
		s.Observation.Tasks = map[teal.TaskKey]release.Outcome{key: {
			Begun: true, Verdict: v, Findings: []teal.Finding{{At: start.Add(d), Verdict: v}},
		}}
	}
}

var (
	smoke   = teal.TaskKey{Kind: teal.TaskCheck, Name: "smoke"}
	warm    = teal.TaskKey{Kind: teal.TaskWarm, Name: "warm"}
	journey = teal.TaskKey{Kind: teal.TaskAsk, Name: "journey"}
)

func tell(point teal.HookPoint) teal.TaskKey {
	return teal.TaskKey{Kind: teal.TaskHook, Name: string(point) + "/tell"}
}
func checked(s *situation) { s.Policy.Checks = []teal.Check{{Name: "smoke"}} }
func warmed(s *situation)  { s.Policy.Warm.Replay = 3 }
func asked(s *situation) {
	s.Policy.Judge.Webhooks = []teal.Webhook{{Name: "journey"}}
}
func hooked(point teal.HookPoint) func(*situation) {
	return func(s *situation) { s.Policy.Hooks = []teal.Hook{{Point: point, Name: "tell"}} }
}

// begun says that the task runs in this process, or what its outcome is.
func begun(key teal.TaskKey, v teal.Verdict) func(*situation) {
	return func(s *situation) {
		lost(key)(s)
		s.Observation.Tasks = map[teal.TaskKey]release.Outcome{key: {Begun: true, Verdict: v}}
	}
}

// lost says that the task was begun by a process that has ended.
func lost(key teal.TaskKey) func(*situation) {
	return func(s *situation) { s.SetTask(teal.Task{Key: key, StartedAt: start}) }
}
func ended(key teal.TaskKey, v teal.Verdict) func(*situation) {
	return func(s *situation) { s.SetTask(teal.Task{Key: key, StartedAt: start, EndedAt: &start, Verdict: v}) }
}

// say writes a decision in one line: the act, the phase, and the reason's words
// are left to the cases that care.
func say(d release.Decision) string {
	var parts []string
	switch d.Intent.Act {
	case teal.ActNone:
	case teal.ActShift:
		share := ""
		if d.Intent.Weight != teal.All {
			share = fmt.Sprintf(" at %s %%", d.Intent.Weight)
		}
		parts = append(parts, fmt.Sprintf("shift to %d%s replacing %d", d.Intent.Version, share, d.Intent.AliasRevision))
	case teal.ActTask:
		parts = append(parts, "begin "+d.Intent.Task.String())
	default:
		parts = append(parts, fmt.Sprintf("%s %d", d.Intent.Act, d.Intent.Version))
	}
	if d.Next != "" {
		parts = append(parts, "be "+string(d.Next))
	}
	parts = append(parts, sayChange(d)...)
	recheck := ""
	if d.Recheck != 0 {
		recheck = fmt.Sprint(", recheck ", d.Recheck)
	}
	if !d.Waits() {
		return strings.Join(parts, ", ") + recheck
	}
	if d.Until.IsZero() {
		return "wait" + recheck
	}
	return "wait until " + d.Until.Sub(start).String() + recheck
}

// sayChange leaves out what goes with an act.
func sayChange(d release.Decision) []string {
	c := d.Change
	var parts []string
	if c.Step != 0 && d.Intent.Act == teal.ActNone {
		parts = append(parts, fmt.Sprint("note step ", c.Step))
	}
	if c.Task != nil && c.Task.Ended() {
		parts = append(parts, fmt.Sprintf("note %s: %s", c.Task.Key, c.Task.Verdict))
	}
	if d.Forget {
		parts = append(parts, "forget, begin "+c.Task.Key.String()+" anew")
	}
	if c.Waits != nil {
		parts = append(parts, map[bool]string{true: "note that nobody is waited for", false: "note that a person is waited for"}[c.Waits.IsZero()])
	}
	if c.Doubt != nil {
		parts = append(parts, "note the doubt")
	}
	if c.Outage != nil {
		parts = append(parts, "note the outage")
	}
	if c.Clock {
		parts = append(parts, "save the clock")
	}
	if c.Judging {
		parts = append(parts, "save the judge")
	}
	if c.Back {
		parts = append(parts, "note that it is back")
	}
	if c.From != nil {
		parts = append(parts, fmt.Sprint("take from ", *c.From))
	}
	return parts
}

func TestDecide(t *testing.T) {
	t.Parallel()
	only1, only2 := live(teal.Only(1)...), live(teal.Only(2)...)
	rollback, finish := order(teal.CommandRollback), order(teal.CommandFinish)
	split := live(teal.Target{Version: 1, Weight: teal.Percent(90)}, teal.Target{Version: 2, Weight: teal.Percent(10)})
	most := live(teal.Target{Version: 1, Weight: teal.Percent(30)}, teal.Target{Version: 2, Weight: teal.Percent(70)})
	half := live(teal.Target{Version: 1, Weight: teal.Percent(50)}, teal.Target{Version: 2, Weight: teal.Percent(50)})
	cases := []struct {
		name   string
		given  situation
		want   string
		reason string // a part of it
	}{
		{"a queued release starts green", in("queued", green(stopped)), "provision 2, be provisioning", "starting v2"},
		{"in a freeze that somebody has ordered it waits", in("queued", green(stopped), frozenUntil(0)), "wait", ""},
		{"a frozen one can be rolled back", in("queued", green(stopped), frozenUntil(0), rollback), "be aborted", ""},
		{"a first release starts green", in("queued", first, green(stopped)), "provision 2, be provisioning", ""},
		{"a queued release that is rolled back ends", in("queued", green(stopped), rollback), "be aborted", `by ann ("why not")`},
		{"green that runs for another reason stays", in("queued", rollback), "be aborted", ""},
		{"green that was started before a crash goes", in("queued", provisioned, rollback), "retire 2, be aborted", ""},
		{"a queued release ends when somebody moved the alias", in("queued", live(teal.Only(5)...)), "be aborted", "live was moved to v5"},
		{"a queued release ends when somebody deleted the alias", in("queued", live()), "be aborted", "live was moved to no version"},

		{"green that starts is waited for", in("provisioning", green(starting)), "wait until 2m0s", ""},
		{"green that is gone is started again", in("provisioning", green(stopped)), "provision 2", ""},
		{"healthy green is made as large as blue", in("provisioning"), "size 2, be warming", "all components of v2 are healthy"},
		{"healthy green is in time even when nobody looked", in("provisioning", after(time.Hour)), "size 2, be warming", ""},
		{"a first green has nothing to be as large as", in("provisioning", first), "be verifying", ""},
		{"green that is late is stopped", in("provisioning", green(starting), after(2*time.Minute)), "retire 2, be aborted", "v2 did not become healthy within 2m: it is starting"},
		{"green that is late and gone ends the release", in("provisioning", green(stopped), after(2*time.Minute)), "be aborted", "it is not running"},
		{"green that fails is stopped at once, with its last words", in("provisioning", green(failed)), "retire 2, be aborted", "no handler\nTraceback"},
		{"green of a release that is rolled back is stopped", in("provisioning", rollback), "retire 2, be aborted", "ann"},
		{"green is stopped when somebody moved the alias", in("provisioning", live(teal.Only(3)...)), "retire 2, be aborted", "v3"},
		{"green that was given a share by hand stays", in("provisioning", split, rollback), "be aborted", ""},
		{"a finish that was ordered early waits", in("provisioning", green(starting), finish), "wait until 2m0s", ""},
		{"without anything to warm with, green is verified", in("warming"), "be verifying", ""},
		{"green that grows is waited for", in("warming", green(starting)), "wait until 2m0s", ""},
		{"without anything to verify, green is given the traffic", in("verifying"), "be shifting", "v2 is ready for traffic"},
		{"verifying is left like provisioning", in("verifying", rollback), "retire 2, be aborted", ""},

		{"healthy green gets the alias", in("shifting"), "shift to 2 replacing 7", "moving live to v2"},
		{"the first green creates the alias", in("shifting", first), "shift to 2 replacing 0", ""},
		{"a split is replaced", in("shifting", split), "shift to 2 replacing 7", ""},
		{"green that broke just before the switch does not get it", in("shifting", green(degraded)), "be rolling-back", "while it was getting traffic: web"},
		{"green that starts again after a restart is waited for", in("shifting", green(starting)), "wait until 2m0s", ""},
		{"but not for ever", in("shifting", green(starting), after(2*time.Minute)), "be rolling-back", "it is starting"},
		{"a switch that is not everywhere yet is waited for", in("shifting", only2, notEverywhere), "wait", ""},
		{"a switch that holds is noted", in("shifting", only2), "note step 1", "v2 has all traffic"},
		{"a switch that holds is watched", in("shifting", only2, atStep(1)), "be watching", "v2 is live and monitored for 10m; v1 on standby"},
		{"without a confidence period blue goes", in("shifting", only2, atStep(1), noConfidence), "retire 1, be completed", ""},
		{"without a confidence period blue may be gone", in("shifting", only2, atStep(1), noConfidence, blue(stopped)), "be completed", ""},
		{"a first release is complete once it holds", in("shifting", first, only2, atStep(1)), "be completed", "this was the first release"},
		{"a rollback before the switch moves nothing", in("shifting", rollback), "be rolling-back", ""},
		{"a rollback after the switch turns it round at once", in("shifting", only2, rollback), "shift to 1 replacing 7, be rolling-back", ""},
		{"a rollback does not wait for the switch to hold", in("shifting", only2, notEverywhere, rollback), "shift to 1 replacing 7, be rolling-back", ""},
		{"a rollback to a blue that is not healthy starts without it", in("shifting", only2, rollback, blue(starting)), "be rolling-back", ""},
		{"green that breaks during the switch loses it", in("shifting", only2, notEverywhere, green(degraded)), "shift to 1 replacing 7, be rolling-back", "at the switch"},
		{"a first release has nothing to go back to", in("shifting", first, only2, atStep(1), rollback, unsettled), "be completed", ""},
		{"a first release can be ended before the switch", in("shifting", first, rollback), "retire 2, be aborted", ""},
		{"a first release whose green broke can be ended", in("shifting", first, green(degraded), rollback), "retire 2, be aborted", ""},
		{"a first release whose green broke has until the deadline", in("shifting", first, green(degraded)), "wait until 2m0s", ""},
		{"then it ends", in("shifting", first, green(degraded), after(2*time.Minute)), "retire 2, be aborted", ""},
		{"but not when the switch may still happen", in("shifting", first, green(degraded), after(2*time.Minute), unsettled), "wait", ""},

		{"blue stands by until the end of the confidence period", in("watching"), "wait until 10m0s", ""},
		{"then blue is stopped", in("watching", after(10*time.Minute)), "retire 1, be completed", "passed its confidence period of 10m"},
		{"then a blue that is gone is no obstacle", in("watching", after(10*time.Minute), blue(stopped)), "be completed", ""},
		{"blue stays while green is not healthy", in("watching", after(10*time.Minute), green(starting), blue(starting)), "wait", ""},
		{"a standby that is gone is started again", in("watching", blue(stopped)), "provision 1", "standby"},
		{"green that breaks loses the alias", in("watching", green(degraded)), "shift to 1 replacing 7, be rolling-back", "no healthy instance left: web"},
		{"green that fails to start again loses the alias", in("watching", green(failed)), "shift to 1 replacing 7, be rolling-back", "no handler"},
		{"green keeps it when blue is no better", in("watching", green(degraded), blue(degraded)), "note the outage", "neither v1 nor v2 is healthy"},
		{"green that starts again after a restart keeps it", in("watching", green(starting)), "wait until 2m0s", ""},
		{"but not for longer than a start may take", in("watching", green(starting), after(2*time.Minute)), "shift to 1 replacing 7, be rolling-back", "it is starting"},
		{"green that grows after a restart keeps it", in("watching", green(growing), after(9*time.Minute)), "wait until 10m0s", ""},
		{"green that cannot grow is good enough in the end", in("watching", green(growing), after(time.Hour)), "retire 1, be completed", ""},
		{"a rollback turns the switch round at once", in("watching", rollback), "shift to 1 replacing 7, be rolling-back", "ann"},
		{"a rollback stands against the end of the period", in("watching", rollback, after(time.Hour)), "shift to 1 replacing 7, be rolling-back", ""},
		{"a rollback to a standby that is gone begins", in("watching", rollback, blue(stopped)), "be rolling-back", ""},
		{"a finish stops blue now", in("watching", finish), "retire 1, be completed", `by ann ("why not")`},
		{"a finish that follows a rollback of ours does not", in("watching", finish, only1), "be rolling-back", "live was moved to v1"},
		{"nothing is stopped while a shift may still happen", in("watching", finish, unsettled), "shift to 2 replacing 7", "confirming"},
		{"nothing is stopped before the alias holds", in("watching", finish, notEverywhere), "wait", ""},

		{"blue that is gone is started again", in("rolling-back", only2, blue(stopped)), "provision 1", ""},
		{"blue that starts is waited for", in("rolling-back", only2, blue(starting)), "wait until 2m0s", ""},
		{"blue that is broken is waited for", in("rolling-back", only2, blue(degraded)), "wait until 2m0s", ""},
		{"blue that does not start is given up", in("rolling-back", only2, blue(failed)), "retire 1, be completed", "cannot go back to v1"},
		{"but not while green is broken too", in("rolling-back", only2, blue(failed), green(degraded)), "wait until 2m0s", ""},
		{"no blue is waited for longer than a new version may take", in("rolling-back", only2, blue(degraded), green(degraded), after(2*time.Minute)), "be completed", "both keep running"},
		{"healthy blue gets the alias back", in("rolling-back", only2), "shift to 1 replacing 7", "moving live back to v1"},
		{"the way back is waited for until it holds", in("rolling-back", notEverywhere), "wait", ""},
		{"then green is stopped", in("rolling-back"), "retire 2, be rolled-back", "v1 has all traffic again"},
		{"then a green that is gone is no obstacle", in("rolling-back", green(stopped)), "be rolled-back", ""},
		{"green stays beside a blue that is not healthy", in("rolling-back", blue(degraded)), "wait until 2m0s", ""},
		{"also when blue does not become so", in("rolling-back", blue(degraded), after(2*time.Minute)), "be rolled-back", "v2 is left running"},
		{"blue that is gone while it has everything is started again", in("rolling-back", blue(stopped)), "provision 1", ""},
		{"green stays while a shift to it may still happen", in("rolling-back", unsettled), "shift to 1 replacing 7", "confirming that live stays with v1"},

		{"green gets the first share", in("shifting", canary), "shift to 2 at 10 % replacing 7", "v2 at 10 % (step 1 of 2)"},
		{"a share that was given and not noted is noted", in("shifting", canary, split), "note step 1", ""},
		{"a larger share that somebody gave by hand stays", in("shifting", canary, half), "note step 2", ""},
		{"one above all steps has the conditions of the last", in("shifting", canary, most), "note step 2", "the conditions of the last step"},
		{"and is held like it", in("shifting", canary, most, atStep(2), share(70)), "wait until 5m0s", ""},
		{"a share is held", in("shifting", canary, split, atStep(1)), "wait until 5m0s", ""},
		{"then comes the next one", in("shifting", canary, split, atStep(1), after(5*time.Minute), says(pass)), "shift to 2 at 50 % replacing 7", "step 2 of 2"},
		{"after the last one green gets everything", in("shifting", canary, half, atStep(2), after(5*time.Minute), says(pass)), "shift to 2 replacing 7", ""},
		{"unless somebody has frozen the app", in("shifting", canary, split, atStep(1), after(5*time.Minute), says(pass), frozenUntil(2*time.Hour)), "wait until 2h0m0s", ""}, // seen red without the look of frozen at the order
		{"however long", in("shifting", canary, split, atStep(1), after(5*time.Minute), says(pass), frozenUntil(0)), "wait", ""},
		{"and that is over", in("shifting", canary, split, atStep(1), after(5*time.Minute), says(pass), frozenUntil(5*time.Minute)), "shift to 2 at 50 % replacing 7", "step 2 of 2"},
		{"without enough data it waits", in("shifting", canary, split, atStep(1), after(5*time.Minute), says(inconclusive)), "note the doubt", "it is inconclusive"},
		{"and goes on waiting", in("shifting", canary, split, atStep(1), after(time.Hour), says(inconclusive), doubted), "wait", ""},
		{"unless the policy says to go back", in("shifting", canary, split, atStep(1), after(7*time.Minute), says(inconclusive), doubted, onDoubt(teal.DoubtRollback)), "shift to 1 replacing 7, be rolling-back", "no verdict within 2m"},
		{"in its time", in("shifting", canary, split, atStep(1), after(6*time.Minute), says(inconclusive), doubted, onDoubt(teal.DoubtRollback)), "wait until 7m0s", ""},
		{"or to go on", in("shifting", canary, split, atStep(1), after(7*time.Minute), says(inconclusive), doubted, onDoubt(teal.DoubtPromote)), "shift to 2 at 50 % replacing 7", ""},
		{"a judge that cannot be asked is no pass", in("shifting", canary, split, atStep(1), after(time.Hour), says(unknown), doubted, onDoubt(teal.DoubtPromote)), "wait", ""},
		{"a green that is worse goes at once", in("shifting", canary, split, atStep(1), says(fail)), "shift to 1 replacing 7, be rolling-back", "it is fail"},
		{"also while it is paused", in("shifting", canary, split, atStep(1), says(fail), order(teal.CommandPause)), "shift to 1 replacing 7, be rolling-back", ""},
		{"also when blue is not well: then it waits for blue", in("shifting", canary, split, atStep(1), says(fail), blue(starting)), "be rolling-back", ""},
		{"unless somebody forced it", in("shifting", canary, split, atStep(1), after(5*time.Minute), says(fail), forced), "shift to 2 at 50 % replacing 7", ""},
		{"what the judge knows is saved", in("shifting", canary, split, atStep(1), says(inconclusive), unsaved), "save the judge", ""},
		{"but not all the time", in("shifting", canary, split, atStep(1), says(inconclusive), unsaved, savedAt(55*time.Second)), "wait until 1m5s", ""},
		{"a pause keeps the share", in("shifting", canary, split, atStep(1), after(5*time.Minute), says(pass), order(teal.CommandPause)), "note that a person is waited for", "paused by ann"},
		{"for as long as it may", in("shifting", canary, split, atStep(1), after(5*time.Minute), says(pass), order(teal.CommandPause), waited), "wait until 24h5m0s", ""},
		{"a pause that everybody forgot ends", in("shifting", canary, split, atStep(1), after(25*time.Hour), says(pass), order(teal.CommandPause), waited), "shift to 1 replacing 7, be rolling-back", "nobody came within 24h"},
		{"a pause before the first share keeps everything at blue", in("shifting", canary, order(teal.CommandPause)), "note that a person is waited for", ""},
		{"a pause that is over is noted", in("shifting", canary, split, atStep(1), after(6*time.Minute), says(pass), waited), "note that nobody is waited for", ""},
		{"an approval is waited for", in("shifting", canary, approval, half, atStep(2), after(5*time.Minute), says(pass)), "note that a person is waited for", "step 2 is waiting for approval"},
		{"an approval lets it go on", in("shifting", canary, approval, half, atStep(2), after(5*time.Minute), says(pass), approved(2)), "shift to 2 replacing 7", ""},
		{"an approval of another step does not", in("shifting", canary, approval, half, atStep(2), after(5*time.Minute), says(pass), approved(1)), "note that a person is waited for", ""},
		{"a promotion leaves out the rest", in("shifting", canary, split, atStep(1), order(teal.CommandPromote)), "shift to 2 replacing 7", ""},
		{"a promotion does not help a green that is worse", in("shifting", canary, split, atStep(1), says(fail), order(teal.CommandPromote)), "shift to 1 replacing 7, be rolling-back", ""},
		{"a rollback out of a split", in("shifting", canary, split, atStep(1), rollback), "shift to 1 replacing 7, be rolling-back", ""},
		{"a split that somebody moved", in("shifting", canary, half, atStep(1), live(teal.Only(3)...)), "shift to 1 replacing 7, be rolling-back", "live was moved to v3"},
		{"green that breaks with a share loses it", in("shifting", canary, split, atStep(1), green(degraded)), "shift to 1 replacing 7, be rolling-back", ""},
		{"green that starts again with a share keeps it", in("shifting", canary, split, atStep(1), after(time.Hour), green(startingSince(59*time.Minute))), "wait until 1h1m0s", ""},
		{"the deadline ends a release that is not done", in("shifting", canary, split, atStep(1), within(time.Minute)), "shift to 1 replacing 7, be rolling-back", "within the deadline of 1m"},
		{"the deadline ends one that has not begun to shift", in("verifying", canary, within(time.Minute)), "retire 2, be aborted", "within the deadline of 1m"},
		{"no wait is longer than the deadline", in("shifting", canary, split, atStep(1), within(3*time.Minute)), "wait until 3m0s", ""},

		{"a check is begun", in("verifying", checked), "begin check/smoke", ""},
		{"a check that runs is waited for", in("verifying", checked, begun(smoke, "")), "wait", ""},
		{"a check that has passed is noted", in("verifying", checked, begun(smoke, pass)), "note check/smoke: pass", ""},
		{"then green is given the traffic", in("verifying", checked, ended(smoke, pass)), "be shifting", "passed its check"},
		{"a check that has failed ends the release", in("verifying", checked, ended(smoke, fail)), "retire 2, be aborted", "check smoke"},
		{"a check that could not be put ends the release", in("verifying", checked, ended(smoke, unknown)), "retire 2, be aborted", "check smoke"},
		{"a check without an answer ends the release", in("verifying", checked, ended(smoke, inconclusive)), "retire 2, be aborted", "check smoke"},
		{"a check that a crash interrupted is begun again", in("verifying", checked, lost(smoke)), "begin check/smoke", ""},
		{"force goes on without it", in("verifying", checked, ended(smoke, fail), forced), "be shifting", ""},
		{"a hook before the start", in("queued", green(stopped), hooked(teal.BeforeInstall)), "begin hook/BeforeInstall/tell", ""},
		{"a hook that fails before the start ends the release", in("queued", green(stopped), hooked(teal.BeforeInstall), ended(tell(teal.BeforeInstall), fail)), "be aborted", "hook BeforeInstall/tell"},
		{"a hook when green is healthy", in("provisioning", hooked(teal.AfterInstall)), "begin hook/AfterInstall/tell", ""},
		{"a hook when green can be asked", in("verifying", checked, hooked(teal.AfterAllowTestTraffic)), "begin hook/AfterAllowTestTraffic/tell", ""},
		{"a hook when the checks have passed", in("verifying", checked, ended(smoke, pass), hooked(teal.BeforeAllowTraffic)), "begin hook/BeforeAllowTraffic/tell", ""},
		{"a hook when green has everything", in("shifting", only2, atStep(1), hooked(teal.AfterAllowTraffic)), "begin hook/AfterAllowTraffic/tell", ""},
		{"a hook that fails when green has everything", in("shifting", only2, atStep(1), hooked(teal.AfterAllowTraffic), ended(tell(teal.AfterAllowTraffic), fail)), "shift to 1 replacing 7, be rolling-back", "hook AfterAllowTraffic/tell"},
		{"a first release keeps its traffic all the same", in("shifting", first, only2, atStep(1), hooked(teal.AfterAllowTraffic), ended(tell(teal.AfterAllowTraffic), fail)), "be completed", "no version to go back to"},
		{"warming up", in("warming", warmed), "begin warm/warm", ""},
		{"a gate of the warm-up", in("warming", warmed, ended(warm, fail)), "retire 2, be aborted", "warm"},

		{"a watched green that is worse goes at once", in("watching", says(fail)), "shift to 1 replacing 7, be rolling-back", ""},
		{"the end of the period without enough users is no pass", in("watching", says(inconclusive), after(10*time.Minute)), "retire 1, be completed", "unverified: "},
		{"a judge outside is waited for", in("watching", asked, begun(journey, unknown), after(10*time.Minute)), "note the doubt", ""},
		{"a judge outside is asked", in("watching", asked), "begin ask/journey", ""},
		{"a judge outside fails", in("watching", asked, begun(journey, fail)), "shift to 1 replacing 7, be rolling-back", "journey"},

		{"the turn of a queued release", in("queued", queued, live(teal.Only(3)...)), "take from 3", ""},
		{"the turn of a release whose version is live already", in("queued", queued, only2), "be aborted", "has become live in the meantime"},
		{"time in the queue is not the release's own", in("queued", green(stopped), within(time.Second), notBegun, after(time.Hour)), "provision 2, be provisioning", ""},
		{"a green that starts again keeps its standby", in("watching", finish, green(starting)), "wait until 2m0s", ""},
		{"a green that looks worse keeps its standby", in("watching", says(inconclusive), doubtful, after(10*time.Minute)), "wait", ""},
		{"the next release ends the watch", in("watching", says(pass), next), "retire 1, be completed", "superseded by the next release"},
		// Seen red with the beginning of the reason instead of SupersededBy.
		{"a release that was superseded names no person", in("shifting", canary, split, atStep(1), superseded(teal.CommandRollback, 3)), "shift to 1 replacing 7, be rolling-back", "superseded by the release of v3"},
		{"a person who says so is named", in("shifting", canary, split, atStep(1), ordered(teal.CommandRollback, "superseded by hand")), "shift to 1 replacing 7, be rolling-back", `requested by ann ("superseded by hand")`},
		{"a rollback that a crash interrupted is gone on with", in("watching", only1, rolling), "be rolling-back", "why it was decided"},
		{"and before the act too", in("shifting", canary, split, atStep(1), rolling), "shift to 1 replacing 7, be rolling-back", "why it was decided"},
		{"a doubt that is over is noted", in("shifting", canary, approval, half, atStep(2), after(6*time.Minute), says(pass), doubted), "note the doubt", ""},
		{"an answer from before the step is none", in("shifting", canary, asked, half, atStep(2), after(6*time.Minute), says(pass), answeredAt(journey, pass, -time.Minute)), "note the doubt", "has not answered"},
		{"an answer of the step is one", in("shifting", canary, asked, half, atStep(2), after(6*time.Minute), says(pass), answeredAt(journey, pass, time.Minute)), "shift to 2 replacing 7", ""},
		{"a rollback that can lead nowhere ends", in("rolling-back", split, blue(failed), green(failed), after(2*time.Minute)), "be completed", "stays as it is"},
		{"the time of a rollback is noted", in("rolling-back", rolling), "note that it is back", ""},
		{"a rollback out of a split waits for blue", in("rolling-back", split, blue(starting)), "wait until 2m0s", ""},
		{"and gives it up", in("rolling-back", split, blue(failed)), "shift to 2 replacing 7", "cannot go back to v1"},

		{"green that failed is not left alone by a finish", in("watching", finish, green(failed), blue(starting)), "wait until 2m0s", ""},
		{"nor by the next release", in("watching", next, green(failed), blue(starting)), "wait until 2m0s", ""},
		{"nor without a confidence period", in("shifting", only2, atStep(1), noConfidence, green(failed), blue(starting)), "wait", ""},
		{"nor when it is only starting", in("shifting", only2, atStep(1), noConfidence, green(starting), blue(starting)), "wait until 2m0s", ""},
		{"somebody who waits does not wait for ever: both stay", in("watching", finish, green(failed), blue(starting), after(2*time.Minute)), "be completed", "both keep running"},
		{"nobody waits: the release does", in("watching", green(failed), blue(starting), after(time.Hour)), "wait", ""},
		{"a finish while nothing is healthy holds", in("watching", finish, green(degraded), blue(degraded)), "note the outage", "on hold"},

		{"green that fails its checks is not blamed before blue was looked at", in("watching", after(checkedSoon), green(unwell), blue(seenAt(-time.Second))), "wait until 1m8s, recheck 1", ""},
		{"blue is healthy, so it is green", in("watching", after(checkedSoon), green(unwell), blue(seenAt(time.Minute))), "shift to 1 replacing 7, be rolling-back", "no healthy instance left"},
		{"blue does not say anything, so it is green", in("watching", after(time.Minute+8*time.Second), green(unwell), blue(seenAt(0))), "shift to 1 replacing 7, be rolling-back", ""},
		{"a green whose process ended goes at once", in("watching", after(checkedSoon), green(crashed), blue(seenAt(0))), "shift to 1 replacing 7, be rolling-back", ""},
		{"also with a share", in("shifting", canary, split, atStep(1), after(checkedSoon), green(crashed), blue(seenAt(0))), "shift to 1 replacing 7, be rolling-back", ""},
		{"with a share blue is looked at too", in("shifting", canary, split, atStep(1), after(checkedSoon), green(unwell), blue(seenAt(0))), "wait until 1m8s, recheck 1", ""},
		{"an outage with a share", in("shifting", canary, split, atStep(1), after(checkedSoon), green(unwell), blue(unwell)), "note the outage", "on hold"},
		{"an outage holds", in("shifting", canary, split, atStep(1), after(time.Hour), green(unwell), blue(unwell), held), "wait", ""},
		{"no deadline passes in an outage", in("shifting", canary, split, atStep(1), within(3*time.Minute), after(time.Hour), green(unwell), blue(unwell), held), "wait until 1h2m0s", ""},
		{"an outage at the end of the period", in("watching", after(time.Hour), green(unwell), blue(unwell), held), "wait", ""},
		{"a blue that comes back first gives green a moment", in("watching", after(2*time.Minute), green(unwell), blue(backAt(2*time.Minute)), held), "wait until 2m1s, recheck 2", ""},
		{"then it is green", in("watching", after(2*time.Minute+10*time.Second), green(unwell), blue(backAt(2*time.Minute)), held), "shift to 1 replacing 7, be rolling-back", ""},
		{"a crash that follows on an outage of blue has that moment, too", in("watching", after(2*time.Minute), green(crashed), blue(backAt(2*time.Minute)), held), "wait until 2m1s, recheck 2", ""},
		{"an outage that is over is noted", in("watching", after(2*time.Minute), green(backAt(2*time.Minute)), blue(unwell), held), "note the outage", "continuing: v2 is healthy again after an outage of both versions of 1m"},
		{"an outage can be ended by hand", in("watching", after(time.Hour), green(unwell), blue(unwell), held, rollback), "be rolling-back", "ann"},
		{"what users get is no verdict before blue was looked at", in("watching", says(fail), after(checkedSoon), blue(seenAt(0))), "wait until 1m8s, recheck 1", ""},
		{"blue is healthy, so users decide", in("watching", says(fail), after(checkedSoon), blue(seenAt(time.Minute))), "shift to 1 replacing 7, be rolling-back", "it is fail"},
		{"blue has just broken as well", in("watching", says(fail), after(checkedSoon), green(seenAt(0)), blue(unwell)), "wait until 1m8s, recheck 2", ""},
		{"blue is broken, and green's checks pass: users decide", in("watching", says(fail), after(checkedSoon), green(seenAt(time.Minute)), blue(unwell)), "be rolling-back", "it is fail"},
		{"or do not say anything", in("watching", says(fail), after(2*time.Minute), green(seenAt(0)), blue(unwell)), "be rolling-back", "it is fail"},

		{"green that does not start while blue breaks is not blamed", in("provisioning", green(failed), blue(unwell), after(checkedSoon)), "note the outage", "on hold"},
		{"nor for being late", in("provisioning", green(starting), blue(backAt(time.Minute)), after(2*time.Minute)), "wait until 2m1s, recheck 2", ""},
		{"blue has its time to recover", in("provisioning", green(failed), blue(unwell), held, after(2*time.Minute)), "wait until 3m0s", ""},
		{"no longer than a start may take", in("provisioning", green(starting), blue(unwell), held, after(3*time.Minute)), "retire 2, be aborted", "v1 is not healthy either: web: 503"},
		{"a blue that was broken before is no excuse", in("provisioning", green(failed), blue(degraded)), "retire 2, be aborted", "does not start"},
		{"a hold before traffic that is over is noted", in("verifying", blue(backAt(time.Minute)), held, after(2*time.Minute)), "note the outage", "continuing"},
		{"a check that fails while blue breaks is no answer", in("verifying", checked, begun(smoke, fail), blue(unwell), after(checkedSoon)), "wait until 3m0s", ""},
		{"it is put again when blue is back", in("verifying", checked, begun(smoke, fail), blue(backAt(time.Minute)), after(checkedSoon)), "forget, begin check/smoke anew", "running check/smoke again"},
		{"it counts when blue stays broken", in("verifying", checked, begun(smoke, fail), blue(unwell), after(3*time.Minute)), "note check/smoke: fail", ""},
		{"it counts when blue was healthy all the time", in("verifying", checked, begun(smoke, fail), blue(seenAt(0))), "note check/smoke: fail", ""},
		{"a hook, too", in("shifting", only2, atStep(1), hooked(teal.AfterAllowTraffic), begun(tell(teal.AfterAllowTraffic), fail), blue(unwell), after(checkedSoon)), "wait until 3m0s", ""},

		{"an address that is down for blue as well is done without", in("provisioning", upstream(1, 1)), "size 2, be warming", "1 of 2 addresses healthy; down: http://b: refused"},
		{"one that blue has is waited for", in("provisioning", upstream(1, 2)), "wait until 2m0s", ""},
		{"for as long as a start may take", in("provisioning", upstream(1, 2), after(2*time.Minute)), "retire 2, be aborted", "legacy: 1 of 2 addresses healthy, current (v1) has 2; http://b: refused"},
		{"more than blue is no trouble", in("provisioning", upstream(2, 1)), "size 2, be warming", "all components of v2 are healthy"},
		{"nor that blue has more addresses than green", in("provisioning", upstream(2, 3)), "size 2, be warming", ""},
		{"a first release does without", in("provisioning", first, upstream(1, 0)), "be verifying", "1 of 2 addresses healthy"},

		{"a clock that jumps ends no confidence period", in("watching", after(time.Hour), observed(time.Minute)), "wait until 1h9m0s", ""},
		{"nor does one that is set back make it longer", in("watching", after(-time.Hour), observed(10*time.Minute)), "retire 1, be completed", ""},
		{"nor a hold", in("shifting", canary, split, atStep(1), says(pass), after(time.Hour), observed(time.Minute)), "wait until 1h4m0s", ""},
		{"nor the time to get ready", in("provisioning", green(startingSince(time.Hour)), after(time.Hour), observed(time.Minute)), "wait until 1h1m0s", ""},
		{"nor a deadline", in("shifting", canary, split, atStep(1), within(3*time.Minute), after(time.Hour), observed(time.Minute)), "wait until 1h2m0s", ""},
		{"nor a pause", in("shifting", canary, split, atStep(1), says(pass), order(teal.CommandPause), waited, after(48*time.Hour), observed(6*time.Minute)), "wait until 71h59m0s", ""},
		{"nor a doubt", in("shifting", canary, split, atStep(1), says(inconclusive), doubted, onDoubt(teal.DoubtRollback), after(48*time.Hour), observed(6*time.Minute)), "wait until 48h1m0s", ""},
		{"a record of an older version begins its clock now", in("watching", after(time.Hour), observed(0)), "wait until 1h10m0s", ""},
		{"how long it was observed is saved", in("watching", noted(45*time.Second, 45*time.Second)), "save the clock", ""},
		{"but not all the time", in("watching", noted(55*time.Second, 55*time.Second)), "wait until 10m0s", ""},
		// Seen red with the clock saved in place of the wait, its recheck with it.
		{"blue is looked at also when the clock is due", in("watching", after(checkedSoon), green(unwell), blue(seenAt(-time.Second)), noted(30*time.Second, 30*time.Second)), "save the clock, recheck 1", ""},
		{"a jump is noted at once, for those who read until when it lasts", in("watching", after(time.Hour), observed(time.Minute), noted(time.Minute, time.Minute)), "save the clock", ""},

		{"nothing follows completed", in("completed"), "wait", ""},
		{"nothing follows rolled-back", in("rolled-back"), "wait", ""},
		{"nothing follows aborted", in("aborted"), "wait", ""},
	}
	for _, c := range cases {
		d := release.Decide(c.given.Release, c.given.Observation)
		if got := say(d); got != c.want {
			t.Errorf("%s: %s; want: %s", c.name, got, c.want)
		}
		if !strings.Contains(d.Reason, c.reason) {
			t.Errorf("%s: the reason is %q; want … %s …", c.name, d.Reason, c.reason)
		}
	}
}

var someStates = []teal.EnvironmentState{
	"", teal.EnvironmentStarting, teal.EnvironmentReady, teal.EnvironmentDegraded, teal.EnvironmentFailed, teal.EnvironmentDraining,
}

func anyHealth(t *rapid.T, label string) release.Health {
	return release.Health{
		Running: rapid.Bool().Draw(t, label+" runs"),
		State:   rapid.SampledFrom(someStates).Draw(t, label+" state"),
		Since:   start,
		Serves:  rapid.Bool().Draw(t, label+" serves"),
		Reason:  rapid.SampledFrom([]string{"", "broken"}).Draw(t, label+" reason"),
	}
}

// anySituation draws a release in any phase and any world around it, possible or
// not.
func anySituation(t *rapid.T) situation {
	moments := []time.Duration{0, time.Minute, 2 * time.Minute, 9 * time.Minute, 10 * time.Minute, time.Hour}
	s := in(rapid.SampledFrom(teal.Phases).Draw(t, "phase"))
	s.Now = start.Add(rapid.SampledFrom(moments).Draw(t, "now"))
	observed(rapid.SampledFrom(moments).Draw(t, "observed"))(&s)
	if rapid.Bool().Draw(t, "outage") {
		held(&s)
	}
	if rapid.Bool().Draw(t, "no clock") {
		s.Release.Observed = 0
	}
	if s.Phase != teal.PhaseWatching && s.Phase != teal.PhaseRollingBack { // a first release is in neither
		s.Release.From = rapid.SampledFrom([]int{0, 1, 1, 1}).Draw(t, "from")
	}
	if rapid.Bool().Draw(t, "no confidence") {
		s.Policy.Confidence = 0
	}
	switch rapid.IntRange(0, 2).Draw(t, "order") {
	case 1:
		s.Commands.Give(teal.Command{Kind: teal.CommandRollback, By: "ann"})
	case 2:
		s.Commands.Give(teal.Command{Kind: teal.CommandFinish, By: "ann"})
	}
	s.Fence = rapid.Uint64Range(0, 9).Draw(t, "fence")
	if rapid.Bool().Draw(t, "no watch") {
		s.WatchUntil = nil
	}
	s.Observation.From, s.Observation.To = anyHealth(t, "blue"), anyHealth(t, "green")
	s.Route.Holds = rapid.Bool().Draw(t, "holds")
	s.Route.Revision = rapid.Uint64Range(0, 9).Draw(t, "revision")
	half := func(a, b int) []teal.Target {
		return []teal.Target{{Version: teal.VersionRef(a), Weight: teal.Percent(50)}, {Version: teal.VersionRef(b), Weight: teal.Percent(50)}}
	}
	zero := []teal.Target{{Version: 1, Weight: teal.All}, {Version: 2, Weight: 0}}
	s.Route.Alias.Targets = rapid.SampledFrom([][]teal.Target{
		nil, teal.Only(1), teal.Only(2), teal.Only(3), half(1, 2), half(2, 1), half(3, 1), half(2, 3), zero,
	}).Draw(t, "live")
	return s
}

// TestDecisionsKeepTheGuarantees holds for every phase and every observation.
// Seen to fail: green given the alias without a look at its health; blue retired
// when the alias does not hold yet; blue retired before the end of the
// confidence period; green retired while it has a share (abort without a look at
// the alias); watching left for aborted; the fence not looked at.
func TestDecisionsKeepTheGuarantees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := anySituation(t)
		d := release.Decide(s.Release, s.Observation)
		for _, broken := range breaches(s, d) {
			t.Errorf("%s: %s", say(d), broken)
		}
	})
}

func breaches(s situation, d release.Decision) []string {
	var broken []string
	must := func(ok bool, rule string) {
		if !ok {
			broken = append(broken, rule)
		}
	}
	must(d.Next == "" || s.Phase.CanBecome(d.Next), "moves only along the table")
	must(s.Release.From != 0 || d.Next != teal.PhaseWatching && d.Next != teal.PhaseRollingBack, "a first release has no blue to watch or to go back to")
	must(!s.Phase.Ended() || d.Waits() && d.Until.IsZero(), "an ended release does nothing")
	must(d.Waits() || d.Change.Clock || d.Reason != "", "whatever is done has a reason")
	must(d.Until.IsZero() || d.Waits() && d.Until.After(s.Now), "waits for a time to come")
	v, alias := d.Intent.Version, s.Route.Alias
	must(d.Intent.Act == teal.ActNone || v != 0 && (v == s.Release.From || v == s.Release.To), "acts on its own versions")
	health := s.Observation.To
	if v == s.Release.From {
		health = s.Observation.From
	}
	switch d.Intent.Act {
	case teal.ActNone:
	case teal.ActProvision:
		must(!health.Running || s.Phase == teal.PhaseQueued, "starts what does not run")
	case teal.ActSize:
		must(isReady(health) && s.Phase == teal.PhaseProvisioning, "sizes what is healthy, before traffic")
	case teal.ActTask:
		must(s.Commands.Rollback == nil, "asks nothing of a release that goes back")
	case teal.ActShift:
		must(d.Intent.AliasRevision == s.Route.Revision, "replaces the alias that it saw")
		must(isReady(health) || alias.IsOnly(v), "C6, C7: the alias is given to a healthy version, or stays where it is")
		must(v != s.Release.To || alias.Weight(v) <= d.Intent.Weight, "C4: green's share never goes down but to nothing")
		must(!s.Phase.BeforeTraffic(), "C6: no traffic moves before shifting")
	case teal.ActRetire:
		must(health.Running, "stops what runs")
		if stays := map[int]release.Health{s.Release.From: s.Observation.To, s.Release.To: s.Observation.From}[v]; !s.Phase.BeforeTraffic() && s.Release.From != 0 {
			must(isReady(stays) || stays.Running && stays.Serves, "no version is stopped while the one that stays is not healthy")
		}
		must(!alias.PointsTo(v), "C11: a version that the alias points to is not stopped")
		must(d.Next.Ended(), "stopping is the last act")
		if !s.Phase.BeforeTraffic() && s.Release.From != 0 {
			must(s.Route.Revision >= s.Fence, "nothing is stopped while a shift may still happen")
			other := s.Release.From + s.Release.To - v
			must(alias.IsOnly(other) && s.Route.Holds, "C11: nothing is stopped before the other version has everything, everywhere")
		}
		if v == s.Release.From && s.Phase == teal.PhaseWatching {
			finish := s.Commands.Finish != nil
			must(finish || s.Observation.Observed >= s.Policy.Confidence, "C14: blue stands by for the whole confidence period")
		}
	default:
		must(false, "a known act")
	}
	return broken
}

// model is a world in which every act works, and what runs is healthy.
type model struct {
	live     []teal.Target
	revision uint64
	running  map[int]bool
	sick     map[int]bool
	now      time.Time
}

func (m *model) observe(r teal.Release) release.Observation {
	health := func(v int) release.Health {
		switch {
		case !m.running[v]:
			return stopped
		case m.sick[v]:
			return degraded
		}
		return ready
	}
	return release.Observation{
		Now: m.now, Observed: teal.Duration(m.now.Sub(start)),
		Route: release.Route{Alias: teal.Alias{Targets: m.live}, Revision: m.revision, Holds: true},
		From:  health(r.From), To: health(r.To),
	}
}

func (m *model) do(i teal.Intent) {
	switch i.Act {
	case teal.ActProvision:
		m.running[i.Version] = true
	case teal.ActRetire:
		m.running[i.Version] = false
	case teal.ActShift:
		if m.revision == i.AliasRevision {
			m.live, m.revision = teal.Only(i.Version), m.revision+1
			if i.Weight < teal.All {
				m.live = []teal.Target{{Version: 1, Weight: teal.All - i.Weight}, {Version: 2, Weight: i.Weight}}
			}
		}
	}
}

// play runs a release to its end in the model; it returns the phase in which it
// is stuck if it does not end. crash says after which acts the outcome is lost.
func (m *model) play(r *teal.Release, crash func(step int) bool) teal.Phase {
	for step := 0; step < 60 && !r.Phase.Ended(); step++ {
		d := release.Decide(*r, m.observe(*r))
		if d.Waits() {
			if d.Until.IsZero() {
				return r.Phase
			}
			m.now = d.Until
			continue
		}
		if d.Intent.Act != teal.ActNone {
			r.Intend(d.Intent)
			m.do(d.Intent)
		}
		if crash(step) {
			continue
		}
		if err := d.Record(r, m.now); err != nil {
			return ""
		}
	}
	return r.Phase
}

// begin draws where a release may be, and the world that belongs to it.
func begin(t *rapid.T) (*model, teal.Release) {
	s := in(rapid.SampledFrom([]teal.Phase{"queued", "provisioning", "warming", "verifying", "shifting", "watching", "rolling-back"}).Draw(t, "phase"))
	m := &model{live: teal.Only(1), revision: 7, running: map[int]bool{1: true}, sick: map[int]bool{}, now: start}
	switch {
	case s.Phase == teal.PhaseWatching, s.Phase != teal.PhaseQueued && !s.Phase.BeforeTraffic() && rapid.Bool().Draw(t, "switched"):
		m.live = teal.Only(2)
	}
	m.running[2] = m.live[0].Version == 2 || s.Phase != teal.PhaseQueued && rapid.Bool().Draw(t, "green runs")
	m.running[1] = m.live[0].Version == 1 || rapid.Bool().Draw(t, "blue runs")
	m.sick[2] = rapid.IntRange(0, 3).Draw(t, "green is sick") == 0
	if rapid.Bool().Draw(t, "unsettled") && !s.Phase.BeforeTraffic() {
		s.Fence = 8
	}
	s.Release.Observed = 0
	return m, s.Release
}

// Seen to fail: rolling back without starting blue again.
func TestARollbackLeadsBackFromEveryPhase(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, r := begin(t)
		r.Commands.Give(teal.Command{Kind: teal.CommandRollback, By: "ann"})
		before := r.Phase
		end := m.play(&r, func(int) bool { return false })
		want := teal.PhaseRolledBack
		if before.BeforeTraffic() {
			want = teal.PhaseAborted
		}
		if end != want || m.live[0].Version != 1 || m.running[2] || !m.running[1] {
			t.Fatalf("from %s: %s (%s), live %v, running %v", before, end, r.Reason, m.live, m.running)
		}
	})
}

// Seen to fail: a watch that does not look at the alias (a rollback of its own
// whose record was lost was watched on, with live at blue).
func TestALostOutcomeChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, r := begin(t)
		switch rapid.IntRange(0, 2).Draw(t, "order") {
		case 1:
			r.Commands.Give(teal.Command{Kind: teal.CommandRollback, By: "ann"})
		case 2:
			r.Commands.Give(teal.Command{Kind: teal.CommandFinish, By: "ann"})
		}
		smooth, rough := m.copy(), m.copy()
		rs, rr := r, r
		lost := rapid.SliceOfN(rapid.Bool(), 12, 12).Draw(t, "lost")
		want := smooth.play(&rs, func(int) bool { return false })
		got := rough.play(&rr, func(step int) bool { return step < len(lost) && lost[step] })
		if got != want || !want.Ended() || fmt.Sprint(rough.live, rough.running) != fmt.Sprint(smooth.live, smooth.running) {
			t.Fatalf("without a crash: %s, live %v, running %v; with: %s, live %v, running %v",
				want, smooth.live, smooth.running, got, rough.live, rough.running)
		}
	})
}

func (m *model) copy() *model {
	c := *m
	c.running = map[int]bool{1: m.running[1], 2: m.running[2]}
	return &c
}
