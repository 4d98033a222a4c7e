package gateway

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"teal"
)

// Limits bounds every phase of a request. A zero field takes its default.
type Limits struct {
	Head         time.Duration // for a request's head, from its first byte; default 10 s
	BodyStall    time.Duration // between two reads of a request's body; default 30 s
	FunctionBody time.Duration // for the whole body of a request to a function; default 60 s
	Connect      time.Duration // for a connection to an instance, with its TLS handshake; default 5 s
	Continue     time.Duration // that an instance may take to answer Expect: 100-continue; default 1 s
	FirstByte    time.Duration // between the end of a request and the head of the instance's response; default 60 s
	WriteStall   time.Duration // that a client may take to accept one write; default 60 s
	KeepAlive    time.Duration // between two requests on a client's connection; default 75 s
	// InstanceStall is how long an instance may be silent in the middle of an
	// answer, or not take more of a request; default 5 min.
	InstanceStall time.Duration
	// BackendIdle is how long an unused connection to an instance is kept. It
	// must be shorter than the servers behind keep it, or requests are sent into
	// connections that are just being closed; Node's server, the shortest of the
	// common ones, closes after 5 s. Default 4 s.
	BackendIdle time.Duration
	Ping        time.Duration // of silence on an HTTP/2 connection before it is asked, and for its answer; default 30 s
	// ShutdownGrace is what requests in flight get to finish when the server
	// stops; default 30 s.
	ShutdownGrace time.Duration
	Streams       int        // requests at once on one HTTP/2 connection; default 250
	HeaderBytes   int        // of a request's head, and of a response's; default 64 KiB
	HeaderFields  int        // in a head; default 200
	BodyBytes     teal.Bytes // of a request's body to a service, unless it is a gRPC call's; default 1 GiB
	FunctionBytes teal.Bytes // of a request's body and of the event made of it; default teal.MaxPayload
	// FunctionBodies is what the bodies of all requests to functions may hold
	// together; each costs several times its size until it is answered. More
	// large ones get 503. Default 64 MiB.
	FunctionBodies teal.Bytes

	// What is more than these is answered with 503 and Retry-After.
	Connections      int           // of clients, on one listener; default 32 768
	InFlight         int           // requests of one version of an app; default 10 000
	InstanceRequests int           // that one instance has at a time; default 1 024
	InstanceQueue    int           // that wait for one instance; default 10 000
	Queue            time.Duration // that one of them waits at most; default 5 s
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.Head, 10 * time.Second}, {&l.BodyStall, 30 * time.Second}, {&l.FunctionBody, 60 * time.Second},
		{&l.Connect, 5 * time.Second}, {&l.Continue, time.Second}, {&l.FirstByte, 60 * time.Second},
		{&l.WriteStall, 60 * time.Second}, {&l.KeepAlive, 75 * time.Second}, {&l.BackendIdle, 4 * time.Second},
		{&l.Ping, 30 * time.Second}, {&l.ShutdownGrace, 30 * time.Second}, {&l.InstanceStall, 5 * time.Minute},
		{&l.Queue, 5 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, n := range []struct {
		field *int
		value int
	}{
		{&l.Streams, 250}, {&l.HeaderBytes, 64 << 10}, {&l.HeaderFields, 200},
		{&l.Connections, 32 << 10}, {&l.InFlight, 10_000}, {&l.InstanceRequests, 1024}, {&l.InstanceQueue, 10_000},
	} {
		if *n.field == 0 {
			*n.field = n.value
		}
	}
	if l.BodyBytes == 0 {
		l.BodyBytes = teal.GiB
	}
	if l.FunctionBytes == 0 {
		l.FunctionBytes = teal.MaxPayload
	}
	if l.FunctionBodies == 0 {
		l.FunctionBodies = 64 * teal.MiB
	}
	return l
}

// ServerConfig is what a Server needs. Gateway is required.
type ServerConfig struct {
	Gateway *Gateway
	Logger  *slog.Logger // nil: nothing is logged
	// Override says which clients may choose a version with the Teal-Version and
	// Teal-Alias headers; nil is nobody. Others who try get 403, as does who comes
	// through a proxy that is not trusted, or that does not name its client.
	Override func(remote netip.Addr) bool
	// Trusted says whose X-Forwarded-* headers are believed and added to: a load
	// balancer in front. nil is nobody; what others send is replaced.
	Trusted func(remote netip.Addr) bool
	// Underscores passes header fields on whose names have underscores, unless
	// they could be taken for what Teal or a trusted peer says. Behind WSGI and CGI
	// X_Real_IP and X-Real-IP are the same.
	Underscores bool
	Limits      Limits
	Log         Log    // nil: exchanges are not logged
	Tracer      Tracer // nil: exchanges are not traced
	// Around, if set, stands before the routing of public requests: what it does
	// not answer itself goes to next, perhaps with a claim (see WithClaim).
	Around func(next http.Handler) http.Handler
	// AroundHost says for which hosts, in lower case and without port, Around has
	// something to do; nil is all of them, and then everything is served on
	// net/http. It is asked on the path of every request and must not block.
	AroundHost func(host string) bool
}

// Server is the front end for HTTP/1.1 and HTTP/2. It may serve several listeners at once.
type Server struct {
	gateway  *Gateway
	logger   *slog.Logger
	override func(netip.Addr) bool
	trusted  func(netip.Addr) bool
	headers  headerRules
	limits   Limits
	log      Log
	tracer   Tracer
	bodies   *budget
	failures *failureBudget
	around   func(http.Handler) http.Handler
	isAround func(host string) bool // nil: what stands around may answer anything
	errorLog *log.Logger            // what net/http has to say

	requestTrailer func(name []byte) bool // headers.passesTrailer, made once
}

// NewServer returns a server that serves nothing yet.
func NewServer(config ServerConfig) *Server {
	s := &Server{
		gateway:  config.Gateway,
		logger:   config.Logger,
		override: config.Override,
		trusted:  config.Trusted,
		headers:  headerRules{underscores: config.Underscores},
		around:   config.Around,
		limits:   config.Limits.withDefaults(),
		log:      config.Log,
		tracer:   config.Tracer,
	}
	s.requestTrailer = s.headers.passesTrailer
	s.bodies, s.failures = newBudget(int64(s.limits.FunctionBodies)), &failureBudget{}
	nobody := func(netip.Addr) bool { return false }
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.override == nil {
		s.override = nobody
	}
	if s.trusted == nil {
		s.trusted = nobody
	}
	if s.isAround = config.AroundHost; s.around == nil {
		s.around, s.isAround = plain, func(string) bool { return false }
	}
	s.errorLog = slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug)
	return s
}

// With returns a server that shares everything with s, its limits and budgets too,
// and has middleware stand before the routing of its public requests, see
// ServerConfig.Around and AroundHost: what a middleware needs may be built after
// what needs the server.
func (s *Server) With(around func(next http.Handler) http.Handler, hosts func(host string) bool) *Server {
	public := *s
	public.around, public.isAround = around, hosts
	return &public
}

// Serve answers the public requests that come in on l, by the gateway's table.
// It blocks until ctx ends; then it accepts nothing more, lets what is in flight
// finish for at most Limits.ShutdownGrace, cuts off the rest, and returns nil.
// It returns an error when l fails. Either way l is closed. l must yield plain
// connections, without TLS; clients speak HTTP/1.1 on them, or HTTP/2 from the
// first byte.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.servePublic(ctx, l, &front{server: s, claim: s.claimPublic, trusted: s.trusted})
}

// ServeComponent answers calls from inside env to one of its components, by
// EnvironmentConfig.Admit: every request on l goes to that component of that very environment, whatever the
// table says, so that green talks to green. It blocks and ends as Serve does,
// and returns an error with teal.CodeUnknownComponent when there is no such
// component.
func (s *Server) ServeComponent(ctx context.Context, l net.Listener, env *Environment, component string) error {
	c, err := env.Component(component)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	claim := func(*http.Request) (Claim, error) {
		env.Enter()
		return Claim{Env: env, Component: c, Version: env.version, Inside: true}, nil
	}
	return s.serve(ctx, l, &front{server: s, claim: claim, trusted: insiders, internal: true, env: env, admit: env.admitter(component)}, plain)
}

// ServeEnvironment previews env to whom EnvironmentConfig.Admit admits: every request on l goes by the routes of that
// very environment, whatever the table says. Where no route has the request's
// host, the path alone decides, unless it leads to several components. It blocks
// and ends as Serve does.
func (s *Server) ServeEnvironment(ctx context.Context, l net.Listener, env *Environment) error {
	claim := func(r *http.Request) (Claim, error) {
		return env.preview(Head{Host: r.Host, Path: r.URL.Path})
	}
	return s.serve(ctx, l, &front{server: s, claim: claim, trusted: insiders, env: env, admit: env.admitter("")}, plain)
}

// insiders trusts everybody: who is admitted to a loopback listener of an
// environment runs inside Teal or as its user, so what it says about forwarding
// stands.
func insiders(netip.Addr) bool { return true }

// plain is a front end without anything around it.
func plain(next http.Handler) http.Handler { return next }

func (s *Server) serve(ctx context.Context, l net.Listener, f *front, around func(http.Handler) http.Handler) error {
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	f.life, f.gate = life, newGate()
	server := &http.Server{
		Handler:           around(f),
		ReadHeaderTimeout: s.limits.Head,
		IdleTimeout:       s.limits.KeepAlive,
		MaxHeaderBytes:    s.limits.HeaderBytes,
		Protocols:         protocols(),
		HTTP2:             s.limits.http2(),
		BaseContext:       func(net.Listener) context.Context { return life },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, innerConn(c))
		},
		ErrorLog: s.errorLog,
	}
	served := make(chan struct{})
	var reason error
	go func() {
		defer close(served)
		reason = server.Serve(f.accepting(l))
	}()

	var failure error
	select {
	case <-served:
		failure = fmt.Errorf("accept on %s: %w", l.Addr(), reason)
	case <-ctx.Done():
	}
	s.shutDown(server, f, end)
	<-served
	return failure
}

// cutOff is what requests get, after they have been told that the grace period
// is over, to say so to their clients.
const cutOff = time.Second

// shutDown waits for what is in flight, then cuts off what is left. Upgraded
// connections are not among those that net/http waits for; the gate counts them
// too.
func (s *Server) shutDown(server *http.Server, f *front, end context.CancelCauseFunc) {
	if s.finish(server, f, s.limits.ShutdownGrace) {
		return
	}
	s.logger.Warn("the grace period of the shutdown is over; cutting off what is in flight", "count", f.gate.count(), "grace", s.limits.ShutdownGrace)
	end(publicErrorf(teal.CodeUnavailable, "the server is shutting down; try again"))
	if s.finish(server, f, cutOff) {
		return
	}
	if err := server.Close(); err != nil {
		s.logger.Debug("close the server", "error", err)
	}
	<-f.gate.drained
}

// finish reports whether everything has ended within the time given.
func (s *Server) finish(server *http.Server, f *front, within time.Duration) bool {
	grace, cancel := context.WithTimeout(context.WithoutCancel(f.life), within)
	defer cancel()
	finished := server.Shutdown(grace) == nil
	f.gate.retire()
	select {
	case <-f.gate.drained:
		return finished
	case <-grace.Done():
		return false
	}
}

// claimPublic claims by host, path and override headers.
func (s *Server) claimPublic(r *http.Request) (Claim, error) {
	if claim, ok := claimed(r); ok {
		return claim, nil
	}
	if c, ok := connOf(r.Context()).Conn.(claimant); ok {
		if claim := c.takeClaim(); claim != nil {
			return *claim, nil
		}
	}
	head := Head{Host: r.Host, Path: r.URL.Path, Version: r.Header.Get(headerVersion), Alias: r.Header.Get(headerAlias)}
	if (head.Version != "" || head.Alias != "") && !s.mayOverride(remoteAddr(r), fieldsOf(r.Header)) {
		return Claim{}, errOverride()
	}
	return s.gateway.Claim(head, randomPoint())
}

func errOverride() error {
	return publicErrorf(teal.CodeOverrideForbidden, "this client may not choose a version with %s or %s", headerVersion, headerAlias)
}
