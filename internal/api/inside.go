package api

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"teal"
	"teal/internal/access"
)

// InsideConfig is what the API for programs that the server runs needs.
type InsideConfig struct {
	Queues   Queues
	Programs *access.Programs
	Listener net.Listener // on the loopback
	Logger   *slog.Logger
}

// Inside is the API for programs that the server runs: what they do with queues, on the
// loopback, in cleartext whatever the REST API speaks, and with a token of their own.
type Inside struct {
	cfg    InsideConfig
	server *Server
}

// NewInside builds the API. It serves nothing before Run.
func NewInside(cfg InsideConfig) *Inside {
	s := &Server{cfg: Config{Queues: cfg.Queues, Logger: cfg.Logger}, mux: http.NewServeMux(), stall: stallTimeout, rest: leftoverLimit}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.api = newHuma(s.mux, "")
	s.registerMessages()
	s.mux.HandleFunc("/", s.notFound)
	i := &Inside{cfg, s}
	s.handler = s.observe(s.refuseForeign(i.authenticate(s.mux)))
	return i
}

// Variables returns how the instances of a version find the API: TEAL_QUEUE_URL, below
// which queues have their names, and TEAL_QUEUE_TOKEN.
func (i *Inside) Variables(app string, version teal.VersionRef) map[string]string {
	return map[string]string{
		"TEAL_QUEUE_URL":   "http://" + i.cfg.Listener.Addr().String() + "/v1/queues",
		"TEAL_QUEUE_TOKEN": i.cfg.Programs.Token(access.Program{App: app, Version: version}),
	}
}

// Run serves the API until ctx ends.
func (i *Inside) Run(ctx context.Context) error { return i.server.Run(ctx, i.cfg.Listener) }

// authenticate lets programs in, as who may send and receive messages.
func (i *Inside) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		program, ok := i.cfg.Programs.Find(token)
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="teal"`)
			i.server.refuse(w, problemOf(teal.Errorf(teal.CodeUnauthorized, "send the token of TEAL_QUEUE_TOKEN as Authorization: Bearer TOKEN")))
			return
		}
		name := teal.EnvironmentName(program.App, program.Version)
		ctx := access.WithCaller(r.Context(), access.Caller{Token: teal.Token{Name: name, Role: teal.RoleDeployer}, Shared: true})
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, programKey{}, program)))
	})
}

type programKey struct{}

// programOf returns the version whose instance asks; the zero one for anybody else.
func programOf(ctx context.Context) access.Program {
	program, _ := ctx.Value(programKey{}).(access.Program)
	return program
}
