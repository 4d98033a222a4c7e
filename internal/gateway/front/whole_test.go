package front

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// rawClient is an HTTP/2 connection of which every frame is seen.
type rawClient struct {
	t      *testing.T
	framer *http2.Framer
	next   uint32
}

// rawHTTP2Clients connects in cleartext and over TLS.
func (s *site) rawHTTP2Clients(t *testing.T) map[string]*rawClient {
	t.Helper()
	_, pool := selfSigned()
	secure, err := tls.Dial("tcp", s.secure(), &tls.Config{RootCAs: pool, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = secure.Close() })
	plain, _ := s.dialRaw("")
	clients := map[string]*rawClient{}
	for name, c := range map[string]net.Conn{"cleartext": plain, "TLS": secure} {
		send(t, c, http2.ClientPreface)
		framer := http2.NewFramer(c, bufio.NewReader(c))
		framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		if err := framer.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		clients[name] = &rawClient{t: t, framer: framer, next: 1}
	}
	return clients
}

// ask sends a request and returns what the server sends on its stream, up to its
// end: "HEADERS", "DATA" and "RST_STREAM NO_ERROR", with a "." behind what ends the
// stream. The request itself is left open if open says so; it is closed by the
// server then.
func (c *rawClient) ask(open bool, fields ...string) (string, []*http2.MetaHeadersFrame) {
	c.t.Helper()
	id := c.next
	c.next += 2
	block := headers(append([]string{":scheme", "http", ":authority", "x", ":path", "/"}, fields...)...)
	if err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: !open, EndHeaders: true}); err != nil {
		c.t.Fatal(err)
	}
	var seen []string
	var heads []*http2.MetaHeadersFrame
	ended := false
	for !ended || open {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			c.t.Fatalf("after %q: %v", seen, err)
		}
		if frame.Header().StreamID != id {
			continue
		}
		name := frame.Header().Type.String()
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			heads = append(heads, f)
			ended = f.StreamEnded()
		case *http2.DataFrame:
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			return strings.Join(append(seen, name+" "+f.ErrCode.String()), " "), heads
		default:
			continue
		}
		if last := len(seen) - 1; last >= 0 && seen[last] == name && name == "DATA" {
			seen = seen[:last] // how a body is cut into frames means nothing
		}
		if ended {
			name += "."
		}
		seen = append(seen, name)
	}
	return strings.Join(seen, " "), heads
}

// answerOf is how an instance answers, and what a client must see of it.
type answerOf struct {
	name, method string
	handler      http.HandlerFunc
	frames       string // other than of a request that is left open
	field, value string // of a head
}

var wholeAnswers = []answerOf{
	{"a gRPC answer of trailers only", "POST", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "5")
	}, "HEADERS.", "grpc-status", "5"},
	{"204", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "HEADERS.", ":status", "204"},
	{"204 to an EventSource", "GET", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(204)
	}, "HEADERS.", ":status", "204"},
	{"304 with a length", "GET", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(304)
	}, "HEADERS.", "content-length", "5"},
	{"an empty body", "GET", func(http.ResponseWriter, *http.Request) {}, "HEADERS.", "content-length", "0"},
	{"HEAD with a length", "HEAD", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "5") }, "HEADERS.", "content-length", "5"},
	{"HEAD without", "HEAD", func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }, "HEADERS.", ":status", "200"},
}

// The other ways to end: they must stay what they are.
var longerAnswers = []answerOf{
	{"trailers and no body", "POST", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "5")
	}, "HEADERS HEADERS.", "grpc-status", "5"},
	{"a body and trailers", "POST", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		_, _ = io.WriteString(w, "message")
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "5")
	}, "HEADERS DATA HEADERS.", "grpc-status", "5"},
	{"a body", "POST", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "body") }, "HEADERS DATA.", ":status", "200"},
}

// Instances that do not come to an end.
var brokenAnswers = []answerOf{
	{"no answer", "POST", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "HEADERS.", "grpc-status", "14"},
	{"half an answer", "POST", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, "HEADERS DATA RST_STREAM INTERNAL_ERROR", ":status", "200"},
}

// An answer that ends with its head does so for the client too, always: what makes
// a gRPC answer of nothing but trailers one is that its head ends the stream, and
// a client takes any other end for a broken call. Seen red without endsWithHead:
// HEADERS, then an empty DATA frame, three to thirteen times in a hundred, whenever
// ReverseProxy's timer was faster than the handler's end; and with http.NoBody in
// place of isWhole. "304 with a length" was red without endWithHead's NoBody: the
// stream was reset.
func TestAnAnswerEndsAsItsInstanceEndsIt(t *testing.T) {
	for _, answer := range slices.Concat(wholeAnswers, longerAnswers) {
		instances := map[string]*gateway.Component{"HTTP/2": http2Backend(t, answer.handler)}
		if !strings.Contains(answer.frames, " ") && answer.field != "content-length" {
			instances["HTTP/1.1"] = service(backend(t, answer.handler))
		}
		for protocol, web := range instances {
			t.Run(answer.name+" of "+protocol, func(t *testing.T) {
				s := start(t, web, exchange.Config{})
				for name, c := range s.rawHTTP2Clients(t) {
					c.repeat(t, name, answer, false)
				}
			})
		}
	}
}

// An instance may answer, or break off, while the client still sends and says nothing
// more: that comes to the client at once, and then the client is told to stop. Seen
// red with an attempt whose Close does nothing: net/http's client waited for more of
// the request's body before it said how the answer ends, without an end; and with one
// whose Close is forgotten when nothing has been read yet, once in some requests.
func TestAnEarlyAnswerEndsAsItsInstanceEndsIt(t *testing.T) {
	for _, answer := range slices.Concat(wholeAnswers[:1], longerAnswers, brokenAnswers) {
		t.Run(answer.name, func(t *testing.T) {
			s := start(t, http2Backend(t, answer.handler), exchange.Config{})
			if !strings.Contains(answer.frames, "RST_STREAM") {
				answer.frames += " RST_STREAM NO_ERROR"
			}
			for name, c := range s.rawHTTP2Clients(t) {
				c.repeat(t, name, answer, true)
			}
			s.nothingInFlight()
		})
	}
}

// The same for clients that speak HTTP/1.1, which the gateway can only tell by
// closing the connection.
func TestAnEarlyAnswerOverHTTP1(t *testing.T) {
	for name, want := range map[string]struct {
		handler http.HandlerFunc
		status  int
		fault   gateway.Fault
		body    string
	}{
		"an answer":      {longerAnswers[2].handler, 200, gateway.FaultNone, "body"},
		"no answer":      {brokenAnswers[0].handler, 502, gateway.FaultConnection, ""},
		"half an answer": {brokenAnswers[1].handler, 200, gateway.FaultConnection, "half"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				meter := &recorder{}
				web := http2Backend(t, want.handler)
				web.Meter = meter
				s := start(t, web, exchange.Config{})
				_, r := s.dialRaw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome")
				response, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(response.Body)
				if response.StatusCode != want.status || want.body != "" && string(body) != want.body {
					t.Fatalf("%d %q, want %d %q", response.StatusCode, body, want.status, want.body)
				}
				if got := meter.only(t); got.Fault != want.fault {
					t.Fatalf("fault %d, want %d", got.Fault, want.fault)
				}
			}
		})
	}
}

// repeat asks often enough to meet what comes once in a while.
func (c *rawClient) repeat(t *testing.T, name string, want answerOf, open bool) {
	t.Helper()
	for i := range 150 {
		frames, heads := c.ask(open, ":method", want.method, "content-type", "application/grpc", "te", "trailers")
		value := ""
		for _, head := range heads {
			value = cmp.Or(fieldOf(head, want.field), value)
		}
		if frames != want.frames || value != want.value {
			t.Fatalf("%s, request %d: %s with %s %q, want %s with %q", name, i, frames, want.field, value, want.frames, want.value)
		}
	}
}

// A head that is not all is not held back: the instance says that there is nothing
// and then takes its time. Seen red with the length in place of isWhole.
func TestAHeadIsNotHeldBackForItsEnd(t *testing.T) {
	goOn := make(chan struct{})
	s := start(t, http2Backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(202)
		_ = http.NewResponseController(w).Flush()
		<-goOn
	}), exchange.Config{})
	response, err := http2Client(t).Post("http://"+s.addr+"/", "text/plain", bytes.NewReader(nil))
	close(goOn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err := io.ReadAll(response.Body); err != nil || len(body) != 0 || response.StatusCode != 202 {
		t.Error(fmt.Sprint(response.StatusCode, " ", string(body)), err)
	}
}

// An instance breaks a call off when the call's time is over, maybe before its client
// does: that is what the client is told. Seen red without overdue: UNAVAILABLE, and a
// stream that was reset.
func TestACallThatIsOverdue(t *testing.T) {
	for _, of := range []struct {
		answer                  answerOf
		timeout, frames, status string
		fault                   gateway.Fault
	}{
		{brokenAnswers[0], "1n", "HEADERS. RST_STREAM NO_ERROR", "4", gateway.FaultTimeout},
		{brokenAnswers[0], "1H", "HEADERS. RST_STREAM NO_ERROR", "14", gateway.FaultConnection},
		{brokenAnswers[0], "1", "HEADERS. RST_STREAM NO_ERROR", "14", gateway.FaultConnection},
		{brokenAnswers[1], "1n", "HEADERS DATA HEADERS. RST_STREAM NO_ERROR", "4", gateway.FaultTimeout},
		{brokenAnswers[1], "99999999H", "HEADERS DATA RST_STREAM INTERNAL_ERROR", "", gateway.FaultConnection},
	} {
		meter := &recorder{}
		web := http2Backend(t, of.answer.handler)
		web.Meter = meter
		s := start(t, web, exchange.Config{})
		c := s.rawHTTP2Clients(t)["cleartext"]
		frames, heads := c.ask(true, ":method", "POST", "content-type", "application/grpc", "te", "trailers", "grpc-timeout", of.timeout)
		status := ""
		for _, head := range heads {
			status += fieldOf(head, "grpc-status")
		}
		if frames != of.frames || status != of.status {
			t.Errorf("%s with %s: %s with status %q, want %s with %q", of.answer.name, of.timeout, frames, status, of.frames, of.status)
		}
		if got := meter.only(t); got.Fault != of.fault {
			t.Errorf("%s with %s: fault %d, want %d", of.answer.name, of.timeout, got.Fault, of.fault)
		}
	}
}

func fieldOf(head *http2.MetaHeadersFrame, name string) string {
	for _, field := range head.Fields {
		if field.Name == name {
			return field.Value
		}
	}
	return ""
}
