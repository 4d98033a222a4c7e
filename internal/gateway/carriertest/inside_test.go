package carriertest

import (
	"slices"
	"strings"
	"testing"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

const forbidden = "403\nno teal-version\ncontent-type: application/problem+json\n\ncaller_forbidden: "

// Who has opened a connection is looked up once, with its first request, and what he
// may not do is refused with each.
//
// Seen red with loops that ask with every request, and with loops that do not ask at all.
func TestAdmission(t *testing.T) {
	over(t, inside, exchange.Config{}, func(t *testing.T, s *site) {
		s.instance.says(fine)
		idle := s.connect()
		c := s.connect()
		for range 3 {
			c.send(parseAsk(t, "GET /"))
			expect(t, c.reply(0), "200\nlength 2\n\nok")
			s.instance.next(t)
		}
		if n := s.callers.Load(); n != 1 {
			t.Errorf("%d lookups for one connection that has asked", n)
		}
		idle.cancel()

		s.refuses.Store(int64(gateway.AdmitAll - gateway.AdmitNoPages))
		c = s.connect()
		c.send(parseAsk(t, "GET /\norigin: https://evil.example"))
		expect(t, c.reply(0), forbidden+"requests of web pages from elsewhere are refused here; call this address as 127.0.0.1 or by a host of the app's routes, and without the Origin of another page")
		c.send(parseAsk(t, "POST /\norigin: https://shop.example\n\nbody"))
		expect(t, c.reply(0), "200\nlength 2\n\nok")
		s.instance.next(t)

		s.refuses.Store(int64(gateway.AdmitAll - gateway.AdmitNone))
		c = s.connect()
		for range 2 {
			c.send(parseAsk(t, "POST /\n\nbody"))
			expect(t, c.reply(0), forbidden+"this address is for the processes of one running version and for its checks; call the gateway, which takes the version in the header Teal-Version")
		}
		s.instance.untouched(t)
	})
}

// A lookup that takes its time keeps nobody else waiting, and a client that does not
// wait for it leaves nothing behind.
//
// Seen red with loops that look up on the loop.
func TestSlowAdmission(t *testing.T) {
	over(t, inside, exchange.Config{}, func(t *testing.T, s *site) {
		s.instance.says(fine)
		known := s.connect()
		known.send(parseAsk(t, "GET /"))
		expect(t, known.reply(0), "200\nlength 2\n\nok")

		s.lookup = make(chan struct{})
		slow, gone := s.connect(), s.connect()
		slow.send(parseAsk(t, "POST /slow\n\nbody"))
		gone.send(parseAsk(t, "POST /gone\n\nbody"))
		known.send(parseAsk(t, "GET /"))
		expect(t, known.reply(0), "200\nlength 2\n\nok")
		gone.cancel()
		<-s.lookup
		<-s.lookup
		expect(t, slow.reply(0), "200\nlength 2\n\nok")
	})
}

// Whoever is admitted is believed, and is no user.
//
// Seen red with an entrypoint that trusts nobody.
func TestWhoIsAdmittedIsBelieved(t *testing.T) {
	over(t, inside, exchange.Config{}, func(t *testing.T, s *site) {
		s.instance.says(fine)
		expect(t, s.do("GET /a?b\nhost: elsewhere.example\nx-forwarded-for: 1.1.1.1\nx-forwarded-proto: gopher\nteal-version: 9\nteal-alias: live"), "200\nlength 2\n\nok")
		s.arrives(t, `
GET /a?b HTTP/1.1
host: elsewhere.example
teal-version: 7
x-forwarded-for: 1.1.1.1, 127.0.0.1
x-forwarded-host: elsewhere.example
x-forwarded-proto: gopher`)
		if begun, recorded, done := s.meters["web"].counts(); begun+recorded+done != 0 {
			t.Errorf("%d begun, %d recorded, %d done", begun, recorded, done)
		}
		if s.carrier.at == component {
			return
		}
		if r := s.records.next(t); r.Client != "1.1.1.1" || r.Version != 7 || r.Alias != "" || r.App != "shop" || r.Component != "web" || r.Status != 200 {
			t.Errorf("recorded: %+v", r)
		}
		expect(t, s.do("GET /none"), "503\ncontent-type: application/problem+json\nretry-after: 1\n\nno_healthy_instance: no instance of \"none\" is healthy")
		s.function.says(`{"statusCode": 204}`)
		expect(t, s.do("POST /fn\ncontent-type: text/plain\n\nbody"), "204")
		if in := s.function.got(); in.Alias != "" || in.Inside || !strings.Contains(string(in.Event), `"body":"body"`) {
			t.Errorf("invocation %+v", in)
		}
	})
}

// A kept connection on which something is asked for that the loops do not speak goes on
// elsewhere, and is counted once.
//
// Seen red with a net/http that claims again what has been claimed, at a listener of an
// environment.
func TestHandedOver(t *testing.T) {
	over(t, slices.Concat(carriers, inside[:3]), exchange.Config{}, func(t *testing.T, s *site) {
		s.instance.says(fine)
		c := s.connect()
		for range 2 {
			c.send(parseAsk(t, "GET /"))
			expect(t, c.reply(0), "200\nlength 2\n\nok")
			c.send(parseAsk(t, "GET /two"))
			expect(t, c.reply(0), "200\ncontent-type: text/plain; charset=utf-8\nlength 8\n\nHTTP/2.0")
			s.atRest() // although the connection goes on
		}
	})
}

// While an environment drains, its components still call each other, and are waited
// for; nobody sees it by its preview any more. A call that comes later yet leaves no
// connection to an instance behind.
//
// Seen red with a pool of an environment that has drained and keeps connections.
func TestDrainingFromInside(t *testing.T) {
	over(t, inside, exchange.Config{}, func(t *testing.T, s *site) {
		s.instance.says(fine)
		c := s.connect()
		c.send(parseAsk(t, "GET /"))
		expect(t, c.reply(0), "200\nlength 2\n\nok")
		<-s.env.Retire()
		c.send(parseAsk(t, "GET /"))
		if s.carrier.at == preview {
			expect(t, c.reply(0), "404\ncontent-type: application/problem+json\n\nversion_not_running: version 7 of app \"shop\" is being stopped")
		} else {
			expect(t, c.reply(0), "200\nlength 2\n\nok")
		}
		eventually(t, func() error {
			if n := s.instance.open.Load(); n != 0 {
				return errOpen(n)
			}
			return nil
		})
	})
}
