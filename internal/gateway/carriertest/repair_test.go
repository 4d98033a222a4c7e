package carriertest

import (
	"fmt"
	"strings"
	"testing"

	"teal/internal/gateway/exchange"
)

// repairCases are answers that break the rules and can be read in only one way all
// the same: whoever asks gets what the instance meant, as from nginx and HAProxy.
var repairCases = []struct{ name, answer, want string }{
	{"space behind the size of a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0 \t\r\n\r\n", "200\nchunked\n\nok"},
	{"space before an extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 ;a=b\r\nok\r\n0\r\n\r\n", "200\nchunked\n\nok"},
	{"leading zeros", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("0", 30) + "2\r\nok\r\n00000\r\n\r\n", "200\nchunked\n\nok"},
	{"lines that end in LF", "HTTP/1.1 200 OK\nX-Own: 1\nContent-Length: 2\n\nok", "200\nlength 2\nx-own: 1\n\nok"},
	{"chunks that end in LF", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\nX-Sum: 42\n\n", "200\nchunked\ntrailer x-sum: 42\n\nok"},
	{"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nok", "200\nlength 2\n\nok"},
	{"space before the colon", "HTTP/1.1 200 OK\r\nX-Own : 1\r\nContent-Length\t: 2\r\n\r\nok", "200\nlength 2\nx-own: 1\n\nok"},
	{"space before the colon of a coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "200\nchunked\n\nok"},
	{"a folded field", "HTTP/1.1 200 OK\r\nX-Own: a\r\n\tb\r\nContent-Length: 2\r\n\r\nok", "200\nlength 2\nx-own: a  \tb\n\nok"},
	{"many fields", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Own: 1\r\n", 250) + "Content-Length: 2\r\n\r\nok", "200\nlength 2" + strings.Repeat("\nx-own: 1", 250) + "\n\nok"},
	{"spaces before the status", "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok", "200\nlength 2\n\nok"},
	{"a later HTTP/1", "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok", "200\nlength 2\n\nok"},
}

// The same rules for all carriers, for what an instance sends.
//
// Seen red with heads and with bodies that are read strictly, and with net/http's own
// reading of answers in place of instanceConn's: other framing, nothing of a field,
// or what has to be refused.
func TestRepairs(t *testing.T) {
	everywhere(t, exchange.Config{}, func(t *testing.T, s *site) {
		for _, tt := range repairCases {
			t.Run(tt.name, func(t *testing.T) {
				s.t = t
				s.instance.says(tt.answer)
				c := s.connect()
				for range 2 { // the connection to the instance is good for another one
					c.send(parseAsk(t, "GET /"))
					expect(t, c.reply(0), tt.want)
				}
			})
		}
	})
}

// unclear are requests that two servers could read in two ways. Nothing of what an
// instance is forgiven is forgiven a client.
var unclear = map[string]string{
	"space behind the size of a chunk": "POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n",
	"leading zeros":                    "POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("0", 30) + "2\r\nok\r\n0\r\n\r\n",
	"lines that end in LF":             "GET / HTTP/1.1\nHost: shop.example\n\n",
	"chunks that end in LF":            "POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n",
	"the same length twice":            "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
	"space before the colon":           "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length : 2\r\n\r\nok",
	"a folded field":                   "GET / HTTP/1.1\r\nHost: shop.example\r\nA: b\r\n c\r\n\r\n",
	"two lengths":                      "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
	"a length and chunks":              "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}

// Seen red with requests that are read as responses are.
func TestRequestsAreNotRepaired(t *testing.T) {
	everywhere(t, exchange.Config{Limits: short}, func(t *testing.T, s *site) {
		if s.carrier.major > 1 {
			t.Skip("HTTP/2 has frames")
		}
		if s.carrier.plain {
			t.Skip("net/http's library reads requests; the loops do where it matters")
		}
		s.instance.says(fine)
		for name, text := range unclear {
			t.Run(name, func(t *testing.T) {
				s.t = t
				c := s.connect().(*http1)
				c.write(text)
				if r := c.reply(0); fmt.Sprint(r.status) != "400" || !c.isOver() {
					t.Errorf("the client got\n%s", indent(r.String()))
				}
				s.instance.untouched(t)
			})
		}
	})
}
