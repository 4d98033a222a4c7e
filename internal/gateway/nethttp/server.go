package nethttp

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// Server serves requests on net/http, by one policy. It may serve several listeners
// at once.
type Server struct {
	policy   *exchange.Policy
	errorLog *log.Logger // what net/http has to say
}

// New returns a server that serves nothing yet.
func New(policy *exchange.Policy) *Server {
	return &Server{
		policy:   policy,
		errorLog: slog.NewLogLogger(policy.Logger.Handler(), slog.LevelDebug),
	}
}

// Listener says how what comes in on a listener is served.
type Listener struct {
	exchange.Entrypoint
	TLS *tls.Config // to make handshakes with; nil: cleartext, or they have been made
	// Middleware, if set, stands before the routing: what it does not answer itself
	// goes to next, perhaps with a claim (see WithClaim).
	Middleware func(next http.Handler) http.Handler
}

// Serve answers the requests that come in on l. It blocks until ctx ends; then it
// accepts nothing more, lets what is in flight finish for at most
// Limits.ShutdownGrace, cuts off the rest, and returns nil. It returns an error when l
// fails. Either way l is closed.
func (s *Server) Serve(ctx context.Context, l net.Listener, at Listener) error {
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	h := &handler{server: s, policy: s.policy, at: at, life: life, gate: gateway.NewGate()}
	root := http.Handler(h)
	if at.Middleware != nil {
		root = at.Middleware(h)
	}
	server := &http.Server{
		Handler:           root,
		ReadHeaderTimeout: s.policy.Limits.Head,
		IdleTimeout:       s.policy.Limits.KeepAlive,
		MaxHeaderBytes:    s.policy.Limits.HeaderBytes,
		Protocols:         protocols(),
		HTTP2:             http2Config(s.policy.Limits),
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
		reason = server.Serve(h.accepting(l))
	}()

	var failure error
	select {
	case <-served:
		failure = fmt.Errorf("accept on %s: %w", l.Addr(), reason)
	case <-ctx.Done():
	}
	s.shutDown(server, h, end)
	<-served
	return failure
}

// shutDown waits for what is in flight, then cuts off what is left. Upgraded
// connections are not among those that net/http waits for; the gate counts them
// too.
func (s *Server) shutDown(server *http.Server, h *handler, end context.CancelCauseFunc) {
	if s.finish(server, h, s.policy.Limits.ShutdownGrace) {
		return
	}
	s.policy.Logger.Warn("the grace period of the shutdown is over; cutting off what is in flight", "count", h.gate.Count(), "grace", s.policy.Limits.ShutdownGrace)
	end(exchange.ErrShutdown())
	if s.finish(server, h, exchange.CutOff) {
		return
	}
	if err := server.Close(); err != nil {
		s.policy.Logger.Debug("close the server", "error", err)
	}
	<-h.gate.Drained()
}

// finish reports whether everything has ended within the time given.
func (s *Server) finish(server *http.Server, h *handler, within time.Duration) bool {
	grace, cancel := context.WithTimeout(context.WithoutCancel(h.life), within)
	defer cancel()
	finished := server.Shutdown(grace) == nil
	h.gate.Retire()
	select {
	case <-h.gate.Drained():
		return finished
	case <-grace.Done():
		return false
	}
}
