//go:build !linux

package front

import (
	"context"
	"net"

	"teal/internal/gateway/nethttp"
)

// serve serves l on net/http; the event loops are Linux's.
func (s *Server) serve(ctx context.Context, l net.Listener, at nethttp.Listener) error {
	return s.http.Serve(ctx, l, at)
}
