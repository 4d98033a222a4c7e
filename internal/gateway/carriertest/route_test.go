package carriertest

import (
	"strings"
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
		if got := s.do("GET /wild/x\nhost: Any.shop.example:80"); got.status != 503 || s.records.next(t).Route != "/wild" {
			t.Errorf("a wildcard: %s", got)
		}
		if s.carrier.major == 1 || !s.carrier.plain { // HTTP/2 of net/http resets the stream
			if got := s.do("GET /x%zz"); got.status != 400 {
				t.Errorf("/x%%zz: %s", got)
			}
		}
	})
}

// answeredCases are requests that a route answers without a component.
var answeredCases = []struct{ ask, want string }{
	{"GET /old/a%20b?c=d", "308\nlength 0\nlocation: https://new.example/x/a%20b?c=d\nno teal-version"},
	{"POST /gone/x?y\n\nbody", "302\nlength 0\nlocation: /\nno teal-version"},
	{"HEAD /old", "308\nlength 0\nlocation: https://new.example/x\nno teal-version"},
}

// Seen red with the error of a redirect written as a problem.
func TestRedirects(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		for _, tt := range answeredCases {
			got := s.do(tt.ask)
			if got.status/100 != 3 || got.fields.get("location") != strings.TrimPrefix(strings.Split(tt.want, "\n")[2], "location: ") || got.body != "" || got.fields.get("content-type") != "" {
				t.Errorf("%s:\n%s\nwant\n%s", tt.ask, got, tt.want)
			}
			if r := s.records.next(t); r.Code != "" || r.Status != got.status {
				t.Errorf("%s: recorded with %q", tt.ask, r.Code)
			}
		}
	})
}

// Seen red without the Allow header.
func TestAMethodWithoutARoute(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		got := s.do("DELETE /form\nhost: only.example")
		if text, _ := got.problem(); got.status != 405 || got.fields.get("allow") != "GET, HEAD, POST" || text != "method_not_allowed: this address is for GET, HEAD, POST" {
			t.Errorf("%s", got)
		}
	})
}

// A method that no instance can be asked with is the client's mistake, and counts
// against no version.
//
// Seen red without the look at the method over HTTP/2: 502.
func TestAMethodThatIsNoToken(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		if got := s.do("G@T /form"); got.status != 400 {
			t.Errorf("%s", got)
		}
	})
}

// A host and a target that HTTP/1.1 cannot say are refused however they come, and count
// against no version.
//
// Seen red without the look at the host and the target over HTTP/2: the instance was asked.
func TestAHostAndATargetThatAreNone(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		for _, ask := range []string{"GET /form\nhost: a b", "GET /form\nhost: a/b", "GET /form\nhost: a?b", "GET /form\nhost: only.example:x", "GET /form?a b\nhost: only.example", "GET /form?a#b\nhost: only.example"} {
			if got := s.do(ask); got.status != 400 {
				t.Errorf("%q: %s", ask, got)
			}
		}
	})
}

// What a route leaves out of the path, and which host an instance is asked for.
//
// Seen red with the path as sent, with two slashes at its beginning, without the prefix, with a client's prefix passed on, and
// with the client's host for an upstream that wants its own.
func TestWhatARouteChanges(t *testing.T) {
	for name, config := range map[string]exchange.Config{"": {}, "trusted": {Trusted: everybody}} {
		each(t, config, func(t *testing.T, s *site) {
			for ask, want := range map[string]string{
				"GET /str%2Fip/a%2Fb/c?d":                   "GET /a%2Fb/c?d|/str%2Fip",
				"GET /str%2fip":                             "GET /|/str%2Fip",
				"GET /str%2Fip//host":                       "GET /host|/str%2Fip",
				"GET /str%2Fip/\nx-forwarded-prefix: /evil": "GET /|/str%2Fip",
				"GET /own/x":                                "GET /own/x|",
			} {
				if name == "trusted" {
					want = strings.Replace(want, "|/", "|/evil/", strings.Count(ask, "evil"))
				}
				s.instance.says(fine)
				if got := s.do(ask); got.status != 200 {
					t.Errorf("%s: %s", ask, got)
				}
				text := s.instance.next(t).text()
				target, prefix := strings.TrimSuffix(strings.Split(text, "\n")[0], " HTTP/1.1"), ""
				for _, line := range strings.Split(text, "\n") {
					if value, ok := strings.CutPrefix(line, "x-forwarded-prefix: "); ok {
						prefix += value
					}
				}
				if target+"|"+prefix != want {
					t.Errorf("%s: arrives as %s|%s; want %s", ask, target, prefix, want)
				}
				if own := strings.Contains(text, "\nhost: "+s.instance.addr); own != strings.Contains(ask, "/own") || !strings.Contains(text, "x-forwarded-host: shop.example") {
					t.Errorf("%s arrives as\n%s", ask, text)
				}
			}
		})
	}
}
