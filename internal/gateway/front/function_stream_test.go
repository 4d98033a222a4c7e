package front

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/gateway/nethttp"
	"teal/internal/gateway/payload"
)

// startStreaming serves a function whose answers go out as they come.
func startStreaming(t *testing.T, f functionOf, config exchange.Config) (*site, *recorder) {
	t.Helper()
	meter := &recorder{}
	var s *site
	around := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			claim, err := s.gateway.ClaimQualifier("shop", teal.AliasLive, "web", 0)
			if err != nil {
				t.Error(err)
				return
			}
			claim.Stream = true
			next.ServeHTTP(w, r.WithContext(nethttp.WithClaim(r.Context(), claim)))
		})
	}
	s = startWith(t, &gateway.Component{Function: f, Payload: "2.0", Meter: meter}, Config{Config: config, Middleware: Middleware{Handler: around}})
	return s, meter
}

const preludeOf201 = "{\"statusCode\":201}\x00\x00\x00\x00\x00\x00\x00\x00"

// pour writes to a stream as a function does; what it returns is the first
// error.
func pour(to teal.Stream, mediaType string, pieces ...string) error {
	to.Begin(mediaType)
	for _, piece := range pieces {
		if _, err := to.Write([]byte(piece)); err != nil {
			return err
		}
	}
	return nil
}

// What a client gets of a streamed answer, and what is measured of it. Seen red
// without the fault in breakOff.
func TestStreamedAnswers(t *testing.T) {
	failed := teal.Answer{FunctionError: "Unhandled", Payload: []byte(`{"errorType":"KeyError"}`)}
	for name, test := range map[string]struct {
		function functionOf
		body     string
		broken   bool
		want     gateway.Result
	}{
		"a prelude in pieces": {body: "onetwo", want: gateway.Result{Status: 201}, function: func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
			return teal.Answer{}, pour(in.Stream, payload.IntegrationType, preludeOf201[:9], preludeOf201[9:20], preludeOf201[20:]+"one", "two")
		}},
		"no prelude": {body: "onetwo", want: gateway.Result{Status: 200}, function: func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
			return teal.Answer{}, pour(in.Stream, "text/plain", "one", "two")
		}},
		"no body": {want: gateway.Result{Status: 201}, function: func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
			return teal.Answer{}, pour(in.Stream, payload.IntegrationType, preludeOf201)
		}},
		"not streamed": {body: "whole", want: gateway.Result{Status: 200}, function: func(context.Context, teal.Invocation) (teal.Answer, error) {
			return teal.Answer{Payload: []byte("whole")}, nil
		}},
		"a failure on the way": {body: "one", broken: true, want: gateway.Result{Status: 201, Fault: gateway.FaultFunction, Failure: &gateway.Failure{Type: "KeyError"}}, function: func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
			return failed, pour(in.Stream, payload.IntegrationType, preludeOf201+"one")
		}},
		"a timeout on the way": {body: "one", broken: true, want: gateway.Result{Status: 200, Fault: gateway.FaultTimeout, Failure: &gateway.Failure{Type: "KeyError"}}, function: func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
			return failed, errors.Join(pour(in.Stream, "", "one"), teal.Errorf(teal.CodeFunctionTimeout, "too slow"))
		}},
		"a failure before": {want: gateway.Result{Status: 502, Fault: gateway.FaultFunction, Failure: &gateway.Failure{Type: "KeyError"}}, function: func(context.Context, teal.Invocation) (teal.Answer, error) {
			return failed, nil
		}},
		"a failure in the prelude": {want: gateway.Result{Status: 502, Fault: gateway.FaultFunction, Failure: &gateway.Failure{Type: "KeyError"}}, function: func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
			return failed, pour(in.Stream, payload.IntegrationType, preludeOf201[:9])
		}},
		"a prelude without an end": {want: gateway.Result{Status: 502, Fault: gateway.FaultFunction}, function: func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
			return teal.Answer{}, pour(in.Stream, payload.IntegrationType, preludeOf201[:9])
		}},
		"a prelude without any end": {want: gateway.Result{Status: 502, Fault: gateway.FaultFunction}, function: func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
			if err := pour(in.Stream, payload.IntegrationType, strings.Repeat("x", 1<<20)); err == nil {
				return teal.Answer{}, errors.New("it was taken")
			}
			return teal.Answer{}, nil
		}},
		"a prelude that makes no sense": {want: gateway.Result{Status: 502, Fault: gateway.FaultFunction}, function: func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
			if err := pour(in.Stream, payload.IntegrationType, strings.Replace(preludeOf201, "201", "99", 1)); err == nil {
				return teal.Answer{}, errors.New("it was taken")
			}
			return teal.Answer{}, nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // a server that speaks HTTP/2 takes a second to stop
			for protocol, c := range map[string]*http.Client{"HTTP/1.1": client(t), "HTTP/2.0": http2Client(t)} {
				s, meter := startStreaming(t, test.function, exchange.Config{})
				response, err := c.Do(s.request("GET", "/", nil))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = response.Body.Close() }()
				body, err := io.ReadAll(response.Body)
				if response.Proto != protocol || response.StatusCode != test.want.Status || (err != nil) != test.broken || response.StatusCode < 500 && string(body) != test.body {
					t.Errorf("%s: got %s %d %q, %v", protocol, response.Proto, response.StatusCode, body, err)
				}
				got := meter.only(t)
				if diff := cmp.Diff(test.want, gateway.Result{Status: got.Status, Fault: got.Fault, Failure: got.Failure}); diff != "" {
					t.Errorf("%s: measured:\n%s", protocol, diff)
				}
				s.nothingInFlight()
			}
		})
	}
}

// A client that takes its time holds the function back, and is to blame when the
// function's time runs out; one that has gone ends nothing. Seen red without the
// time that the client has held.
func TestStreamsToSlowClients(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	pieces := slices.Repeat([]string{large}, 64)
	timeout := teal.Errorf(teal.CodeFunctionTimeout, "too slow")
	var wrote error
	s, meter := startStreaming(t, func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
		wrote = pour(in.Stream, "", pieces...)
		return teal.Answer{FunctionError: "Unhandled"}, timeout
	}, exchange.Config{Limits: gateway.Limits{WriteStall: 300 * time.Millisecond}})
	c, _ := s.dialRaw("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	s.nothingInFlight() // the client has read nothing, and its connection was closed
	if got := meter.only(t); wrote == nil || got.Status != 200 || got.Fault != gateway.FaultNone {
		t.Errorf("a client that reads nothing: %v, %+v", wrote, got.Result)
	}
	_ = c.Close()

	s, meter = startStreaming(t, func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
		in.Stream.Begin("")
		for wrote = nil; wrote == nil; {
			_, wrote = in.Stream.Write([]byte(large))
		}
		return teal.Answer{}, nil
	}, exchange.Config{})
	c, in := s.dialRaw("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := in.Peek(1); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if got := meter.only(t); got.Status != 200 || got.Fault != gateway.FaultNone {
		t.Errorf("a client that has gone: %+v", got.Result)
	}
	s.nothingInFlight()
}
