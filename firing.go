package teal

import "time"

// Firing is one time of a schedule and what became of it.
type Firing struct {
	// ID follows from the app, the trigger and At, so that no time is fired twice. It is
	// the request ID of an invocation.
	ID    string      `json:"id"`
	At    time.Time   `json:"at"` // when it was due
	State FiringState `json:"state"`
	// Version was chosen when the firing was recorded, and runs all its attempts; 0 for
	// what was never to run.
	Version  VersionRef `json:"version,omitempty"`
	FiredAt  time.Time  `json:"fired_at"`             // when it was recorded
	Started  *time.Time `json:"started_at,omitempty"` // when the last attempt began
	EndedAt  *time.Time `json:"ended_at,omitempty"`
	Attempts int        `json:"attempts,omitempty"`
	// Missed is how many times were left out, of which At is the latest.
	Missed int `json:"missed,omitempty"`
	// Why is a sentence about what became of it; "" where the state says it all.
	Why string `json:"why,omitempty"`
}

// FiringState says where a firing is.
type FiringState string

// The states of a firing. The first two have not ended.
const (
	FiringWaiting   FiringState = "waiting" // it is recorded, and will be run
	FiringRunning   FiringState = "running"
	FiringSucceeded FiringState = "succeeded"
	FiringFailed    FiringState = "failed"
	FiringSkipped   FiringState = "skipped" // the one before had not ended
	FiringMissed    FiringState = "missed"  // nobody could fire at the time
)

// Ended reports whether nothing more is done about the firing.
func (f Firing) Ended() bool { return f.State != FiringWaiting && f.State != FiringRunning }
