package apitest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"teal"
	"teal/internal/api"
)

// The methods below move the active release of an app, as the engine would.

// Provision lets the release's version start: its environment is starting.
func (t *Teal) Provision(name string) {
	t.move(name, func(a *app, r *teal.Release) {
		t.setEnvironment(a, r.To, teal.EnvironmentStarting, "", "")
		t.enter(a, r, teal.PhaseProvisioning, fmt.Sprintf("starting v%d", r.To))
	})
}

// GoLive makes the version healthy and switches to it, 0.4 s later.
func (t *Teal) GoLive(name string) {
	t.Advance(400 * time.Millisecond)
	t.move(name, func(a *app, r *teal.Release) {
		t.setEnvironment(a, r.To, teal.EnvironmentReady, "", "")
		t.verified(a, r)
		a.judgement = nil
		t.setAlias(a, teal.AliasLive, teal.Only(r.To), "release "+r.ID)
		if r.From == 0 {
			t.enter(a, r, teal.PhaseCompleted, fmt.Sprintf("v%d is live; this was the first release", r.To))
			return
		}
		t.enter(a, r, teal.PhaseWatching, fmt.Sprintf("v%d is live and monitored for %s; v%d on standby", r.To, r.Policy.Confidence, r.From))
	})
}

// Begin records a task of the release.
func (t *Teal) Begin(name string, key teal.TaskKey, token string) {
	t.move(name, func(a *app, r *teal.Release) {
		t.inPhase(a, r, map[teal.TaskKind]teal.Phase{teal.TaskWarm: teal.PhaseWarming, teal.TaskCheck: teal.PhaseVerifying}[key.Kind])
		r.Tasks = append(slices.Clip(r.Tasks), teal.Task{Key: key, StartedAt: t.now, Token: token})
		t.tell(api.EventRelease, r.App, r.ID, *r)
	})
}

// verified moves a release that has no traffic yet on to its first share.
func (t *Teal) verified(a *app, r *teal.Release) {
	t.inPhase(a, r, teal.PhaseVerifying)
	if r.Phase == teal.PhaseVerifying {
		t.enter(a, r, teal.PhaseShifting, fmt.Sprintf("v%d is ready for traffic", r.To))
	}
}

// inPhase moves a release that has no traffic yet on to a phase.
func (t *Teal) inPhase(a *app, r *teal.Release, phase teal.Phase) {
	if phase == "" || r.Phase == phase || !r.Phase.BeforeTraffic() {
		return
	}
	t.setEnvironment(a, r.To, teal.EnvironmentReady, "", "")
	t.enter(a, r, phase, fmt.Sprintf("all components of v%d are healthy", r.To))
}

// End gives a task its verdict, and the evidence of it.
func (t *Teal) End(name string, key teal.TaskKey, verdict teal.Verdict, finding teal.Finding) {
	t.move(name, func(a *app, r *teal.Release) { t.end(a, r, key, verdict, finding) })
}

func (t *Teal) end(_ *app, r *teal.Release, key teal.TaskKey, verdict teal.Verdict, finding teal.Finding) {
	now := t.now
	r.Tasks = slices.Clone(r.Tasks)
	task := r.Task(key)
	task.EndedAt, task.Verdict = &now, verdict
	finding.At, finding.Phase, finding.Step, finding.Verdict = now, r.Phase, r.Step, verdict
	finding.Name = string(key.Kind) + " " + key.Name
	r.Note(finding)
	t.tell(api.EventRelease, r.App, r.ID, *r)
}

// Step gives green the next share of its policy.
func (t *Teal) Step(name string) {
	t.move(name, func(a *app, r *teal.Release) {
		t.verified(a, r)
		now := t.now
		if r.Step == 0 {
			r.Baseline = &teal.Measurement{Requests: 30000, Errors: 30}
		}
		r.Step++
		r.StepAt, r.WaitsSince, r.DoubtSince = &now, nil, nil
		weight := r.Policy.Steps[r.Step-1].Weight
		t.setAlias(a, teal.AliasLive, []teal.Target{{Version: teal.VersionRef(r.From), Weight: teal.All - weight}, {Version: teal.VersionRef(r.To), Weight: weight}}, "release "+r.ID)
		r.Reason = fmt.Sprintf("v%d at %s %% (step %d of %d)", r.To, weight, r.Step, len(r.Policy.Steps))
		t.tell(api.EventRelease, r.App, r.ID, *r)
	})
}

// Wait lets the release wait for a person.
func (t *Teal) Wait(name string) {
	t.move(name, func(_ *app, r *teal.Release) {
		now := t.now
		r.WaitsSince = &now
		t.tell(api.EventRelease, r.App, r.ID, *r)
	})
}

// Doubt lets the release wait for a verdict.
func (t *Teal) Doubt(name, reason string) {
	t.move(name, func(a *app, r *teal.Release) {
		now := t.now
		r.DoubtSince, r.Reason = &now, reason
		a.judgement = &teal.Judgement{Verdict: teal.VerdictInconclusive, Reason: reason}
		t.tell(api.EventRelease, r.App, r.ID, *r)
	})
}

// Judge is what the judge says now of the release.
func (t *Teal) Judge(name string, judgement teal.Judgement) {
	t.move(name, func(a *app, _ *teal.Release) { a.judgement = &judgement })
}

// Measured adds an interval to what is kept of the release.
func (t *Teal) Measured(name string, interval teal.Interval) {
	t.move(name, func(a *app, r *teal.Release) {
		if a.intervals == nil {
			a.intervals = map[string][]byte{}
		}
		for _, side := range []side{{interval.At, "live", interval.Live}, {interval.At, "green", interval.Green}} {
			line, err := json.Marshal(side)
			if err != nil {
				panic(err)
			}
			a.intervals[r.ID] = append(append(a.intervals[r.ID], line...), '\n')
		}
	})
}

// Lately is what is measured of an app's versions, and what runs of them, from now on.
func (t *Teal) Lately(name string, traffic *teal.AppTraffic, running ...teal.RunningVersion) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.find(name)
	if err != nil {
		panic("apitest: there is no app " + name)
	}
	a.traffic, a.running = traffic, running
}

// side is a line of what is kept of a release.
type side struct {
	At   time.Time `json:"at"`
	Side string    `json:"side"`
	teal.Measurement
}

// Refuse rolls the release back for what the judge has found, 4 ms later.
func (t *Teal) Refuse(name, reason string, findings ...teal.Finding) {
	t.move(name, func(a *app, r *teal.Release) {
		for i := range findings {
			findings[i].At, findings[i].Phase, findings[i].Step = t.now, r.Phase, r.Step
		}
		r.Note(findings...)
		a.judgement = nil
		times := teal.RollbackTimes{DecidedAt: t.now}
		r.Rollback = &times
		t.enter(a, r, teal.PhaseRollingBack, reason)
		t.now = t.now.Add(4 * time.Millisecond)
		back := t.now
		times.BackAt = &back
		t.setAlias(a, teal.AliasLive, teal.Only(r.From), "release "+r.ID)
		t.enter(a, r, teal.PhaseRolledBack, reason)
		t.dropEnvironment(a, r.To)
	})
}

// Stop ends a release before any traffic has moved because a task failed.
func (t *Teal) Stop(name, reason string) {
	t.move(name, func(a *app, r *teal.Release) {
		t.enter(a, r, teal.PhaseAborted, reason)
		t.dropEnvironment(a, r.To)
	})
}

// Fail ends the release before any traffic has moved.
func (t *Teal) Fail(name, reason, output string) {
	t.move(name, func(a *app, r *teal.Release) {
		t.setEnvironment(a, r.To, teal.EnvironmentFailed, reason, output)
		t.enter(a, r, teal.PhaseAborted, fmt.Sprintf("v%d does not start: %s", r.To, reason))
		t.dropEnvironment(a, r.To)
	})
}

// Degrade rolls the release back because its version got worse.
func (t *Teal) Degrade(name, reason string) {
	t.move(name, func(a *app, r *teal.Release) {
		t.setEnvironment(a, r.To, teal.EnvironmentDegraded, reason, "")
		t.enter(a, r, teal.PhaseRollingBack, reason)
		t.setAlias(a, teal.AliasLive, teal.Only(r.From), "release "+r.ID)
		t.enter(a, r, teal.PhaseRolledBack, reason)
		t.dropEnvironment(a, r.To)
	})
}

// Complete ends the confidence period.
func (t *Teal) Complete(name string) {
	t.move(name, func(a *app, r *teal.Release) {
		t.enter(a, r, teal.PhaseCompleted, fmt.Sprintf("v%d passed its confidence period of %s", r.To, r.Policy.Confidence))
	})
}

// AtOnce is a Script: the release goes well at once.
func AtOnce(t *Teal, r teal.Release) {
	t.Provision(r.App)
	t.GoLive(r.App)
}

func (t *Teal) move(name string, how func(*app, *teal.Release)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, err := t.find(name)
	if err != nil || a.active() == nil {
		panic("apitest: " + name + " has no active release")
	}
	how(a, a.active())
}

func (t *Teal) setEnvironment(a *app, version int, state teal.EnvironmentState, reason, output string) {
	env, ok := a.environments[version]
	if !ok {
		env = teal.Environment{App: a.record.Name, Version: teal.VersionRef(version), CreatedAt: t.now, Slot: t.freeSlot(a)}
	}
	env.State, env.Reason, env.Output, env.StateAt = state, reason, output, t.now
	a.environments[version] = env
	t.tell(api.EventEnvironment, env.App, strconv.Itoa(version), env)
}

func (t *Teal) freeSlot(a *app) teal.Slot {
	for _, env := range a.environments {
		if env.Slot == teal.SlotBlue {
			return teal.SlotGreen
		}
	}
	return teal.SlotBlue
}

func (t *Teal) dropEnvironment(a *app, version int) {
	if _, ok := a.environments[version]; !ok {
		return
	}
	delete(a.environments, version)
	t.tell(api.EventEnvironment, a.record.Name, strconv.Itoa(version), nil)
}

func (t *Teal) setAlias(a *app, name string, targets []teal.Target, by string) {
	alias := teal.Alias{App: a.record.Name, Name: name, Targets: targets, UpdatedAt: t.now, UpdatedBy: by}
	a.aliases[name] = alias
	a.revisions[name] = t.revision + 1
	t.tell(api.EventAlias, alias.App, name, alias)
}
