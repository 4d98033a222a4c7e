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
		teal.VerdictPass: "passed", teal.VerdictFail: "failed", teal.VerdictInconclusive: "said nothing", teal.VerdictError: "could not be done",
	}
	return words[t.Verdict]
}

// share returns what green has of the traffic, as the record knows it.
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

// atStep says where a release is on its way: "step 1 of 2, 10 % on version 42";
// "" before the first step, and where there are none.
func atStep(r api.ReleaseView) string {
	if r.Step == 0 || r.Step > len(r.Policy.Steps) {
		return ""
	}
	return fmt.Sprintf("step %d of %d, %s %% on version %d", r.Step, len(r.Policy.Steps), r.Policy.Steps[r.Step-1].Weight, r.To)
}

// phaseWord is the phase, with the step and green's share where there are steps.
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
			part += " and an approval"
		}
		parts = append(parts, part)
	}
	if n := len(p.Steps) - most; n > 0 {
		parts = append(parts, fmt.Sprintf("%d more steps", n))
	}
	return string(p.Strategy) + ": " + strings.Join(parts, ", ") + ", then everything"
}

// cause returns why the release is where it is, without the output of programs.
// Of one that went back that is why it went back, and what decided.
func cause(r api.ReleaseView) string {
	reason := r.Reason
	for _, entry := range r.Phases {
		if entry.Phase == teal.PhaseRollingBack && r.Phase != teal.PhaseCompleted {
			reason = entry.Reason
		}
	}
	reason, _, _ = strings.Cut(reason, "\n")
	if f := decisive(r); f != nil && !strings.Contains(reason, f.Seen) && r.Orders.Rollback == nil {
		reason += " (" + f.Name + ": " + f.Seen + ")"
	}
	return reason
}

// decisive returns the finding that ended a release, or nil for one that ended
// well: of those that failed the one that the reason tells, else the last one.
func decisive(r api.ReleaseView) *teal.Finding {
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
		what = fmt.Sprintf("was rolled back to version %d", r.From)
	case teal.PhaseRollingBack:
		what = fmt.Sprintf("is going back to version %d", r.From)
	case teal.PhaseAborted:
		what = "ended before any traffic moved"
	case teal.PhaseCompleted:
		what = "completed"
	case teal.PhaseWatching:
		what = fmt.Sprintf("gave version %d everything and watches it", r.To)
	default:
		what = "is " + string(r.Phase)
		if at := atStep(r); at != "" {
			what += ", " + at
		}
	}
	return r.ID + " " + what + ": " + cause(r)
}

// circumstances says where and how fast a release went back; "" for one that did
// not.
func circumstances(r api.ReleaseView) string {
	if r.Rollback == nil {
		return ""
	}
	at := cmp.Or(atStep(r), fmt.Sprintf("everything on version %d", r.To))
	if r.Step == 0 && r.ShiftedAt == nil {
		at = fmt.Sprintf("nothing on version %d yet", r.To)
	}
	text := fmt.Sprintf("at %s, %s after the release began", at, took(r.Rollback.DecidedAt.Sub(r.CreatedAt)))
	if r.Rollback.BackAt != nil {
		text += fmt.Sprintf("; version %d had nothing any more %s after the deciding moment", r.To, took(r.Rollback.BackAt.Sub(r.Rollback.DecidedAt)))
	}
	return text
}

// waits says what a release waits for, at a time; "" when it waits for nothing
// that a person would ask about.
func waits(r api.ReleaseView, now time.Time, clock func(time.Time) string) string {
	switch {
	case r.Phase.Ended() || r.Phase == teal.PhaseRollingBack:
		return ""
	case r.Queued:
		return "waits for another release of " + r.App + " to end"
	case r.OutageSince != nil:
		return fmt.Sprintf("on hold since %s: neither version %d nor version %d is healthy; goes on when version %d is, and back when only version %d is",
			clock(*r.OutageSince), r.From, r.To, r.To, r.From)
	case r.Orders.Pause != nil:
		return pausedText(*r.Orders.Pause) + backBy(r, clock) + "; `teal resume " + r.App + "` goes on"
	case r.WaitsSince != nil && awaitsApproval(r):
		return "waits for approval since " + clock(*r.WaitsSince) + backBy(r, clock) + ": teal approve " + r.App
	case r.DoubtSince != nil:
		return "waits for a verdict since " + clock(*r.DoubtSince) + doubtEnds(r, clock)
	}
	if f, until, frozen := freeze.Frozen(r.Policy.Freeze, now); frozen && r.Orders.Unfreeze == nil && share(r) != teal.All {
		return "frozen until " + clock(until) + " at least" + because(f.Reason)
	}
	return waitsForItself(r, now, clock)
}

// waitsForItself says what a release waits for that needs nobody.
func waitsForItself(r api.ReleaseView, now time.Time, clock func(time.Time) string) string {
	for _, t := range r.Tasks {
		if !t.Ended() && t.Key.Kind != teal.TaskAsk {
			return label(t.Key) + " runs since " + clock(t.StartedAt)
		}
	}
	switch {
	case r.Phase == teal.PhaseProvisioning:
		return fmt.Sprintf("version %d must be healthy by %s", r.To, clock(r.ReadyBy))
	case r.Phase == teal.PhaseWatching && r.WatchUntil != nil:
		return fmt.Sprintf("version %d stands by until %s", r.From, clock(*r.WatchUntil))
	case atStep(r) != "" && r.StepUntil != nil && r.StepUntil.After(now):
		return "holds until " + clock(*r.StepUntil)
	}
	return ""
}

func awaitsApproval(r api.ReleaseView) bool {
	return atStep(r) != "" && r.Policy.Steps[r.Step-1].Approval && !r.Orders.Approved(r.Step)
}

func pausedText(pause teal.Order) string { return "paused by " + who(pause) + because(pause.Why) }

// who returns who gave an order; of a caller without a name the record has the
// command.
func who(o teal.Order) string {
	if o.By == string(o.Kind) {
		return "somebody"
	}
	return o.By
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// backBy says when a release goes back because nobody came.
func backBy(r api.ReleaseView, clock func(time.Time) string) string {
	if r.BackBy == nil {
		return ""
	}
	return "; it goes back by itself at " + clock(*r.BackBy)
}

// doubtEnds says what becomes of a doubt that stays.
func doubtEnds(r api.ReleaseView, clock func(time.Time) string) string {
	if r.DoubtUntil == nil {
		return ""
	}
	return fmt.Sprintf("; without one it follows %q at %s", string(r.Policy.Judge.OnInconclusive), clock(*r.DoubtUntil))
}

// orderText says what somebody asked for.
func orderText(o teal.Order) string {
	what := map[teal.OrderKind]string{
		teal.OrderRollback: "asked to go back", teal.OrderFinish: "ended the confidence period",
		teal.OrderPromote: "gave the new version everything at once", teal.OrderPause: "paused the release",
		teal.OrderApprove: fmt.Sprintf("approved step %d", o.Step), teal.OrderForce: "forced the release",
		teal.OrderUnfreeze: "overrode freeze windows",
	}[o.Kind]
	return who(o) + " " + what + because(o.Why)
}

// moment is one line of a timeline.
type moment struct {
	at   time.Time
	text string
}

// timeline returns everything that the record knows of, oldest first.
func timeline(r api.ReleaseView) []moment {
	var list []moment
	add := func(at time.Time, format string, args ...any) {
		list = append(list, moment{at, fmt.Sprintf(format, args...)})
	}
	for i, entry := range r.Phases {
		since := ""
		if i > 0 {
			since = " +" + took(entry.At.Sub(r.Phases[0].At))
		}
		reason, _, _ := strings.Cut(entry.Reason, "\n")
		add(entry.At, "%s%s: %s", entry.Phase, since, reason)
	}
	for _, t := range r.Tasks {
		switch {
		case t.Key.Kind == teal.TaskAsk:
		case t.Ended():
			add(*t.EndedAt, "%s %s after %s", label(t.Key), outcome(t), took(t.EndedAt.Sub(t.StartedAt)))
		default:
			add(t.StartedAt, "%s began", label(t.Key))
		}
	}
	for _, o := range r.Orders.All() {
		add(o.At, "%s", orderText(o))
	}
	if at := atStep(r); at != "" && r.StepAt != nil {
		add(*r.StepAt, "%s", at)
	}
	if back := r.Rollback; back != nil && back.BackAt != nil {
		add(*back.BackAt, "version %d has nothing any more, %s after the deciding moment", r.To, took(back.BackAt.Sub(back.DecidedAt)))
	}
	slices.SortStableFunc(list, func(a, b moment) int { return a.at.Compare(b.at) })
	return list
}

// nextSteps says what a person can do now.
func nextSteps(r api.ReleaseView) []string {
	switch {
	case r.Phase == teal.PhaseAborted || r.Phase == teal.PhaseRolledBack:
		steps := []string{fmt.Sprintf("`teal logs %s --version %d` shows what version %d printed", r.App, r.To, r.To)}
		if r.Rollback != nil && r.Policy.Judge.Judges() {
			steps = append(steps, fmt.Sprintf("`teal history %s --export %s` writes what was measured; `teal analyze` judges it again, by another policy too", r.App, r.ID))
		}
		return append(steps, "deploy it again when it is better; `teal deploy --force WHY` overrides judges and checks")
	case r.Phase == teal.PhaseCompleted && r.From != 0:
		return []string{fmt.Sprintf("`teal rollback %s` starts version %d again and goes back to it", r.App, r.From)}
	case r.Phase.Ended() || r.Phase == teal.PhaseRollingBack:
		return nil
	case r.Queued:
		return []string{"`teal status " + r.App + "` shows the release that runs", "`teal abort " + r.App + "` ends that one"}
	}
	var steps []string
	switch {
	case r.Orders.Pause != nil:
		steps = append(steps, "`teal resume "+r.App+"` goes on")
	case awaitsApproval(r):
		steps = append(steps, "`teal approve "+r.App+"` goes on")
	case r.DoubtSince != nil:
		steps = append(steps, "`teal promote "+r.App+"` gives the new version everything without a verdict")
	}
	if r.From != 0 {
		steps = append(steps, "`teal rollback "+r.App+"` goes back at once")
	}
	return append(steps, "`teal watch "+r.App+"` shows how it goes on")
}
