package apitest

import (
	"time"

	"teal"
	"teal/internal/api"
)

// Trouble gives the environment of the release's new version a state, as if its
// instances had changed: EnvironmentReady after it ends it.
func (t *Teal) Trouble(name string, state teal.EnvironmentState, reason, output string) {
	t.move(name, func(a *app, r *teal.Release) { t.setEnvironment(a, r.To, state, reason, output) })
}

// Outage puts the release on hold: neither version is healthy.
func (t *Teal) Outage(name, reason string) {
	t.move(name, func(_ *app, r *teal.Release) {
		r.BeginOutage(t.now)
		r.Reason = reason
		t.tell(api.EventRelease, r.App, r.ID, *r)
	})
}

// EndOutage lets a release that is on hold go on.
func (t *Teal) EndOutage(name, reason string) {
	t.move(name, func(_ *app, r *teal.Release) {
		r.EndOutage()
		r.Reason = reason
		t.tell(api.EventRelease, r.App, r.ID, *r)
	})
}

// Queue lets the release wait for another one of its app.
func (t *Teal) Queue(name string) {
	t.move(name, func(_ *app, r *teal.Release) {
		r.Queued = true
		t.tell(api.EventRelease, r.App, r.ID, *r)
	})
}

// Keep ends a rollback in vain: the old version did not come back, and the new
// one keeps the traffic, after a time.
func (t *Teal) Keep(name string, after time.Duration, why, reason string) {
	t.move(name, func(a *app, r *teal.Release) {
		r.Rollback = &teal.RollbackTimes{DecidedAt: t.now}
		t.enter(a, r, teal.PhaseRollingBack, why)
		t.now = t.now.Add(after)
		t.enter(a, r, teal.PhaseCompleted, reason)
	})
}
