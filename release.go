package teal

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Strategy names how the traffic moves.
type Strategy string

// StrategyAllAtOnce moves everything in one atomic step.
const StrategyAllAtOnce Strategy = "all-at-once"

// Policy says how to release. It belongs to the deploy, not to the version: a
// release keeps the policy that it started with.
type Policy struct {
	Strategy Strategy `json:"strategy"`
	// ReadyWithin bounds provisioning: green must be healthy by then.
	ReadyWithin Duration `json:"ready_within"`
	// Confidence is how long blue stands by after the switch.
	Confidence Duration `json:"confidence"`
	// Drain is how long a retired environment may take to finish the requests
	// that it has.
	Drain Duration `json:"drain"`
}

// Defaults of a policy.
const (
	DefaultReadyWithin = Duration(2 * time.Minute)
	DefaultConfidence  = Duration(10 * time.Minute)
	DefaultDrain       = Duration(30 * time.Second)
)

// DefaultPolicy returns the policy of an app that says nothing about releases.
func DefaultPolicy() Policy {
	return Policy{
		Strategy:    StrategyAllAtOnce,
		ReadyWithin: DefaultReadyWithin,
		Confidence:  DefaultConfidence,
		Drain:       DefaultDrain,
	}
}

// Validate returns an error with CodeInvalidInput or CodeUnsupported that says
// what cannot be done, or nil.
func (p Policy) Validate() error {
	switch {
	case p.Strategy != StrategyAllAtOnce:
		return Errorf(CodeUnsupported, "the strategy %q is not available in this version of Teal; use %s", p.Strategy, StrategyAllAtOnce)
	case p.ReadyWithin <= 0:
		return Errorf(CodeInvalidInput, "release.ready_within must be more than 0s")
	}
	return nil
}

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
	// Order is what a person asked of the running release; the first one
	// stands.
	Order *Order `json:"order,omitempty"`

	CreatedAt  time.Time  `json:"created_at"`
	CreatedBy  string     `json:"created_by"` // who asked: "deploy", "promote", a person's name
	ReadyBy    time.Time  `json:"ready_by"`   // the end of Policy.ReadyWithin
	ShiftedAt  *time.Time `json:"shifted_at,omitempty"`
	WatchUntil *time.Time `json:"watch_until,omitempty"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
	Steps      []Step     `json:"steps"` // every phase so far, oldest first
}

// Step is one phase that a release has entered.
type Step struct {
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
	ActShift     Act = "shift"     // give the alias wholly to a version
	ActRetire    Act = "retire"    // drain and stop an environment
)

// Intent is one act and the version that it is about.
type Intent struct {
	Act     Act `json:"act"`
	Version int `json:"version"`
	// AliasRevision is the revision of the alias that a shift replaces: a shift
	// decided on a stale view fails instead of overwriting.
	AliasRevision uint64 `json:"alias_revision,omitempty"`
}

// OrderKind names what a person may ask of a running release.
type OrderKind string

// The orders.
const (
	OrderRollback OrderKind = "rollback" // go back, whatever the phase
	OrderFinish   OrderKind = "finish"   // end the confidence period now
)

// Order is what a person asked for, who and when.
type Order struct {
	Kind OrderKind `json:"kind"`
	By   string    `json:"by"`
	Why  string    `json:"why"`
	At   time.Time `json:"at"`
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
	// Clipped: copies of a release must not share what is appended.
	r.Steps = append(slices.Clip(r.Steps), Step{Phase: next, At: at, Reason: reason})
	switch {
	case next == PhaseWatching:
		until := at.Add(r.Policy.Confidence.Std())
		r.ShiftedAt, r.WatchUntil = &at, &until
	case next.Ended():
		r.EndedAt = &at
		if next == PhaseCompleted && r.ShiftedAt == nil {
			r.ShiftedAt = &at
		}
	}
	return nil
}

// ReleaseID returns the ID of an app's nth release.
func ReleaseID(app string, n int) string { return app + "-" + strconv.Itoa(n) }

// AppOfRelease returns the app that a release ID belongs to: all before the
// last dash. "" when the ID has none.
func AppOfRelease(id string) string {
	i := strings.LastIndexByte(id, '-')
	if i < 0 {
		return ""
	}
	return id[:i]
}
