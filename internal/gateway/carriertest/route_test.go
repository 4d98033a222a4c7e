package carriertest

import (
	"testing"

	"teal/internal/gateway/exchange"
)

// routeCases are requests, and which component and route they lead to.
var routeCases = []struct {
	target, component, route string
	status                   int
}{
	{"/caf%C3%A9", "none", "/caf%C3%A9", 503},
	{"/%63af%c3%a9/x?y=%zz", "none", "/caf%C3%A9", 503},
	{"/caf%c3%a9%2fx", "none", "/caf%C3%A9", 503},
	{"/none%2Fx", "none", "/none", 503},
	{"/%6eone", "none", "/none", 503},
	{"/dead/../none", "", "", 400},
	{"/dead%2F%2e%2e%2Fnone", "", "", 400},
}

// Every carrier reads a path in the same way.
//
// Seen red with the path as net/http has decoded it given to the table.
func TestSpellingsOfAPath(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		for _, tt := range routeCases {
			got := s.do("GET " + tt.target)
			r := s.records.next(t)
			if got.status != tt.status || r.Component != tt.component || r.Route != tt.route {
				t.Errorf("%s: %d from %q by %q; want %+v", tt.target, got.status, r.Component, r.Route, tt)
			}
		}
		if s.carrier.major == 1 { // HTTP/2 of net/http resets the stream
			if got := s.do("GET /x%zz"); got.status != 400 {
				t.Errorf("/x%%zz: %s", got)
			}
		}
	})
}
