// Package describe says what the views of the API mean, in the sentences and figures that
// people read in a terminal and in a browser. It is pure: all that it knows is in what it is
// given, and the time.
package describe

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"teal"
	"teal/internal/api"
)

// Task names a task: "check smoke", "check load of step 2", "hook
// AfterInstall/migrate", "warm-up".
func Task(key teal.TaskKey) string {
	switch {
	case key.Kind == teal.TaskWarm:
		return "warm-up"
	case key.Kind == teal.TaskAsk:
		return key.Name
	case key.Step > 0:
		return string(key.Kind) + " " + key.Name + " of step " + strconv.Itoa(key.Step)
	}
	return string(key.Kind) + " " + key.Name
}

// Outcome says how a task ended.
func Outcome(t api.TaskView) string {
	words := map[teal.Verdict]string{
		teal.VerdictPass: "passed", teal.VerdictFail: "failed", teal.VerdictInconclusive: "was inconclusive", teal.VerdictError: "could not be run",
	}
	return words[t.Verdict]
}

// Share returns what the new version has of the traffic, as the record knows it.
func Share(r api.ReleaseView) teal.Weight {
	switch {
	case r.Phase == teal.PhaseWatching, r.Phase == teal.PhaseCompleted:
		return teal.All
	case r.Phase != teal.PhaseShifting, r.Step == 0:
		return 0
	case r.Step > len(r.Policy.Steps):
		return teal.All
	}
	return r.Policy.Steps[r.Step-1].Weight
}

// AtStep says where a release is on its way: "step 1 of 2, 10 % on v42"; ""
// before the first step, and where there are none.
func AtStep(r api.ReleaseView) string {
	if r.Step == 0 || r.Step > len(r.Policy.Steps) {
		return ""
	}
	return fmt.Sprintf("step %d of %d, %s %% on v%d", r.Step, len(r.Policy.Steps), r.Policy.Steps[r.Step-1].Weight, r.To)
}

// Phase is the phase, with the step and the new version's share where there are
// steps.
func Phase(r api.ReleaseView) string {
	if r.Phase != teal.PhaseShifting || r.Step == 0 || r.Step > len(r.Policy.Steps) {
		return string(r.Phase)
	}
	return fmt.Sprintf("%s %d/%d (%s %%)", r.Phase, r.Step, len(r.Policy.Steps), Share(r))
}

// Strategy says how a policy moves the traffic.
func Strategy(p api.PolicyView) string {
	if len(p.Steps) == 0 {
		return string(p.Strategy)
	}
	const most = 5
	var parts []string
	for _, s := range p.Steps[:min(most, len(p.Steps))] {
		part := s.Weight.String() + " % for " + s.Hold.String()
		if s.Approval {
			part += " with approval"
		}
		parts = append(parts, part)
	}
	if n := len(p.Steps) - most; n > 0 {
		parts = append(parts, fmt.Sprintf("%d more steps", n))
	}
	return string(p.Strategy) + ": " + strings.Join(parts, ", ") + ", then 100 %"
}

// Reason returns why the release is where it is, without the output of programs.
// Of one that went back that is why it went back, and what decided.
func Reason(r api.ReleaseView) string {
	reason := r.Reason
	for _, entry := range r.Phases {
		if entry.Phase == teal.PhaseRollingBack && r.Phase != teal.PhaseCompleted {
			reason = entry.Reason
		}
	}
	reason, _, _ = strings.Cut(reason, "\n")
	if f := Deciding(r); f != nil && !strings.Contains(reason, f.Seen) && r.Commands.Rollback == nil {
		reason += " (" + f.Name + ": " + f.Seen + ")"
	}
	return reason
}

// Deciding returns the finding that ended a release, or nil for one that ended
// well: of those that failed the one that the reason tells, else the last one.
func Deciding(r api.ReleaseView) *teal.Finding {
	switch r.Phase {
	case teal.PhaseAborted, teal.PhaseRollingBack, teal.PhaseRolledBack:
	default:
		return nil
	}
	var last *teal.Finding
	for i := range r.Evidence {
		f := &r.Evidence[i]
		if f.Verdict == teal.VerdictPass {
			continue
		}
		if f.Seen != "" && strings.Contains(r.Reason, f.Seen) {
			return f
		}
		if f.Verdict == teal.VerdictFail {
			last = f
		}
	}
	return last
}

// Headline says in one sentence what happened and why.
func Headline(r api.ReleaseView) string {
	what := ""
	switch r.Phase {
	case teal.PhaseRolledBack:
		what = fmt.Sprintf("was rolled back to v%d", r.From)
	case teal.PhaseRollingBack:
		what = fmt.Sprintf("is rolling back to v%d", r.From)
	case teal.PhaseAborted:
		what = "ended before any traffic moved"
	case teal.PhaseCompleted:
		what = "completed"
	default:
		what = "is " + string(r.Phase)
		if at := AtStep(r); at != "" && r.Phase == teal.PhaseShifting && !SaysStep(r) {
			what += " (" + at + ")"
		}
	}
	return r.ID + " " + what + ": " + Reason(r)
}

// SaysStep reports whether the reason of a release says already which step it is
// at.
func SaysStep(r api.ReleaseView) bool { return strings.Contains(r.Reason, "(step ") }

// Rollback says where and how fast a release went back; "" for one that did
// not.
func Rollback(r api.ReleaseView) string {
	if r.Rollback == nil {
		return ""
	}
	at := cmp.Or(AtStep(r), fmt.Sprintf("100 %% on v%d", r.To))
	if r.Step == 0 && r.ShiftedAt == nil {
		at = fmt.Sprintf("0 %% on v%d", r.To)
	}
	text := fmt.Sprintf("at %s, %s after the release began", at, Duration(r.Rollback.DecidedAt.Sub(r.CreatedAt)))
	if r.Rollback.BackAt != nil {
		text += fmt.Sprintf("; traffic off v%d %s after the decision", r.To, Duration(r.Rollback.BackAt.Sub(r.Rollback.DecidedAt)))
	}
	return text
}

// Moves says which versions a release moves traffic between: "v1 → v2".
func Moves(r api.ReleaseView) string {
	if r.From == 0 {
		return teal.VersionName(r.To)
	}
	return teal.VersionName(r.From) + " → " + teal.VersionName(r.To)
}

// Release names a release and its phase; "-" for none.
func Release(r *api.ReleaseView) string {
	if r == nil {
		return "-"
	}
	return r.ID + " " + Phase(*r)
}

// NextSteps says what a person can do now.
func NextSteps(r api.ReleaseView) []string {
	switch {
	case r.Phase == teal.PhaseAborted || r.Phase == teal.PhaseRolledBack:
		return afterFailure(r)
	case r.Phase == teal.PhaseCompleted && r.From != 0:
		return []string{fmt.Sprintf("`teal rollback %s` starts v%d again and moves all traffic back to it", r.App, r.From)}
	case r.Phase.Ended() || r.Phase == teal.PhaseRollingBack:
		return nil
	case r.Queued:
		return []string{
			"`teal status " + r.App + "` shows the running release, which it waits for",
			"`teal abort " + r.App + "` ends that one, and the next in the queue begins",
			"`teal watch " + r.App + "` follows both",
		}
	}
	var steps []string
	switch {
	case r.Commands.Pause != nil:
		steps = append(steps, "`teal resume "+r.App+"` continues")
	case AwaitsApproval(r):
		steps = append(steps, "`teal approve "+r.App+"` continues")
	case r.DoubtSince != nil:
		steps = append(steps, fmt.Sprintf("`teal promote %s` moves all traffic to v%d without a verdict", r.App, r.To))
	}
	if r.From != 0 {
		steps = append(steps, fmt.Sprintf("`teal rollback %s` moves all traffic back to v%d at once", r.App, r.From))
	}
	return append(steps, "`teal watch "+r.App+"` follows it")
}

// afterFailure says what a person can do about a release that has ended badly: it
// depends on what ended it.
func afterFailure(r api.ReleaseView) []string {
	if r.Commands.Rollback != nil {
		return []string{"`teal deploy` releases a new version"}
	}
	logs := fmt.Sprintf("`teal logs %s --version %d` shows what v%d printed", r.App, r.To, r.To)
	const force = "`teal deploy --force REASON` releases although hooks, checks or judges say no"
	f := Deciding(r)
	switch {
	case f == nil:
		return []string{logs, "fix it and deploy again"}
	case r.Rollback != nil && r.Policy.Judge.Judges() && !IsTask(*f):
		return []string{
			logs,
			fmt.Sprintf("`teal history %s --export %s` writes what was measured; `teal analyze` judges it again, with another policy if you like", r.App, r.ID),
			"fix it and deploy again; " + force,
		}
	case f.Verdict == teal.VerdictError:
		return []string{f.Name + " itself could not be run, which says nothing about the version: mend it and deploy again", force}
	case strings.HasPrefix(f.Name, string(teal.TaskHook)):
		return []string{f.Name + " said no: see its answer above, or what it logged", "fix it and deploy again; " + force}
	}
	return []string{logs, "fix it and deploy again; " + force}
}
