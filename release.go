package teal

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Release is one move of one alias from one version to another. It is the
// engine's whole memory: what it holds is enough to go on after a crash.
type Release struct {
	ID     string `json:"id"` // APP-NUMBER
	App    string `json:"app"`
	Alias  string `json:"alias"`
	From   int    `json:"from"` // 0: the alias pointed nowhere
	To     int    `json:"to"`
	Policy Policy `json:"policy"`
	// Back says that the release is itself a rollback: it leads to a version
	// that had been retired and is started again.
	Back bool `json:"back,omitempty"`

	Phase  Phase  `json:"phase"`
	Reason string `json:"reason"` // why it is in this phase, for people
	// Intent is the act that was about to be done when the record was saved;
	// nil between acts. An act found here after a crash may or may not have
	// happened, so every act may be done again.
	Intent *Intent `json:"intent,omitempty"`
	// Fence is the lowest revision of the alias at which no shift that was ever
	// intended can still happen: each names the revision that it replaces. Until
	// the alias has got there, a shift whose answer was lost, or one of another
	// engine that is slow, may still come, and no environment may be stopped.
	Fence uint64 `json:"fence,omitempty"`
	// Commands is what people asked of the running release.
	Commands Commands `json:"orders,omitzero"`
	// Step is how many of Policy.Steps green has been given; StepAt is when the
	// last of them was in force.
	Step   int        `json:"step"`
	StepAt *time.Time `json:"step_at,omitempty"`
	// Share is green's share at the step: the step's weight, or more that it had
	// been given by hand before.
	Share Weight `json:"share,omitempty"`
	// WaitsSince is since when the release has been waiting for a person.
	WaitsSince *time.Time `json:"waits_since,omitempty"`
	// DoubtSince is since when the release could go on if the judge had a
	// verdict.
	DoubtSince *time.Time `json:"doubt_since,omitempty"`
	// OutageSince is since when neither version is healthy. The release is on
	// hold until that is over.
	OutageSince *time.Time `json:"outage_since,omitempty"`
	// Behind names the nodes whose gateways the release waits for: they still send
	// requests by an older state of the alias.
	Behind []string `json:"behind,omitempty"`
	// Observed is how much time a running server has looked after the release. It
	// is the clock by which the release holds, watches and waits: time in which
	// nobody looked, and jumps of the wall clock, are not on it. ObservedAt is when
	// the clock was noted; nil in records of older versions, whose clock begins
	// when this one takes them up.
	Observed   Duration   `json:"observed,omitempty"`
	ObservedAt *time.Time `json:"observed_at,omitempty"`
	Marks      Marks      `json:"marks,omitzero"`
	// Queued says that the release waits for another one of its app to end.
	Queued bool `json:"queued,omitempty"`

	Tasks []Task `json:"tasks,omitempty"` // hooks, warm-ups and checks, in the order of their beginning
	// Evidence holds the findings that decisions stand on, oldest first; bounded
	// by MaxEvidence.
	Evidence []Finding `json:"evidence,omitempty"`
	// Baseline is what live did before the release moved any traffic.
	Baseline *Measurement `json:"baseline,omitempty"`
	// Judging is the judge's own memory, from which it goes on after a crash.
	Judging   json.RawMessage `json:"judging,omitempty"`
	JudgingAt *time.Time      `json:"judging_at,omitempty"` // when it was saved

	CreatedAt  time.Time  `json:"created_at"`
	CreatedBy  string     `json:"created_by"` // who asked: "deploy", "promote", a person's name
	ReadyBy    time.Time  `json:"ready_by"`   // an estimate of the end of Policy.ReadyWithin
	ShiftedAt  *time.Time `json:"shifted_at,omitempty"`
	WatchUntil *time.Time `json:"watch_until,omitempty"` // an estimate of the end of the confidence period
	EndedAt    *time.Time `json:"ended_at,omitempty"`
	// Rollback holds how long a rollback took; nil when there was none.
	Rollback *RollbackTimes `json:"rollback,omitempty"`
	Phases   []PhaseEntry   `json:"phases"` // every phase so far, oldest first
}

// Marks says when, on the clock of Observed, something began that lasts for a
// time. While neither version is healthy the clock stands still for the first
// four.
type Marks struct {
	Start  Duration `json:"start,omitempty"`  // of green
	Phase  Duration `json:"phase,omitempty"`  // the phase that the release is in
	Step   Duration `json:"step,omitempty"`   // StepAt
	Doubt  Duration `json:"doubt,omitempty"`  // DoubtSince
	Waits  Duration `json:"waits,omitempty"`  // WaitsSince
	Outage Duration `json:"outage,omitempty"` // OutageSince
}

// Observe notes the clock of the release at a time of the wall's, and estimates
// anew until when it watches.
func (r *Release) Observe(observed Duration, at time.Time) {
	r.Observed, r.ObservedAt = max(r.Observed, observed), &at
	switch r.Phase {
	case PhaseProvisioning:
		r.ReadyBy = r.Estimate(r.Marks.Phase, r.Policy.ReadyWithin)
	case PhaseWatching:
		until := r.Estimate(r.Marks.Phase, r.Policy.Confidence)
		if r.WatchUntil == nil || until.Sub(*r.WatchUntil).Abs() >= time.Second { // a second is not worth another answer
			r.WatchUntil = &until
		}
	}
}

// Estimate returns when, by the wall clock, something will have lasted for a time
// that began at a mark, if the release is looked after without a pause; the zero
// time when the clock has never been noted.
func (r Release) Estimate(mark, length Duration) time.Time {
	if r.ObservedAt == nil {
		return time.Time{}
	}
	now := r.Observed
	if r.OutageSince != nil {
		now = r.Marks.Outage
	}
	return r.ObservedAt.Add((length - (now - mark)).Std())
}

// BeginOutage notes that neither version is healthy since a time.
func (r *Release) BeginOutage(at time.Time) { r.OutageSince, r.Marks.Outage = &at, r.Observed }

// EndOutage notes that it is over: the time that it took counts for nothing.
func (r *Release) EndOutage() {
	if r.OutageSince == nil {
		return
	}
	took := r.Observed - r.Marks.Outage
	r.OutageSince = nil
	for _, mark := range []*Duration{&r.Marks.Start, &r.Marks.Phase, &r.Marks.Step, &r.Marks.Doubt} {
		*mark = min(*mark+took, r.Observed) // what began meanwhile begins now
	}
}

// MaxEvidence is how many findings a release keeps: the first ones and the last
// ones.
const MaxEvidence = 100

// RollbackTimes says when what was bad was seen, and when green had nothing any
// more.
type RollbackTimes struct {
	DecidedAt time.Time  `json:"decided_at"` // when the deciding sample, failure or command was seen
	BackAt    *time.Time `json:"back_at,omitempty"`
}

// PhaseEntry is one phase that a release has entered.
type PhaseEntry struct {
	Phase  Phase     `json:"phase"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Act names something that the engine does to the world.
type Act string

// The acts. Each is idempotent.
const (
	ActNone      Act = ""          // only the record changes
	ActProvision Act = "provision" // start an environment
	ActSize      Act = "size"      // keep as many instances as live needs now
	ActTask      Act = "task"      // begin a hook, a warm-up or a check
	ActShift     Act = "shift"     // give a version a share of the alias, or all of it
	ActRetire    Act = "retire"    // drain and stop an environment
)

// Intent is one act and the version that it is about.
type Intent struct {
	Act     Act `json:"act"`
	Version int `json:"version"`
	// Weight is what a shift gives to Version; the other version of the release
	// gets the rest.
	Weight Weight  `json:"weight,omitempty"`
	Task   TaskKey `json:"task,omitzero"`
	// AliasRevision is the revision of the alias that a shift replaces: a shift
	// decided on a stale view fails instead of overwriting.
	AliasRevision uint64 `json:"alias_revision,omitempty"`
}

// CommandKind names what a person may ask of a running release.
type CommandKind string

// The commands.
const (
	CommandRollback CommandKind = "rollback" // go back, whatever the phase
	CommandFinish   CommandKind = "finish"   // end the confidence period now
	CommandPromote  CommandKind = "promote"  // give green everything now, without the rest of the steps
	CommandPause    CommandKind = "pause"    // stay at the step
	CommandResume   CommandKind = "resume"   // go on after a pause
	CommandApprove  CommandKind = "approve"  // what a step with approval waits for
	CommandForce    CommandKind = "force"    // given at the start: judges, checks and approvals do not stop it
	CommandUnfreeze CommandKind = "unfreeze" // given at the start: freeze windows do not stop it
)

// Command is what a person asked for, who, when and why.
type Command struct {
	Kind CommandKind `json:"kind"`
	By   string      `json:"by"`
	Why  string      `json:"why"`
	At   time.Time   `json:"at"`
	Step int         `json:"step,omitempty"` // of an approval: the step, from 1
	// SupersededBy is the version whose release this one makes way for, as the Why
	// says, too; 0 for what people ask.
	SupersededBy int `json:"superseded_by,omitempty"`
}

// Commands is what has been asked of a release. Each field is nil until somebody
// asks.
type Commands struct {
	Rollback  *Command  `json:"rollback,omitempty"` // the first one stands
	Finish    *Command  `json:"finish,omitempty"`
	Promote   *Command  `json:"promote,omitempty"`
	Pause     *Command  `json:"pause,omitempty"` // cleared by resume
	Approvals []Command `json:"approvals,omitempty"`
	Force     *Command  `json:"force,omitempty"`    // only at the start
	Unfreeze  *Command  `json:"unfreeze,omitempty"` // only at the start
}

// Give records a command. It reports whether that changes anything: a rollback
// stands against everything that comes after it, and who asks twice has asked
// once.
func (o *Commands) Give(command Command) bool {
	if o.Rollback != nil {
		return false
	}
	switch command.Kind {
	case CommandRollback:
		o.Rollback = &command
	case CommandFinish:
		return give(&o.Finish, command)
	case CommandPromote:
		o.Pause = nil
		return give(&o.Promote, command)
	case CommandPause:
		return give(&o.Pause, command)
	case CommandResume:
		paused := o.Pause != nil
		o.Pause = nil
		return paused
	case CommandApprove:
		if o.Approved(command.Step) {
			return false
		}
		o.Approvals = append(slices.Clip(o.Approvals), command)
	default:
		return false
	}
	return true
}

// All returns every command that has been given, oldest first.
func (o Commands) All() []Command {
	var list []Command
	for _, command := range []*Command{o.Force, o.Unfreeze, o.Rollback, o.Finish, o.Promote, o.Pause} {
		if command != nil {
			list = append(list, *command)
		}
	}
	list = append(list, o.Approvals...)
	slices.SortStableFunc(list, func(a, b Command) int { return a.At.Compare(b.At) })
	return list
}

func give(to **Command, command Command) bool {
	if *to != nil {
		return false
	}
	*to = &command
	return true
}

// Approved reports whether the step, from 1, has been approved.
func (o Commands) Approved(step int) bool {
	return slices.ContainsFunc(o.Approvals, func(a Command) bool { return a.Step == step })
}

// Intend notes the act that is about to be done.
func (r *Release) Intend(intent Intent) {
	r.Intent = &intent
	if intent.Act == ActShift {
		r.Fence = max(r.Fence, intent.AliasRevision+1)
	}
}

// Enter moves the release to a phase at a time and records the step. It returns
// an error with CodeTransition, and changes nothing, when the table of
// transitions does not list the move.
func (r *Release) Enter(next Phase, at time.Time, reason string) error {
	if !r.Phase.CanBecome(next) {
		return Errorf(CodeTransition, "release %s is %s and cannot become %s", r.ID, r.Phase, next)
	}
	r.Phase, r.Reason = next, reason
	if next == PhaseRollingBack || next.Ended() {
		r.EndOutage()
	}
	r.Marks.Phase = r.Observed
	// Clipped: copies of a release must not share what is appended.
	r.Phases = append(slices.Clip(r.Phases), PhaseEntry{Phase: next, At: at, Reason: reason})
	switch {
	case next == PhaseProvisioning:
		r.Marks.Start = r.Observed
		r.ReadyBy = at.Add(r.Policy.ReadyWithin.Std())
	case next == PhaseWatching:
		until := at.Add(r.Policy.Confidence.Std())
		r.WatchUntil = &until
		if r.ShiftedAt == nil {
			r.ShiftedAt = &at
		}
	case next.Ended():
		r.EndedAt, r.Judging = &at, nil
		if r.Baseline != nil { // hundreds of latencies in each record of a long history
			r.Baseline = &Measurement{Requests: r.Baseline.Requests, Errors: r.Baseline.Errors, Unanswered: r.Baseline.Unanswered}
		}
		if next == PhaseCompleted && r.ShiftedAt == nil {
			r.ShiftedAt = &at
		}
	}
	return nil
}

// Task returns the task with the key, or nil.
func (r *Release) Task(key TaskKey) *Task {
	for i := range r.Tasks {
		if r.Tasks[i].Key == key {
			return &r.Tasks[i]
		}
	}
	return nil
}

// SetTask keeps a task, in the place of the one with its key.
func (r *Release) SetTask(task Task) {
	r.Tasks = slices.Clone(r.Tasks) // copies of a release must not share what changes
	if old := r.Task(task.Key); old != nil {
		*old = task
		return
	}
	r.Tasks = append(r.Tasks, task)
}

// Note keeps a finding as evidence. Of too many the middle is dropped: the first
// half stays, and the newest.
func (r *Release) Note(findings ...Finding) {
	r.Evidence = append(slices.Clip(r.Evidence), findings...)
	if over := len(r.Evidence) - MaxEvidence; over > 0 {
		r.Evidence = slices.Delete(slices.Clone(r.Evidence), MaxEvidence/2, MaxEvidence/2+over)
	}
}

// ReleaseID returns the ID of an app's nth release.
func ReleaseID(app string, n int) string { return app + "-" + strconv.Itoa(n) }

// NumberOfRelease returns which of its app's releases an ID names; 0 when it is no ID.
func NumberOfRelease(id string) int {
	n, err := strconv.Atoi(id[strings.LastIndexByte(id, '-')+1:])
	if err != nil {
		return 0
	}
	return n
}

// AppOfRelease returns the app that a release ID belongs to: all before the
// last dash. "" when the ID has none.
func AppOfRelease(id string) string {
	i := strings.LastIndexByte(id, '-')
	if i < 0 {
		return ""
	}
	return id[:i]
}

// LastMove returns the newest release that has moved traffic, or nil.
func LastMove(history []Release) *Release {
	for i := len(history) - 1; i >= 0; i-- {
		if history[i].Phase != PhaseAborted {
			return &history[i]
		}
	}
	return nil
}
