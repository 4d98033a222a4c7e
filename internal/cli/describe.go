package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/freeze"
)

// The functions below say what a release is about, for people. They are pure:
// everything that they know is in the record.

// label names a task: "check smoke", "check load of step 2", "hook
// AfterInstall/migrate", "warm-up".
func label(key teal.TaskKey) string {
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

// outcome says how a task ended.
func outcome(t api.TaskView) string {
	words := map[teal.Verdict]string{
		teal.VerdictPass: "passed", teal.VerdictFail: "failed", teal.VerdictInconclusive: "was inconclusive", teal.VerdictError: "could not be run",
	}
	return words[t.Verdict]
}

// share returns what the new version has of the traffic, as the record knows it.
func share(r api.ReleaseView) teal.Weight {
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

// atStep says where a release is on its way: "step 1 of 2, 10 % on v42"; ""
// before the first step, and where there are none.
func atStep(r api.ReleaseView) string {
	if r.Step == 0 || r.Step > len(r.Policy.Steps) {
		return ""
	}
	return fmt.Sprintf("step %d of %d, %s %% on v%d", r.Step, len(r.Policy.Steps), r.Policy.Steps[r.Step-1].Weight, r.To)
}

// phaseWord is the phase, with the step and the new version's share where there are
// steps.
func phaseWord(r api.ReleaseView) string {
	if r.Phase != teal.PhaseShifting || r.Step == 0 || r.Step > len(r.Policy.Steps) {
		return string(r.Phase)
	}
	return fmt.Sprintf("%s %d/%d (%s %%)", r.Phase, r.Step, len(r.Policy.Steps), share(r))
}

// strategyText says how a policy moves the traffic.
func strategyText(p api.PolicyView) string {
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

// reasonText returns why the release is where it is, without the output of programs.
// Of one that went back that is why it went back, and what decided.
func reasonText(r api.ReleaseView) string {
	reason := r.Reason
	for _, entry := range r.Phases {
		if entry.Phase == teal.PhaseRollingBack && r.Phase != teal.PhaseCompleted {
			reason = entry.Reason
		}
	}
	reason, _, _ = strings.Cut(reason, "\n")
	if f := decidingFinding(r); f != nil && !strings.Contains(reason, f.Seen) && r.Commands.Rollback == nil {
		reason += " (" + f.Name + ": " + f.Seen + ")"
	}
	return reason
}

// decidingFinding returns the finding that ended a release, or nil for one that ended
// well: of those that failed the one that the reason tells, else the last one.
func decidingFinding(r api.ReleaseView) *teal.Finding {
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

// headline says in one sentence what happened and why.
func headline(r api.ReleaseView) string {
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
		if at := atStep(r); at != "" && r.Phase == teal.PhaseShifting && !saysStep(r) {
			what += " (" + at + ")"
		}
	}
	return r.ID + " " + what + ": " + reasonText(r)
}

// saysStep reports whether the reason of a release says already which step it is
// at.
func saysStep(r api.ReleaseView) bool { return strings.Contains(r.Reason, "(step ") }

// rollbackText says where and how fast a release went back; "" for one that did
// not.
func rollbackText(r api.ReleaseView) string {
	if r.Rollback == nil {
		return ""
	}
	at := cmp.Or(atStep(r), fmt.Sprintf("100 %% on v%d", r.To))
	if r.Step == 0 && r.ShiftedAt == nil {
		at = fmt.Sprintf("0 %% on v%d", r.To)
	}
	text := fmt.Sprintf("at %s, %s after the release began", at, durationText(r.Rollback.DecidedAt.Sub(r.CreatedAt)))
	if r.Rollback.BackAt != nil {
		text += fmt.Sprintf("; traffic off v%d %s after the decision", r.To, durationText(r.Rollback.BackAt.Sub(r.Rollback.DecidedAt)))
	}
	return text
}

// waitingText says what a release waits for, at a time; "" when it waits for nothing
// that a person would ask about.
func waitingText(r api.ReleaseView, now time.Time, clock func(time.Time) string) string {
	switch {
	case r.Phase.Ended():
		return ""
	case len(r.Behind) > 0:
		return "waiting for " + teal.GatewaysOf(r.Behind) + " to follow"
	case r.Phase == teal.PhaseRollingBack:
		return ""
	case r.Queued:
		return "queued behind another release of " + r.App
	case r.OutageSince != nil:
		return fmt.Sprintf("on hold since %s: neither v%d nor v%d is healthy; continues when v%d is, rolls back when only v%d is",
			clock(*r.OutageSince), r.From, r.To, r.To, r.From)
	case r.Commands.Pause != nil:
		return pausedText(*r.Commands.Pause) + autoRollbackText(r, clock) + "; continue with `teal resume " + r.App + "`"
	case r.WaitsSince != nil && awaitsApproval(r):
		return "waiting for approval since " + clock(*r.WaitsSince) + autoRollbackText(r, clock) + "; approve with `teal approve " + r.App + "`"
	case r.DoubtSince != nil:
		return "waiting for a verdict since " + clock(*r.DoubtSince) + verdictDeadlineText(r, clock)
	}
	return cmp.Or(heldByFreeze(r, now, clock), progressText(r, now, clock))
}

// heldByFreeze says which freeze keeps a release from moving traffic on, at a time;
// "" when none does.
func heldByFreeze(r api.ReleaseView, now time.Time, clock func(time.Time) string) string {
	holding, frozen := freeze.InForce(r.Policy.Freeze, r.Frozen, now)
	if !frozen || r.Commands.Unfreeze != nil || share(r) == teal.All {
		return ""
	}
	text := frozenText(holding, clock)
	if holding.By != "" {
		text += "; end it with `teal unfreeze " + r.App + "`"
	}
	return text
}

// progressText says what a release waits for that needs nobody.
func progressText(r api.ReleaseView, now time.Time, clock func(time.Time) string) string {
	for _, t := range r.Tasks {
		if !t.Ended() && t.Key.Kind != teal.TaskAsk {
			return label(t.Key) + " running since " + clock(t.StartedAt)
		}
	}
	switch {
	case r.Phase == teal.PhaseProvisioning:
		return fmt.Sprintf("v%d must be healthy by %s", r.To, clock(r.ReadyBy))
	case r.Phase == teal.PhaseWatching && r.WatchUntil != nil:
		return monitoringText(r, clock)
	case atStep(r) != "" && r.StepUntil != nil && r.StepUntil.After(now):
		return "holding until " + clock(*r.StepUntil)
	}
	return ""
}

// monitoringText says until when a version that has all traffic is watched, and what
// a rollback would go to.
func monitoringText(r api.ReleaseView, clock func(time.Time) string) string {
	return fmt.Sprintf("monitoring v%d until %s; v%d on standby for instant rollback", r.To, clock(*r.WatchUntil), r.From)
}

func awaitsApproval(r api.ReleaseView) bool {
	return atStep(r) != "" && r.Policy.Steps[r.Step-1].Approval && !r.Commands.Approved(r.Step)
}

func pausedText(pause teal.Command) string {
	return "paused by " + orderedBy(pause) + quoted(pause.Why)
}

// orderedBy returns who gave an order; of a client of the API that gave no name the
// record has the command.
func orderedBy(o teal.Command) string {
	if o.By == string(o.Kind) {
		return "an API client that gave no name"
	}
	return o.By
}

// quoted quotes why somebody did something; "" without a reason.
func quoted(why string) string {
	if why == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", why)
}

// autoRollbackText says when a release goes back because nobody came.
func autoRollbackText(r api.ReleaseView, clock func(time.Time) string) string {
	if r.BackBy == nil {
		return ""
	}
	return "; rolls back automatically at " + clock(*r.BackBy)
}

// verdictDeadlineText says what becomes of a doubt that stays.
func verdictDeadlineText(r api.ReleaseView, clock func(time.Time) string) string {
	if r.DoubtUntil == nil {
		return ""
	}
	then := "rolls back"
	if r.Policy.Judge.OnInconclusive == teal.DoubtPromote {
		then = "continues"
	}
	return fmt.Sprintf("; %s without one at %s", then, clock(*r.DoubtUntil))
}

// orderText says what somebody asked for.
func orderText(o teal.Command) string {
	what := map[teal.CommandKind]string{
		teal.CommandRollback: "rollback requested", teal.CommandFinish: "confidence period ended",
		teal.CommandPromote: "promoted to 100 % at once", teal.CommandPause: "paused",
		teal.CommandApprove:  fmt.Sprintf("step %d approved", o.Step),
		teal.CommandForce:    "forced",
		teal.CommandUnfreeze: "freeze overridden",
	}[o.Kind]
	text := what + " by " + orderedBy(o) + quoted(o.Why)
	if o.Kind == teal.CommandForce {
		text += ": failed hooks, checks, warm-ups and judges and missing approvals do not stop it"
	}
	return text
}

// timelineEntry is one line of a timeline.
type timelineEntry struct {
	at   time.Time
	text string
}

// timeline returns everything that the record knows of, oldest first.
func timeline(r api.ReleaseView) []timelineEntry {
	var list []timelineEntry
	add := func(at time.Time, format string, args ...any) {
		list = append(list, timelineEntry{at, fmt.Sprintf(format, args...)})
	}
	for i, entry := range r.Phases {
		since := ""
		if i > 0 {
			since = " +" + durationText(entry.At.Sub(r.Phases[0].At))
		}
		reason, _, _ := strings.Cut(entry.Reason, "\n")
		add(entry.At, "%s%s: %s", entry.Phase, since, reason)
	}
	for _, t := range r.Tasks {
		switch {
		case t.Key.Kind == teal.TaskAsk:
		case t.Ended():
			add(*t.EndedAt, "%s %s after %s", label(t.Key), outcome(t), durationText(t.EndedAt.Sub(t.StartedAt)))
		default:
			add(t.StartedAt, "%s started", label(t.Key))
		}
	}
	for _, o := range r.Commands.All() {
		add(o.At, "%s", orderText(o))
	}
	if at := atStep(r); at != "" && r.StepAt != nil {
		add(*r.StepAt, "%s", at)
	}
	if back := r.Rollback; back != nil && back.BackAt != nil {
		add(*back.BackAt, "traffic off v%d, %s after the decision", r.To, durationText(back.BackAt.Sub(back.DecidedAt)))
	}
	slices.SortStableFunc(list, func(a, b timelineEntry) int { return a.at.Compare(b.at) })
	return list
}

// nextSteps says what a person can do now.
func nextSteps(r api.ReleaseView) []string {
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
	case awaitsApproval(r):
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
	f := decidingFinding(r)
	switch {
	case f == nil:
		return []string{logs, "fix it and deploy again"}
	case r.Rollback != nil && r.Policy.Judge.Judges() && !isTask(*f):
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
