package describe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
)

// OrderedBy returns who gave an order; of a client of the API that gave no name the
// record has the command.
func OrderedBy(o teal.Command) string {
	if o.By == string(o.Kind) {
		return "an API client that gave no name"
	}
	return o.By
}

// Quoted quotes why somebody did something; "" without a reason.
func Quoted(why string) string {
	if why == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", why)
}

// Entry is one line of a timeline.
type Entry struct {
	At   time.Time
	Text string
}

// Order says what somebody asked for.
func Order(o teal.Command) string {
	what := map[teal.CommandKind]string{
		teal.CommandRollback: "rollback requested", teal.CommandFinish: "confidence period ended",
		teal.CommandPromote: "promoted to 100 % at once", teal.CommandPause: "paused",
		teal.CommandApprove:  fmt.Sprintf("step %d approved", o.Step),
		teal.CommandForce:    "forced",
		teal.CommandUnfreeze: "freeze overridden",
	}[o.Kind]
	text := what + " by " + OrderedBy(o) + Quoted(o.Why)
	if o.Kind == teal.CommandForce {
		text += ": failed hooks, checks, warm-ups and judges and missing approvals do not stop it"
	}
	return text
}

// Timeline returns everything that the record knows of, oldest first.
func Timeline(r api.ReleaseView) []Entry {
	var list []Entry
	add := func(at time.Time, format string, args ...any) {
		list = append(list, Entry{at, fmt.Sprintf(format, args...)})
	}
	for i, entry := range r.Phases {
		since := ""
		if i > 0 {
			since = " +" + Duration(entry.At.Sub(r.Phases[0].At))
		}
		reason, _, _ := strings.Cut(entry.Reason, "\n")
		add(entry.At, "%s%s: %s", entry.Phase, since, reason)
	}
	for _, t := range r.Tasks {
		switch {
		case t.Key.Kind == teal.TaskAsk:
		case t.Ended():
			add(*t.EndedAt, "%s %s after %s", Task(t.Key), Outcome(t), Duration(t.EndedAt.Sub(t.StartedAt)))
		default:
			add(t.StartedAt, "%s started", Task(t.Key))
		}
	}
	for _, o := range r.Commands.All() {
		add(o.At, "%s", Order(o))
	}
	if at := AtStep(r); at != "" && r.StepAt != nil {
		add(*r.StepAt, "%s", at)
	}
	if back := r.Rollback; back != nil && back.BackAt != nil {
		add(*back.BackAt, "traffic off v%d, %s after the decision", r.To, Duration(back.BackAt.Sub(back.DecidedAt)))
	}
	slices.SortStableFunc(list, func(a, b Entry) int { return a.At.Compare(b.At) })
	return list
}
