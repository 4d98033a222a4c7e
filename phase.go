package teal

import "slices"

// Phase is where a release is. A release moves only along the transitions
// below; everything that is not listed is refused.
type Phase string

// The phases, in the order in which a release that goes well meets them, then
// the ways out.
const (
	PhaseQueued       Phase = "queued"       // recorded; nothing has been done
	PhaseProvisioning Phase = "provisioning" // green's instances start
	PhaseWarming      Phase = "warming"      // green is asked to warm up
	PhaseVerifying    Phase = "verifying"    // green is checked while it takes no traffic
	PhaseShifting     Phase = "shifting"     // the alias moves, in one step or several
	PhaseWatching     Phase = "watching"     // green has everything; blue stands by
	PhaseCompleted    Phase = "completed"    // blue has been retired
	PhaseRollingBack  Phase = "rolling-back" // the alias goes back, then green is retired
	PhaseRolledBack   Phase = "rolled-back"  // blue has everything again
	PhaseAborted      Phase = "aborted"      // ended before any traffic moved
)

// Phases lists every phase once, in the order of the constants.
var Phases = []Phase{
	PhaseQueued, PhaseProvisioning, PhaseWarming, PhaseVerifying, PhaseShifting, PhaseWatching,
	PhaseCompleted, PhaseRollingBack, PhaseRolledBack, PhaseAborted,
}

// transitions is the whole state machine.
var transitions = map[Phase][]Phase{
	PhaseQueued:       {PhaseProvisioning, PhaseAborted},
	PhaseProvisioning: {PhaseWarming, PhaseVerifying, PhaseAborted},
	PhaseWarming:      {PhaseVerifying, PhaseAborted},
	PhaseVerifying:    {PhaseShifting, PhaseAborted},
	PhaseShifting:     {PhaseWatching, PhaseCompleted, PhaseRollingBack, PhaseAborted},
	PhaseWatching:     {PhaseCompleted, PhaseRollingBack},
	PhaseRollingBack:  {PhaseRolledBack, PhaseCompleted}, // completed: blue could not be started again
}

// Next returns the phases that may follow p; none for a phase that ends a
// release.
func (p Phase) Next() []Phase { return slices.Clone(transitions[p]) }

// CanBecome reports whether a release in p may move to next. Staying in a phase
// is not a transition.
func (p Phase) CanBecome(next Phase) bool { return slices.Contains(transitions[p], next) }

// Ended reports whether a release in p is over.
func (p Phase) Ended() bool {
	return p == PhaseCompleted || p == PhaseRolledBack || p == PhaseAborted
}

// BeforeTraffic reports whether no request can have reached green because of a
// release in p.
func (p Phase) BeforeTraffic() bool {
	switch p {
	case PhaseQueued, PhaseProvisioning, PhaseWarming, PhaseVerifying:
		return true
	}
	return false
}
