package loop

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
	"teal/internal/http2"
)

// writeHead writes the head of the request into the buffer.
func (c *clientConn) writeHead(h *http2.Head) {
	st := c.stream
	st.bare = h.Ends
	switch {
	case h.TooLarge:
		st.refused = errHeadTooLarge
	case !http1.IsToken(h.Method):
		st.refused = gateway.PublicErrorf(teal.CodeInvalidInput, "the method is not a token")
	case h.Method == "CONNECT" && h.Protocol == "":
		st.refused = gateway.PublicErrorf(teal.CodeInvalidInput, "CONNECT is not for this server")
	}
	if st.refused != nil {
		return
	}
	out := c.loop.buffers.get(headSize(h))[:0]
	st.connect, st.protocol = h.Protocol != "", h.Protocol
	method := h.Method
	if st.connect {
		method = "GET"
	}
	out = append(append(append(append(out, method...), ' '), h.Path...), " HTTP/1.1\r\n"...)
	if h.Authority != "" {
		out = st.line(out, "host", h.Authority)
	}
	cookies := 0
	for i := range h.Fields {
		f := &h.Fields[i]
		switch {
		case f.Name == "cookie":
			cookies++
		case st.connect && f.Name == "sec-websocket-key":
		default:
			out = http1.AppendLine(out, f.Name, f.Value)
		}
	}
	if cookies > 0 {
		out = appendCookies(out, h)
	}
	out = st.frame(out, h)
	c.in, c.w = append(out, "\r\n"...), 0
	c.w = len(c.in)
	c.in = c.in[:cap(c.in)]
}

// line adds a line that the client has not sent as a field.
func (s *stream) line(to []byte, name, value string) []byte {
	s.added++
	return http1.AppendLine(to, name, value)
}

// headSize bounds what writeHead writes, so that the buffer need not grow.
func headSize(h *http2.Head) int {
	const lines = 256
	size := lines + len(h.Method) + len(h.Path) + len(h.Authority)
	for i := range h.Fields {
		size += len(h.Fields[i].Name) + len(h.Fields[i].Value) + 4
	}
	return size
}

// appendCookies joins what HTTP/2 may send in pieces (RFC 9113, section 8.2.3).
func appendCookies(to []byte, h *http2.Head) []byte {
	to = append(to, "cookie: "...)
	first := true
	for i := range h.Fields {
		if h.Fields[i].Name != "cookie" {
			continue
		}
		if !first {
			to = append(to, "; "...)
		}
		to, first = append(to, h.Fields[i].Value...), false
	}
	return append(to, "\r\n"...)
}

// frame says where the body ends, and asks for the protocol of a WebSocket.
func (s *stream) frame(to []byte, h *http2.Head) []byte {
	switch {
	case s.connect:
		var nonce [16]byte
		_, _ = rand.Read(nonce[:]) // never fails
		s.key = base64.StdEncoding.EncodeToString(nonce[:])
		return append(s.line(s.line(to, "connection", "Upgrade"), "upgrade", "websocket"), "sec-websocket-key: "+s.key+"\r\n"...)
	case h.Length >= 0:
		to = append(to, "content-length: "...)
		return append(strconv.AppendInt(to, h.Length, 10), "\r\n"...)
	case !h.Ends:
		return s.line(to, "transfer-encoding", "chunked")
	case h.Method == "POST", h.Method == "PUT", h.Method == "PATCH":
		return s.line(to, "content-length", "0")
	}
	return to
}

// parse reads the head that has been written, which is all of data.
func (s *stream) parse(r *http1.Request, data []byte) error {
	n, err := r.Parse(data, http1.Limits{Bytes: len(data), Fields: len(data)})
	if err == nil && n != len(data) {
		return errHead // it would be read in two ways
	}
	return err
}

var errHead = &http1.Error{Status: 400, Reason: "the head is not one"}

// checkConnect refuses a WebSocket that cannot be had from the component that has been
// claimed.
func (c *clientConn) checkConnect() error {
	t := c.exchange
	if !t.connect {
		return nil
	}
	if protocol := c.stream.protocol; protocol != "websocket" {
		return gateway.PublicErrorf(teal.CodeUnsupported, "the protocol %q in a CONNECT request is %w; use websocket", gateway.Excerpt(protocol, ""), exchange.ErrNotImplemented)
	}
	if to := t.Claim.Component; to.Endpoints == nil || to.HTTP2 {
		return teal.Errorf(teal.CodeUnsupported, "a WebSocket to component %q is %w; route it to a service or upstream that speaks HTTP/1.1", to.Name, exchange.ErrNotImplemented)
	}
	return nil
}
