package front

import (
	"context"
	"net"

	"teal/internal/gateway/loop"
	"teal/internal/gateway/nethttp"
)

// servePublic serves l on event loops, and on net/http what they do not speak; all of
// it on net/http when l is no socket or nobody says which hosts are the middleware's.
func (s *Server) servePublic(ctx context.Context, l net.Listener, at nethttp.Listener) error {
	tcp, ok := l.(*net.TCPListener)
	if !ok || s.isMiddlewares == nil {
		return s.http.Serve(ctx, l, at)
	}
	return loop.New(s.policy).Serve(ctx, tcp, loop.Listener{
		Entrypoint: at.Entrypoint, TLS: at.TLS, Handoff: s.http.NewHandoff(l.Addr(), at), Elsewhere: s.isMiddlewares,
	})
}
