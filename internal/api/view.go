package api

import (
	"time"

	"teal"
)

// The views are records as the API shows them: without what only the server needs
// to go on from (intents, fences, tokens, the judge's memory, the release's own
// clock) and without the values that are masked. The names in their JSON are a
// promise to users; those of the records are not.

// AppView is an app, in an event.
type AppView struct {
	Name        string     `json:"name"`
	CreatedAt   time.Time  `json:"created_at"`
	LastVersion int        `json:"last_version"`
	LastRelease int        `json:"last_release"`
	Policy      PolicyView `json:"policy"`
	Active      string     `json:"active,omitempty"` // ID of the release that runs
	Deleting    bool       `json:"deleting,omitempty"`
	Queue       []string   `json:"queue,omitempty"` // IDs of the releases that wait

	Stopped *teal.AppOrder  `json:"stopped,omitempty"`
	Frozen  *teal.AppOrder  `json:"frozen,omitempty" doc:"The newest freeze that somebody has ordered; it may be over"`
	Orders  []teal.AppOrder `json:"app_orders,omitempty"`
}

// VersionView is a version.
type VersionView struct {
	App       string    `json:"app"`
	Number    int       `json:"number"`
	Digest    string    `json:"digest"`
	Spec      SpecView  `json:"spec"`
	CreatedAt time.Time `json:"created_at"`
}

// SpecView is the content of a version, whose masked values are not shown.
type SpecView teal.Spec

// PolicyView is a policy, whose masked values are not shown.
type PolicyView teal.Policy

// AliasEvent is an alias, in an event.
type AliasEvent struct {
	App         string        `json:"app"`
	Name        string        `json:"name"`
	Versions    []teal.Target `json:"versions"`
	Description string        `json:"description,omitempty"`
	UpdatedAt   time.Time     `json:"updated_at"`
	UpdatedBy   string        `json:"updated_by"`
}

// EnvironmentEvent is an environment, in an event. Its state is how its instances
// are; EnvironmentView has what it does for the app, which depends on more records.
type EnvironmentEvent struct {
	App       string                `json:"app"`
	Version   teal.VersionRef       `json:"version"`
	Slot      teal.Slot             `json:"slot,omitempty"`
	State     teal.EnvironmentState `json:"state"`
	Reason    string                `json:"reason,omitempty"`
	Output    string                `json:"output,omitempty"` // the last lines of what failed
	CreatedAt time.Time             `json:"created_at"`
	StateAt   time.Time             `json:"state_at"`
}

// ReleaseView is a release.
type ReleaseView struct {
	ID     string     `json:"id"` // APP-NUMBER
	App    string     `json:"app"`
	Alias  string     `json:"alias"`
	From   int        `json:"from"` // 0: the alias pointed nowhere
	To     int        `json:"to"`
	Policy PolicyView `json:"policy"`
	Back   bool       `json:"back,omitempty" doc:"It is a rollback to a version that had been retired"`

	Phase    teal.Phase    `json:"phase"`
	Reason   string        `json:"reason" doc:"Why it is in this phase, for people"`
	Commands teal.Commands `json:"orders,omitzero" doc:"What people asked of it"`
	Step     int           `json:"step" doc:"How many of the policy's steps the new version has been given"`
	StepAt   *time.Time    `json:"step_at,omitempty"`
	// StepUntil, BackBy and DoubtUntil are estimates: they move when the server is
	// not there, or neither version is healthy.
	StepUntil   *time.Time  `json:"step_until,omitempty" doc:"When the step has lasted as long as it must"`
	Share       teal.Weight `json:"share,omitempty" doc:"What the new version has at the step"`
	WaitsSince  *time.Time  `json:"waits_since,omitempty" doc:"Since when it waits for a person"`
	BackBy      *time.Time  `json:"back_by,omitempty" doc:"When it goes back because no person came"`
	DoubtSince  *time.Time  `json:"doubt_since,omitempty" doc:"Since when it could go on if the judge had a verdict"`
	DoubtUntil  *time.Time  `json:"doubt_until,omitempty" doc:"When it goes on, or back, without a verdict"`
	OutageSince *time.Time  `json:"outage_since,omitempty" doc:"Since when neither version is healthy"`
	Behind      []string    `json:"behind,omitempty" doc:"The nodes that it waits for: their gateways do not follow the alias yet"`
	Queued      bool        `json:"queued,omitempty" doc:"It waits for another release of its app to end"`
	// Frozen is set in the status of an app alone.
	Frozen *teal.AppOrder `json:"frozen,omitempty" doc:"Who has frozen the app, so that it moves no traffic on; only in the status of the app"`

	Tasks    []TaskView        `json:"tasks,omitempty"`
	Evidence []teal.Finding    `json:"evidence,omitempty" doc:"What decisions stand on, oldest first"`
	Baseline *teal.Measurement `json:"baseline,omitempty" doc:"What the current version did before any traffic moved"`

	CreatedAt  time.Time           `json:"created_at"`
	CreatedBy  string              `json:"created_by"`
	ReadyBy    time.Time           `json:"ready_by" doc:"An estimate of when the new version must be healthy"`
	ShiftedAt  *time.Time          `json:"shifted_at,omitempty"`
	WatchUntil *time.Time          `json:"watch_until,omitempty" doc:"An estimate of when the confidence period ends"`
	EndedAt    *time.Time          `json:"ended_at,omitempty"`
	Rollback   *teal.RollbackTimes `json:"rollback,omitempty"`
	Phases     []teal.PhaseEntry   `json:"phases" doc:"Every phase so far, oldest first"`
}

// TaskView is a hook, a warm-up or a check of a release.
type TaskView struct {
	Key       teal.TaskKey `json:"key"`
	StartedAt time.Time    `json:"started_at"`
	EndedAt   *time.Time   `json:"ended_at,omitempty"`
	Verdict   teal.Verdict `json:"verdict,omitempty"` // "" until it has ended
}

// Ended reports whether the task has a verdict.
func (t TaskView) Ended() bool { return t.EndedAt != nil }

// ViewRelease returns a release as the API shows it.
func ViewRelease(r teal.Release) ReleaseView {
	v := ReleaseView{
		ID: r.ID, App: r.App, Alias: r.Alias, From: r.From, To: r.To, Policy: ViewPolicy(r.Policy), Back: r.Back,
		Phase: r.Phase, Reason: r.Reason, Commands: r.Commands, Step: r.Step, StepAt: r.StepAt, Share: r.Share,
		WaitsSince: r.WaitsSince, DoubtSince: r.DoubtSince, OutageSince: r.OutageSince, Behind: r.Behind, Queued: r.Queued,
		Evidence: r.Evidence, Baseline: r.Baseline,
		CreatedAt: r.CreatedAt, CreatedBy: r.CreatedBy, ReadyBy: r.ReadyBy, ShiftedAt: r.ShiftedAt,
		WatchUntil: r.WatchUntil, EndedAt: r.EndedAt, Rollback: r.Rollback, Phases: r.Phases,
	}
	for _, t := range r.Tasks {
		v.Tasks = append(v.Tasks, TaskView{Key: t.Key, StartedAt: t.StartedAt, EndedAt: t.EndedAt, Verdict: t.Verdict})
	}
	if !r.Phase.Ended() {
		v.addEnds(r)
	}
	return v
}

// addEnds says until when a release holds, waits and doubts.
func (v *ReleaseView) addEnds(r teal.Release) {
	if r.StepAt != nil && r.Step > 0 && r.Step <= len(r.Policy.Steps) {
		v.StepUntil = ends(r, *r.StepAt, r.Marks.Step, r.Policy.Steps[r.Step-1].Hold)
	}
	if r.WaitsSince != nil && r.Policy.MaxPause > 0 {
		v.BackBy = ends(r, *r.WaitsSince, r.Marks.Waits, r.Policy.MaxPause)
	}
	doubt := r.Policy.Judge.OnInconclusive
	if r.DoubtSince != nil && (doubt == teal.DoubtPromote || doubt == teal.DoubtRollback) {
		v.DoubtUntil = ends(r, *r.DoubtSince, r.Marks.Doubt, r.Policy.Judge.DoubtAfter)
	}
}

// ends returns when something will have lasted for a time, since a moment that has a
// mark on the release's clock. Records of older versions have no clock.
func ends(r teal.Release, since time.Time, mark, length teal.Duration) *time.Time {
	by := r.Estimate(mark, length)
	if by.IsZero() {
		by = since.Add(length.Std())
	}
	return &by
}

func viewReleases(list []teal.Release) []ReleaseView {
	views := make([]ReleaseView, len(list))
	for i, r := range list {
		views[i] = ViewRelease(r)
	}
	return views
}

// ViewVersion returns a version as the API shows it.
func ViewVersion(v teal.Version) VersionView {
	return VersionView{App: v.App, Number: v.Number, Digest: v.Digest, Spec: SpecView(v.Shown().Spec), CreatedAt: v.CreatedAt}
}

func viewVersions(list []teal.Version) []VersionView {
	views := make([]VersionView, len(list))
	for i, v := range list {
		views[i] = ViewVersion(v)
	}
	return views
}

// ViewPolicy returns a policy as the API shows it.
func ViewPolicy(p teal.Policy) PolicyView { return PolicyView(p.Shown()) }

// viewRecord returns what an event shows of a record; nil for what is no record
// that has a view.
func viewRecord(record any) any {
	switch r := record.(type) {
	case teal.App:
		return AppView{
			Name: r.Name, CreatedAt: r.CreatedAt, LastVersion: r.LastVersion, LastRelease: r.LastRelease,
			Policy: ViewPolicy(r.Policy), Active: r.Active, Deleting: r.Deleting, Queue: r.Queue,
			Stopped: r.Stopped, Frozen: r.Frozen, Orders: r.Orders,
		}
	case teal.Version:
		return ViewVersion(r)
	case teal.Alias:
		return AliasEvent{App: r.App, Name: r.Name, Versions: r.Targets, Description: r.Description, UpdatedAt: r.UpdatedAt, UpdatedBy: r.UpdatedBy}
	case teal.Environment:
		return EnvironmentEvent{
			App: r.App, Version: r.Version, Slot: r.Slot, State: r.State, Reason: r.Reason, Output: r.Output,
			CreatedAt: r.CreatedAt, StateAt: r.StateAt,
		}
	case teal.Release:
		return ViewRelease(r)
	}
	return nil
}

// DeployView is what became of a deploy.
type DeployView struct {
	Version  VersionView  `json:"version"`
	Created  bool         `json:"created" doc:"false: a version with the same content was there already"`
	Release  *ReleaseView `json:"release" doc:"The release that was started; null when there is nothing to release."`
	Live     bool         `json:"live" doc:"The version already has all traffic, so there is nothing to do."`
	Warnings []string     `json:"warnings" doc:"Sentences about what works here, but not as the spec says, such as a runtime that another version of its interpreter serves."`
}

func viewDeployed(d Deployed) DeployView {
	return DeployView{Version: ViewVersion(d.Version), Created: d.Created, Release: viewIfAny(d.Release), Live: d.Live, Warnings: append([]string{}, d.Warnings...)}
}

func viewIfAny(r *teal.Release) *ReleaseView {
	if r == nil {
		return nil
	}
	view := ViewRelease(*r)
	return &view
}
