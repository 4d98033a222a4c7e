package apitest

import (
	"fmt"
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
		t.enter(a, r, teal.PhaseProvisioning, fmt.Sprintf("starting version %d", r.To))
	})
}

// GoLive makes the version healthy and switches to it, 0.4 s later.
func (t *Teal) GoLive(name string) {
	t.Advance(400 * time.Millisecond)
	t.move(name, func(a *app, r *teal.Release) {
		t.setEnvironment(a, r.To, teal.EnvironmentReady, "", "")
		t.enter(a, r, teal.PhaseShifting, fmt.Sprintf("every component of version %d is healthy", r.To))
		t.setAlias(a, teal.AliasLive, teal.Only(r.To), "release "+r.ID)
		if r.From == 0 {
			t.enter(a, r, teal.PhaseCompleted, fmt.Sprintf("version %d is live; there was no version before it", r.To))
			return
		}
		t.enter(a, r, teal.PhaseWatching, fmt.Sprintf("version %d is live; version %d stands by for %s", r.To, r.From, r.Policy.Confidence))
	})
}

// Fail ends the release before any traffic has moved.
func (t *Teal) Fail(name, reason, output string) {
	t.move(name, func(a *app, r *teal.Release) {
		t.setEnvironment(a, r.To, teal.EnvironmentFailed, reason, output)
		t.enter(a, r, teal.PhaseAborted, fmt.Sprintf("version %d does not start: %s", r.To, reason))
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
		t.enter(a, r, teal.PhaseCompleted, fmt.Sprintf("version %d was live for the whole confidence period of %s", r.To, r.Policy.Confidence))
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
		env = teal.Environment{App: a.record.Name, Version: version, CreatedAt: t.now, Slot: t.freeSlot(a)}
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
