package loop

import (
	"bytes"

	"teal/internal/http1"
)

// appendRequest appends the head of the request as an instance gets it.
func (c *clientConn) appendRequest(to []byte) []byte {
	t := c.exchange
	r := &t.request
	address := t.endpoint.Address()
	to = r.AppendRequestLine(to, address.Path, t.ForwardedPath())
	to = http1.AppendLine(to, "Host", t.ForwardedHost(address))
	w := c.loop.headWriter(to)
	t.Forward(w)
	to = w.out
	if r.ExpectContinue {
		to = append(to, "Expect: 100-continue\r\n"...)
	}
	if acceptsTrailers(r) {
		to = append(to, "Te: trailers\r\n"...)
	}
	if t.upgrades() {
		to = appendUpgrade(to, r)
	}
	if length := r.Length(); length != 0 || r.HasLength() {
		to = http1.AppendLength(to, length)
	}
	return append(to, "\r\n"...)
}

// appendUpgrade asks the instance for what the client asks for.
func appendUpgrade(to []byte, r *http1.Request) []byte {
	to = append(to, "Connection: Upgrade\r\n"...)
	for i := range r.Len() {
		if r.Kind(i) == http1.Upgrade {
			to = http1.AppendField(to, []byte("Upgrade"), r.Value(i))
		}
	}
	return to
}

func acceptsTrailers(r *http1.Request) bool {
	for i := range r.Len() {
		if r.Kind(i) == http1.TE && bytes.Contains(bytes.ToLower(r.Value(i)), []byte("trailers")) {
			return true
		}
	}
	return false
}
