package console

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
)

//go:embed templates static
var files embed.FS

// templates are every page and section. What goes into them is text, wherever it comes
// from: html/template escapes it for the place where it stands.
var templates = template.Must(template.New("").Funcs(functions).ParseFS(files, "templates/*.html"))

// page is what is shown at an address: sections, each of which is replaced when it changes.
type page struct {
	Title    string
	App      string // that it is about, "" for none
	Tab      string // of the app's pages, or of the server's
	Sections []section
	Still    bool // it does not change by itself
}

// section is a part of a page.
type section struct {
	ID   string // unique in the page
	HTML template.HTML
}

// maker makes a page for a viewer. It is asked again and again while somebody looks.
type maker func(ctx context.Context, v *viewer, r *http.Request) (page, error)

// add writes a section by its template.
func (p *page) add(id, name string, data any) error {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("console: %w", err)
	}
	p.Sections = append(p.Sections, section{ID: id, HTML: template.HTML(b.String())}) //nolint:gosec // the template has escaped it
	return nil
}

// frame is what stands around a page.
type frame struct {
	page
	CSRF, Who string
	Role      teal.TokenRole
	Notice    notice
	Live      string // where its changes come from, "" for a page without
	Queues    bool   // they may be looked at
	Order     bool   // rolling the app back is offered
	Now       time.Time
}

// page returns the handler of a page and, for its script, of what changes in it.
func (c *Console) page(make maker) http.HandlerFunc {
	return c.withSession(func(w http.ResponseWriter, r *http.Request, v *viewer) {
		if wantsStream(r) {
			c.follow(w, r, v, make)
			return
		}
		c.trends.wanted(c.cfg.Now())
		p, err := make(r.Context(), v, r)
		if err != nil {
			c.fail(w, r, v, err)
			return
		}
		c.show(w, r, v, http.StatusOK, p)
	})
}

func (c *Console) show(w http.ResponseWriter, r *http.Request, v *viewer, status int, p page) {
	f := frame{
		page: p, CSRF: v.session.csrf, Who: v.caller.Name, Role: v.caller.Role, Notice: v.session.told(),
		Order: p.App != "" && v.may("rollback", p.App), Queues: v.may("list-queues", ""), Now: c.cfg.Now(),
	}
	if !p.Still {
		f.Live = r.URL.RequestURI()
	}
	c.write(w, status, "frame.html", f)
}

// fail shows an error as a page.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, v *viewer, err error) {
	problem := teal.MessageOf(err)
	status := map[teal.Kind]int{
		teal.KindNotFound: http.StatusNotFound, teal.KindForbidden: http.StatusForbidden, teal.KindInvalid: http.StatusBadRequest,
		teal.KindConflict: http.StatusConflict, teal.KindUnavailable: http.StatusServiceUnavailable,
	}[teal.CodeOf(err).Kind()]
	if status == 0 {
		status = http.StatusInternalServerError
		c.cfg.Logger.Warn("console: a page cannot be shown", "path", r.URL.Path, "error", err)
	}
	p := page{Title: "Not possible", Still: true}
	if err := p.add("problem", "problem", problem); err != nil {
		http.Error(w, problem, status)
		return
	}
	c.show(w, r, v, status, p)
}

// write writes a whole document. Nothing is sent of one that cannot be written.
func (c *Console) write(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		c.cfg.Logger.Error("console: a page cannot be written", "page", name, "error", err)
		http.Error(w, "This page cannot be written; the server's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil {
		c.cfg.Logger.Debug("console: the browser went away", "error", err)
	}
}

func serveStatic(w http.ResponseWriter, r *http.Request) {
	static, err := fs.Sub(files, "static")
	if err != nil { // it is embedded
		panic(err)
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, static, r.PathValue("name"))
}

// path returns an address of the console: segments are escaped.
func path(segments ...string) string {
	var b strings.Builder
	b.WriteString(api.ConsolePath)
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}
