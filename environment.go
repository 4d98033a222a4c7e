package teal

import (
	"strconv"
	"time"
)

// Slot is one of the two places in which an app's versions run. The roles
// alternate from release to release.
type Slot string

// The slots. An environment that a user's own alias keeps running beside the
// two has none.
const (
	SlotNone  Slot = ""
	SlotBlue  Slot = "blue"
	SlotGreen Slot = "green"
)

// Other returns the opposite slot; blue for none, because the first environment
// of an app is blue.
func (s Slot) Other() Slot {
	if s == SlotBlue {
		return SlotGreen
	}
	return SlotBlue
}

// EnvironmentState says how the instances of an environment are.
type EnvironmentState string

// The states of an environment. A stopped one has no record.
const (
	EnvironmentStarting EnvironmentState = "starting" // not every component has been healthy yet
	EnvironmentReady    EnvironmentState = "ready"    // every component is healthy
	EnvironmentDegraded EnvironmentState = "degraded" // was ready; a component has no healthy instance now
	EnvironmentFailed   EnvironmentState = "failed"   // a component tried to start several times and never managed; it goes on trying
	EnvironmentDraining EnvironmentState = "draining" // takes no new request, finishes those it has, then stops
)

// EnvironmentName names the environment of a version among those of all apps, in
// letters that names of files and groups of processes can have.
func EnvironmentName(app string, version VersionRef) string {
	return app + "@" + strconv.Itoa(int(version))
}

// Environment is a version that is running. The record is the desired state:
// it exists before the first process starts, and until the last one has ended.
type Environment struct {
	App       string           `json:"app"`
	Version   VersionRef       `json:"version"`
	Slot      Slot             `json:"slot,omitempty"`
	Unslotted bool             `json:"aside,omitempty"` // started for a user's alias alone: without a slot, and not a preview
	State     EnvironmentState `json:"state"`
	Reason    string           `json:"reason,omitempty"` // why it is not ready, for people
	Output    string           `json:"output,omitempty"` // the last lines of what failed
	// MinInstances is how many instances of a function are kept ready at least, by the
	// function's name: what a release wants of it for the load of another version.
	MinInstances map[string]int `json:"floor,omitempty"`
	CreatedAt    time.Time      `json:"created_at"`
	StateAt      time.Time      `json:"state_at"`
}

// Role says what an environment does for its app at the moment. It is derived,
// never stored.
type Role string

// The roles.
const (
	RoleServing Role = "serving" // live sends it requests
	RoleStandby Role = "standby" // was live; warm until the confidence period ends
	RolePreview Role = "preview" // reachable by header or by another alias
)

// VersionRole says what a version is for the users of its app: which one they have, and
// which one they are to get. It is derived, never stored.
type VersionRole string

// The roles of versions. One that is none of these has no role: a preview, or one that
// a user's alias keeps running.
const (
	VersionCurrent VersionRole = "current" // what users have
	VersionNew     VersionRole = "new"     // what the active release leads to, until it has ended
	VersionStandby VersionRole = "standby" // what that release would go back to, without traffic
	VersionOther   VersionRole = ""
)

// VersionRoleOf returns the role of a version, given the app's live alias and its
// active release (nil for none). Without a release, the second version of a live alias
// that somebody has set by hand is the new one: promote would move to it.
func VersionRoleOf(version int, live Alias, active *Release) VersionRole {
	if active != nil && !active.Phase.Ended() && active.Phase != PhaseQueued {
		switch {
		case version == active.To:
			return VersionNew
		case version == active.From && active.Phase == PhaseWatching:
			return VersionStandby
		}
	}
	switch {
	case live.Primary() == VersionRef(version):
		return VersionCurrent
	case live.PointsTo(version):
		return VersionNew
	}
	return VersionOther
}

// RoleOf returns what the environment of version does, given the app's live
// alias and its active release (nil for none).
func RoleOf(version int, live Alias, active *Release) Role {
	switch {
	case live.Weight(version) > 0:
		return RoleServing
	case active != nil && active.From == version && active.Phase == PhaseWatching:
		return RoleStandby
	default:
		return RolePreview
	}
}
