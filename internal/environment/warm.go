package environment

import (
	"context"

	"teal"
	"teal/internal/function"
)

// admitted is a function whose invocations ask for leave first: a limit that
// holds over all versions is nothing that one of them can know.
type admitted struct {
	pool  *function.Pool
	admit func() (release func(), err error)
}

// Invoke implements gateway.Function.
func (a admitted) Invoke(ctx context.Context, in teal.Invocation) (teal.Answer, error) {
	release, err := a.admit()
	if err != nil {
		return teal.Answer{}, err
	}
	defer release()
	return a.pool.Invoke(ctx, in)
}

// Rewarm makes the functions of an app's environments keep as many instances
// ready as Config.MinInstances says now.
func (m *Manager) Rewarm(app string) {
	m.mu.Lock()
	var list []*running
	for k, r := range m.envs {
		if k.app == app {
			list = append(list, r)
		}
	}
	m.mu.Unlock()
	for _, r := range list {
		r.rewarm()
	}
}

// rewarm is Rewarm of one environment. Who asks last sets last.
func (r *running) rewarm() {
	r.warming.Lock()
	defer r.warming.Unlock()
	for _, p := range r.currentParts() {
		if p.pool != nil {
			p.pool.SetMinInstances(r.manager.minInstances(r.version.App, r.ref, p.name))
		}
	}
}

// Instances returns how many instances of a function stand ready or work; 0 for
// a version that does not run.
func (m *Manager) Instances(app string, version teal.VersionRef, component string) int {
	r := m.find(app, version)
	if r == nil {
		return 0
	}
	for _, p := range r.currentParts() {
		if p.name == component && p.pool != nil {
			return p.pool.State().Instances
		}
	}
	return 0
}

func (m *Manager) minInstances(app string, version teal.VersionRef, component string) int {
	if m.cfg.MinInstances == nil {
		return 0
	}
	return m.cfg.MinInstances(app, version, component)
}

func (r *running) currentParts() []part {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.parts
}
