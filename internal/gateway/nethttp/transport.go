package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"teal/internal/gateway"
)

// pools are the connections to the instances of one environment: to those that
// speak HTTP/1.1, and to those that speak HTTP/2.
type pools struct{ http1, http2 *http.Transport }

// CloseIdleConnections implements Connections.
func (p *pools) CloseIdleConnections() {
	p.http1.CloseIdleConnections()
	p.http2.CloseIdleConnections()
}

// transport returns the connections to the instances of a claim's component.
func (s *Server) transport(claim gateway.Claim) http.RoundTripper {
	pool := claim.Env.Connections(func() gateway.Connections {
		return &pools{http1: s.newHTTP1Transport(), http2: s.newHTTP2Transport()}
	}).(*pools)
	if claim.Component.HTTP2 {
		return pool.http2
	}
	return pool.http1
}

// newHTTP2Transport returns a transport that speaks HTTP/2 alone: at once in
// cleartext, by ALPN over TLS. Requests share a connection as far as the instance
// lets them; then another one is opened.
func (s *Server) newHTTP2Transport() *http.Transport {
	t := s.newTransport()
	t.Protocols = &http.Protocols{}
	t.Protocols.SetHTTP2(true)
	t.Protocols.SetUnencryptedHTTP2(true)
	dialer := &tls.Dialer{
		NetDialer: &net.Dialer{Timeout: s.policy.Limits.Connect},
		Config:    &tls.Config{NextProtos: []string{"h2"}},
	}
	t.DialTLSContext = reportConnect(func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if c.(*tls.Conn).ConnectionState().NegotiatedProtocol != "h2" {
			return nil, errors.Join(errNoHTTP2, c.Close())
		}
		return c, nil
	})
	// A response that its client does not take fills this, and must not keep
	// others on the connection from going on: that one's window is left large.
	t.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 256 << 10, SendPingTimeout: s.policy.Limits.Ping, PingTimeout: s.policy.Limits.Ping}
	return t
}

var errNoHTTP2 = errors.New("it does not offer h2 in its TLS handshake")
