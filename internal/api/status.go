package api

import (
	"cmp"
	"slices"
	"time"

	"teal"
)

// Status is an app at one moment: who is live, what runs, what the release does.
type Status struct {
	App          string               `json:"app"`
	Aliases      map[string]AliasView `json:"aliases"`
	Environments []EnvironmentView    `json:"environments"`
	// Release is the active release, else the one that ended last; nil when the
	// app has never had one.
	Release *ReleaseView `json:"release"`
	// Judgement is what the judge says of the active release at this moment; nil
	// while there is nothing to judge.
	Judgement *teal.Judgement `json:"judgement,omitempty"`
	// Traffic is that of all versions together.
	Traffic *TrafficView `json:"traffic,omitempty"`
	// Stopped is who has stopped the app; Frozen who has frozen it, as long as that
	// holds. Freeze windows are the policy's.
	Stopped *teal.AppOrder `json:"stopped,omitempty" doc:"Who has stopped the app; left out when it is not stopped"`
	Frozen  *teal.AppOrder `json:"frozen,omitempty" doc:"Who has frozen the app, beside the freeze windows of its policy; left out when nobody has"`
	// Orders are the last times that it was stopped, started, frozen and unfrozen.
	Orders []teal.AppOrder `json:"app_orders,omitempty" doc:"The last times that somebody stopped, started, froze or unfroze the app, oldest first"`
}

// AliasView is an alias with the revision that a compare-and-swap names.
type AliasView struct {
	Revision  uint64        `json:"revision"`
	Versions  []teal.Target `json:"versions"`
	UpdatedAt time.Time     `json:"updated_at"`
	UpdatedBy string        `json:"updated_by"`
}

// State says in one word what an environment does and how it is.
type State string

// The states of an environment as users see them.
const (
	StateServing  State = "serving"  // live sends it requests
	StateStandby  State = "standby"  // was live; warm until the confidence period ends
	StatePreview  State = "preview"  // runs; reachable by header or by another alias
	StateStarting State = "starting" // not every component has been healthy yet
	StateFailed   State = "failed"   // a component never managed to start
	StateDegraded State = "degraded" // a component has no healthy instance now
	StateDraining State = "draining" // finishes the requests that it has, then stops
)

// EnvironmentView is a version that is running.
type EnvironmentView struct {
	Version int       `json:"version"`
	Slot    teal.Slot `json:"slot,omitempty"`
	State   State     `json:"state"`
	// Role says which version users have, and which one a release leads to; empty for
	// neither.
	Role teal.VersionRole `json:"role,omitempty"`
	// Failing says what fails of it at least as often as not, whatever its state is;
	// left out while nothing does.
	Failing string       `json:"failing,omitempty"`
	Traffic *TrafficView `json:"traffic,omitempty"`
	// Components are in the status of a single app alone, while the version runs on
	// this server.
	Components   []ComponentView `json:"components,omitempty"`
	Reason       string          `json:"reason,omitempty"`
	Output       string          `json:"output,omitempty"` // the last lines of what failed
	Since        time.Time       `json:"since"`
	StandbyUntil *time.Time      `json:"standby_until,omitempty"` // when a standby is retired
	// Instances counts the instances of each component, where that is known.
	Instances map[string]Instances `json:"instances,omitempty"`
}

// Instances counts the instances of one component.
type Instances struct {
	Healthy int `json:"healthy"`
	Total   int `json:"total"`
}

// Records is what a status is made of, as the store has it.
type Records struct {
	App          string
	Aliases      []teal.Alias
	Revisions    map[string]uint64 // of the aliases, by name
	Environments []teal.Environment
	Active       *teal.Release // nil: none
	Last         *teal.Release // the newest release, active or not
	Judgement    *teal.Judgement
	Traffic      *teal.AppTraffic      // nil: nothing measures
	Running      []teal.RunningVersion // nil: nobody asks
	Stopped      *teal.AppOrder
	Frozen       *teal.AppOrder // nil when its end has passed
	Orders       []teal.AppOrder
}

// NewStatus puts records together for users. Environments are ordered by
// version.
func NewStatus(r Records) Status {
	status := Status{
		App:          r.App,
		Aliases:      make(map[string]AliasView, len(r.Aliases)),
		Environments: make([]EnvironmentView, 0, len(r.Environments)),
		Release:      viewIfAny(cmp.Or(r.Active, r.Last)),
		Judgement:    r.Judgement,
		Stopped:      r.Stopped, Frozen: r.Frozen, Orders: r.Orders,
	}
	if status.Release != nil && !status.Release.Phase.Ended() {
		status.Release.Frozen = r.Frozen
	}
	var live teal.Alias
	for _, a := range r.Aliases {
		status.Aliases[a.Name] = ViewAlias(a, r.Revisions[a.Name])
		if a.Name == teal.AliasLive {
			live = a
		}
	}
	for _, env := range r.Environments {
		view := ViewEnvironment(env, live, r.Active)
		view.measured(env.Version, r)
		status.Environments = append(status.Environments, view)
	}
	if r.Traffic != nil {
		traffic := viewTraffic(r.Traffic.Traffic)
		status.Traffic = &traffic
	}
	slices.SortFunc(status.Environments, func(a, b EnvironmentView) int { return cmp.Compare(a.Version, b.Version) })
	return status
}

// measured adds what is measured of the version.
func (v *EnvironmentView) measured(version teal.VersionRef, r Records) {
	var components []teal.ComponentTraffic
	if r.Traffic != nil {
		traffic := r.Traffic.Versions[version]
		view := viewTraffic(traffic.Traffic)
		v.Traffic, v.Failing, components = &view, failing(traffic), traffic.Components
	}
	for _, running := range r.Running {
		if running.Version == version && (v.Components == nil || !running.Draining) {
			v.Components = viewComponents(components, running.Components)
		}
	}
}

// ViewAlias returns an alias as the API shows it.
func ViewAlias(a teal.Alias, revision uint64) AliasView {
	return AliasView{Revision: revision, Versions: a.Targets, UpdatedAt: a.UpdatedAt, UpdatedBy: a.UpdatedBy}
}

// ViewEnvironment returns an environment as the API shows it, given the app's
// live alias and its active release (nil for none). Trouble hides the role: a
// version that is live and degraded is shown as degraded.
func ViewEnvironment(env teal.Environment, live teal.Alias, active *teal.Release) EnvironmentView {
	version, _ := env.Version.Number() // a draft is nothing that an app shows
	view := EnvironmentView{
		Version: version, Slot: env.Slot, Reason: env.Reason, Output: env.Output, Since: env.StateAt,
		Role: teal.VersionRoleOf(version, live, active),
	}
	switch env.State {
	case teal.EnvironmentStarting:
		view.State = StateStarting
	case teal.EnvironmentFailed:
		view.State = StateFailed
	case teal.EnvironmentDegraded:
		view.State = StateDegraded
	case teal.EnvironmentDraining:
		view.State = StateDraining
	case teal.EnvironmentReady:
		view.State = State(teal.RoleOf(version, live, active))
	}
	if view.State == StateStandby {
		view.StandbyUntil = active.WatchUntil
	}
	return view
}
