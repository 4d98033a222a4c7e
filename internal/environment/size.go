package environment

import (
	"context"
	"maps"

	"teal"
)

// sizable is a function's pool, as far as its size goes.
type sizable interface {
	Demand() int
	Require(n int)
	Hold(n int)
}

// Size implements [release.Runner]. What is kept for a load only grows; a model
// of 0 ends that, and so does retiring the environment. Services and upstreams
// have the size that their version says.
func (m *Manager) Size(ctx context.Context, app string, version, model int) error {
	ctx = context.WithoutCancel(ctx) // see ProvisionBeside
	defer m.changing.Lock(app)()
	var needs map[string]int
	if model != 0 {
		source := m.find(app, teal.VersionRef(model))
		if source == nil {
			return nil
		}
		needs = source.demand()
	}
	r := m.find(app, teal.VersionRef(version))
	if r == nil {
		return teal.Errorf(teal.CodeVersionNotRunning, "%s %s is not running, so it cannot be sized", app, teal.VersionName(version))
	}
	minInstances := r.minInstancesFor(needs)
	if maps.Equal(minInstances, r.currentMinInstances()) {
		return nil
	}
	if err := m.cfg.Records.Note(ctx, app, teal.VersionRef(version), func(e *teal.Environment) { e.MinInstances = minInstances }); err != nil {
		return err
	}
	r.logger().Info("sizing environment", "model", model, "instances", minInstances)
	r.keep(minInstances, version == model)
	r.refresh(ctx)
	return nil
}

// minInstancesFor returns the least numbers of instances that serve needs, nil for
// none; those that there are already are not lowered.
func (r *running) minInstancesFor(needs map[string]int) map[string]int {
	if needs == nil {
		return nil
	}
	minInstances := maps.Clone(r.currentMinInstances())
	for name, c := range r.version.Spec.Components {
		if c.Function == nil {
			continue
		}
		limits := c.Function.Concurrency
		if n := min(needs[name], max(limits.Max, limits.Min, 1)); n > max(minInstances[name], limits.Min) {
			if minInstances == nil {
				minInstances = map[string]int{}
			}
			minInstances[name] = n
		}
	}
	return minInstances
}

func (r *running) currentMinInstances() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.minInstances
}

// demand returns how many instances each function needs.
func (r *running) demand() map[string]int {
	needs := map[string]int{}
	for _, p := range r.currentParts() {
		if p.size != nil {
			needs[p.name] = p.size.Demand()
		}
	}
	return needs
}

// keep gives the pools their least numbers of instances, now or when they are built.
func (r *running) keep(minInstances map[string]int, hold bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.minInstances = minInstances
	for _, p := range r.parts {
		p.keep(minInstances, hold)
	}
}

func (p part) keep(minInstances map[string]int, hold bool) {
	switch {
	case p.size == nil:
	case hold || minInstances[p.name] == 0:
		p.size.Hold(minInstances[p.name])
	default:
		p.size.Require(minInstances[p.name])
	}
}

// refresh makes the health of the environment that of its components, and returns
// it. The health that two callers find is recorded in the order in which it was.
func (r *running) refresh(ctx context.Context) health {
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	parts := r.currentParts()
	if parts == nil {
		return health{state: teal.EnvironmentStarting}
	}
	names, conditions := make([]string, len(parts)), make(map[string]condition, len(parts))
	for i, p := range parts {
		names[i], conditions[p.name] = p.name, p.condition()
	}
	now := summarize(names, conditions, r.wasReady)
	r.wasReady = r.wasReady || now.state == teal.EnvironmentReady
	r.setHealth(ctx, now)
	return now
}
