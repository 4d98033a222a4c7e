package environment

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"teal"
	"teal/internal/removal"
)

// Target is a version that an alias points to.
type Target struct {
	App     string
	Version teal.VersionRef
	Live    bool // the live alias does
}

// Alerts takes what is wrong and does not keep the manager from running the rest.
// Its methods must not block.
type Alerts interface {
	Report(teal.Alert)
	Resolve(code teal.AlertCode, subject string)
}

type discardAlerts struct{}

func (discardAlerts) Report(teal.Alert)              {}
func (discardAlerts) Resolve(teal.AlertCode, string) {}

// plan is what is to be done about one environment at a start.
type plan struct {
	env    teal.Environment
	forget bool // nobody wants it
	record bool // the record is to be written: there is none, or it says something else
	live   bool
}

// planRecovery says what is to run after a start: what the records ask for, and
// every version that an alias points to, whatever its record says. A record can say
// that a version drains to which an alias has been given since, when the answer to
// that write was lost; it can be missing. What live needs comes first.
func planRecovery(records []teal.Environment, targets []Target, idle func(app string) bool, now time.Time) []plan {
	wanted := map[key]bool{} // true: by live
	for _, t := range targets {
		k := key{t.App, t.Version}
		wanted[k] = wanted[k] || t.Live
	}
	var plans []plan
	taken := map[string]map[teal.Slot]bool{} // by app
	known := map[key]bool{}
	take := func(app string, slot teal.Slot) {
		if taken[app] == nil {
			taken[app] = map[teal.Slot]bool{}
		}
		taken[app][slot] = true
	}
	for _, e := range records {
		k := key{e.App, e.Version}
		known[k] = true
		live, isTarget := wanted[k]
		draining := e.State == teal.EnvironmentDraining
		if !isTarget && (draining || idle(e.App)) {
			plans = append(plans, plan{env: e, forget: true})
			continue
		}
		if draining {
			e.State, e.Reason, e.Output, e.StateAt = teal.EnvironmentStarting, "", "", now
		}
		take(e.App, e.Slot)
		plans = append(plans, plan{env: e, record: draining, live: live})
	}
	for _, t := range targets {
		k := key{t.App, t.Version}
		if known[k] {
			continue
		}
		known[k] = true
		e := teal.Environment{App: t.App, Version: t.Version, Unslotted: !wanted[k], State: teal.EnvironmentStarting, CreatedAt: now, StateAt: now}
		if wanted[k] {
			e.Slot = chooseSlot(taken[t.App], teal.SlotNone)
			take(t.App, e.Slot)
		}
		plans = append(plans, plan{env: e, record: true, live: wanted[k]})
	}
	slices.SortStableFunc(plans, func(a, b plan) int { return cmp.Compare(rank(a), rank(b)) })
	return plans
}

func rank(p plan) int {
	if p.live {
		return 0
	}
	return 1
}

// recover starts what is to run. What cannot be done for one environment is
// reported, and keeps none of the others down; only records that cannot be listed
// are an error.
func (m *Manager) recover(ctx context.Context) error {
	records, err := m.cfg.Records.Environments(ctx, "")
	if err != nil {
		return err
	}
	idle := func(app string) bool { return m.cfg.Usage.RunsNothing(ctx, app) }
	for _, p := range planRecovery(records, m.cfg.Usage.Targets(), idle, time.Now()) {
		if err := m.carryOut(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// Resume starts what aliases of the app point to and does not run: what was running
// before it was stopped. Like [Manager.Run] it reports what cannot be started, and
// starts the rest.
func (m *Manager) Resume(ctx context.Context, app string) error {
	ctx = context.WithoutCancel(ctx) // see ProvisionBeside
	defer m.changing.Lock(app)()
	records, err := m.cfg.Records.Environments(ctx, app)
	if err != nil {
		return err
	}
	targets := slices.DeleteFunc(m.cfg.Usage.Targets(), func(t Target) bool { return t.App != app })
	for _, p := range planRecovery(records, targets, func(string) bool { return false }, time.Now()) {
		if p.forget || m.find(app, p.env.Version) != nil { // it drains, and is forgotten then; or it runs
			continue
		}
		if err := m.carryOut(ctx, p); err != nil {
			return err
		}
	}
	m.tell(app)
	return nil
}

func (m *Manager) carryOut(ctx context.Context, p plan) error {
	logger := m.cfg.Logger.With("app", p.env.App, "version", p.env.Version)
	if p.forget {
		if err := m.cfg.Records.Forget(ctx, p.env.App, p.env.Version); err != nil {
			logger.Warn("the record of an environment that has stopped could not be deleted; the next start will try again", "error", err)
		}
		return nil
	}
	version, err := m.cfg.Records.Version(ctx, p.env.App, p.env.Version)
	if err != nil {
		m.reportIncomplete(p.env.App, p.env.Version, err)
		return nil
	}
	var unrecorded error
	if p.record {
		if unrecorded = m.cfg.Records.SetDesired(ctx, p.env); unrecorded != nil {
			logger.Warn("an alias points to a version that is not recorded as running; it is started, and recorded as soon as that is possible", "error", unrecorded)
		}
	}
	logger.Info("starting environment again")
	if err := m.begin(version, p.env); err != nil || unrecorded == nil {
		return err
	}
	m.reclaim(m.find(p.env.App, p.env.Version), func(ctx context.Context, now health) error {
		e := p.env
		e.State, e.Reason, e.Output, e.StateAt = now.state, now.reason, now.output, time.Now()
		return m.cfg.Records.SetDesired(ctx, e)
	})
	return nil
}

// AwaitAll blocks until each of the apps' versions is ready or has failed, but no
// longer than patience. One that is not ready then is logged.
func (m *Manager) AwaitAll(ctx context.Context, patience time.Duration, versions iter.Seq2[string, teal.VersionRef]) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for app, version := range versions {
		health, err := m.Await(ctx, app, version)
		if err != nil || health.State != teal.EnvironmentReady {
			m.cfg.Logger.Warn("opening the gateway before a live version is healthy", "app", app, "version", version, "state", health.State, "reason", health.Reason)
		}
	}
}

// incomplete names an environment in an alert: shop v3.
func incomplete(app string, version teal.VersionRef) string {
	return app + " " + teal.VersionName(version)
}

func (m *Manager) reportIncomplete(app string, version teal.VersionRef, err error) {
	m.cfg.Alerts.Report(teal.Alert{
		Code: teal.AlertAppIncomplete, Subject: incomplete(app, version),
		Message: fmt.Sprintf("%s is wanted and cannot be started: %s", incomplete(app, version), teal.MessageOf(err)),
		Remedy:  fmt.Sprintf("Deploy %s again, or `teal rollback %s --to VERSION` to another version that is there; or restore the data directory from a backup.", app, app),
	})
}

// clearWork empties the work folder. What cannot be removed costs space and
// nothing else: every environment makes a folder of its own.
func (m *Manager) clearWork() {
	if err := removal.Tree(m.cfg.WorkDir); err != nil {
		m.cfg.Alerts.Report(teal.Alert{
			Code: teal.AlertFileUnreadable, Subject: m.cfg.WorkDir,
			Message: fmt.Sprintf("The work folder could not be emptied: %v. What earlier environments have left in it takes space.", err),
			Remedy:  "Give the folder and what is in it to the user that the server runs as, or delete it while the server is stopped.",
		})
	}
}

// The pauses between two tries to write that an environment is wanted after all.
const (
	reclaimFirst = 100 * time.Millisecond
	reclaimMost  = 5 * time.Second
)

// reclaim has the record of an environment that runs say so, however often write
// must be tried for that. A server that stops leaves it to the next start, which looks
// at what aliases need.
func (m *Manager) reclaim(r *running, write func(context.Context, health) error) {
	m.inBackground(func(ctx context.Context) {
		for pause := reclaimFirst; ctx.Err() == nil && !m.reclaimOnce(ctx, r, write); pause = min(2*pause, reclaimMost) {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
	})
}

// reclaimOnce reports whether nothing is left to be done.
func (m *Manager) reclaimOnce(ctx context.Context, r *running, write func(context.Context, health) error) bool {
	defer m.changing.Lock(r.version.App)()
	if m.find(r.version.App, r.ref) != r {
		return true // retired after all
	}
	now, _ := r.currentHealth()
	err := write(ctx, now)
	if err != nil && ctx.Err() == nil {
		r.logger().Warn("it could not be recorded that the environment goes on running; trying again", "error", err)
	}
	return err == nil
}

// AwaitStopped blocks until nothing of the app runs or drains any more, or until
// ctx ends, then with ctx's error.
func (m *Manager) AwaitStopped(ctx context.Context, app string) error {
	for {
		m.mu.Lock()
		changed, runs := m.changed, false
		for r := range m.alive {
			runs = runs || r.version.App == app
		}
		m.mu.Unlock()
		if !runs {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
