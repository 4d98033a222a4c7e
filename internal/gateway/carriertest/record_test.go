package carriertest

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// recordText returns a record as the cases have it. PROTOCOL, SCHEME and INSTANCE
// stand for the client's and for the instance's address.
func (s *site) recordText(r gateway.Record) string {
	protocol := map[int]string{1: "HTTP/1.1", 2: "HTTP/2.0"}[s.carrier.major]
	if r.Scheme != s.carrier.scheme() || r.Protocol != protocol || r.Start.IsZero() || r.Duration <= 0 || r.Answered > r.Duration {
		s.t.Errorf("record: %+v", r)
	}
	text := fmt.Sprintf("%s %s %s from %s: %d %s fault %d, in %d out %d; %s/%s %s v%d route %q instance %q",
		r.Method, r.Host, r.Target, r.Client, r.Status, r.Code, r.Fault, r.In, r.Out, r.App, r.Component, r.Alias, r.Version, r.Route, r.Instance)
	if r.Aborted {
		text += " aborted"
	}
	if r.RequestID != "" {
		text += " with an id"
	}
	if r.Referer+r.UserAgent != "" {
		text += " " + r.Referer + " " + r.UserAgent
	}
	return strings.ReplaceAll(text, s.instance.addr, "INSTANCE")
}

const broken = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"

// recordCases are requests and what is recorded of them. measured is the fault
// that a version is told to have, "-" for a request that is nobody's.
var recordCases = []struct {
	name, ask string
	talk      talk
	want      string
	measured  string
}{
	{name: "an answer", ask: "POST /a?b=c\nreferer: r\nuser-agent: test\n\nbody", talk: says("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer"),
		want: `POST shop.example /a?b=c from 127.0.0.1: 200  fault 0, in 4 out 6; shop/web live v7 route "" instance "INSTANCE" r test`, measured: "web 200 0"},
	{name: "chunks", ask: "POST /\ntransfer-encoding: chunked\n\nbody", talk: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
		want: `POST shop.example / from 127.0.0.1: 200  fault 0, in 4 out 6; shop/web live v7 route "" instance "INSTANCE"`, measured: "web 200 0"},
	{name: "HEAD", ask: "HEAD /", talk: says("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"),
		want: `HEAD shop.example / from 127.0.0.1: 200  fault 0, in 0 out 0; shop/web live v7 route "" instance "INSTANCE"`, measured: "web 200 0"},
	{name: "204", ask: "GET /", talk: says("HTTP/1.1 204 No Content\r\n\r\n"),
		want: `GET shop.example / from 127.0.0.1: 204  fault 0, in 0 out 0; shop/web live v7 route "" instance "INSTANCE"`, measured: "web 204 0"},
	{name: "a failure of the instance's", ask: "GET /", talk: says("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"),
		want: `GET shop.example / from 127.0.0.1: 500  fault 0, in 0 out 2; shop/web live v7 route "" instance "INSTANCE"`, measured: "web 500 1"},
	{name: "an unknown status", ask: "GET /", talk: says("HTTP/1.1 799 No\r\nContent-Length: 2\r\n\r\nno"),
		want: `GET shop.example / from 127.0.0.1: 799  fault 0, in 0 out 2; shop/web live v7 route "" instance "INSTANCE"`, measured: "web 799 1"},
	{name: "a broken answer", ask: "GET /", talk: says(broken),
		want: `GET shop.example / from 127.0.0.1: 200  fault 4, in 0 out 4; shop/web live v7 route "" instance "INSTANCE" aborted with an id`, measured: "web 200 4"},
	{name: "no answer", ask: "POST /\n\nbody", talk: hangsUp,
		want: `POST shop.example / from 127.0.0.1: 502 upstream_failed fault 4, in 4 out PROBLEM; shop/web live v7 route "" instance "" with an id`, measured: "web 502 4"},
	{name: "no time", ask: "GET /", talk: keepsSilent,
		want: `GET shop.example / from 127.0.0.1: 504 timeout fault 3, in 0 out PROBLEM; shop/web live v7 route "" instance "" with an id`, measured: "web 504 3"},
	{name: "no connection", ask: "GET /dead/x",
		want: `GET shop.example /dead/x from 127.0.0.1: 502 upstream_failed fault 4, in 0 out PROBLEM; shop/dead live v7 route "/dead" instance "" with an id`, measured: "dead 502 4"},
	{name: "no instance", ask: "GET /none",
		want: `GET shop.example /none from 127.0.0.1: 503 no_healthy_instance fault 4, in 0 out PROBLEM; shop/none live v7 route "/none" instance "" with an id`, measured: "none 503 4"},
	{name: "a body that is too large", ask: "POST /\n\n" + strings.Repeat("x", 1001),
		want: `POST shop.example / from 127.0.0.1: 413 too_large fault 0, in IN out PROBLEM; shop/web live v7 route "" instance "" with an id`, measured: "web 413 0"},
	{name: "a function", ask: "POST /fn/x?y\n\nbody",
		want: `POST shop.example /fn/x?y from 127.0.0.1: 200  fault 0, in 4 out 2; shop/fn live v7 route "/fn" instance "" with an id`, measured: "fn 200 0"},
	{name: "a function and HEAD", ask: "HEAD /fn",
		want: `HEAD shop.example /fn from 127.0.0.1: 200  fault 0, in 0 out 0; shop/fn live v7 route "/fn" instance "" with an id`, measured: "fn 200 0"},
	{name: "no route", ask: "GET /x\nhost: other.example",
		want: `GET other.example /x from 127.0.0.1: 404 no_route fault 0, in 0 out PROBLEM; /  v0 route "" instance "" with an id`, measured: "-"},
	{name: "an override", ask: "GET /\nteal-version: 7",
		want: `GET shop.example / from 127.0.0.1: 403 override_forbidden fault 0, in 0 out PROBLEM; /  v0 route "" instance "" with an id`, measured: "-"},
	{name: "many fields", ask: "GET /x" + strings.Repeat("\na: b", 60), want: "431", measured: "-"},
}

// What is recorded and measured of a request.
//
// Seen red with a net/http that names an instance that has not answered, or counts
// what HEAD is not sent, and with loops that end a broken answer as if it were whole.
func TestRecords(t *testing.T) {
	each(t, exchange.Config{Limits: short}, func(t *testing.T, s *site) {
		measured := map[string]int{}
		s.function.answers(func(teal.Invocation) (teal.Answer, error) {
			return teal.Answer{Payload: []byte(`{"statusCode": 200, "body": "ok"}`)}, nil
		})
		for _, tt := range recordCases {
			t.Run(tt.name, func(t *testing.T) {
				s.t = t
				s.instance.leads(func(c net.Conn, r *bufio.Reader, q request) bool { return tt.talk != nil && tt.talk(c, r, q) })
				got := s.do(tt.ask)
				r := s.records.next(t)
				want := strings.ReplaceAll(tt.want, "PROBLEM", fmt.Sprint(len(got.body)))
				want = strings.ReplaceAll(want, "IN out", fmt.Sprint(r.In)+" out")
				if text := s.recordText(r); text != want && !(len(want) == 3 && strings.Contains(text, ": "+want+" ")) {
					t.Errorf("recorded\n\t%s\nwant\n\t%s", text, want)
				}
				name, rest, _ := strings.Cut(tt.measured, " ")
				if name == "-" {
					return
				}
				measured[name]++
				sample := s.meters[name].last(t, measured[name])
				if text := fmt.Sprint(sample.Status, " ", sample.Fault); text != rest || sample.Latency <= 0 {
					t.Errorf("measured %s after %s, want %s", text, sample.Latency, rest)
				}
			})
		}
	})
}

// A client that a trusted proxy names is the one that is recorded.
//
// Seen red with a chain in which empty elements count, or ports are not read.
func TestRecordsBehindAProxy(t *testing.T) {
	each(t, exchange.Config{Trusted: loopbackOnly}, func(t *testing.T, s *site) {
		s.instance.says(fine)
		s.function.says(`{"statusCode": 200}`)
		// The chain ends at the peer, which is 127.0.0.1.
		for chain, want := range map[string]string{
			"1.1.1.1":                 "1.1.1.1",
			"6.6.6.6, 1.1.1.1":        "1.1.1.1",
			"1.1.1.1, 127.0.0.2":      "1.1.1.1",
			"1.1.1.1,127.0.0.2 ,":     "1.1.1.1",
			"1.1.1.1, , 127.0.0.2":    "1.1.1.1",
			"1.1.1.1:5678":            "1.1.1.1",
			"[2001:db8::1]:443":       "2001:db8::1",
			"2001:db8::1":             "2001:db8::1",
			"[2001:db8::1]":           "2001:db8::1",
			"::ffff:1.1.1.1":          "1.1.1.1",
			"1.1.1.1, 127.0.0.2:80":   "1.1.1.1",
			"127.0.0.3, 127.0.0.2":    "127.0.0.3",
			"":                        "127.0.0.1",
			" , ,":                    "127.0.0.1",
			"1.1.1.1, unknown":        "127.0.0.1",
			"1.1.1.1, _hidden, ":      "127.0.0.1",
			"not an address":          "127.0.0.1",
			"1.1.1.1%eth0":            "127.0.0.1",
			"1.1.1.1:99999":           "127.0.0.1",
			"fe80::1%eth0, 127.0.0.2": "fe80::1",
			"2.2.2.2, 127.0.0.2:http": "127.0.0.1",
		} {
			for _, target := range []string{"/", "/fn"} {
				t.Run(target+" "+chain, func(t *testing.T) {
					r := s.do("GET " + target + "\nx-forwarded-for: " + chain)
					if r.status != 200 {
						t.Fatalf("status %d", r.status)
					}
					if r := s.records.next(t); r.Client != want {
						t.Errorf("the client is recorded as %q, want %q", r.Client, want)
					}
					if target == "/fn" && !strings.Contains(string(s.function.got().Event), `"sourceIp":"`+want+`"`) {
						t.Errorf("the event names another one than %s", want)
					}
				})
			}
		}
	})
}
