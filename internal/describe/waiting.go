package describe

import (
	"cmp"
	"fmt"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/freeze"
)

// Waiting says what a release waits for, at a time; "" when it waits for nothing
// that a person would ask about.
func Waiting(r api.ReleaseView, now time.Time, clock func(time.Time) string) string {
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
		return Paused(*r.Commands.Pause) + autoRollbackText(r, clock) + "; continue with `teal resume " + r.App + "`"
	case r.WaitsSince != nil && AwaitsApproval(r):
		return "waiting for approval since " + clock(*r.WaitsSince) + autoRollbackText(r, clock) + "; approve with `teal approve " + r.App + "`"
	case r.DoubtSince != nil:
		return "waiting for a verdict since " + clock(*r.DoubtSince) + verdictDeadlineText(r, clock)
	}
	return cmp.Or(HeldByFreeze(r, now, clock), progressText(r, now, clock))
}

// HeldByFreeze says which freeze keeps a release from moving traffic on, at a time;
// "" when none does.
func HeldByFreeze(r api.ReleaseView, now time.Time, clock func(time.Time) string) string {
	holding, frozen := freeze.InForce(r.Policy.Freeze, r.Frozen, now)
	if !frozen || r.Commands.Unfreeze != nil || Share(r) == teal.All {
		return ""
	}
	text := Frozen(holding, clock)
	if holding.By != "" {
		text += "; end it with `teal unfreeze " + r.App + "`"
	}
	return text
}

// progressText says what a release waits for that needs nobody.
func progressText(r api.ReleaseView, now time.Time, clock func(time.Time) string) string {
	for _, t := range r.Tasks {
		if !t.Ended() && t.Key.Kind != teal.TaskAsk {
			return Task(t.Key) + " running since " + clock(t.StartedAt)
		}
	}
	switch {
	case r.Phase == teal.PhaseProvisioning:
		return fmt.Sprintf("v%d must be healthy by %s", r.To, clock(r.ReadyBy))
	case r.Phase == teal.PhaseWatching && r.WatchUntil != nil:
		return Monitoring(r, clock)
	case AtStep(r) != "" && r.StepUntil != nil && r.StepUntil.After(now):
		return "holding until " + clock(*r.StepUntil)
	}
	return ""
}

// Monitoring says until when a version that has all traffic is watched, and what
// a rollback would go to.
func Monitoring(r api.ReleaseView, clock func(time.Time) string) string {
	return fmt.Sprintf("monitoring v%d until %s; v%d on standby for instant rollback", r.To, clock(*r.WatchUntil), r.From)
}

// AwaitsApproval reports whether a release stands at a step that a person has to approve.
func AwaitsApproval(r api.ReleaseView) bool {
	return AtStep(r) != "" && r.Policy.Steps[r.Step-1].Approval && !r.Commands.Approved(r.Step)
}

// Paused says who has paused a release, and why.
func Paused(pause teal.Command) string {
	return "paused by " + OrderedBy(pause) + Quoted(pause.Why)
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

// Frozen says that a freeze holds. One that somebody has ordered without an end
// has none to be shown.
func Frozen(h freeze.Holding, clock func(time.Time) string) string {
	text := "frozen"
	if h.By != "" {
		text += " by " + h.By
	}
	switch {
	case !h.Until.IsZero():
		return text + " until " + clock(h.Until) + Quoted(h.Reason)
	case h.By == "":
		return text + Quoted(h.Reason) + ", with no end in sight"
	}
	return text + Quoted(h.Reason)
}
