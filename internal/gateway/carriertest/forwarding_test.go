package carriertest

import (
	"slices"
	"strings"
	"testing"

	"teal/internal/gateway/exchange"
)

// text returns a request as the cases have it: its line, its fields in the order
// of their names, its trailer and its body.
func (q request) text() string {
	var lines []string
	for _, x := range q.fields {
		lines = append(lines, x.name+": "+x.value)
	}
	slices.Sort(lines)
	for _, x := range q.trailer {
		lines = append(lines, "trailer "+x.name+": "+x.value)
	}
	text := strings.Join(append([]string{q.line}, lines...), "\n")
	if q.body != "" {
		text += "\n\n" + q.body
	}
	return text
}

// arrives compares what the instance has got with a text, in which SCHEME stands
// for what the client speaks.
func (s *site) arrives(t *testing.T, want string) {
	t.Helper()
	want = strings.ReplaceAll(strings.Trim(want, "\n"), "SCHEME", s.carrier.scheme())
	if got := s.instance.next(t).text(); got != want {
		t.Errorf("the instance got\n%s\nwant\n%s", indent(got), indent(want))
	}
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// forwardingCases are requests, and what arrives of them.
var forwardingCases = []struct {
	name    string
	ask     string
	http1   bool // HTTP/2 has no word for it
	trusted bool // the client is a trusted proxy
	keeps   bool // names with underscores are passed on
	want    string
}{
	{name: "a plain request", ask: "GET /a/b?c=d&e", want: `
GET /a/b?c=d&e HTTP/1.1
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME`},
	{name: "a target as it was written", ask: "GET /a%2Fb//c/../d/%C3%BC%20;p=1?q=%20+&r=a;b&%zz", want: `
GET /a%2Fb//c/../d/%C3%BC%20;p=1?q=%20+&r=a;b&%zz HTTP/1.1
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME`},
	{name: "the host as it was written", ask: "GET /\nhost: Shop.Example:8080", want: `
GET / HTTP/1.1
host: Shop.Example:8080
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: Shop.Example:8080
x-forwarded-proto: SCHEME`},
	{name: "what only Teal and proxies may say", ask: `GET /
x-forwarded-for: 6.6.6.6
x-forwarded-proto: gopher
x-forwarded-host: evil.example
x-forwarded-prefix: /evil
forwarded: for=6.6.6.6
x-real-ip: 6.6.6.6
teal-secret: forged
x-own: 1`, want: `
GET / HTTP/1.1
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME
x-own: 1`},
	{name: "what a trusted proxy says", trusted: true, ask: `GET /
x-forwarded-for: 1.1.1.1, 2.2.2.2
x-forwarded-for: 3.3.3.3
x-forwarded-proto: gopher
x-forwarded-host: front.example
x-forwarded-prefix: /app
forwarded: for=1.1.1.1
x-real-ip: 1.1.1.1`, want: `
GET / HTTP/1.1
forwarded: for=1.1.1.1
host: shop.example
teal-version: 7
x-forwarded-for: 1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1
x-forwarded-host: front.example
x-forwarded-prefix: /app
x-forwarded-proto: gopher
x-real-ip: 1.1.1.1`},
	{name: "names with underscores", ask: "GET /\nx_own: 1\nx_forwarded_for: 6.6.6.6\nteal_version: 1", want: `
GET / HTTP/1.1
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME`},
	{name: "names with underscores that are passed on", keeps: true, trusted: true, ask: "GET /\nx_own: 1\nx_forwarded_for: 6.6.6.6\nteal_version: 1", want: `
GET / HTTP/1.1
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME
x_own: 1`},
	{name: "fields about the connection", http1: true, ask: `GET /
connection: keep-alive, X-Drop , te
x-drop: 1
keep-alive: timeout=5
proxy-connection: keep-alive
proxy-authorization: basic abc
te: trailers, deflate
x-own: 1`, want: `
GET / HTTP/1.1
host: shop.example
te: trailers
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME
x-own: 1`},
	{name: "a connection field cannot hide what Teal says", http1: true, ask: `GET /
connection: x-forwarded-for, teal-version, host, content-length, x-forwarded-proto
x-own: 1`, want: `
GET / HTTP/1.1
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME
x-own: 1`},
	{name: "nor what a trusted proxy says", http1: true, trusted: true, ask: `GET /
connection: x-forwarded-for, x-forwarded-proto, x-forwarded-prefix
x-forwarded-for: 1.1.1.1
x-forwarded-proto: gopher
x-forwarded-prefix: /app`, want: `
GET / HTTP/1.1
host: shop.example
teal-version: 7
x-forwarded-for: 1.1.1.1, 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-prefix: /app
x-forwarded-proto: gopher`},
	{name: "no trailers are asked for", http1: true, ask: "GET /\nte: deflate\nconnection: te", want: `
GET / HTTP/1.1
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME`},
	{name: "several fields of one name", ask: "GET /\nx-own: 1\nx-own: 2\ncookie: a=1; b=2\naccept: */*\nuser-agent: test\nreferer: r", want: `
GET / HTTP/1.1
accept: */*
cookie: a=1; b=2
host: shop.example
referer: r
teal-version: 7
user-agent: test
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME
x-own: 1
x-own: 2`},
	{name: "a body with its length", ask: "POST /\ncontent-type: text/plain\n\nhello", want: `
POST / HTTP/1.1
content-length: 5
content-type: text/plain
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME

hello`},
	{name: "a body in chunks", ask: "POST /\ntransfer-encoding: chunked\n\nhello", want: `
POST / HTTP/1.1
host: shop.example
teal-version: 7
transfer-encoding: chunked
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME

hello`},
	{name: "an empty body", ask: "POST /\ncontent-length: 0", want: `
POST / HTTP/1.1
content-length: 0
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME`},
	{name: "a GET with a body", ask: "GET /\n\nhello", want: `
GET / HTTP/1.1
content-length: 5
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME

hello`},
	{name: "an own method", ask: "PROPFIND /", want: `
PROPFIND / HTTP/1.1
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME`},
}

// What an instance gets of a request: everything but what is about the connection,
// and what only Teal or a trusted proxy may say.
//
// Seen red with loops that pass on what Connection names, with loops that let
// Connection hide what a trusted proxy says, and with rules that pass all names with
// underscores.
func TestForwarding(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		for _, keeps := range []bool{false, true} {
			config := exchange.Config{Underscores: keeps}
			if trusted {
				config.Trusted = everybody
			}
			each(t, config, func(t *testing.T, s *site) {
				for _, tt := range forwardingCases {
					if tt.trusted != trusted || tt.keeps != keeps || tt.http1 && s.carrier.major > 1 {
						continue
					}
					t.Run(tt.name, func(t *testing.T) {
						s.instance.says(fine)
						if r := s.do(tt.ask); r.status != 200 {
							t.Fatalf("the client got\n%s", indent(r.String()))
						}
						s.arrives(t, tt.want)
					})
				}
			})
		}
	}
}
