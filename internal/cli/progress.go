package cli

import (
	"fmt"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
	"teal/internal/describe"
)

// progress turns the events of an app into what a person wants to know about
// one release. It is pure: events in, lines out.
type progress struct {
	release      api.ReleaseView
	envs         map[teal.VersionRef]api.EnvironmentEvent // the last known, also of those that are gone
	frozen       *teal.AppOrder                           // the freeze that somebody has ordered
	now          func() time.Time
	clock        func(time.Time) string
	waitFor      waitFor
	toldStarting bool   // "starting" has been said
	toldLive     bool   // "is live" has been said
	toldRollback bool   // "rolling back" has been said
	lastTrouble  string // the last reason that was said
	said         dedupe // what has been said of steps, tasks, orders and freezes
}

func newProgress(r api.ReleaseView, until waitFor, now func() time.Time, clock func(time.Time) string) *progress {
	return &progress{release: r, envs: map[teal.VersionRef]api.EnvironmentEvent{}, waitFor: until, now: now, clock: clock}
}

// see takes an event and returns the lines that it is worth.
func (p *progress) see(e client.Event) []string {
	if env, ok := e.Environment(); ok {
		return p.seeEnvironment(env)
	}
	if r, ok := e.Release(); ok && r.ID == p.release.ID {
		return p.seeRelease(r)
	}
	if app, ok := e.AppRecord(); ok {
		p.frozen = app.Frozen
		return p.seeFreeze()
	}
	return nil
}

func (p *progress) seeEnvironment(env api.EnvironmentEvent) []string {
	p.envs[env.Version] = env
	if env.Version != teal.VersionRef(p.release.To) {
		return nil
	}
	var lines []string
	if env.State == teal.EnvironmentStarting {
		lines = p.starting()
	}
	// That a component is starting is no news; that one has failed and is
	// started again is, and then there is its output.
	failed := env.State == teal.EnvironmentFailed || (env.State == teal.EnvironmentStarting && env.Output != "")
	if failed && env.Reason != "" && env.Reason != p.lastTrouble {
		p.lastTrouble = env.Reason
		lines = append(lines, fmt.Sprintf("v%d: %s", env.Version, describe.FirstLine(env.Reason)))
	}
	return lines
}

func (p *progress) seeRelease(r api.ReleaseView) []string {
	p.release = r
	if r.Queued {
		return p.said.once("queued", "release %s is queued behind another release of %s …", r.ID, r.App)
	}
	var lines []string
	switch r.Phase {
	case teal.PhaseProvisioning, teal.PhaseWarming, teal.PhaseVerifying, teal.PhaseShifting:
		lines = p.starting()
	}
	lines = append(lines, p.seeTasks()...)
	lines = append(lines, p.seeStep()...)
	lines = append(lines, p.seeOutage()...)
	lines = append(lines, p.seeOrders()...)
	lines = append(lines, p.seeFreeze()...)
	return append(lines, p.seePhase()...)
}

// seePhase tells how the release ends.
func (p *progress) seePhase() []string {
	r := p.release
	switch r.Phase {
	case teal.PhaseWatching:
		return p.wentLive()
	case teal.PhaseCompleted:
		lines := p.wentLive()
		if p.waitFor == waitCompleted {
			lines = append(lines, fmt.Sprintf("release %s completed: %s", r.ID, r.Reason))
		}
		return lines
	case teal.PhaseRollingBack:
		return p.goingBack()
	}
	return nil
}

func (p *progress) starting() []string {
	if p.toldStarting {
		return nil
	}
	p.toldStarting = true
	return []string{fmt.Sprintf("%s: starting v%d …", p.release.App, p.release.To)}
}

func (p *progress) wentLive() []string {
	if p.toldLive {
		return nil
	}
	p.toldLive = true
	r := p.release
	line := fmt.Sprintf("%s: v%d is live", r.App, r.To)
	if r.ShiftedAt != nil {
		line += " after " + describe.Duration(r.ShiftedAt.Sub(r.CreatedAt))
	}
	switch {
	case r.Phase == teal.PhaseWatching && r.WatchUntil != nil:
		line += "; " + describe.Monitoring(r, p.clock)
	case r.From != 0:
		line += fmt.Sprintf("; v%d is retired", r.From)
	}
	return []string{line}
}

func (p *progress) goingBack() []string {
	if p.toldRollback {
		return nil
	}
	p.toldRollback = true
	return []string{fmt.Sprintf("rolling back to v%d: %s", p.release.From, describe.Reason(p.release))}
}

// done reports whether there is nothing more to wait for.
func (p *progress) done() bool {
	return p.release.Phase.Ended() || (p.waitFor == waitLive && p.release.Phase == teal.PhaseWatching)
}

// failed returns what to tell when the release has ended badly, else nil.
func (p *progress) failed() error {
	r := p.release
	var text string
	switch r.Phase {
	case teal.PhaseAborted:
		text = fmt.Sprintf("release %s failed: %s\n%s", r.ID, p.reason(), trafficAfterAbort(r))
	case teal.PhaseRolledBack:
		text = fmt.Sprintf("release %s was rolled back: %s\nv%d has all traffic again", r.ID, p.reason(), r.From)
	case teal.PhaseCompleted:
		if r.Rollback == nil {
			return nil
		}
		text = fmt.Sprintf("release %s could not be rolled back: %s", r.ID, p.reason())
	default:
		return nil
	}
	if len(r.Evidence) > 0 {
		text += fmt.Sprintf("\nsee `teal release show %s` for the evidence", r.ID)
	}
	return &failure{cause: teal.Errorf(teal.CodeReleaseFailed, "%s", text), release: r}
}

// trafficAfterAbort says who has the traffic after a release that moved none.
func trafficAfterAbort(r api.ReleaseView) string {
	if r.From != 0 {
		return fmt.Sprintf("v%d still has all traffic", r.From)
	}
	return fmt.Sprintf("this was the first release: no version of %s is live; fix it and deploy again", r.App)
}

// reason returns the release's reason, with the new version's last output unless the
// reason holds it already.
func (p *progress) reason() string {
	reason := describe.Reason(p.release)
	if _, more, found := strings.Cut(strings.TrimRight(p.release.Reason, "\n"), "\n"); found {
		reason += "\n" + more
	}
	output := strings.TrimRight(p.envs[teal.VersionRef(p.release.To)].Output, "\n")
	if output == "" || strings.Contains(reason, output) {
		return reason
	}
	return reason + "\n" + output
}
