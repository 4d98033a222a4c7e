package console

import (
	"bytes"
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/logs"
)

// logTail is how many lines a page of a log begins with; where only those about errors are
// asked for, they are looked for in the last logSearch.
const (
	logTail   = 500
	logSearch = 200_000
)

// logsView is a log with what it is filtered by.
type logsView struct {
	App, Version, Component, Instance, RequestID, Text string
	Trouble                                            bool // only lines that look like errors
	Lines                                              []logLine
	Follow                                             string // where what is written from now on comes from
	Tail                                               int
}

type logLine struct {
	api.LogLine
	Class string
	Link  string // to the lines of the same request
}

func logQuery(r *http.Request) (api.LogQuery, error) {
	get := r.URL.Query().Get
	q := api.LogQuery{App: r.PathValue("app"), Component: get("component"), Instance: get("instance"), RequestID: get("request"), Text: get("text"), Tail: logTail}
	if get("level") == "error" {
		q.Tail = logSearch
	}
	if text := strings.TrimPrefix(get("version"), "v"); text != "" {
		number, err := strconv.Atoi(text)
		if err != nil || number < 1 {
			return q, teal.Errorf(teal.CodeInvalidInput, "%q is not the number of a version", text)
		}
		q.Version = teal.VersionRef(number)
	}
	return q, nil
}

// logsPage shows the last lines of a log.
func logsPage(ctx context.Context, v *viewer, r *http.Request) (page, error) {
	p := page{Title: "Logs of " + r.PathValue("app"), App: r.PathValue("app"), Tab: "logs", Still: true}
	q, err := logQuery(r)
	if err != nil {
		return p, err
	}
	get := r.URL.Query().Get
	view := logsView{App: p.App, Version: get("version"), Component: q.Component, Instance: q.Instance, RequestID: q.RequestID, Text: q.Text, Trouble: get("level") == "error", Tail: logTail}
	last := v.console.cfg.Now()
	for line, err := range v.api.Logs(ctx, q) {
		if err != nil {
			return p, err
		}
		last = line.At
		if shown, ok := showLine(line, view.Trouble); ok {
			view.Lines = append(view.Lines, shown)
		}
		if len(view.Lines) >= 2*logTail {
			view.Lines = slices.Delete(view.Lines, 0, len(view.Lines)-logTail)
		}
	}
	view.Lines = view.Lines[max(0, len(view.Lines)-logTail):]
	after := r.URL.Query()
	after.Set("since", last.Add(1).Format(time.RFC3339Nano)) // the page has what was before
	view.Follow = path("apps", p.App, "logs", "follow") + "?" + after.Encode()
	return p, p.add("logs", "logs", view)
}

// showLine returns a line as it is shown; false for one that the filter leaves out.
func showLine(line api.LogLine, trouble bool) (logLine, bool) {
	shown := logLine{LogLine: line, Class: line.Stream}
	if logs.TellsTrouble(line.Text) {
		shown.Class += " trouble"
	} else if trouble {
		return shown, false
	}
	if line.RequestID != "" {
		shown.Link = path("apps", line.App, "logs") + "?" + url.Values{"request": {line.RequestID}}.Encode()
	}
	return shown, true
}

// followLogs sends lines as they are written.
func (c *Console) followLogs(w http.ResponseWriter, r *http.Request, v *viewer) {
	q, err := logQuery(r)
	if err != nil {
		c.fail(w, r, v, err)
		return
	}
	q.Tail, q.Follow = 0, true
	if q.Since, err = time.Parse(time.RFC3339Nano, r.URL.Query().Get("since")); err != nil {
		q.Since = c.cfg.Now()
	}
	stream := openStream(w)
	ctx, end := c.watched(r.Context(), v)
	defer end()
	trouble := r.URL.Query().Get("level") == "error"
	for line, err := range v.api.Logs(ctx, q) {
		if err != nil {
			_ = stream.send("trouble", template.HTMLEscapeString(teal.MessageOf(err)))
			return
		}
		shown, ok := showLine(line, trouble)
		if !ok {
			continue
		}
		var b bytes.Buffer
		if err := templates.ExecuteTemplate(&b, "line", shown); err != nil {
			c.cfg.Logger.Error("console: a line cannot be written", "error", err)
			return
		}
		if err := stream.send("line", b.String()); err != nil {
			return
		}
	}
}
