package teal

import (
	"strconv"
	"time"
)

// TaskKind names what a release asks to be done beside its own acts.
type TaskKind string

// The kinds of task.
const (
	TaskHook  TaskKind = "hook"  // Policy.Hooks
	TaskWarm  TaskKind = "warm"  // Policy.Warm
	TaskCheck TaskKind = "check" // Policy.Checks, or those of a step
	TaskAsk   TaskKind = "ask"   // a check, query or webhook that is asked again and again while green is judged
)

// TaskKey tells a task from the others of its release.
type TaskKey struct {
	Kind TaskKind `json:"kind"`
	// Step is 0 for what belongs to the release as a whole, else the step, from
	// 1, whose check it is.
	Step int    `json:"step,omitempty"`
	Name string `json:"name"` // of the hook (POINT/NAME), check, query or webhook
}

// String returns the key as one word: "check/smoke", "check/2/smoke".
func (k TaskKey) String() string {
	if k.Step == 0 {
		return string(k.Kind) + "/" + k.Name
	}
	return string(k.Kind) + "/" + strconv.Itoa(k.Step) + "/" + k.Name
}

// Task is a task of a release that has been begun. Its record exists before it
// starts; a crash leaves it without an end, and it is then begun again.
type Task struct {
	Key       TaskKey    `json:"key"`
	StartedAt time.Time  `json:"started_at"` // of the first attempt
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Verdict   Verdict    `json:"verdict,omitempty"` // "" until it has ended
	// Token lets a hook's answer that comes later name its hook.
	Token string `json:"token,omitempty"`
}

// Ended reports whether the task has a verdict.
func (t Task) Ended() bool { return t.EndedAt != nil }
