package release

import (
	"time"

	"teal"
)

// Change is what a decision changes in the record besides phase and intent. Zero
// fields change nothing.
type Change struct {
	From     *int              // the version that the traffic is taken from; the release's turn has come
	Task     *teal.Task        // begun, or ended; replaces the one with its key
	Findings []teal.Finding    // evidence to keep
	Step     int               // the step that is in force now
	Share    teal.Weight       // and green's share at it
	Waits    *time.Time        // since when a person is waited for; zero: not any more
	Doubt    *time.Time        // since when a verdict is missing; zero: not any more
	Outage   *time.Time        // since when neither version is healthy; zero: not any more
	Behind   *[]string         // the nodes that are waited for
	Decided  time.Time         // when what led to a rollback was seen
	Back     bool              // green has nothing any more
	Baseline *teal.Measurement // what live did before
	Judging  bool              // save what the judge knows
	Clock    bool              // save how long the release has been observed
}

func (c Change) none() bool {
	return c.From == nil && c.Task == nil && len(c.Findings) == 0 && c.Step == 0 && c.Waits == nil && c.Doubt == nil && c.Outage == nil && c.Behind == nil &&
		c.Decided.IsZero() && !c.Back && c.Baseline == nil && !c.Judging && !c.Clock
}

// apply changes the record at a time. The judge's own state is not part of it:
// the engine has that.
func (c Change) apply(r *teal.Release, now time.Time) {
	if c.From != nil {
		r.From, r.Queued = *c.From, false
	}
	if c.Task != nil {
		r.SetTask(*c.Task)
	}
	r.Note(stamped(c.Findings, *r, now)...)
	if c.Step != 0 {
		r.Step, r.Share, r.StepAt, r.DoubtSince, r.WaitsSince = c.Step, c.Share, &now, nil, nil
		r.Marks.Step = r.Observed
		if c.Step > len(r.Policy.Steps) {
			r.ShiftedAt = &now
		}
	}
	if c.Waits != nil {
		r.WaitsSince, r.Marks.Waits = nilIfZero(*c.Waits), r.Observed
	}
	if c.Doubt != nil {
		r.DoubtSince, r.Marks.Doubt = nilIfZero(*c.Doubt), r.Observed
	}
	if c.Outage != nil {
		if c.Outage.IsZero() {
			r.EndOutage()
		} else {
			r.BeginOutage(*c.Outage)
		}
		r.Judging, r.JudgingAt = nil, nil // what was measured while everything failed says nothing about green
	}
	if c.Behind != nil {
		r.Behind = *c.Behind
	}
	if !c.Decided.IsZero() && r.Rollback == nil {
		r.Rollback = &teal.RollbackTimes{DecidedAt: c.Decided}
	}
	if c.Back && r.Rollback != nil && r.Rollback.BackAt == nil {
		back := *r.Rollback
		back.BackAt = &now
		r.Rollback = &back
	}
	if c.Baseline != nil {
		r.Baseline = c.Baseline
	}
}

// Record notes in the record, at a time, that a decision has been carried out. It
// returns an error with teal.CodeTransition, and the record may not be used, for
// a phase that may not follow.
func (d Decision) Record(r *teal.Release, now time.Time) error {
	r.Intent = nil
	r.Observe(d.Observed, now)
	d.Change.apply(r, now)
	if d.Next != "" && d.Next != r.Phase {
		return r.Enter(d.Next, now, d.Reason)
	}
	if d.Reason != "" {
		r.Reason = d.Reason
	}
	return nil
}

func nilIfZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// stamped returns findings that say where the release was.
func stamped(findings []teal.Finding, r teal.Release, now time.Time) []teal.Finding {
	out := make([]teal.Finding, len(findings))
	for i, f := range findings {
		if f.At.IsZero() {
			f.At = now
		}
		f.Phase, f.Step = r.Phase, r.Step
		out[i] = f
	}
	return out
}
