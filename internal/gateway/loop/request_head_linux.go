package loop

import (
	"bytes"

	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// appendRequest appends the head of the request as an instance gets it.
func (c *clientConn) appendRequest(to []byte) []byte {
	t := c.exchange
	r := &t.request
	to = r.AppendRequestLine(to, t.endpoint.Address().Path)
	to = http1.AppendField(to, []byte("Host"), r.Host)
	for i := range r.Len() {
		if name := r.Name(i); r.Kind(i) == http1.EndToEnd && c.passes(name) {
			to = http1.AppendField(to, name, r.Value(i))
		}
	}
	to = http1.AppendLine(to, exchange.HeaderVersion, t.claim.Env.Label())
	to = t.appendTrace(c.appendForwarded(to))
	if r.ExpectContinue {
		to = append(to, "Expect: 100-continue\r\n"...)
	}
	if acceptsTrailers(r) {
		to = append(to, "Te: trailers\r\n"...)
	}
	if t.upgrades() {
		to = append(to, "Connection: Upgrade\r\n"...)
		for i := range r.Len() {
			if r.Kind(i) == http1.Upgrade {
				to = http1.AppendField(to, []byte("Upgrade"), r.Value(i))
			}
		}
	}
	if length := r.Length(); length != 0 || r.HasLength() {
		to = http1.AppendLength(to, length)
	}
	return append(to, "\r\n"...)
}

// passes reports whether a header of the client is passed on as it is: not what
// the rules keep out, nor what is written anew.
func (c *clientConn) passes(name []byte) bool {
	if !c.loop.policy.Passes(name, c.trusted) {
		return false
	}
	switch name[0] | 0x20 {
	case 't':
		return c.exchange.trace.Span == nil || !isTrace(name)
	case 'x': // appendForwarded writes these
		return !http1.EqualFold(name, "x-forwarded-for") && !http1.EqualFold(name, "x-forwarded-proto") && !http1.EqualFold(name, "x-forwarded-host")
	}
	return true
}

// appendForwarded appends what an instance is told about the request's origin,
// as origin.set does.
func (c *clientConn) appendForwarded(to []byte) []byte {
	r := &c.exchange.request
	to = append(to, "X-Forwarded-For: "...)
	proto, host := []byte(c.loop.all.at.Scheme()), r.Host
	if c.trusted {
		for i := range r.Len() {
			if r.Kind(i) == http1.EndToEnd && http1.EqualFold(r.Name(i), "x-forwarded-for") {
				to = append(append(to, r.Value(i)...), ", "...)
			}
		}
		proto, host = valueOr(r, "x-forwarded-proto", proto), valueOr(r, "x-forwarded-host", host)
	}
	to = append(c.peer.AppendTo(to), "\r\n"...)
	to = http1.AppendField(to, []byte("X-Forwarded-Proto"), proto)
	return http1.AppendField(to, []byte("X-Forwarded-Host"), host)
}

func valueOr(r *http1.Request, name string, otherwise []byte) []byte {
	if value, _ := r.Get(name); len(value) > 0 {
		return value
	}
	return otherwise
}

func acceptsTrailers(r *http1.Request) bool {
	for i := range r.Len() {
		if r.Kind(i) == http1.TE && bytes.Contains(bytes.ToLower(r.Value(i)), []byte("trailers")) {
			return true
		}
	}
	return false
}

// hasHTTP2 reports whether an Upgrade field names HTTP/2.
func hasHTTP2(value []byte) bool {
	for protocol := range bytes.SplitSeq(value, []byte(",")) {
		if http1.HasPrefixFold(bytes.TrimSpace(protocol), "h2") {
			return true
		}
	}
	return false
}
