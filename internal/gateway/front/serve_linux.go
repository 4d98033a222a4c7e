package front

import (
	"context"
	"net"

	"teal/internal/gateway/loop"
	"teal/internal/gateway/nethttp"
)

// insideLoops is how many loops a listener of an environment has. There are as many of
// those as there are components, and what comes there has come to the public loops
// before.
const insideLoops = 1

// serve serves l on event loops, and on net/http what they do not speak; all of it on
// net/http when l is no socket or nobody says which hosts are the middleware's.
func (s *Server) serve(ctx context.Context, l net.Listener, at nethttp.Listener) error {
	tcp, ok := l.(*net.TCPListener)
	if !ok || at.IsPublic() && s.middleware.Owns == nil {
		return s.http.Serve(ctx, l, at)
	}
	on := loop.Listener{Entrypoint: at.Entrypoint, TLS: at.TLS, HTTP2: true, Handoff: s.http.NewHandoff(l.Addr(), at)}
	if at.IsPublic() {
		on.Elsewhere, on.Claim = s.middleware.Owns, s.middleware.Claim
	} else {
		on.Loops = insideLoops
	}
	return loop.New(s.policy).Serve(ctx, tcp, on)
}
