package carriertest

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"teal/internal/gateway/exchange"
)

// responseCases are answers of an instance, with \n for CRLF, and what the client
// gets of them.
var responseCases = []struct {
	name   string
	ask    string // GET / if it is empty
	answer string
	want   string
	plain  string // over HTTP/1.1 on net/http, if that is different
}{
	{name: "an answer with its length", answer: "HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 2\n\nok", want: `
200
content-type: text/plain
length 2

ok`},
	{name: "an answer of no type", answer: "HTTP/1.1 200 OK\nContent-Length: 6\n\n<html>", want: `
200
length 6

<html>`},
	{name: "an answer in chunks", answer: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\none\n3\ntwo\n0\n\n", want: `
200
chunked

onetwo`},
	{name: "an answer that ends with its connection", answer: "HTTP/1.1 200 OK\n\nuntil the end", want: `
200
chunked

until the end`},
	{name: "an answer in HTTP/1.0", answer: "HTTP/1.0 200 OK\nContent-Length: 2\n\nok", want: `
200
length 2

ok`},
	{name: "an empty answer", answer: "HTTP/1.1 200 OK\nContent-Length: 0\n\n", want: `
200
length 0`},
	{name: "an empty answer in chunks", answer: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n0\n\n", want: `
200
chunked`},
	{name: "the instance's own date", answer: "HTTP/1.1 200 OK\nDate: Sun, 06 Nov 1994 08:49:37 GMT\nContent-Length: 2\n\nok", want: `
200
date: Sun, 06 Nov 1994 08:49:37 GMT
length 2

ok`},
	{name: "an own version", answer: "HTTP/1.1 200 OK\nTeal-Version: 99\nteal-version: 98\nContent-Length: 2\n\nok", want: `
200
length 2

ok`},
	{name: "fields about the connection", answer: "HTTP/1.1 200 OK\nConnection: keep-alive, X-Drop\nX-Drop: 1\nKeep-Alive: timeout=5\nProxy-Connection: x\nUpgrade: h2c\nTe: x\nServer: own\nContent-Length: 2\n\nok", want: `
200
length 2
server: own

ok`},
	{name: "a connection that the instance ends", answer: "HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\n\nok", want: `
200
length 2

ok`},
	{name: "authentication of a proxy", answer: "HTTP/1.1 407 Proxy\nProxy-Authenticate: Basic\nContent-Length: 0\n\n", want: `
407
length 0`},
	{name: "authentication", answer: "HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Basic\nWWW-Authenticate: Bearer\nContent-Length: 0\n\n", want: `
401
length 0
www-authenticate: Basic
www-authenticate: Bearer`},
	{name: "several cookies", answer: "HTTP/1.1 200 OK\nSet-Cookie: a=1; Path=/\nSet-Cookie: b=2\nset-cookie: c=\nContent-Length: 2\n\nok", want: `
200
length 2
set-cookie: a=1; Path=/
set-cookie: b=2
set-cookie: c=

ok`},
	{name: "a compressed answer stays so", answer: "HTTP/1.1 200 OK\nContent-Encoding: gzip\nVary: Accept-Encoding\nContent-Length: 4\n\n\x1f\x8b\x08\x00", want: "200\ncontent-encoding: gzip\nlength 4\nvary: Accept-Encoding\n\n\x1f\x8b\x08\x00"},
	{name: "a part", answer: "HTTP/1.1 206 Partial Content\nContent-Range: bytes 0-1/5\nAccept-Ranges: bytes\nETag: \"x\"\nContent-Length: 2\n\nok", want: `
206
accept-ranges: bytes
content-range: bytes 0-1/5
etag: "x"
length 2

ok`},
	{name: "a redirect", answer: "HTTP/1.1 302 Found\nLocation: /elsewhere\nContent-Length: 0\n\n", want: `
302
length 0
location: /elsewhere`},
	{name: "an odd status", answer: "HTTP/1.1 299 Odd\nContent-Length: 2\n\nok", want: "299\nlength 2\n\nok"},
	{name: "an odd failure", answer: "HTTP/1.1 599 Odd\nContent-Length: 2\n\nno", want: "599\nlength 2\n\nno"},
	{name: "a status above the usual ones", answer: "HTTP/1.1 799 Odd\nContent-Length: 2\n\nno", want: "799\nlength 2\n\nno"},
	{name: "no reason", answer: "HTTP/1.1 200\nContent-Length: 2\n\nok", want: "200\nlength 2\n\nok"},
	{name: "a failure of the instance's own", answer: "HTTP/1.1 500 Internal Server Error\nContent-Type: application/problem+json\nContent-Length: 4\n\nmine", want: `
500
content-type: application/problem+json
length 4

mine`},
	{name: "204", answer: "HTTP/1.1 204 No Content\nX-Own: 1\n\n", want: "204\nx-own: 1"},
	{name: "204 with a length of nothing", answer: "HTTP/1.1 204 No Content\nContent-Length: 0\n\n", want: "204"},
	{name: "204 with a length", answer: "HTTP/1.1 204 No Content\nContent-Length: 5\nConnection: close\n\n", want: "204"},
	{name: "204 in chunks", answer: "HTTP/1.1 204 No Content\nTransfer-Encoding: chunked\nConnection: close\n\n", want: "204"},
	{name: "304", answer: "HTTP/1.1 304 Not Modified\nETag: \"x\"\n\n", want: "304\netag: \"x\""},
	{name: "304 with a length", answer: "HTTP/1.1 304 Not Modified\nContent-Length: 5\n\n", want: "304\nlength 5", plain: "304"}, // its server never sends that length, which is allowed
	{name: "HEAD with a length", ask: "HEAD /", answer: "HTTP/1.1 200 OK\nContent-Length: 5\n\n", want: "200\nlength 5"},
	{name: "HEAD without", ask: "HEAD /", answer: "HTTP/1.1 200 OK\nX-Own: 1\nConnection: close\n\n", want: "200\nx-own: 1"},
	{name: "HEAD in chunks", ask: "HEAD /", answer: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", want: "200"},
	{name: "HEAD and 404", ask: "HEAD /", answer: "HTTP/1.1 404 Not Found\nContent-Length: 9\nContent-Type: text/plain\n\n", want: "404\ncontent-type: text/plain\nlength 9"},
	{name: "trailers", ask: "GET /\nte: trailers", answer: "HTTP/1.1 200 OK\nTrailer: X-Sum\nTransfer-Encoding: chunked\n\n2\nok\n0\nX-Sum: 42\nX-Late: 1\nTeal-Version: 9\nSet-Cookie: a=1\nContent-Length: 7\n\n", want: `
200
chunked
trailer: X-Sum
trailer x-late: 1
trailer x-sum: 42

ok`},
	{name: "empty values and odd spaces", answer: "HTTP/1.1 200 OK\nX-Empty:\nX-Spaces: \t two  words \t\nContent-Length: 2\n\nok", want: "200\nlength 2\nx-empty: \nx-spaces: two  words\n\nok"},
	{name: "early hints", answer: "HTTP/1.1 103 Early Hints\nLink: </style.css>; rel=preload\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok", want: `
103
link: </style.css>; rel=preload

200
length 2

ok`},
	{name: "two interim answers", answer: "HTTP/1.1 102 Processing\n\nHTTP/1.1 103 Early Hints\nLink: a\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok", want: `
102

103
link: a

200
length 2

ok`},
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

// What a client gets of an instance's answer: Teal's version once, one date, and
// the framing that its own protocol has.
//
// Seen red with loops that add no date, with loops that pass an instance's own
// Teal-Version on, and with a net/http that guesses types again after an interim
// answer, or passes all trailers on.
func TestResponses(t *testing.T) {
	everywhere(t, exchange.Config{}, func(t *testing.T, s *site) {
		for _, tt := range responseCases {
			t.Run(tt.name, func(t *testing.T) {
				s.t = t
				s.instance.says(crlf(tt.answer))
				want := tt.want
				if tt.plain != "" && s.carrier.major == 1 && s.carrier.plain {
					want = tt.plain
				}
				if tt.ask == "" {
					tt.ask = "GET /"
				}
				c := s.connect()
				c.send(parseAsk(t, tt.ask))
				r := c.reply(0)
				if r.framing == "length 0" && strings.Contains(want, "chunked") && s.carrier.plain {
					r.framing = "chunked" // net/http has seen the end before it wrote the head
				}
				expect(t, r, want)
				s.instance.next(t)
				// The connection goes on.
				s.instance.says(fine)
				c.send(parseAsk(t, "GET /again"))
				expect(t, c.reply(0), "200\nlength 2\n\nok")
				s.instance.next(t)
			})
		}
	})
}

// An answer that its instance breaks off is not taken for a whole one.
func TestAnswersThatAreBrokenOff(t *testing.T) {
	everywhere(t, exchange.Config{}, func(t *testing.T, s *site) {
		for name, answer := range map[string]string{
			"with a length":       "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
			"in chunks":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
			"in a chunk":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
			"without the trailer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
			"with a bad chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n",
		} {
			t.Run(name, func(t *testing.T) {
				s.t = t
				s.instance.leads(func(c net.Conn, _ *bufio.Reader, _ request) bool {
					_, _ = io.WriteString(c, answer)
					return false
				})
				r := s.do("GET /")
				// net/http may not have sent the head of what it takes back.
				if r.whole || r.body != "" && r.body != "half" || r.status != 200 && r.status != 0 {
					t.Errorf("the client got\n%s", indent(r.String()))
				}
			})
		}
	})
}
