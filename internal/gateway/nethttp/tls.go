package nethttp

import (
	"crypto/tls"
	"net"
	"net/http"

	"teal/internal/gateway"
)

// accepting returns what net/http accepts connections from: TLS over l, or l.
func (h *handler) accepting(l net.Listener) net.Listener {
	plain := &listener{Listener: l, writeStall: h.policy.Limits.WriteStall}
	if h.at.TLS == nil {
		return plain
	}
	return tls.NewListener(plain, h.at.TLS)
}

// innerConn returns the client's connection below TLS and whatever else stands on it.
func innerConn(c net.Conn) *conn {
	for {
		if own, ok := c.(*conn); ok {
			return own
		}
		c = c.(interface{ NetConn() net.Conn }).NetConn()
	}
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

// http2Config returns the limits of an HTTP/2 connection. A client that resets streams
// as fast as it opens them is bounded by the library: it runs at most Streams
// handlers at once, lets four times as many wait for one, and then closes the
// connection. So are floods of other frames.
func http2Config(l gateway.Limits) *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          l.Streams,
		MaxReadFrameSize:              16 << 10, // what is not more than a stream's buffer
		MaxReceiveBufferPerConnection: 1 << 20,
		MaxReceiveBufferPerStream:     256 << 10,
		SendPingTimeout:               l.Ping,
		PingTimeout:                   l.Ping,
	}
}
