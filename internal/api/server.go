package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
	"teal/internal/secret"
)

// Config is what a Server needs. Control, Bundles, Logs and Access are required.
type Config struct {
	Control Control
	Bundles Bundles
	Logs    Logs
	// Access knows the tokens. Without it every request that needs one is refused.
	Access *access.Tokens
	// Queues are message queues; nil: there is no such interface.
	Queues Queues
	// Secrets are those of apps; nil: there are none.
	Secrets *secret.Secrets
	// Audit is where orders are noted; nil: nowhere.
	Audit *access.Audit
	// Attempts slows down who tries tokens; nil: those that this server sees alone.
	Attempts *access.Attempts
	// AWS answers what awslambda.Owns, with AWS's own signatures in place of the
	// token; nil: there is no such interface.
	AWS    http.Handler
	Logger *slog.Logger // nil: nothing is logged
	// Ready says whether the server can do its work and, if not, why; nil is
	// always ready.
	Ready func() (bool, string)
	// Alerts returns what is wrong with the server, blocking ones first; nil is
	// nothing.
	Alerts func() []teal.Alert
	// SetAside moves a record that cannot be understood out of the way; nil: there
	// are none.
	SetAside  func(ctx context.Context, key string) error
	MaxBundle teal.Bytes    // the largest zip that is accepted; 0 is DefaultMaxBundle
	Heartbeat time.Duration // between comments on a silent event stream; 0 is DefaultHeartbeat
	Version   string        // of Teal, shown in the OpenAPI document
	// Codes are those with which a browser gets into the console; nil: there are none.
	Codes   *access.Codes
	Metrics http.Handler // answers GET /metrics, which wants the token too; nil: there are none
}

// Defaults of a Config.
const (
	DefaultMaxBundle = 300 * teal.MiB
	DefaultHeartbeat = 15 * time.Second
)

// Limits on requests and on the time that a client may take.
const (
	maxHeader     = 64 << 10
	maxJSON       = 64 << 10         // of a small body
	maxSpec       = 8 << 20          // of a version: 100 components with 64 KiB of environment each
	headerTimeout = 10 * time.Second // for the request line and the headers
	stallTimeout  = 30 * time.Second // for the next byte of a body, or for a client to take one
	idleTimeout   = 2 * time.Minute  // between requests of one connection
	leftoverLimit = 5 * time.Second  // for the rest of a body that nobody reads
	stopTimeout   = 10 * time.Second // for requests in flight when the server stops
)

// Server is the REST API as an http.Handler. Run serves it with the time limits
// that only a listener can have.
type Server struct {
	cfg     Config
	mux     *http.ServeMux
	api     huma.API
	openAPI []byte
	handler http.Handler
	console http.Handler  // nil: none
	stall   time.Duration // stallTimeout
	rest    time.Duration // leftoverLimit
	// stopping ends the streams, which would otherwise outlast any shutdown.
	stopping context.Context
	stop     context.CancelFunc
}

// New builds the API. It panics when two endpoints contradict each other, which
// no input can cause.
func New(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Ready == nil {
		cfg.Ready = func() (bool, string) { return true, "" }
	}
	if cfg.Alerts == nil {
		cfg.Alerts = func() []teal.Alert { return nil }
	}
	if cfg.SetAside == nil {
		cfg.SetAside = func(_ context.Context, key string) error {
			return teal.Errorf(teal.CodeNotFound, "there is no record %s that cannot be understood", key)
		}
	}
	if cfg.MaxBundle == 0 {
		cfg.MaxBundle = DefaultMaxBundle
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = DefaultHeartbeat
	}
	if cfg.Access == nil {
		cfg.Access = access.New(access.Config{})
	}
	if cfg.Attempts == nil {
		cfg.Attempts = access.NewAttempts(nil)
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux(), stall: stallTimeout, rest: leftoverLimit}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.api = newHuma(s.mux, cfg.Version)
	s.registerAll()
	s.openAPI = describe(s.api)
	s.handler = s.chain(s.mux)
	return s
}

// With returns a server that has a console at ConsolePath and below. It needs no token of
// the API's, because it asks who is there itself, and asks the API As them.
func (s *Server) With(console http.Handler) *Server {
	with := *s
	with.console = console
	with.handler = with.chain(s.mux)
	return &with
}

func (s *Server) registerAll() {
	s.registerApps()
	s.registerVersions()
	s.registerAliases()
	s.registerSchedules()
	s.registerReleases()
	s.registerOrders()
	s.registerOperator()
	s.registerIntervals()
	s.registerInvoke()
	s.registerBundles()
	s.registerEvents()
	s.registerLogs()
	s.registerAlerts()
	s.registerTokens()
	s.registerSecrets()
	s.registerAudit()
	s.registerConsole()
	if s.cfg.Queues != nil {
		s.registerQueues()
	}
	s.registerOpen()
	if s.cfg.Metrics != nil {
		s.mux.Handle("GET /metrics", s.permitted(teal.RoleViewer, s.cfg.Metrics))
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run serves the API on ln until ctx ends, then ends the streams, gives the
// other requests in flight ten seconds and returns nil. It closes ln. It returns
// an error when serving fails. A Server runs once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("api: serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	s.stop()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		s.cfg.Logger.Warn("admin API: requests in flight were cut off", "after", stopTimeout)
		err = server.Close()
	}
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	if err != nil {
		return fmt.Errorf("api: stop: %w", err)
	}
	return nil
}

// tokenCheck is how often a stream looks whether its token still holds.
const tokenCheck = 2 * time.Second

// streaming returns a context for a stream: it ends with the request, with the
// server, and when the client's token proves nothing any more. The caller must call
// the function when the stream ends.
func (s *Server) streaming(ctx context.Context) (context.Context, context.CancelFunc) {
	caller := access.CallerOf(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(s.stopping, func() { cancel(nil) })
	if !caller.Shared {
		go s.endWithToken(ctx, caller, cancel)
	}
	return ctx, func() { unhook(); cancel(nil) }
}

// errTokenEnded is why the context of a stream has ended whose token proves nothing any
// more.
var errTokenEnded = teal.Errorf(teal.CodeUnauthorized, "the token has been revoked, or has expired, meanwhile; ask an admin for a new one")

func (s *Server) endWithToken(ctx context.Context, caller access.Caller, end context.CancelCauseFunc) {
	ticker := time.NewTicker(tokenCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if !s.cfg.Access.Holds(caller) {
				end(errTokenEnded)
				return
			}
		}
	}
}
