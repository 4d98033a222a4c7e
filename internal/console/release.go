package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"teal"
	"teal/internal/analysis"
	"teal/internal/api"
)

// releasePage shows everything that is recorded of a release, on one sheet when it is
// printed.
func releasePage(ctx context.Context, v *viewer, r *http.Request) (page, error) {
	id := r.PathValue("id")
	p := page{Title: "Release " + id, App: teal.AppOfRelease(id), Tab: "history"}
	release, err := v.api.Release(ctx, id)
	if err != nil {
		return p, err
	}
	p.Still = release.Phase.Ended()
	return p, p.addRelease(release, v.viewRelease(release), v.chartsOf(ctx, release))
}

func (p *page) addRelease(release api.ReleaseView, view releaseView, charts drawings) error {
	view.Sheet = true
	if err := p.add("release", "release", view); err != nil {
		return err
	}
	evidence := evidenceView{From: release.From, To: release.To, Ended: release.Phase.Ended(), Tasks: tasksOf(release), Questions: questionsOf(release, release.Evidence), drawings: charts}
	if err := p.add("evidence", "evidence", evidence); err != nil {
		return err
	}
	policy, err := json.MarshalIndent(release.Policy, "", "  ")
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	return p.add("policy", "policy", string(policy))
}

// exportIntervals sends what was measured in a release, for `teal analyze`.
func (c *Console) exportIntervals(w http.ResponseWriter, r *http.Request, v *viewer) {
	lines, err := v.api.Intervals(r.Context(), r.PathValue("id"))
	if err != nil {
		c.fail(w, r, v, err)
		return
	}
	defer func() { _ = lines.Close() }()
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Content-Disposition", `attachment; filename="`+fileName(r.PathValue("id"))+`.jsonl"`)
	if _, err := io.Copy(w, lines); err != nil {
		c.cfg.Logger.Debug("console: the browser went away", "error", err)
		panic(http.ErrAbortHandler) // half of it must not look like all of it
	}
}

func fileName(id string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, id)
}

var links = regexp.MustCompile(`</?a(\s[^>]*)?>`)

// WriteRelease writes a release as one HTML document that needs nothing else, for a
// postmortem: with its recording, as analysis.Read reads it, where there is one.
func WriteRelease(w io.Writer, release api.ReleaseView, recording []byte, now time.Time) error {
	var looks []analysis.Look
	charts := drawings{Nothing: true}
	if intervals, err := analysis.Read(bytes.NewReader(recording)); err == nil && len(intervals) > 0 {
		for look, err := range analysis.Replay(bytes.NewReader(recording), nil) {
			if err != nil {
				break
			}
			looks = append(looks, look)
		}
		charts = drawings{Evidence: drawEvidence(looks)}
		charts.Errors, charts.Latency = drawSides(intervals, release)
	}
	v := &viewer{console: &Console{cfg: Config{Now: func() time.Time { return now }}}}
	p := page{Title: "Release " + release.ID, App: release.App, Still: true}
	if err := p.addRelease(release, v.viewRelease(release), charts); err != nil {
		return err
	}
	for i, s := range p.Sections { // the console is not there, where the document is read
		p.Sections[i].HTML = template.HTML(links.ReplaceAllString(string(s.HTML), "")) //nolint:gosec // it was escaped, and loses tags
	}
	style, err := files.ReadFile("static/console.css")
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	document := struct {
		page
		Style template.CSS
		Now   time.Time
	}{p, template.CSS(style), now} //nolint:gosec // the program's own style sheet
	if err := templates.ExecuteTemplate(w, "document.html", document); err != nil {
		return fmt.Errorf("console: write the release: %w", err)
	}
	return nil
}

// historyView are the releases of an app, newest first.
type historyView struct {
	App     string
	Entries []historyEntry
}

type historyEntry struct {
	api.ReleaseView
	Reason string
	Took   string
	Mark   mark
}

// historyPage shows every release that is kept of an app.
func historyPage(ctx context.Context, v *viewer, r *http.Request) (page, error) {
	p := page{Title: "History of " + r.PathValue("app"), App: r.PathValue("app"), Tab: "history"}
	releases, err := v.api.Releases(ctx, p.App)
	if err != nil {
		return p, err
	}
	slices.Reverse(releases)
	view := historyView{App: p.App}
	for _, release := range releases {
		view.Entries = append(view.Entries, historyEntryOf(release))
	}
	return p, p.add("history", "history", view)
}
