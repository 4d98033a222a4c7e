package teal

import (
	"slices"
	"time"
)

// InstanceState says what an instance of a component does.
type InstanceState string

// The states. Those of a function's instances are starting, idle and busy; those of
// services and upstreams the others and starting.
const (
	InstanceStarting  InstanceState = "starting"
	InstanceIdle      InstanceState = "idle"
	InstanceBusy      InstanceState = "busy"
	InstanceHealthy   InstanceState = "healthy"
	InstanceUnhealthy InstanceState = "unhealthy"
	InstanceDown      InstanceState = "down" // waits to be started again
)

// InstanceStates returns the states that instances of a kind can be in; none for a kind
// that has no instances.
func (k ComponentKind) InstanceStates() []InstanceState {
	for _, kind := range componentKinds {
		if kind.name == k {
			return kind.states
		}
	}
	return nil
}

// HasProcesses reports whether the instances of a kind are processes of Teal's own, which
// can be started again and use memory.
func (k ComponentKind) HasProcesses() bool {
	return slices.ContainsFunc(componentKinds, func(kind componentKind) bool { return kind.name == k && kind.processes })
}

// Usage is what processes use of the machine.
type Usage struct {
	// Memory is what is resident: of the cgroup, without the page cache that can be
	// given back at once; where there is none the sum over the processes, in which
	// what they share counts for each.
	Memory Bytes
	CPU    time.Duration // since the first one started, over restarts
	// Load is how many processors were busy with them on average in the last minute.
	Load float64
}

// Plus returns what two use together.
func (u Usage) Plus(other Usage) Usage {
	return Usage{Memory: u.Memory + other.Memory, CPU: u.CPU + other.CPU, Load: u.Load + other.Load}
}

// Instance is one instance of a component, or one address of an upstream.
type Instance struct {
	Name     string
	State    InstanceState
	Restarts int // how often it was started again; always 0 for a function's, which is replaced
	Usage    Usage
}

// ErrorLine is a line that a component has printed which looks like an error, or one in
// which Teal says why an instance ended.
type ErrorLine struct {
	At       time.Time
	Instance string
	Text     string
}

// RunningComponent is a component of a version that runs on this machine.
type RunningComponent struct {
	Component string
	Kind      ComponentKind
	Instances []Instance
	// Restarts counts the instances that were started again, or replaced, after they
	// had ended by themselves or had not come up.
	Restarts  int
	Usage     Usage      // of all instances, those that have ended counted in Usage.CPU
	LastError *ErrorLine // nil: none since the version was started
}

// RunningVersion is a version that runs on this machine, draining or not.
type RunningVersion struct {
	App        string
	Version    VersionRef
	Slot       Slot
	Draining   bool
	Components []RunningComponent // by name
}
