package release

import (
	"fmt"
	"strings"
	"time"

	"teal"
	"teal/internal/freeze"
)

// requireHooks runs the hooks of a point, one after the other. It reports whether all
// of them have succeeded; until then the decision is what to do.
func requireHooks(r teal.Release, o Observation, point teal.HookPoint) (d Decision, passed bool) {
	for _, h := range r.Policy.HooksAt(point) {
		if d, passed := requireTask(r, o, hookKey(h)); !passed {
			return d, false
		}
	}
	return Decision{}, true
}

func hookKey(h teal.Hook) teal.TaskKey {
	return teal.TaskKey{Kind: teal.TaskHook, Name: string(h.Point) + "/" + h.Name}
}

// checkKey is the key of a check: of the release for step 0, else of the step,
// from 1.
func checkKey(step int, c teal.Check) teal.TaskKey {
	return teal.TaskKey{Kind: teal.TaskCheck, Step: step, Name: c.Name}
}

// continuousTasks returns the keys of everything that is asked again and again while green
// is judged.
func continuousTasks(p teal.Policy) []teal.TaskKey {
	var keys []teal.TaskKey
	add := func(name string) { keys = append(keys, teal.TaskKey{Kind: teal.TaskAsk, Name: name}) }
	for _, c := range p.Checks {
		if c.Every > 0 {
			add(c.Name)
		}
	}
	for _, q := range p.Judge.Queries {
		add(q.Name)
	}
	for _, w := range p.Judge.Webhooks {
		add(w.Name)
	}
	return keys
}

// tasks returns the keys of all tasks that the release may have.
func tasks(r teal.Release) []teal.TaskKey {
	var keys []teal.TaskKey
	for _, h := range r.Policy.Hooks {
		keys = append(keys, hookKey(h))
	}
	if hasWarmUp(r.Policy.Warm) {
		keys = append(keys, teal.TaskKey{Kind: teal.TaskWarm, Name: "warm"})
	}
	for _, c := range r.Policy.Checks {
		keys = append(keys, checkKey(0, c))
	}
	for i, s := range r.Policy.Steps {
		for _, c := range s.Checks {
			keys = append(keys, checkKey(i+1, c))
		}
	}
	return append(keys, continuousTasks(r.Policy)...)
}

// requireTask runs a task that must pass before the release goes on. It reports whether
// it has; until then the decision is what to do. A verdict other than pass, also
// that of a task which could not be done, ends the release, unless it is forced.
func requireTask(r teal.Release, o Observation, key teal.TaskKey) (d Decision, passed bool) {
	task := r.Task(key)
	outcome := o.Tasks[key]
	switch {
	case task != nil && task.Ended() && (task.Verdict == teal.VerdictPass || r.Commands.Force != nil):
		return Decision{}, true
	case task != nil && task.Ended():
		return abortOrRollBack(r, o, o.Now, failedTask(r, *task)), false
	case task == nil || !outcome.Begun:
		return beginTask(r, o, key), false
	case outcome.Verdict == "":
		return Decision{}, false
	case outcome.Verdict != teal.VerdictPass:
		if d, is := retryTask(r, o, *task); is {
			return d, false
		}
	}
	ended := *task
	ended.EndedAt, ended.Verdict = &o.Now, outcome.Verdict
	return Decision{
		Change: Change{Task: &ended, Findings: outcome.Findings},
		Reason: fmt.Sprintf("%s: %s", key, outcome.Verdict),
	}, false
}

func beginTask(r teal.Release, o Observation, key teal.TaskKey) Decision {
	begun := teal.Task{Key: key, StartedAt: o.Now}
	if again := r.Task(key); again != nil {
		begun = *again
	}
	return Decision{
		Intent: teal.Intent{Act: teal.ActTask, Version: r.To, Task: key},
		Change: Change{Task: &begun},
		Reason: "running " + key.String(),
	}
}

// abortOrRollBack ends a release because of what was seen at a time: with a rollback where
// traffic may have moved, else with an end before any.
func abortOrRollBack(r teal.Release, o Observation, seen time.Time, reason string) Decision {
	if r.Phase.BeforeTraffic() {
		d := abort(r, o, reason)
		if r.Phase == teal.PhaseQueued {
			d.Intent = teal.Intent{} // nothing has been started
		}
		return d
	}
	if r.From == 0 { // it has everything, and nothing stands by
		return Decision{Next: teal.PhaseCompleted, Reason: fmt.Sprintf("v%d stays live, there is no version to go back to: %s", r.To, reason)}
	}
	return goBack(r, o, seen, reason)
}

// failedTask says why a task has stopped the release.
func failedTask(r teal.Release, t teal.Task) string {
	name := string(t.Key.Kind) + " " + t.Key.Name
	if t.Key.Kind == teal.TaskWarm {
		name = "warm"
	}
	for i := len(r.Evidence) - 1; i >= 0; i-- {
		if f := r.Evidence[i]; f.Verdict != teal.VerdictPass && (f.Name == name || strings.HasPrefix(f.Name, name+" ")) {
			return appendOutput(fmt.Sprintf("%s %s v%d: %s", f.Name, ended(f.Verdict), r.To, f.Seen), f.Output)
		}
	}
	return fmt.Sprintf("%s %s v%d", name, ended(t.Verdict), r.To)
}

// ended says how a task ended that has not passed, before the version that it was
// for.
func ended(v teal.Verdict) string {
	switch v {
	case teal.VerdictError:
		return "could not be run for"
	case teal.VerdictInconclusive:
		return "was inconclusive for"
	case teal.VerdictFail, teal.VerdictPass:
	}
	return "failed for"
}

func appendOutput(line, output string) string {
	if output == "" {
		return line
	}
	return line + "\n" + output
}

// awaitPerson waits for a person. It reports false when nobody has come for as long
// as the policy allows; the release then goes back.
func awaitPerson(r teal.Release, o Observation, what string) Decision {
	if r.WaitsSince == nil {
		return Decision{Change: Change{Waits: &o.Now}, Reason: what}
	}
	if r.Policy.MaxPause == 0 {
		return Decision{}
	}
	until := ends(o, r.Marks.Waits, r.Policy.MaxPause)
	if !o.Now.Before(until) {
		return abortOrRollBack(r, o, o.Now, fmt.Sprintf("%s, and nobody came within %s", what, r.Policy.MaxPause))
	}
	return Decision{Until: until}
}

// judged is what the judges say together.
type judged struct {
	verdict  teal.Verdict
	reason   string
	findings []teal.Finding
	outside  bool // a judge outside has a part in the verdict
	doubtful bool // green looks worse, and it is not certain yet
}

// judge combines the built-in judge and those outside.
func judge(r teal.Release, o Observation) judged {
	all := judged{verdict: teal.VerdictPass, reason: fmt.Sprintf("no sign that new (v%d) is worse", r.To)}
	take := func(verdict teal.Verdict, reason string, findings []teal.Finding, outside bool) {
		if combined := teal.Combine(all.verdict, verdict); combined != all.verdict {
			all.verdict, all.reason, all.outside = combined, reason, outside
		}
		if verdict == all.verdict && verdict != teal.VerdictPass {
			all.outside = all.outside || outside
		}
		all.findings = append(all.findings, findings...)
	}
	if o.Judgement != nil {
		all.doubtful = o.Judgement.Doubtful
		take(o.Judgement.Verdict, o.Judgement.Reason, o.Judgement.Findings, false)
	}
	for _, key := range continuousTasks(r.Policy) {
		outcome := o.Tasks[key]
		if outcome.Verdict == "" || outcome.Verdict != teal.VerdictFail && answeredBefore(outcome, r.StepAt) {
			take(teal.VerdictInconclusive, key.Name+" has not answered yet", nil, true)
			continue
		}
		take(outcome.Verdict, key.Name+": "+findingText(outcome), outcome.Findings, true)
	}
	return all
}

// answeredBefore reports whether an answer is older than the step that it is to
// speak for.
func answeredBefore(o Outcome, step *time.Time) bool {
	if step == nil || len(o.Findings) == 0 {
		return false
	}
	for _, f := range o.Findings {
		if f.At.IsZero() || !f.At.Before(*step) {
			return false
		}
	}
	return true
}

func findingText(o Outcome) string {
	for _, f := range o.Findings {
		if f.Verdict == o.Verdict {
			return f.Seen
		}
	}
	return string(o.Verdict)
}

// regressed decides about a release whose green the judges may have found worse. It
// reports false when they have not.
func regressed(r teal.Release, o Observation) (d Decision, is bool) {
	j := judge(r, o)
	if j.verdict != teal.VerdictFail || r.Commands.Force != nil {
		return Decision{}, false
	}
	seen := failedSince(r, o)
	if seen.IsZero() {
		seen = o.Now
	}
	d = goBack(r, o, seen, j.reason)
	d.Change.Findings = append(d.Change.Findings, j.findings...)
	d.Change.Judging = o.Unsaved
	return d, true
}

// failedSince returns since when the judges have found green worse; zero when
// nobody says.
func failedSince(r teal.Release, o Observation) time.Time {
	if o.Judgement != nil && o.Judgement.Verdict == teal.VerdictFail {
		return o.SampledAt
	}
	var first time.Time
	for _, key := range continuousTasks(r.Policy) {
		outcome := o.Tasks[key]
		if outcome.Verdict != teal.VerdictFail {
			continue
		}
		for _, f := range outcome.Findings {
			if f.Verdict == teal.VerdictFail {
				first = soonest(first, f.At)
			}
		}
	}
	return first
}

// decideUnverified decides about a release that could go on if the judges had said pass. It
// reports whether it may.
func decideUnverified(r teal.Release, o Observation) (d Decision, mayGoOn bool) {
	j := judge(r, o)
	switch {
	case j.verdict == teal.VerdictPass && r.DoubtSince != nil:
		return Decision{Change: Change{Doubt: &time.Time{}}, Reason: j.reason}, false
	case j.verdict == teal.VerdictPass, r.Commands.Force != nil:
		return Decision{}, true
	}
	if r.DoubtSince == nil {
		return Decision{Change: Change{Doubt: &o.Now}, Reason: "waiting for a verdict: " + j.reason}, false
	}
	follow := r.Policy.Judge.OnInconclusive
	if j.verdict == teal.VerdictError {
		follow = r.Policy.Judge.OnError
	}
	if follow == "" || follow == teal.DoubtHold {
		return Decision{}, false
	}
	until := ends(o, r.Marks.Doubt, r.Policy.Judge.DoubtAfter)
	switch {
	case o.Now.Before(until):
		return Decision{Until: until}, false
	case follow == teal.DoubtPromote:
		return Decision{}, true
	}
	d = goBack(r, o, o.Now, fmt.Sprintf("no verdict within %s: %s", r.Policy.Judge.DoubtAfter, j.reason))
	d.Change.Findings = j.findings
	return d, false
}

// startJudges begins the questions to judges outside that this process has not
// begun. It reports whether there was nothing to begin.
func startJudges(r teal.Release, o Observation) (d Decision, asked bool) {
	for _, key := range continuousTasks(r.Policy) {
		if !o.Tasks[key].Begun {
			return Decision{Intent: teal.Intent{Act: teal.ActTask, Version: r.To, Task: key}, Reason: "asking " + key.Name}, false
		}
	}
	return Decision{}, true
}

// saveEvery is how much of what the judge knows a crash may cost.
const saveEvery = 10 * time.Second

// orSaveJudge makes of a decision to wait one to save what the judge knows, when that
// is due, and else one to wait no longer than until it is.
func orSaveJudge(r teal.Release, o Observation, d Decision) Decision {
	if !d.Waits() || !o.Unsaved {
		return d
	}
	due := o.Now
	if r.JudgingAt != nil && !r.JudgingAt.After(o.Now) { // the clock may have been set back
		due = r.JudgingAt.Add(saveEvery)
	}
	if !o.Now.Before(due) {
		return Decision{Change: Change{Judging: true}, Reason: r.Reason}
	}
	d.Until = soonest(d.Until, due)
	return d
}

// frozen returns until when a freeze keeps the release from moving traffic on: a
// window, or one that somebody has ordered.
func frozen(r teal.Release, o Observation) (until time.Time, is bool) {
	if r.Commands.Unfreeze != nil || r.Back {
		return time.Time{}, false
	}
	holding, is := freeze.InForce(r.Policy.Freeze, o.Standing.Frozen, o.Now)
	return holding.Until, is
}
