package carriertest

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// A connection goes on after an error of Teal's or of an instance's, unless a part
// of a body is in the way.
//
// Seen red without skipping the rest of a small body, in either carrier.
func TestConnectionsAfterErrors(t *testing.T) {
	cases := map[string]struct {
		ask    string
		status int
		talk   talk
		ends   bool // the connection
	}{
		"no route":                       {ask: "GET /\nhost: other.example", status: 404},
		"no route for a small body":      {ask: "POST /\nhost: other.example\n\nbody", status: 404},
		"no route for chunks":            {ask: "POST /\nhost: other.example\ntransfer-encoding: chunked\n\nbody", status: 404},
		"no instance":                    {ask: "POST /none\n\nbody", status: 503},
		"no connection":                  {ask: "POST /dead\n\nbody", status: 502},
		"no answer":                      {ask: "POST /\n\nbody", status: 502, talk: hangsUp},
		"no HTTP":                        {ask: "GET /", status: 502, talk: says("hello")},
		"no time":                        {ask: "GET /", status: 504, talk: keepsSilent},
		"a failed function":              {ask: "POST /fn\n\nbody", status: 502},
		"a body that is much too large":  {ask: "POST /\n\n" + strings.Repeat("x", 2<<20), status: 413, ends: true},
		"a body of a function that is":   {ask: "POST /fn\n\n" + strings.Repeat("x", 2<<20), status: 413, ends: true},
		"a body that is a bit too large": {ask: "POST /\n\n" + strings.Repeat("x", 1100), status: 413},
		"an override":                    {ask: "GET /\nteal-version: 7", status: 403},
	}
	each(t, exchange.Config{Limits: short}, func(t *testing.T, s *site) {
		s.function.answers(func(teal.Invocation) (teal.Answer, error) {
			return teal.Answer{FunctionError: "Unhandled", Payload: []byte(`{}`)}, nil
		})
		for name, tt := range cases {
			t.Run(name, func(t *testing.T) {
				s.t = t
				s.instance.leads(func(c net.Conn, r *bufio.Reader, q request) bool { return tt.talk != nil && tt.talk(c, r, q) })
				c := s.connect()
				c.send(parseAsk(t, tt.ask))
				r := c.reply(0)
				if ends := tt.ends && s.carrier.major == 1; r.status != tt.status || r.closes != ends {
					t.Errorf("status %d, closes %v; want %d, %v", r.status, r.closes, tt.status, ends)
				}
				if r.closes {
					if !c.isOver() {
						t.Error("the connection stays open")
					}
					return
				}
				s.instance.says(fine)
				c.send(parseAsk(t, "GET /again"))
				expect(t, c.reply(0), "200\nlength 2\n\nok")
				s.instance.next(t)
			})
		}
	})
}

// A client that wants its connection closed gets that, and so does one that speaks
// HTTP/1.0, which knows no chunks either.
func TestClosingConnections(t *testing.T) {
	everywhere(t, exchange.Config{}, func(t *testing.T, s *site) {
		if s.carrier.major > 1 {
			t.Skip("HTTP/2 has its own way")
		}
		s.instance.says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
		c := s.connect()
		c.send(parseAsk(t, "GET /\nconnection: close"))
		if r := c.reply(0); r.status != 200 || r.body != "ok" || !r.closes || !c.isOver() {
			t.Errorf("the client got\n%s", indent(r.String()))
		}
		c = s.connect()
		c.(*http1).write("GET / HTTP/1.0\r\nHost: shop.example\r\n\r\n")
		if r := c.reply(0); r.status != 200 || r.body != "ok" || r.framing != "close" {
			t.Errorf("HTTP/1.0: the client got\n%s", indent(r.String()))
		}
	})
}

// Requests that come together are answered in their order.
//
// Seen red with loops that forget what has come behind a request, and with a net/http
// that spends the connection with each body.
func TestPipelining(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		if s.carrier.major > 1 {
			t.Skip("HTTP/2 has streams")
		}
		s.instance.says(fine)
		s.function.says(`{"statusCode": 200}`)
		c := s.connect().(*http1)
		one := "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\n\r\nbody"
		two := "POST /fn HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
		three := "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"
		c.write(one + two + three + one)
		for i, want := range []string{"200\nlength 2\n\nok", "200\nlength 0", "404\nno teal-version\ncontent-type: application/problem+json\n\nno_route: no app has a route for other.example/", "200\nlength 2\n\nok"} {
			t.Log(i)
			expect(t, c.reply(0), want)
		}
	})
}

// A client and an instance that agree on another protocol speak it through the
// gateway.
//
// Seen red with loops that pass on that a client would speak HTTP/2.
func TestUpgrade(t *testing.T) {
	everywhere(t, exchange.Config{}, func(t *testing.T, s *site) {
		if s.carrier.major > 1 {
			t.Skip("in HTTP/2 it is another request")
		}
		upgrade := parseAsk(t, "GET /socket\nconnection: Upgrade\nupgrade: websocket\nsec-websocket-key: x")
		s.instance.leads(func(c net.Conn, r *bufio.Reader, q request) bool {
			s.instance.seen <- q
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: y\r\n\r\nhello")
			text := make([]byte, 4)
			_, _ = io.ReadFull(r, text)
			_, _ = io.WriteString(c, "you said "+string(text))
			return false
		})
		c := s.connect().(*http1)
		c.send(upgrade)
		r := c.reply(1)
		if r.fields.get("date") == "" {
			r.fields = append(r.fields, field{"date", "now"}) // either is fine in 101
		}
		expect(t, r, "101\nconnection: upgrade\nsec-websocket-accept: y\nupgrade: websocket")
		c.write("four")
		if rest, _ := io.ReadAll(c.r); string(rest) != "helloyou said four" {
			t.Errorf("through the tunnel came %q", rest)
		}
		c.cancel() // which is the other half
		s.arrives(t, `
GET /socket HTTP/1.1
connection: Upgrade
host: shop.example
sec-websocket-key: x
teal-version: 7
upgrade: websocket
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME`)

		s.instance.says("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")
		c = s.connect().(*http1)
		c.send(upgrade)
		expect(t, c.reply(0), "400\nlength 2\n\nno")
		s.instance.next(t)

		s.instance.says(fine)
		c = s.connect().(*http1)
		c.send(parseAsk(t, "GET /\nconnection: Upgrade, HTTP2-Settings\nupgrade: h2c\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA"))
		expect(t, c.reply(0), "200\nlength 2\n\nok")
		s.arrives(t, `
GET / HTTP/1.1
host: shop.example
teal-version: 7
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME`)
	})
}

// A client that goes away before it is answered takes its request along.
//
// Seen red with a measure that counts the status meant for it.
func TestClientsThatGoAway(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		arrived, gone := make(chan error, 1), make(chan error, 1)
		s.instance.leads(func(_ net.Conn, r *bufio.Reader, _ request) bool {
			arrived <- nil
			_, err := r.ReadByte()
			gone <- err
			return false
		})
		c := s.connect()
		c.send(parseAsk(t, "GET /"))
		<-arrived
		c.cancel()
		<-gone
		if sample := s.meters["web"].last(t, 1); sample.Status != 0 || sample.Fault != gateway.FaultNone {
			t.Errorf("measured: status %d, fault %d", sample.Status, sample.Fault)
		}
		if r := s.records.next(t); r.Status != 0 || r.Fault != gateway.FaultNone {
			t.Errorf("recorded: status %d, fault %d", r.Status, r.Fault)
		}
	})
}

// A client that goes away in the middle of an answer leaves nothing behind.
func TestClientsThatGoAwayInAnAnswer(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		gone := make(chan error, 1)
		s.instance.leads(func(c net.Conn, _ *bufio.Reader, _ request) bool {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for err == nil {
				_, err = io.WriteString(c, "1000\r\n"+strings.Repeat("x", 0x1000)+"\r\n")
			}
			gone <- err
			return false
		})
		c := s.connect()
		c.send(parseAsk(t, "GET /"))
		if r := c.reply(1); r.status != 200 {
			t.Fatalf("status %d", r.status)
		}
		c.cancel()
		<-gone
		if sample := s.meters["web"].last(t, 1); sample.Status != 200 || sample.Fault != gateway.FaultNone {
			t.Errorf("measured: status %d, fault %d", sample.Status, sample.Fault)
		}
		if r := s.records.next(t); r.Status != 200 || !r.Aborted || r.Fault != gateway.FaultNone {
			t.Errorf("recorded: status %d, aborted %v, fault %d", r.Status, r.Aborted, r.Fault)
		}
	})
}
