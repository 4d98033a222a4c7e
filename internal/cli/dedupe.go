package cli

import (
	"fmt"
	"slices"

	"teal"
	"teal/internal/api"
	"teal/internal/describe"
)

// dedupe remembers what has been said, so that a record that is seen again says
// nothing twice.
type dedupe map[string]bool

// once returns a line the first time that it is asked about a thing.
func (n *dedupe) once(thing, format string, args ...any) []string {
	if *n == nil {
		*n = dedupe{}
	}
	if (*n)[thing] {
		return nil
	}
	(*n)[thing] = true
	return []string{fmt.Sprintf(format, args...)}
}

// seeTasks tells what hooks, warm-ups and checks do.
func (p *progress) seeTasks() []string {
	r := p.release
	var lines []string
	for _, t := range r.Tasks {
		name := describe.Task(t.Key)
		switch {
		case t.Key.Kind == teal.TaskAsk:
		case t.Ended():
			p.said.once("begun "+t.Key.String(), "") // too late to say
			text := fmt.Sprintf("%s %s", name, describe.Outcome(t))
			if t.Verdict == teal.VerdictPass {
				text += " in " + describe.Duration(t.EndedAt.Sub(t.StartedAt))
			} else if f := lastFinding(r, t); f != nil {
				text += ": " + describe.FirstLine(f.Seen)
			}
			lines = append(lines, p.said.once("ended "+t.Key.String(), "%s", text)...)
		case takesLong(r.Policy, t.Key):
			lines = append(lines, p.said.once("begun "+t.Key.String(), "running %s …", name)...)
		}
	}
	return lines
}

// takesLong reports whether a task may take so long that somebody who waits wants
// to know of it: whatever is more than a few requests.
func takesLong(p api.PolicyView, key teal.TaskKey) bool {
	if key.Kind != teal.TaskCheck {
		return true
	}
	checks := p.Checks
	if key.Step > 0 && key.Step <= len(p.Steps) {
		checks = p.Steps[key.Step-1].Checks
	}
	return slices.ContainsFunc(checks, func(c teal.Check) bool { return c.Name == key.Name && len(c.Command) > 0 })
}

// lastFinding returns the newest evidence of a task, or nil.
func lastFinding(r api.ReleaseView, t api.TaskView) *teal.Finding {
	name := string(t.Key.Kind) + " " + t.Key.Name
	if t.Key.Kind == teal.TaskWarm {
		name = string(t.Key.Kind)
	}
	for i := len(r.Evidence) - 1; i >= 0; i-- {
		if f := r.Evidence[i]; f.Name == name && f.Verdict == t.Verdict {
			return &r.Evidence[i]
		}
	}
	return nil
}

// seeStep tells what share the new version has, and what the release waits for there.
func (p *progress) seeStep() []string {
	r := p.release
	if r.Phase != teal.PhaseShifting || describe.AtStep(r) == "" {
		return nil
	}
	step := r.Policy.Steps[r.Step-1]
	at := fmt.Sprintf("step %d", r.Step)
	line := fmt.Sprintf("v%d at %s %% (step %d of %d)", r.To, step.Weight, r.Step, len(r.Policy.Steps))
	if step.Hold > 0 {
		line += ", holding " + step.Hold.String()
	}
	lines := p.said.once(at, "%s …", line)
	if len(r.Behind) > 0 {
		lines = append(lines, p.said.once("behind "+at, "waiting for %s to follow", teal.GatewaysOf(r.Behind))...)
	}
	if r.DoubtSince != nil {
		lines = append(lines, p.said.once("doubt "+at, "%s", r.Reason)...)
	}
	if r.WaitsSince != nil && r.Commands.Pause == nil && describe.AwaitsApproval(r) {
		lines = append(lines, p.said.once("approval "+at, "step %d is waiting for approval: `teal approve %s`", r.Step, r.App)...)
	}
	return lines
}

// seeOutage tells that the release is on hold, and that it no longer is.
func (p *progress) seeOutage() []string {
	r := p.release
	switch {
	case r.OutageSince != nil:
		return p.said.once("outage", "%s", r.Reason)
	case !p.said["outage"]:
		return nil
	}
	delete(p.said, "outage")
	if r.Phase.Ended() || r.Phase == teal.PhaseRollingBack { // which is told with its reason
		return nil
	}
	return []string{r.Reason}
}

// seeFreeze tells that a freeze holds the release where it is, and that none does any
// longer.
func (p *progress) seeFreeze() []string {
	r := p.release
	if r.Queued || r.Phase.Ended() || r.Phase == teal.PhaseRollingBack {
		return nil
	}
	r.Frozen = p.frozen
	if text := describe.HeldByFreeze(r, p.now(), p.clock); text != "" {
		p.said.once("frozen", "")
		return p.said.once(text, "release %s is %s", r.ID, text)
	}
	if !p.said["frozen"] {
		return nil
	}
	delete(p.said, "frozen")
	return []string{"no longer frozen"}
}

// seeOrders tells what people asked for, except for a rollback, which is told as
// its reason.
func (p *progress) seeOrders() []string {
	r := p.release
	var lines []string
	for _, o := range r.Commands.All() {
		key := fmt.Sprintf("order %s %d %s", o.Kind, o.Step, o.At)
		switch o.Kind {
		case teal.CommandRollback:
		case teal.CommandPause:
			p.said.once("paused", "")
			lines = append(lines, p.said.once(key, "%s; continue with `teal resume %s`", describe.Order(o), r.App)...)
		default:
			lines = append(lines, p.said.once(key, "%s", describe.Order(o))...)
		}
	}
	if p.said["paused"] && r.Commands.Pause == nil {
		delete(p.said, "paused")
		if !r.Phase.Ended() && r.Phase != teal.PhaseRollingBack {
			lines = append(lines, "resumed")
		}
	}
	return lines
}
