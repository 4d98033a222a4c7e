package carriertest

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// short are limits that a test can wait for.
var short = gateway.Limits{
	Head: 2 * time.Second, BodyStall: time.Second, FirstByte: time.Second, Continue: time.Second, InstanceStall: time.Second,
	HeaderBytes: 16 << 10, HeaderFields: 50, BodyBytes: 1000, FunctionBytes: 1000,
}

// What the public is told of each kind of error.
const (
	notAvailable = "the service is not available at the moment; try again"
	notInTime    = "the service did not answer in time"
	notAsIt      = "the service did not answer as it should"
	nothingHere  = "there is nothing at this address"
	tooLarge     = "the request's body is larger than 1000B; send less"
	tooLargeFn   = "the request, as an event for a function, is larger than 1000B; send less"
)

// says returns a talk that reads a request and writes a text, which is all.
func says(text string) talk {
	return func(c net.Conn, r *bufio.Reader, q request) bool {
		if err := q.read(r); err != nil {
			return false
		}
		_, err := io.WriteString(c, text)
		return err == nil && keepsConnection(text)
	}
}

// hangsUp ends the connection so that the peer gets a reset.
func hangsUp(c net.Conn, r *bufio.Reader, q request) bool {
	_ = q.read(r)
	_ = c.(*net.TCPConn).SetLinger(0)
	return false
}

// keepsSilent says nothing until the gateway has had enough.
func keepsSilent(_ net.Conn, r *bufio.Reader, _ request) bool {
	_, _ = io.Copy(io.Discard, r)
	return false
}

// problemCases are requests that Teal answers itself.
var problemCases = []struct {
	name  string
	ask   string
	talk  talk // of the instance
	loops bool // the library that net/http is answers it itself, with the same status
	want  string
}{
	{name: "no route", ask: "GET /x\nhost: other.example", want: "404\nno teal-version\n\nno_route: no app has a route for other.example/x"},
	{name: "no route for a body", ask: "POST /x\nhost: other.example\n\nbody", want: "404\nno teal-version\n\nno_route: no app has a route for other.example/x"},
	{name: "no route for HEAD", ask: "HEAD /x\nhost: other.example", want: "404\nno teal-version\nthe length of the problem"},
	{name: "a version that is starting", ask: "GET /\nhost: starting.example", want: "503\nteal-version: 8\nretry-after: 1\n\nunavailable: " + notAvailable},
	{name: "no healthy instance", ask: "GET /none/x", want: "503\nretry-after: 1\n\nno_healthy_instance: " + notAvailable},
	{name: "no healthy instance for a body", ask: "POST /none/x\n\nbody", want: "503\nretry-after: 1\n\nno_healthy_instance: " + notAvailable},
	{name: "an instance that takes no connections", ask: "GET /dead", want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance that takes no connections, and a body", ask: "POST /dead\n\nbody", want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance that ends", ask: "POST /", talk: says(""), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance that resets", ask: "POST /\n\nbody", talk: hangsUp, want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance that speaks something else", ask: "GET /", talk: says("220 smtp ready\r\n"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance that speaks a little HTTP", ask: "GET /", talk: says("HTTP/1.1 200 OK\r\nno field\r\n\r\n"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance that gives two lengths", ask: "GET /", talk: says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance that gives no length", ask: "GET /", talk: says("HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance that gives a length and chunks", ask: "GET /", talk: says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance with another coding", ask: "GET /", talk: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance with a control byte in a field", ask: "GET /", talk: says("HTTP/1.1 200 OK\r\nA: b\x01c\r\nContent-Length: 2\r\n\r\nok"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance with a field that begins with a fold", ask: "GET /", talk: says("HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 2\r\n\r\nok"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance with two codings", ask: "GET /", talk: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance in HTTP/1.0 with chunks", ask: "GET /", talk: says("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance with a list of lengths", ask: "GET /", talk: says("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance with fields without end", ask: "GET /", talk: says("HTTP/1.1 200 OK\r\n" + strings.Repeat("A:\r\n", 2001) + "Content-Length: 2\r\n\r\nok"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance with a head without end", ask: "GET /", talk: says("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 20<<10) + "\r\n\r\n"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance with a status of two digits", ask: "GET /", talk: says("HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance that changes the protocol", ask: "GET /", talk: says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance with interim answers without end", ask: "GET /", talk: says(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 1000)), want: "502\n\nupstream_failed: " + notAsIt},
	{name: "an instance that does not answer", ask: "GET /", talk: keepsSilent, want: "504\n\ntimeout: " + notInTime},
	{name: "an instance that does not answer to a body", ask: "POST /\n\nbody", talk: keepsSilent, want: "504\n\ntimeout: " + notInTime},
	{name: "a version by someone who may not", ask: "GET /\nteal-version: 7", want: "403\nno teal-version\n\noverride_forbidden: this client may not choose a version with Teal-Version or Teal-Alias"},
	{name: "an alias by someone who may not", ask: "GET /\nteal-alias: next", want: "403\nno teal-version\n\noverride_forbidden: this client may not choose a version with Teal-Version or Teal-Alias"},
	{name: "a body that is too large", ask: "POST /\n\n" + strings.Repeat("x", 1001), want: "413\n\ntoo_large: " + tooLarge},
	{name: "a body in chunks that is too large", ask: "POST /\ntransfer-encoding: chunked\n\n" + strings.Repeat("x", 1001), talk: keepsSilent, want: "413\n\ntoo_large: " + tooLarge},
	{name: "a body that is too large for a function", ask: "POST /fn\n\n" + strings.Repeat("x", 1001), want: "413\n\ntoo_large: " + tooLargeFn},
	{name: "a body in chunks that is too large for a function", ask: "POST /fn\ntransfer-encoding: chunked\n\n" + strings.Repeat("x", 1001), want: "413\n\ntoo_large: " + tooLargeFn},
	{name: "a body that is too large as an event", ask: "POST /fn\n\n" + strings.Repeat("x", 900), want: "413\n\ntoo_large: " + tooLargeFn},
	{name: "an odd expectation", ask: "POST /\nexpect: gold\n\nbody", loops: true, want: "417\nno teal-version\n\ninvalid_input: the only expectation met here is 100-continue"},
	{name: "many fields", ask: "GET /" + strings.Repeat("\na: b", 60), want: "431\nno teal-version\n\ntoo_large: there are too many header fields"},
	{name: "a large field", ask: "GET /\na: " + strings.Repeat("x", 20<<10), loops: true, want: "431\nno teal-version\n\ntoo_large: the head is too large"},
	{name: "a long target", ask: "GET /" + strings.Repeat("x", 20<<10), loops: true, want: "431\nno teal-version\n\ntoo_large: the head is too large"},
}

// What a client gets when something goes wrong: a problem document that says what,
// the version where one was chosen, and nothing of the inside.
//
// Seen red with loops without Retry-After, with a net/http without the version or
// without the limit of chunked bodies, and with a policy that tells everybody
// everything.
func TestProblems(t *testing.T) {
	each(t, exchange.Config{Limits: short}, func(t *testing.T, s *site) {
		s.function.answers(func(teal.Invocation) (teal.Answer, error) {
			s.t.Error("the function was invoked")
			return teal.Answer{}, nil
		})
		for _, tt := range problemCases {
			if tt.loops && s.carrier.major > 1 && s.carrier.plain {
				continue // there is no such expectation; and heads that are too large end the connection
			}
			t.Run(tt.name, func(t *testing.T) {
				s.t = t
				s.instance.leads(func(c net.Conn, r *bufio.Reader, q request) bool { return tt.talk != nil && tt.talk(c, r, q) })
				got := s.do(tt.ask)
				got.closes = false // TestConnectionsAfterErrors
				got.interim = nil
				if tt.loops && s.carrier.plain {
					if status, _, _ := strings.Cut(tt.want, "\n"); strconv.Itoa(got.status) != status {
						t.Errorf("status %d, want %s", got.status, status)
					}
					return
				}
				status, rest, _ := strings.Cut(tt.want, "\n")
				expect(t, got, status+"\ncontent-type: application/problem+json\n"+rest)
			})
		}
	})
}
