package console

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"teal"
	"teal/internal/api"
	"teal/internal/describe"
)

// overviewRows is how many apps are shown when nobody asks for more: those that need
// somebody come first.
const overviewRows = 100

// appRow is an app in the overview.
type appRow struct {
	App     string
	State   mark
	Live    string
	Split   template.HTML
	Traffic *api.TrafficView
	Rate    template.HTML
	Errors  template.HTML
	P99     template.HTML
	Release *api.ReleaseView
	Waiting template.HTML
	Back    bool // rolling back is offered
}

type overviewView struct {
	Rows        []appRow
	Total       int // apps that match
	Query, More string
	Problems    int
}

// overview shows every app, problems first.
func overview(ctx context.Context, v *viewer, r *http.Request) (page, error) {
	p := page{Title: "Apps", Tab: "apps"}
	apps, err := v.api.Apps(ctx)
	if err != nil {
		return p, err
	}
	query := r.URL.Query().Get("q")
	view := overviewView{Query: query}
	limit := overviewRows
	if n, err := strconv.Atoi(r.URL.Query().Get("n")); err == nil && n > 0 {
		limit = min(n, 10_000)
	}
	for _, status := range describe.ProblemsFirst(apps) {
		if query != "" && !strings.Contains(status.App, query) {
			continue
		}
		if describe.RankOf(status) <= describe.RankWaiting {
			view.Problems++
		}
		if view.Total++; view.Total <= limit {
			view.Rows = append(view.Rows, v.rowOf(status))
		}
	}
	if view.Total > limit {
		view.More = "?" + url.Values{"q": {query}, "n": {strconv.Itoa(view.Total)}}.Encode()
	}
	if err := v.addAlerts(ctx, &p, ""); err != nil {
		return p, err
	}
	if err := p.add("filter", "filter", view); err != nil {
		return p, err
	}
	return p, p.add("apps", "apps", view)
}

func (v *viewer) rowOf(status api.Status) appRow {
	past := v.console.trends.of(status.App)
	row := appRow{
		App: status.App, State: stateOf(status), Live: describe.Live(status), Split: splitBar(status),
		Traffic: status.Traffic, Release: status.Release,
		Rate:   sparkline(past.Rate, "requests per second"),
		Errors: sparkline(past.Errors, "share of errors"),
		P99:    sparkline(past.P99, "99th percentile of latency"),
		Back:   v.offers("rollback", status),
	}
	if r := status.Release; r != nil {
		row.Waiting = timed(withoutCommands(describe.Waiting(*r, v.console.cfg.Now(), clock)))
	}
	return row
}

// stateOf says in one word how much an app needs somebody.
func stateOf(status api.Status) mark {
	switch {
	case status.Stopped != nil:
		return mark{"■", "stopped", "unsure"}
	case describe.RankOf(status) == describe.RankFailing:
		return mark{"✗", "failing", "bad"}
	case describe.RankOf(status) == describe.RankBroken:
		return mark{"▲", "degraded", "bad"}
	case describe.RankOf(status) == describe.RankWaiting:
		return mark{"⏸", "waits for you", "unsure"}
	case describe.RankOf(status) == describe.RankErrors:
		return mark{"!", "errors", "unsure"}
	case status.Release != nil && !status.Release.Phase.Ended():
		return mark{"→", "releasing", "busy"}
	}
	return mark{"✓", "well", "good"}
}

// withoutCommands takes what to type out of a sentence: here there are buttons.
func withoutCommands(sentence string) string {
	parts := slices.DeleteFunc(strings.Split(sentence, "; "), func(part string) bool { return strings.Contains(part, "`teal ") })
	return strings.Join(parts, "; ")
}

// alertsView is what is wrong with the server, or with one app.
type alertsView struct{ Alerts []teal.Alert }

// addAlerts adds what is wrong with the server and, of an app, with it.
func (v *viewer) addAlerts(ctx context.Context, p *page, app string) error {
	var view alertsView
	alerts, err := v.api.Alerts(ctx)
	if err != nil {
		return err
	}
	for _, a := range alerts {
		if a.Blocking || app == "" || a.Subject == app {
			view.Alerts = append(view.Alerts, a)
		}
	}
	return p.add("alerts", "alerts", view)
}

// serverPage shows everything that is wrong with the server.
func serverPage(ctx context.Context, v *viewer, _ *http.Request) (page, error) {
	p := page{Title: "Server", Tab: "server"}
	if err := v.addAlerts(ctx, &p, ""); err != nil {
		return p, err
	}
	return p, p.add("well", "well", p.Sections[0].HTML != "")
}
