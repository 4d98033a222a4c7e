package cli

import (
	"fmt"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/client"
)

// progress turns the events of an app into what a person wants to know about
// one release. It is pure: events in, lines out.
type progress struct {
	release api.ReleaseView
	envs    map[teal.VersionRef]api.EnvironmentEvent // the last known, also of those that are gone
	clock   func(time.Time) string
	until   waitFor
	started bool   // "starting" has been said
	live    bool   // "is live" has been said
	back    bool   // "rolling back" has been said
	trouble string // the last reason that was said
	news    news   // what has been said of steps, tasks and orders
}

func newProgress(r api.ReleaseView, until waitFor, clock func(time.Time) string) *progress {
	return &progress{release: r, envs: map[teal.VersionRef]api.EnvironmentEvent{}, until: until, clock: clock}
}

// see takes an event and returns the lines that it is worth.
func (p *progress) see(e client.Event) []string {
	if env, ok := e.Environment(); ok {
		return p.seeEnvironment(env)
	}
	if r, ok := e.Release(); ok && r.ID == p.release.ID {
		return p.seeRelease(r)
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
	if failed && env.Reason != "" && env.Reason != p.trouble {
		p.trouble = env.Reason
		lines = append(lines, fmt.Sprintf("%s: %s", p.green(), env.Reason))
	}
	return lines
}

func (p *progress) seeRelease(r api.ReleaseView) []string {
	p.release = r
	if r.Queued {
		return p.news.once("queued", "release %s waits for another release of %s to end …", r.ID, r.App)
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
		if p.until == waitCompleted {
			lines = append(lines, fmt.Sprintf("release %s completed: %s", r.ID, r.Reason))
		}
		return lines
	case teal.PhaseRollingBack:
		return p.goingBack()
	}
	return nil
}

func (p *progress) starting() []string {
	if p.started {
		return nil
	}
	p.started = true
	return []string{fmt.Sprintf("%s: starting %s, version %d …", p.green(), p.release.App, p.release.To)}
}

func (p *progress) wentLive() []string {
	if p.live {
		return nil
	}
	p.live = true
	r := p.release
	line := fmt.Sprintf("%s is live: 100 %% on version %d", p.green(), r.To)
	if r.ShiftedAt != nil {
		line += " after " + took(r.ShiftedAt.Sub(r.CreatedAt))
	}
	switch {
	case r.Phase == teal.PhaseWatching && r.WatchUntil != nil:
		line += fmt.Sprintf("; %s (version %d) stands by until %s", p.blue(), r.From, p.clock(*r.WatchUntil))
	case r.From != 0:
		line += fmt.Sprintf("; %s (version %d) has been retired", p.blue(), r.From)
	}
	return []string{line}
}

func (p *progress) goingBack() []string {
	if p.back {
		return nil
	}
	p.back = true
	return []string{fmt.Sprintf("rolling back to version %d: %s", p.release.From, cause(p.release))}
}

// done reports whether there is nothing more to wait for.
func (p *progress) done() bool {
	return p.release.Phase.Ended() || (p.until == waitLive && p.release.Phase == teal.PhaseWatching)
}

// failed returns what to tell when the release has ended badly, else nil.
func (p *progress) failed() error {
	r := p.release
	var text string
	switch r.Phase {
	case teal.PhaseAborted:
		text = fmt.Sprintf("release %s failed: %s", r.ID, p.reason())
		if r.From != 0 {
			text += fmt.Sprintf("\n%s untouched: version %d still has all traffic", p.blue(), r.From)
		} else {
			text += "\nno version is live: there was none before"
		}
	case teal.PhaseRolledBack:
		text = fmt.Sprintf("release %s was rolled back: %s\n%s: version %d has all traffic again", r.ID, p.reason(), p.blue(), r.From)
	case teal.PhaseCompleted:
		if r.Rollback == nil {
			return nil
		}
		text = fmt.Sprintf("release %s could not be rolled back: %s", r.ID, p.reason())
	default:
		return nil
	}
	if len(r.Evidence) > 0 {
		text += fmt.Sprintf("\n`teal release show %s` shows the evidence", r.ID)
	}
	return &failure{cause: teal.Errorf(teal.CodeReleaseFailed, "%s", text), release: r}
}

// reason returns the release's reason, with green's last output unless the
// reason holds it already.
func (p *progress) reason() string {
	reason := cause(p.release)
	if _, more, found := strings.Cut(strings.TrimRight(p.release.Reason, "\n"), "\n"); found {
		reason += "\n" + more
	}
	output := strings.TrimRight(p.envs[teal.VersionRef(p.release.To)].Output, "\n")
	if output == "" || strings.Contains(reason, output) {
		return reason
	}
	return reason + "\n" + output
}

// green names the slot of the new version, blue that of the old one. The slots
// alternate from release to release; the words are right for the second one.
func (p *progress) green() string { return p.slot(p.release.To, teal.SlotGreen) }
func (p *progress) blue() string  { return p.slot(p.release.From, teal.SlotBlue) }

func (p *progress) slot(version int, fallback teal.Slot) string {
	if slot := p.envs[teal.VersionRef(version)].Slot; slot != teal.SlotNone {
		return string(slot)
	}
	if other := p.envs[teal.VersionRef(p.release.To+p.release.From-version)].Slot; other != teal.SlotNone {
		return string(other.Other())
	}
	return string(fallback)
}

// took writes a duration as people say it.
func took(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return teal.Duration(d.Round(time.Second)).String()
}
