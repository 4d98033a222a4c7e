package front

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"testing"

	"teal"
	"teal/internal/gateway/exchange"
)

// Who comes through a proxy is not local because the proxy is: the proxy must be
// trusted and say that its client is. Both carriers decide alike.
//
// Seen red with a carrier that asks for the peer's address alone: on the loops, and
// on net/http.
func TestWhoMayChooseAVersion(t *testing.T) {
	local := netip.Addr.IsLoopback
	for _, tt := range []struct {
		name    string
		trusted func(netip.Addr) bool
		headers []string
		allowed bool
	}{
		{"directly", nil, nil, true},
		{"through a local proxy", nil, []string{"X-Forwarded-For", "203.0.113.5"}, false},
		{"through one that says it is local", nil, []string{"X-Forwarded-For", "127.0.0.1"}, false},
		{"Forwarded", nil, []string{"Forwarded", "for=127.0.0.1"}, false},
		{"X-Real-IP", nil, []string{"x-real-ip", "127.0.0.1"}, false},
		{"Via", nil, []string{"Via", "1.1 proxy"}, false},
		{"X-Forwarded-Proto alone", nil, []string{"X-Forwarded-Proto", "https"}, false},
		{"with underscores", nil, []string{"X_Forwarded_For", "127.0.0.1"}, false},
		{"X-Forwarded", nil, []string{"X-Forwarded", "for=127.0.0.1"}, false},
		{"a CDN's own", nil, []string{"CF-Connecting-IP", "127.0.0.1"}, false},
		{"trusted, of a stranger", local, []string{"X-Forwarded-For", "203.0.113.5"}, false},
		{"trusted, of a stranger who forges", local, []string{"X-Forwarded-For", "127.0.0.1, 203.0.113.5"}, false},
		{"trusted, of a stranger in two lines", local, []string{"X-Forwarded-For", "127.0.0.1", "X-Forwarded-For", "203.0.113.5"}, false},
		{"trusted, through two", local, []string{"X-Forwarded-For", "203.0.113.5, 127.0.0.2"}, false},
		{"trusted, of a local one", local, []string{"X-Forwarded-For", "127.0.0.1"}, true},
		{"trusted, with a port", local, []string{"X-Forwarded-For", "[::1]:40000"}, true},
		{"trusted, of nobody", local, []string{"X-Forwarded-Proto", "https"}, false},
		{"trusted, of something else", local, []string{"X-Forwarded-For", "unknown"}, false},
		{"trusted, directly", local, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, says(`"ok"`), exchange.Config{Override: local, Trusted: tt.trusted})
			eachFront(t, func(t *testing.T, c *http.Client) {
				response, err := c.Do(s.request("GET", "/", nil, append(tt.headers, "Teal-Version", "7")...))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = response.Body.Close() }()
				var p exchange.Problem
				_ = json.NewDecoder(response.Body).Decode(&p)
				if (response.StatusCode == 200) != tt.allowed || !tt.allowed && p.Code != teal.CodeOverrideForbidden {
					t.Errorf("%d %+v", response.StatusCode, p)
				}
			})
		})
	}
	s := start(t, says(`"ok"`), exchange.Config{Override: local})
	s.wantProblem(403, teal.CodeOverrideForbidden, "GET", "/", nil, // what is hidden as hop-by-hop was sent all the same
		"Teal-Version", "7", "X-Forwarded-For", "127.0.0.1", "Connection", "X-Forwarded-For")
}
