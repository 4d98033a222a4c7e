package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// ServeTLS is Serve over TLS 1.2 and later, for connections that l yields plain.
// certificate answers what tls.Config.GetCertificate asks. Clients choose between
// HTTP/2 and HTTP/1.1 by ALPN.
func (s *Server) ServeTLS(ctx context.Context, l net.Listener, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) error {
	secure := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		// Small records would reach a client's parser earlier on slow links; they
		// cost a system call each.
		DynamicRecordSizingDisabled: true,
		GetCertificate:              certificate,
	}
	return s.servePublic(ctx, l, &front{server: s, claim: s.claimPublic, trusted: s.trusted, secure: secure})
}

// accepting returns what net/http accepts connections from: TLS over l, or l.
func (f *front) accepting(l net.Listener) net.Listener {
	plain := &listener{Listener: l, writeStall: f.server.limits.WriteStall}
	if f.secure == nil || f.shaken {
		return plain
	}
	return tls.NewListener(plain, f.secure)
}

// scheme returns how the front's clients speak.
func (f *front) scheme() string {
	if f.secure == nil {
		return "http"
	}
	return "https"
}

// innerConn returns the client's connection below TLS.
func innerConn(c net.Conn) *conn {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	return c.(interface{ inner() *conn }).inner()
}

// protocols says what clients may speak: in cleartext also HTTP/2, if they begin
// with it.
func protocols() *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// http2 returns the limits of an HTTP/2 connection. A client that resets streams
// as fast as it opens them is bounded by the library: it runs at most Streams
// handlers at once, lets four times as many wait for one, and then closes the
// connection. So are floods of other frames.
func (l Limits) http2() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          l.Streams,
		MaxReadFrameSize:              16 << 10, // what is not more than a stream's buffer
		MaxReceiveBufferPerConnection: 1 << 20,
		MaxReceiveBufferPerStream:     256 << 10,
		SendPingTimeout:               l.Ping,
		PingTimeout:                   l.Ping,
	}
}
