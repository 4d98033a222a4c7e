package carriertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// event returns a function's event as the cases have it: what is different for
// each request is a word, and PROTOCOL and SCHEME are the client's.
func (s *site) event(t *testing.T) string {
	t.Helper()
	in := s.function.got()
	var e struct {
		Version, RouteKey, RawPath, RawQueryString, Body, Path, HTTPMethod string
		Cookies                                                            []string
		Headers, QueryStringParameters                                     map[string]string
		MultiValueHeaders, MultiValueQueryStringParameters                 map[string][]string
		RequestContext                                                     struct {
			RequestID string
			HTTP      struct{ Method, Path, Protocol, SourceIP, UserAgent string }
			Identity  struct{ SourceIP, UserAgent string }
		}
		IsBase64Encoded bool
	}
	if err := json.Unmarshal(in.Event, &e); err != nil {
		t.Fatalf("%v: %s", err, in.Event)
	}
	if e.RequestContext.RequestID != in.RequestID || in.RequestID == "" || in.Alias != "live" || in.Inside || in.Stream != nil {
		t.Errorf("invocation %+v", in)
	}
	var lines []string
	add := func(name, value string) {
		if value != "" {
			lines = append(lines, name+": "+value)
		}
	}
	add("path", e.RawPath+e.Path)
	add("query", e.RawQueryString)
	add("method", e.RequestContext.HTTP.Method+e.HTTPMethod)
	add("protocol", e.RequestContext.HTTP.Protocol)
	add("from", e.RequestContext.HTTP.SourceIP+e.RequestContext.Identity.SourceIP)
	add("agent", e.RequestContext.HTTP.UserAgent+e.RequestContext.Identity.UserAgent)
	add("cookies", strings.Join(e.Cookies, " | "))
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		value := e.Headers[name]
		switch lower := strings.ToLower(name); {
		case lower == "x-amzn-trace-id" && value == in.TraceID && strings.HasPrefix(value, "Root=1-") && len(value) == len("Root=1-00000000-000000000000000000000000"):
			value = "new"
		case lower == "x-forwarded-port" && strings.HasSuffix(s.addr, ":"+value):
			value = "own"
		}
		add("header "+strings.ToLower(name), value)
	}
	for _, name := range slices.Sorted(maps.Keys(e.QueryStringParameters)) {
		add("parameter "+name, e.QueryStringParameters[name])
	}
	for _, name := range slices.Sorted(maps.Keys(e.MultiValueQueryStringParameters)) {
		add("parameters "+name, strings.Join(e.MultiValueQueryStringParameters[name], " | "))
	}
	if e.IsBase64Encoded {
		add("base64", "true")
	}
	add("body", e.Body)
	text := strings.Join(lines, "\n")
	text = strings.ReplaceAll(text, "proto: "+s.carrier.scheme(), "proto: SCHEME")
	return strings.ReplaceAll(text, "protocol: HTTP/"+map[int]string{1: "1.1", 2: "2.0"}[s.carrier.major], "protocol: PROTOCOL")
}

// everyEvent is in every event of a request to shop.example that has no body.
const everyEvent = `header host: shop.example
header teal-version: 7
header x-amzn-trace-id: new
header x-forwarded-for: 127.0.0.1
header x-forwarded-host: shop.example
header x-forwarded-port: own
header x-forwarded-proto: SCHEME`

var eventCases = []struct {
	name    string
	ask     string
	http1   bool
	trusted bool
	want    string
}{
	{name: "a plain request", ask: "GET /fn/a%20b//c?d=e&d=f&g", want: `
path: /fn/a%20b//c
query: d=e&d=f&g
method: GET
protocol: PROTOCOL
from: 127.0.0.1
header content-length: 0
` + everyEvent + `
parameter d: e,f`},
	{name: "a body", ask: "POST /fn\ncontent-type: application/json; charset=utf-8\nuser-agent: test/1\n\n{\"ä\":1}", want: `
path: /fn
method: POST
protocol: PROTOCOL
from: 127.0.0.1
agent: test/1
header content-length: 8
header content-type: application/json; charset=utf-8
header host: shop.example
header teal-version: 7
header user-agent: test/1
header x-amzn-trace-id: new
header x-forwarded-for: 127.0.0.1
header x-forwarded-host: shop.example
header x-forwarded-port: own
header x-forwarded-proto: SCHEME
body: {"ä":1}`},
	{name: "a body in chunks that is no text", ask: "POST /fn\ntransfer-encoding: chunked\ncontent-type: image/png\n\n\x89PNG\x00", want: `
path: /fn
method: POST
protocol: PROTOCOL
from: 127.0.0.1
header content-length: 5
header content-type: image/png
` + everyEvent + `
base64: true
body: iVBORwA=`},
	{name: "cookies and several fields of a name", ask: "GET /fn\ncookie: a=1; b=2\ncookie: c=3\nx-own: 1\nx-own: 2", want: `
path: /fn
method: GET
protocol: PROTOCOL
from: 127.0.0.1
cookies: a=1 | b=2 | c=3
header content-length: 0
` + everyEvent + `
header x-own: 1,2`},
	{name: "what only Teal and proxies may say", http1: true, ask: `GET /fn
connection: x-drop, x-forwarded-for
x-drop: 1
te: trailers
x-forwarded-for: 6.6.6.6
x-forwarded-port: 99
x-real-ip: 6.6.6.6
teal-secret: forged
x_own: 1`, want: `
path: /fn
method: GET
protocol: PROTOCOL
from: 127.0.0.1
header content-length: 0
` + everyEvent},
	{name: "what a trusted proxy says", trusted: true, ask: "GET /fn\nx-forwarded-for: 1.1.1.1\nx-forwarded-port: 99\nx-forwarded-proto: gopher\nx-forwarded-host: front.example", want: `
path: /fn
method: GET
protocol: PROTOCOL
from: 1.1.1.1
header content-length: 0
header host: shop.example
header teal-version: 7
header x-amzn-trace-id: new
header x-forwarded-for: 1.1.1.1, 127.0.0.1
header x-forwarded-host: front.example
header x-forwarded-port: 99
header x-forwarded-proto: gopher`},
	{name: "what a trusted proxy says cannot be hidden", http1: true, trusted: true, ask: "GET /fn\nconnection: x-forwarded-for, x-forwarded-proto\nx-forwarded-for: 1.1.1.1\nx-forwarded-proto: gopher", want: `
path: /fn
method: GET
protocol: PROTOCOL
from: 1.1.1.1
header content-length: 0
header host: shop.example
header teal-version: 7
header x-amzn-trace-id: new
header x-forwarded-for: 1.1.1.1, 127.0.0.1
header x-forwarded-host: shop.example
header x-forwarded-port: own
header x-forwarded-proto: gopher`},
	{name: "format 1.0", ask: "GET /fn1/a%20b?d=e&d=f\nuser-agent: test/1", want: `
path: /fn1/a%20b
method: GET
from: 127.0.0.1
agent: test/1
header content-length: 0
header host: shop.example
header teal-version: 7
header user-agent: test/1
header x-amzn-trace-id: new
header x-forwarded-for: 127.0.0.1
header x-forwarded-host: shop.example
header x-forwarded-port: own
header x-forwarded-proto: SCHEME
parameter d: f
parameters d: e | f`},
}

// What a function gets of a request.
//
// Seen red with a net/http that keeps what is about the connection, and with loops
// that let Connection hide what a trusted proxy says.
func TestEvents(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		config := exchange.Config{}
		if trusted {
			config.Trusted = loopbackOnly
		}
		each(t, config, func(t *testing.T, s *site) {
			s.function.says(`{"statusCode": 200}`)
			for _, tt := range eventCases {
				if tt.trusted != trusted || tt.http1 && s.carrier.major > 1 {
					continue
				}
				t.Run(tt.name, func(t *testing.T) {
					s.t = t
					expect(t, s.do(tt.ask), "200\nlength 0")
					if got, want := s.event(t), strings.Trim(tt.want, "\n"); got != want {
						t.Errorf("the function got\n%s\nwant\n%s", indent(got), indent(want))
					}
				})
			}
		})
	}
}

// answerCases are what a function says, and what the client gets.
var answerCases = []struct {
	name, ask, answer string // GET /fn if there is no ask
	want              string
}{
	{name: "a whole answer", answer: `{"statusCode": 201, "headers": {"X-A": 1, "Content-Type": "text/html"}, "body": "made"}`, want: "201\ncontent-type: text/html\nlength 4\nx-a: 1\n\nmade"},
	{name: "no type", answer: `{"statusCode": 200, "body": "made"}`, want: "200\ncontent-type: text/plain;charset=UTF-8\nlength 4\n\nmade"},
	{name: "anything", answer: `{"a": 1}`, want: "200\ncontent-type: application/json\nlength 8\n\n{\"a\": 1}"},
	{name: "a text", answer: `"text"`, want: "200\ncontent-type: application/json\nlength 4\n\ntext"},
	{name: "nothing", answer: `{"statusCode": 200}`, want: "200\nlength 0"},
	{name: "base64", answer: `{"statusCode": 200, "isBase64Encoded": true, "headers": {"content-type": "image/png"}, "body": "iVBORwA="}`, want: "200\ncontent-type: image/png\nlength 5\n\n\x89PNG\x00"},
	{name: "cookies", answer: `{"statusCode": 200, "cookies": ["a=1; Path=/", "b=2"], "headers": {"set-cookie": "c=3"}}`, want: "200\nlength 0\nset-cookie: a=1; Path=/\nset-cookie: b=2\nset-cookie: c=3"},
	{name: "several values", answer: `{"statusCode": 200, "multiValueHeaders": {"x-a": ["1", "2"]}}`, want: "200\nlength 0\nx-a: 1\nx-a: 2"},
	{name: "what Teal says itself", answer: `{"statusCode": 200, "headers": {"teal-version": "9", "content-length": "99", "connection": "close", "transfer-encoding": "chunked", "keep-alive": "x", "te": "x", "trailer": "x", "upgrade": "x", "proxy-connection": "x", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, "body": "made"}`,
		want: "200\ncontent-type: text/plain;charset=UTF-8\ndate: Sun, 06 Nov 1994 08:49:37 GMT\nlength 4\n\nmade"},
	{name: "fields that frame in other words", answer: `{"statusCode": 200, "headers": {"host": "x", "expect": "100-continue", "http2-settings": "x", "proxy-authorization": "x", "proxy-authenticate": "x"}}`, want: "200\nlength 0"},
	{name: "204", answer: `{"statusCode": 204, "body": "ignored", "headers": {"x-a": "1"}}`, want: "204\ncontent-type: text/plain;charset=UTF-8\nx-a: 1"},
	{name: "304", answer: `{"statusCode": 304, "headers": {"etag": "x"}}`, want: "304\netag: x"},
	{name: "an odd status", answer: `{"statusCode": 299, "body": "odd"}`, want: "299\ncontent-type: text/plain;charset=UTF-8\nlength 3\n\nodd"},
	{name: "an odd failure", answer: `{"statusCode": "599", "body": "odd"}`, want: "599\ncontent-type: text/plain;charset=UTF-8\nlength 3\n\nodd"},
	{name: "HEAD", ask: "HEAD /fn", answer: `{"statusCode": 200, "body": "four"}`, want: "200\ncontent-type: text/plain;charset=UTF-8\nlength 4"},
	{name: "HEAD and nothing", ask: "HEAD /fn", answer: `{"statusCode": 200}`, want: "200\nlength 0"},
	{name: "a body that is a number", answer: `{"statusCode": 200, "body": 42}`, want: "200\ncontent-type: text/plain;charset=UTF-8\nlength 2\n\n42"},
	{name: "format 1.0", ask: "GET /fn1", answer: `{"statusCode": 200, "body": "{}"}`, want: "200\ncontent-type: application/json\nlength 2\n\n{}"},
	{name: "format 1.0 without a status", ask: "GET /fn1", answer: `{"a": 1}`, want: badAnswer},
	{name: "no JSON", answer: `<html>`, want: badAnswer},
	{name: "a status that is none", answer: `{"statusCode": 99}`, want: badAnswer},
	{name: "a line break in a field", answer: `{"statusCode": 200, "headers": {"a": "b\r\nc: d"}}`, want: badAnswer},
	{name: "a line break in a cookie", answer: `{"statusCode": 200, "cookies": ["a=1\r\nb: c"]}`, want: badAnswer},
	{name: "a name that is none", answer: `{"statusCode": 200, "headers": {"a b": "c"}}`, want: badAnswer},
	{name: "no base64", answer: `{"statusCode": 200, "isBase64Encoded": true, "body": "???"}`, want: badAnswer},
}

const badAnswer = "502\ncontent-type: application/problem+json\n\nbad_function_answer: " + notAsIt

// What a client gets of a function's answer.
//
// Seen red with loops that always add a date.
func TestAnswers(t *testing.T) {
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		c := s.connect()
		for _, tt := range answerCases {
			t.Run(tt.name, func(t *testing.T) {
				s.function.says(tt.answer)
				if tt.ask == "" {
					tt.ask = "GET /fn"
				}
				c.send(parseAsk(t, tt.ask))
				expect(t, c.reply(0), tt.want)
			})
		}
	})
}

// What a client gets when a function fails.
//
// Seen red with a net/http that reports no fault.
func TestFunctionsThatFail(t *testing.T) {
	fails := func(code teal.Code) func(teal.Invocation) (teal.Answer, error) {
		return func(teal.Invocation) (teal.Answer, error) { return teal.Answer{}, teal.Errorf(code, "secret") }
	}
	each(t, exchange.Config{}, func(t *testing.T, s *site) {
		n := 0
		for want, tt := range map[string]struct {
			answer func(teal.Invocation) (teal.Answer, error)
			fault  gateway.Fault
		}{
			"502 function_failed: " + notAsIt: {func(teal.Invocation) (teal.Answer, error) {
				return teal.Answer{FunctionError: "Unhandled", Payload: []byte(`{"errorType":"ValueError","errorMessage":"secret"}`)}, nil
			}, gateway.FaultFunction},
			"504 function_timeout: " + notInTime:                                  {fails(teal.CodeFunctionTimeout), gateway.FaultTimeout},
			"429 throttled: there are too many requests at the moment; try again": {fails(teal.CodeThrottled), gateway.FaultStatus},
			"503 unavailable: " + notAvailable:                                    {fails(teal.CodeUnavailable), gateway.FaultStatus},
			"500 internal: something inside the server failed":                    {func(teal.Invocation) (teal.Answer, error) { return teal.Answer{}, errors.New("secret") }, gateway.FaultStatus},
			"502 bad_function_answer: " + notAsIt:                                 {func(teal.Invocation) (teal.Answer, error) { return teal.Answer{Payload: []byte("no")}, nil }, gateway.FaultFunction},
			"400 invalid_input: the request cannot be served as it was sent":      {fails(teal.CodeInvalidInput), gateway.FaultNone},
			"500 internal: something inside the server failed, which is a panic":  {func(teal.Invocation) (teal.Answer, error) { panic("a test of panics") }, gateway.FaultStatus},
		} {
			t.Run(want, func(t *testing.T) {
				s.t = t
				s.function.answers(tt.answer)
				status, text, _ := strings.Cut(want, " ")
				panics := strings.HasSuffix(text, "panic")
				if panics && s.carrier.plain {
					t.Skip("net/http ends the connection")
				}
				text = strings.TrimSuffix(text, ", which is a panic")
				again := ""
				if status == "503" || status == "429" {
					again = "\nretry-after: 1"
				}
				expect(t, s.do("GET /fn"), fmt.Sprintf("%s\ncontent-type: application/problem+json%s\n\n%s", status, again, text))
				n++
				sample := s.meters["fn"].last(t, n)
				if fmt.Sprint(sample.Status) != status || sample.Fault != tt.fault {
					t.Errorf("measured: status %d, fault %d, want %d", sample.Status, sample.Fault, tt.fault)
				}
				if strings.Contains(want, "function_failed") != (sample.Failure != nil) {
					t.Errorf("measured: failure %+v", sample.Failure)
				}
			})
		}
	})
}
