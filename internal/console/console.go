// Package console is Teal in a browser: what runs, how a release goes and why, and the
// orders that a person gives at three in the morning.
//
// It asks the REST API, in this process, as the person who has signed in: what a role may
// not see or do the API refuses, and the audit has who did it. Pages are written on the
// server and work without JavaScript; with it, their sections are replaced as they change,
// by server-sent events. A section that several people look at is written once.
package console

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"teal"
	"teal/internal/access"
	"teal/internal/api"
)

// Config is what a Console needs. As and Access are required.
type Config struct {
	// As returns the REST API as a caller sees it.
	As func(access.Caller) http.Handler
	// Access knows the tokens with which people sign in.
	Access *access.Tokens
	// Attempts slows down who tries tokens; it is the API's own.
	Attempts *access.Attempts
	Codes    *access.Codes    // one-time codes that `teal console` asks for; nil: there are none
	Every    time.Duration    // between two looks at what a page shows; 0 is 2 s
	Now      func() time.Time // nil is the clock; its zone is the one without JavaScript
	Logger   *slog.Logger     // nil: nothing is logged
}

// Console is the console as an http.Handler for api.ConsolePath. Run keeps the short
// history that its overview draws; without it there is none.
type Console struct {
	cfg      Config
	sessions *sessions
	trends   *trends
	live     *live
	drawn    drawn
	closing  chan struct{} // closed when Run ends: streams end then
	routes   *http.ServeMux
}

// New returns a console. It starts nothing.
func New(cfg Config) *Console {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Every == 0 {
		cfg.Every = 2 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Attempts == nil {
		cfg.Attempts = access.NewAttempts(nil)
	}
	c := &Console{cfg: cfg, sessions: newSessions(cfg.Now), trends: newTrends(), live: newLive(cfg.Every), closing: make(chan struct{})}
	c.routes = http.NewServeMux()
	c.register()
	return c
}

func (c *Console) register() {
	handle := func(pattern string, h http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		c.routes.HandleFunc(method+" "+api.ConsolePath+path, h)
	}
	handle("GET /static/{name}", serveStatic)
	handle("GET /enter", c.showEntry)
	handle("POST /enter", c.enter)
	handle("GET /sign-in", c.showSignIn)
	handle("POST /sign-in", c.signIn)
	handle("POST /sign-out", c.withSession(c.signOut))
	c.routes.HandleFunc("GET "+api.ConsolePath, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, api.ConsolePath+"/", http.StatusSeeOther)
	})
	handle("GET /{$}", c.page(overview))
	handle("GET /server", c.page(serverPage))
	handle("GET /audit", c.page(auditPage))
	handle("GET /queues", c.page(queuesPage))
	handle("GET /queues/{queue}", c.page(queuePage))
	handle("GET /queues/{queue}/redrive", c.withSession(c.confirmRedrive))
	handle("POST /queues/{queue}/redrive", c.withSession(c.redrive))
	handle("GET /apps/{app}", c.page(appPage))
	handle("GET /apps/{app}/history", c.page(historyPage))
	handle("GET /apps/{app}/versions", c.page(versionsPage))
	handle("GET /apps/{app}/logs", c.page(logsPage))
	handle("GET /apps/{app}/logs/follow", c.withSession(c.followLogs))
	handle("GET /releases/{id}", c.page(releasePage))
	handle("GET /releases/{id}/intervals", c.withSession(c.exportIntervals))
	handle("GET /apps/{app}/order/{order}", c.withSession(c.confirm))
	handle("POST /apps/{app}/order/{order}", c.withSession(c.give))
	handle("GET /", c.withSession(func(w http.ResponseWriter, r *http.Request, v *viewer) {
		c.fail(w, r, v, teal.Errorf(teal.CodeNotFound, "there is no such page"))
	}))
}

// ServeHTTP answers one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	c.routes.ServeHTTP(w, r)
}

// Run samples what the overview draws, while somebody looks, until ctx ends.
func (c *Console) Run(ctx context.Context) error {
	defer close(c.closing)
	return c.trends.run(ctx, func(ctx context.Context) ([]api.Status, error) {
		return c.client(access.Admin(), "").Apps(ctx)
	})
}
