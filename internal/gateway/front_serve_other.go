//go:build !linux

package gateway

import (
	"context"
	"net"
)

// servePublic serves l on net/http; the event loops are Linux's.
func (s *Server) servePublic(ctx context.Context, l net.Listener, f *front) error {
	return s.serve(ctx, l, f, s.around)
}
