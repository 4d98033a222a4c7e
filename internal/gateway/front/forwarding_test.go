package front

import (
	"maps"
	"strings"
	"testing"

	"teal/internal/gateway/exchange"
)

// A component gets the same of a request whichever carrier brings it: what a trusted
// peer says is kept and added to, what is about the connection to that peer is not
// passed on, also when only its Connection header says so. That cannot hide who the
// client is.
//
// Seen red with an X-Forwarded-For that is left out because Connection names it, and
// with an event that has the Expect of its request.
func TestBothCarriersForwardTheSame(t *testing.T) {
	const request = "POST /a%20b?x=1 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: x-drop, x-forwarded-for, te\r\n" +
		"X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-Proto: https\r\nx-forwarded-host: outside.example\r\nX-Forwarded-Port: 8443\r\nForwarded: for=1\r\nX-Real-IP: 203.0.113.2\r\n" +
		"Teal-Secret: 1\r\nX_Under: 1\r\nX-Drop: 1\r\nTE: trailers\r\nTraceparent: 00-1-1-01\r\nCookie: a=1\r\nCookie: b=2\r\nAccept: */*\r\nUser-Agent: test\r\n\r\nbody"
	want := map[string]string{
		"x-forwarded-for": "203.0.113.1, 127.0.0.1", "x-forwarded-proto": "https", "x-forwarded-host": "outside.example", "x-forwarded-port": "8443",
		"forwarded": "for=1", "x-real-ip": "203.0.113.2", "teal-version": "7", "traceparent": "00-1-1-01",
		"content-length": "4", "accept": "*/*", "user-agent": "test",
	}
	only := map[string]map[string]string{"service": {"expect": "100-continue", "te": "trailers", "cookie": "a=1,b=2"}, "function": {"host": "shop.example"}}
	for kind, own := range only {
		t.Run(kind, func(t *testing.T) {
			var got seen
			want := maps.Clone(want)
			maps.Copy(want, own)
			s := start(t, got.components(t)[kind], exchange.Config{Trusted: everybody})
			s.bothFronts(t, func(t *testing.T, s *site) {
				c, r := s.dialRaw(strings.Replace(request, "Connection: ", "Connection: close, ", 1))
				defer func() { _ = c.Close() }()
				for {
					if response, _ := readResponse(t, r, "POST"); response.StatusCode != 100 {
						break
					}
				}
				delete(got.headers, "x-amzn-trace-id")
				if !maps.Equal(got.headers, want) {
					t.Errorf("got %v\nwant %v", got.headers, want)
				}
			})
		})
	}
}
