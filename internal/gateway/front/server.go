// Package front is the gateway as clients meet it: the two carriers of requests —
// event loops and net/http — put together, by one policy.
package front

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/gateway/nethttp"
)

// Config is what a Server is made of. Gateway is required.
type Config struct {
	exchange.Config
	Middleware Middleware
}

// Middleware stands before the routing of public requests. The zero Middleware is none.
type Middleware struct {
	// Handler returns what answers; what it does not answer itself goes to next,
	// perhaps with a claim (see nethttp.WithClaim).
	Handler func(next http.Handler) http.Handler
	// Owns says for which hosts, in lower case and without port, Handler has something
	// to do; nil is all of them, and then everything is served on net/http. It is asked
	// on the path of every request and must not block.
	Owns func(host string) bool
	// Claim makes the claim that Handler would make for a request to a host that it
	// owns, where the host is all that Handler looks at and nothing of the answer is its
	// own; false where that is not so. The request is then served without Handler. nil
	// is never. It must not block, nor keep host.
	Claim func(host string) (claim gateway.Claim, ok bool)
}

// Server serves HTTP/1.1 and HTTP/2. It may serve several listeners at once.
type Server struct {
	policy     *exchange.Policy
	http       *nethttp.Server
	middleware Middleware
}

// New returns a server that serves nothing yet.
func New(config Config) *Server {
	policy := exchange.NewPolicy(config.Config)
	s := &Server{policy: policy, http: nethttp.New(policy)}
	return s.With(config.Middleware)
}

// With returns a server that shares everything with s, its limits and budgets too,
// and has a middleware: what that needs may be built after what needs the server.
func (s *Server) With(m Middleware) *Server {
	if m.Handler == nil {
		m.Owns = func(string) bool { return false }
	}
	public := *s
	public.middleware = m
	return &public
}

// Serve answers the public requests that come in on l, by the gateway's table.
// It blocks until ctx ends; then it accepts nothing more, lets what is in flight
// finish for at most Limits.ShutdownGrace, cuts off the rest, and returns nil.
// It returns an error when l fails. Either way l is closed. l must yield plain
// connections, without TLS; clients speak HTTP/1.1 on them, or HTTP/2 from the
// first byte.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, nethttp.Listener{Entrypoint: exchange.Public(false), Middleware: s.middleware.Handler})
}

// ServeTLS is Serve over TLS 1.2 and later, for connections that l yields plain.
// certificate answers what tls.Config.GetCertificate asks. Clients choose between
// HTTP/2 and HTTP/1.1 by ALPN.
func (s *Server) ServeTLS(ctx context.Context, l net.Listener, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) error {
	secure := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The last is for a certificate authority that asks who has a host (RFC 8737): it
		// sees a certificate and goes.
		NextProtos: []string{"h2", "http/1.1", "acme-tls/1"},
		// Small records would reach a client's parser earlier on slow links; they
		// cost a system call each.
		DynamicRecordSizingDisabled: true,
		GetCertificate:              certificate,
	}
	return s.serve(ctx, l, nethttp.Listener{Entrypoint: exchange.Public(true), TLS: secure, Middleware: s.middleware.Handler})
}

// ServeComponent answers calls from inside env to one of its components, by
// EnvironmentConfig.Admit: every request on l goes to that component of that very
// environment, whatever the table says, so that green talks to green. It blocks and
// ends as Serve does, and returns an error with teal.CodeUnknownComponent when there is
// no such component.
func (s *Server) ServeComponent(ctx context.Context, l net.Listener, env *gateway.Environment, component string) error {
	at, err := exchange.Sibling(env, component)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return s.serve(ctx, l, nethttp.Listener{Entrypoint: at})
}

// ServeEnvironment previews env to whom EnvironmentConfig.Admit admits: every request
// on l goes by the routes of that very environment, whatever the table says. Where no
// route has the request's host, the path alone decides, unless it leads to several
// components. It blocks and ends as Serve does.
func (s *Server) ServeEnvironment(ctx context.Context, l net.Listener, env *gateway.Environment) error {
	return s.serve(ctx, l, nethttp.Listener{Entrypoint: exchange.Preview(env)})
}

// ReadBody reads the body of a request to a function before it is known who has
// sent it, within the limits and the budget of all such bodies. The caller calls
// release when it needs the body no more, also after an error; w is the request's.
func (s *Server) ReadBody(w http.ResponseWriter, r *http.Request) (data []byte, release func(), err error) {
	return s.http.ReadBody(w, r)
}
