package console

import (
	"context"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"strings"

	"teal"
	"teal/internal/api"
	"teal/internal/describe"
)

// appView is the head of an app's page.
type appView struct {
	api.Status
	State  mark
	Split  template.HTML
	Live   string
	Orders []order
	Notes  []template.HTML // stopped, frozen
	Past   appTrend
}

type appTrend struct{ Rate, Errors, P99 template.HTML }

// appPage shows an app: what has the traffic, the release with its evidence, what runs.
func appPage(ctx context.Context, v *viewer, r *http.Request) (page, error) {
	p := page{Title: r.PathValue("app"), App: r.PathValue("app"), Tab: "now"}
	status, err := v.api.Status(ctx, p.App)
	if err != nil {
		return p, err
	}
	if err := v.addAlerts(ctx, &p, p.App); err != nil {
		return p, err
	}
	if err := p.add("app", "app", v.viewApp(status)); err != nil {
		return p, err
	}
	if status.Release != nil {
		if err := p.add("release", "release", v.viewRelease(*status.Release)); err != nil {
			return p, err
		}
		if err := p.add("evidence", "evidence", v.evidenceOf(ctx, status)); err != nil {
			return p, err
		}
	}
	return p, p.add("environments", "environments", status)
}

func (v *viewer) viewApp(status api.Status) appView {
	past := v.console.trends.of(status.App)
	view := appView{
		Status: status, State: stateOf(status), Split: splitBar(status), Live: describe.Live(status), Orders: v.ordersFor(status),
		Past: appTrend{sparkline(past.Rate, "requests per second"), sparkline(past.Errors, "share of errors"), sparkline(past.P99, "99th percentile of latency")},
	}
	if s := status.Stopped; s != nil {
		view.Notes = append(view.Notes, timed(fmt.Sprintf("Stopped by %s since %s%s: its routes answer 503.", s.By, clock(s.At), describe.Quoted(s.Why))))
	}
	if f := status.Frozen; f != nil {
		text := fmt.Sprintf("Frozen by %s%s", f.By, describe.Quoted(f.Why))
		if f.Until != nil {
			text += " until " + clock(*f.Until)
		}
		view.Notes = append(view.Notes, timed(text+": no release moves traffic on."))
	}
	return view
}

// releaseView is a release as a line in time.
type releaseView struct {
	api.ReleaseView
	Headline string
	Rest     string // of the reason: what a program printed
	Waiting  template.HTML
	Rollback string
	Strategy string
	Steps    []stepView
	Timeline []entryView
	Sheet    bool // it is all that is shown
}

type stepView struct {
	Name  string
	Class string // done, now or next
	Hold  string
}

type entryView struct {
	At   template.HTML
	Text string
}

func (v *viewer) viewRelease(r api.ReleaseView) releaseView {
	_, rest, _ := strings.Cut(r.Reason, "\n")
	view := releaseView{
		ReleaseView: r, Headline: describe.Headline(r), Rest: rest, Rollback: describe.Rollback(r), Strategy: describe.Strategy(r.Policy), Steps: stepsOf(r),
		Waiting: timed(withoutCommands(describe.Waiting(r, v.console.cfg.Now(), clock))),
	}
	for _, entry := range describe.Timeline(r) {
		view.Timeline = append(view.Timeline, entryView{timeElement(entry.At), entry.Text})
	}
	return view
}

// stepsOf are the stations of a release, and where it is.
func stepsOf(r api.ReleaseView) []stepView {
	stations := []string{"start and test"}
	holds := []string{""}
	for _, s := range r.Policy.Steps {
		stations, holds = append(stations, s.Weight.String()+" %"), append(holds, s.Hold.String())
	}
	stations, holds = append(stations, "100 %"), append(holds, "")
	if r.From != 0 {
		stations, holds = append(stations, "confidence period"), append(holds, "")
	}
	now := stationOf(r, len(stations))
	steps := make([]stepView, len(stations))
	for i, name := range stations {
		steps[i] = stepView{Name: name, Hold: holds[i], Class: map[bool]string{true: "done", false: "next"}[i < now]}
		if i == now && !r.Phase.Ended() {
			steps[i].Class = "now"
		}
	}
	return steps
}

// stationOf returns at which of the stations a release is; beyond the last when it is
// complete.
func stationOf(r api.ReleaseView, stations int) int {
	switch r.Phase {
	case teal.PhaseCompleted:
		return stations
	case teal.PhaseWatching:
		return stations - 1
	case teal.PhaseShifting, teal.PhaseRollingBack, teal.PhaseRolledBack:
		if r.ShiftedAt != nil {
			return stations - 1
		}
		return min(r.Step, stations-1)
	}
	return 0
}

// evidenceView is what decisions stand on.
type evidenceView struct {
	Judgement *teal.Judgement
	Questions []questionView
	Tasks     []taskView
	drawings
	Current, New *api.TrafficView
	From, To     int
	Ended        bool
}

// questionView is one question of the judge, and how far it is from a rollback.
type questionView struct {
	teal.Finding
	Mark  mark
	Words string
	Bar   template.HTML
	Logs  string // where the lines of what it is about are; "" for nowhere
}

// taskView is a check or a hook.
type taskView struct {
	api.TaskView
	Mark    mark
	Took    string
	Finding *teal.Finding
}

func (v *viewer) evidenceOf(ctx context.Context, status api.Status) evidenceView {
	r := *status.Release
	view := evidenceView{Judgement: status.Judgement, From: r.From, To: r.To, Ended: r.Phase.Ended(), Tasks: tasksOf(r), drawings: v.chartsOf(ctx, r)}
	for _, env := range status.Environments {
		switch env.Version {
		case r.From:
			view.Current = env.Traffic
		case r.To:
			view.New = env.Traffic
		}
	}
	findings := r.Evidence
	if status.Judgement != nil {
		findings = status.Judgement.Findings
	}
	view.Questions = questionsOf(r, findings)
	return view
}

// questionsOf are the findings of a judge, the worst first, and of one question the last.
func questionsOf(r api.ReleaseView, findings []teal.Finding) []questionView {
	var views []questionView
	seen := map[string]bool{}
	for _, want := range []teal.Verdict{teal.VerdictFail, teal.VerdictError, teal.VerdictInconclusive, teal.VerdictPass} {
		for i := len(findings) - 1; i >= 0; i-- {
			f := findings[i]
			if f.Verdict != want || isTask(f) || seen[describe.FindingName(f)] {
				continue
			}
			seen[describe.FindingName(f)] = true
			view := questionView{Finding: f, Mark: verdictMark(f.Verdict), Words: distance(f), Bar: distanceBar(f)}
			if strings.HasPrefix(f.Name, "new errors") || strings.HasPrefix(f.Name, "error") && f.Verdict != teal.VerdictPass {
				view.Logs = path("apps", r.App, "logs") + fmt.Sprintf("?version=%d&level=error", r.To)
			}
			views = append(views, view)
		}
	}
	return views
}

func isTask(f teal.Finding) bool {
	return strings.HasPrefix(f.Name, "check ") || strings.HasPrefix(f.Name, "hook ") || strings.HasPrefix(f.Name, "warm")
}

// nearness is how far evidence has come on the way from none to a rollback, 0 to 1: it
// multiplies, so the way is measured by its logarithm.
func nearness(f teal.Finding) (float64, bool) {
	if f.Statistic == nil || f.Threshold == nil || *f.Threshold <= 1 {
		return 0, false
	}
	return min(max(math.Log(max(*f.Statistic, 1))/math.Log(*f.Threshold), 0), 1), true
}

// distance says how far a question is from a rollback.
func distance(f teal.Finding) string {
	near, measured := nearness(f)
	switch figures := describe.Figures(f); {
	case figures == "":
		return ""
	case !measured:
		return figures
	case near >= 1:
		return figures + ": it has crossed the threshold"
	case near == 0:
		return figures + ": nothing speaks against the new version"
	default:
		return fmt.Sprintf("%s: %.0f %% of the way to a rollback", figures, near*100)
	}
}

func distanceBar(f teal.Finding) template.HTML {
	near, measured := nearness(f)
	if !measured {
		return ""
	}
	return template.HTML(fmt.Sprintf(`<svg class="near" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="way" width="100" height="8"/><rect class="gone" width="%.1f" height="8"/></svg>`, near*100)) //nolint:gosec // a number
}

func tasksOf(r api.ReleaseView) []taskView {
	var views []taskView
	for _, t := range r.Tasks {
		view := taskView{TaskView: t, Mark: verdictMark(t.Verdict)}
		if t.Ended() {
			view.Took = describe.Duration(t.EndedAt.Sub(t.StartedAt))
		}
		name := describe.Task(t.Key)
		for i := range r.Evidence {
			if f := &r.Evidence[i]; f.Name == name || t.Key.Step > 0 && f.Step == t.Key.Step && strings.HasPrefix(name, f.Name+" ") {
				view.Finding = f
			}
		}
		views = append(views, view)
	}
	return views
}
