package carriertest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// A body reaches its instance as it comes, and the answer its client, both at the
// same time.
func TestBodiesBothWays(t *testing.T) {
	everywhere(t, exchange.Config{}, func(t *testing.T, s *site) {
		s.instance.leads(func(c net.Conn, r *bufio.Reader, _ request) bool {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for {
				line, err := readLine(r) // a chunk's size
				if err != nil {
					return false
				}
				piece, err := readLine(r)
				_, _ = fmt.Fprintf(c, "%s\r\n%s\r\n", line, piece)
				if err != nil || line == "0" {
					return err == nil
				}
			}
		})
		c := s.connect()
		c.send(ask{method: "POST", target: "/", host: "shop.example", chunked: true, open: true})
		if r := c.reply(1); r.status != 200 {
			t.Fatalf("status %d before the body", r.status)
		}
		for _, piece := range []string{"one", "two", "three"} {
			c.more(piece)
			if got := c.piece(len(piece)); got != piece {
				t.Fatalf("%q came back as %q", piece, got)
			}
		}
		c.finish(nil)
		s.instance.leads(says(fine))
		if s.carrier.major == 1 {
			c.piece(0)
		}
		c.send(parseAsk(t, "GET /"))
		expect(t, c.reply(0), "200\nlength 2\n\nok")
	})
}

// Trailers of a request arrive, without what only Teal and proxies may say.
func TestTrailersOfRequests(t *testing.T) {
	everywhere(t, exchange.Config{}, func(t *testing.T, s *site) {
		s.instance.says(fine)
		c := s.connect()
		a := parseAsk(t, "POST /\ntransfer-encoding: chunked\ntrailer: X-Sum\n\nhello")
		a.trailer = fields{{"x-sum", "42"}, {"teal-version", "9"}, {"x-forwarded-for", "6.6.6.6"}, {"x_sum", "1"}, {"cookie", "a=1"}}
		c.send(a)
		expect(t, c.reply(0), "200\nlength 2\n\nok")
		s.arrives(t, `
POST / HTTP/1.1
host: shop.example
teal-version: 7
trailer: X-Sum
transfer-encoding: chunked
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example
x-forwarded-proto: SCHEME
trailer x-sum: 42

hello`)
	})
}

// Large bodies arrive whole, both ways.
//
// Seen red with loops that drop what a piece has beyond 32 KiB (a test that hangs), and
// with a net/http that takes the first MiB of a request's or of a response's for all.
func TestLargeBodies(t *testing.T) {
	const size = 3 << 20
	data := strings.Repeat("0123456789abcdef", size/16)
	everywhere(t, exchange.Config{}, func(t *testing.T, s *site) {
		s.instance.leads(func(c net.Conn, r *bufio.Reader, q request) bool {
			if err := q.read(r); err != nil {
				return false
			}
			if q.fields.get("x-chunks") != "" {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(q.body), q.body)
			} else {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(q.body), q.body)
			}
			return true
		})
		c := s.connect()
		for _, ask := range []string{"POST /\n\n", "POST /\ntransfer-encoding: chunked\nx-chunks: 1\n\n"} {
			c.send(parseAsk(t, ask+data))
			if r := c.reply(0); r.status != 200 || r.body != data || !r.whole {
				t.Errorf("%q: status %d, %d bytes, whole %v", ask, r.status, len(r.body), r.whole)
			}
		}
	})
}

// A client that asks whether to send its body is told by the instance, or by Teal
// when the instance does not say. Over HTTP/2 net/http's library answers, and keeps
// the question to itself.
//
// Seen red with loops that do not pass the question on.
func TestExpectContinue(t *testing.T) {
	each(t, exchange.Config{Limits: gateway.Limits{Continue: 2 * time.Second}}, func(t *testing.T, s *site) {
		asked := ask{method: "POST", target: "/", host: "shop.example", open: true, fields: fields{{"expect", "100-continue"}, {"content-length", "5"}}}
		told := func(name string, talk talk) {
			t.Run(name, func(t *testing.T) {
				s.instance.leads(talk)
				c := s.connect()
				c.send(asked)
				if r := c.reply(1); len(r.interim) != 1 || r.interim[0].status != 100 {
					t.Fatalf("the client was told\n%s", indent(r.String()))
				}
				c.more("hello")
				c.finish(nil)
				r := c.reply(0)
				if s.carrier.plain {
					r.interim = nil // net/http may pass the instance's own word on, too
				}
				expect(t, r, "200\nlength 2\n\nok")
				if q := s.instance.next(t); q.body != "hello" {
					t.Errorf("the instance got %q", q.body)
				}
			})
		}
		answer := func(c net.Conn, r *bufio.Reader, q request) bool {
			if q.read(r) != nil {
				return false
			}
			s.instance.seen <- q
			_, err := io.WriteString(c, fine)
			return err == nil
		}
		told("by the instance", func(c net.Conn, r *bufio.Reader, q request) bool {
			if q.fields.get("expect") != "100-continue" && (s.carrier.major == 1 || !s.carrier.plain) {
				t.Errorf("the instance was not asked: %v", q.fields)
			}
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			return answer(c, r, q)
		})
		told("by Teal", answer)
		t.Run("not at all", func(t *testing.T) {
			s.instance.leads(func(c net.Conn, _ *bufio.Reader, _ request) bool {
				_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
				return false
			})
			c := s.connect()
			c.send(asked)
			r := c.reply(0)
			if r.closes = false; s.carrier.major == 2 && s.carrier.plain { // a client may send its body all the same
				r.interim = nil
			}
			expect(t, r, "403\nlength 2\n\nno")
		})
		t.Run("for a function", func(t *testing.T) {
			s.function.says(`{"statusCode": 200, "body": "ok"}`)
			c := s.connect()
			a := asked
			a.target = "/fn"
			c.send(a)
			if r := c.reply(1); len(r.interim) != 1 || r.interim[0].status != 100 {
				t.Fatalf("the client was told\n%s", indent(r.String()))
			}
			c.more("hello")
			c.finish(nil)
			expect(t, c.reply(0), "200\ncontent-type: text/plain;charset=UTF-8\nlength 2\n\nok")
		})
	})
}

// An answer that comes before the body has gets to the client, which may go on
// sending.
//
// Seen red with loops that read no response before the request has been sent, and with a
// net/http without full duplex: there was no answer.
func TestEarlyAnswers(t *testing.T) {
	everywhere(t, exchange.Config{}, func(t *testing.T, s *site) {
		s.instance.leads(func(c net.Conn, _ *bufio.Reader, _ request) bool {
			_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
			return false
		})
		for _, chunked := range []bool{false, true} {
			c := s.connect()
			a := ask{method: "POST", target: "/", host: "shop.example", open: true, chunked: chunked, body: "begin"}
			if !chunked {
				a.fields = fields{{"content-length", "1000000"}}
			}
			c.send(a)
			r := c.reply(0)
			r.closes = false // where what is left of the body is in the way
			expect(t, r, "403\nlength 2\n\nno")
		}
	})
}

// Who asks with a body that is too large, or for something that is not there, sees
// the answer, however much is still being sent.
func TestRefusedBodies(t *testing.T) {
	const large = 4 << 20 // more than buffers hold
	data := strings.Repeat("x", large)
	each(t, exchange.Config{Limits: short}, func(t *testing.T, s *site) {
		s.instance.leads(keepsSilent)
		s.function.answers(func(teal.Invocation) (teal.Answer, error) { return teal.Answer{}, fmt.Errorf("invoked") })
		for name, want := range map[string]string{
			"POST /\n\n":                                 "413",
			"POST /\ntransfer-encoding: chunked\n\n":     "413",
			"POST /fn\n\n":                               "413",
			"POST /fn\ntransfer-encoding: chunked\n\n":   "413",
			"POST /\nhost: other.example\n\n":            "404",
			"POST /none\ntransfer-encoding: chunked\n\n": "503",
		} {
			t.Run(name, func(t *testing.T) {
				s.t = t
				if r := s.do(name + data); fmt.Sprint(r.status) != want {
					t.Errorf("status %d, want %s", r.status, want)
				}
			})
		}
	})
}

// A body that does not come is the client's fault.
//
// Seen red with loops that take it for the instance's (504), or that only close the
// connection of a function's client, and with a net/http that does not tell a stall from
// another failure (400).
func TestBodiesThatStall(t *testing.T) {
	each(t, exchange.Config{Limits: short}, func(t *testing.T, s *site) {
		s.instance.leads(keepsSilent)
		for _, target := range []string{"/", "/fn"} {
			c := s.connect()
			c.send(ask{method: "POST", target: target, host: "shop.example", open: true, body: "begin", fields: fields{{"content-length", "100"}}})
			r := c.reply(0)
			if s.carrier.major == 1 && !r.closes {
				t.Errorf("%s: the connection stays open in the middle of a body", target)
			}
			r.closes = false
			expect(t, r, "408\ncontent-type: application/problem+json\n\ntimeout: the client stopped sending the request's body; send it faster")
		}
	})
}

// What a client does not end is not taken for whole, and costs the version nothing.
//
// Seen red, on a busy machine, with every read of net/http's that ran out of time taken
// for a client that stalls: the deadline is also how a read ends whose client has gone.
func TestBodiesThatAreCutOff(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		arrived := make(chan error, 8)
		s.instance.leads(func(_ net.Conn, r *bufio.Reader, q request) bool {
			arrived <- nil
			arrived <- q.read(r)
			return false
		})
		n := 0
		for _, chunked := range []bool{false, true} {
			c := s.connect()
			a := ask{method: "POST", target: "/", host: "shop.example", open: true, chunked: chunked, body: "begin"}
			if !chunked {
				a.fields = fields{{"content-length", "100"}}
			}
			c.send(a)
			<-arrived
			c.cancel()
			if err := <-arrived; err == nil {
				t.Errorf("chunked %v: the instance took the body for whole", chunked)
			}
			n++
			if sample := s.meters["web"].last(t, n); sample.Fault != gateway.FaultNone || sample.Status != 0 {
				t.Errorf("chunked %v: status %d, fault %d", chunked, sample.Status, sample.Fault)
			}
		}
	})
}
