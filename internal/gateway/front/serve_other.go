//go:build !linux

package front

import (
	"context"
	"net"

	"teal/internal/gateway/nethttp"
)

// servePublic serves l on net/http; the event loops are Linux's.
func (s *Server) servePublic(ctx context.Context, l net.Listener, at nethttp.Listener) error {
	return s.http.Serve(ctx, l, at)
}
