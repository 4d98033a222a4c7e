package environment

import (
	"context"
	"maps"
	"slices"
	"time"

	"teal"
)

// Provision implements [release.Runner]. It also makes room: environments that
// nothing needs any more, such as an older preview, are retired.
func (m *Manager) Provision(ctx context.Context, app string, number int) error {
	return m.ProvisionBeside(ctx, app, number, nil)
}

// ProvisionBeside is Provision that makes no room at the cost of the versions
// in keep: nothing may need them yet.
func (m *Manager) ProvisionBeside(ctx context.Context, app string, number int, keep []int) error {
	// Half a change would leave records that say something else than what runs.
	ctx = context.WithoutCancel(ctx)
	defer m.changing.Lock(app)()
	ref := teal.VersionRef(number)
	version, err := m.cfg.Records.Version(ctx, app, ref)
	if err != nil {
		return err
	}
	neighbours, err := m.makeRoom(ctx, app, ref, keep)
	if err != nil {
		return err
	}
	e, err := m.recordDesired(ctx, version, neighbours)
	if err != nil || m.find(app, ref) != nil {
		return err
	}
	m.cfg.Logger.Info("starting environment", "app", app, "version", number, "slot", e.Slot)
	return m.begin(version, e)
}

// Warnings says, a sentence for each, what of a spec this machine runs otherwise
// than the spec says. It may start an interpreter to ask for its version.
func (m *Manager) Warnings(ctx context.Context, spec teal.Spec) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(spec.Components)) {
		if c := spec.Components[name]; c.Kind() == teal.KindFunction {
			if notice := m.interpreters.Notice(ctx, c.Function.Runtime); notice != "" {
				list = append(list, name+": "+notice)
			}
		}
	}
	return list
}

// WhileNothingStarts runs f while no environment of the app is begun or retired:
// what it sees unused stays so until it returns.
func (m *Manager) WhileNothingStarts(app string, f func() error) error {
	defer m.changing.Lock(app)()
	return f()
}

// ProvisionUnslotted starts a version, or a draft, for a user's alias, which must be
// given to it before anybody else is provisioned. It takes no slot, makes no room,
// and is not a preview. What runs already is left as it is.
func (m *Manager) ProvisionUnslotted(ctx context.Context, app string, ref teal.VersionRef) error {
	ctx = context.WithoutCancel(ctx)
	defer m.changing.Lock(app)()
	if m.find(app, ref) != nil {
		return nil
	}
	version, err := m.cfg.Records.Version(ctx, app, ref)
	if err != nil {
		return err
	}
	now := time.Now()
	e := teal.Environment{App: app, Version: ref, Unslotted: true, State: teal.EnvironmentStarting, CreatedAt: now, StateAt: now}
	if err := m.cfg.Records.SetDesired(ctx, e); err != nil {
		return err
	}
	m.cfg.Logger.Info("starting environment beside the slots", "app", app, "version", ref)
	return m.begin(version, e)
}

// makeRoom returns the slots of the app's other environments, by version,
// after retiring those that nobody needs and that are not in keep. While live is
// not healthy, one that is stays: it may be what somebody wants to go back to.
func (m *Manager) makeRoom(ctx context.Context, app string, ref teal.VersionRef, keep []int) (map[teal.VersionRef]teal.Slot, error) {
	records, err := m.cfg.Records.Environments(ctx, app)
	if err != nil {
		return nil, err
	}
	uses, liveServes := map[teal.VersionRef]Use{}, true
	for _, e := range records {
		if uses[e.Version], err = m.cfg.Usage.Uses(ctx, app, e.Version); err != nil {
			return nil, err
		}
		liveServes = liveServes && (!uses[e.Version].Live || m.serves(app, e.Version))
	}
	slots := map[teal.VersionRef]teal.Slot{}
	for _, e := range records {
		if e.Version == ref || e.State == teal.EnvironmentDraining {
			continue
		}
		number, _ := e.Version.Number()
		spare := uses[e.Version] == (Use{}) && !slices.Contains(keep, number)
		if spare && (liveServes || !m.serves(app, e.Version)) {
			if err := m.retire(ctx, app, e.Version, teal.DefaultDrain.Std()); err != nil {
				return nil, err
			}
			continue
		}
		slots[e.Version] = e.Slot
	}
	return slots, nil
}

// serves reports whether every component of an environment can take requests.
func (m *Manager) serves(app string, version teal.VersionRef) bool {
	r := m.find(app, version)
	if r == nil {
		return false
	}
	now, _ := r.currentHealth()
	return now.serves
}

// recordDesired records that the version is to run. One that runs in a slot already keeps
// its record; one that runs beside the slots moves into a free one. What ran for
// an alias alone counts as started now.
func (m *Manager) recordDesired(ctx context.Context, version teal.Version, neighbours map[teal.VersionRef]teal.Slot) (teal.Environment, error) {
	now := time.Now()
	e := teal.Environment{
		App: version.App, Version: version.Ref(),
		State: teal.EnvironmentStarting, CreatedAt: now, StateAt: now,
	}
	r := m.find(version.App, version.Ref())
	if r != nil {
		if r.slot != teal.SlotNone {
			return e, nil
		}
		now, _ := r.currentHealth()
		e.State, e.CreatedAt, e.MinInstances = now.state, r.since, r.currentMinInstances()
	}
	taken := map[teal.Slot]bool{}
	live := teal.SlotNone
	for other, slot := range neighbours {
		taken[slot] = true
		use, err := m.cfg.Usage.Uses(ctx, version.App, other)
		if err != nil {
			return e, err
		}
		if use.Live {
			live = slot
		}
	}
	e.Slot = chooseSlot(taken, live)
	if err := m.cfg.Records.SetDesired(ctx, e); err != nil {
		return e, err
	}
	if r != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		r.slot, r.since, r.unslotted = e.Slot, e.CreatedAt, false
	}
	return e, nil
}
