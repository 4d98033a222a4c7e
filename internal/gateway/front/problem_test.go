package front

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/nobody"
)

// logLines is a log that is read while it is written.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// with returns the line that has a text, "" for none.
func (l *logLines) with(text string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

type fault struct {
	web    *gateway.Component
	path   string
	status int
	code   teal.Code
	secret string
}

// faults are ways in which Teal answers itself, with what only the log may say.
func faults(t *testing.T) map[string]fault {
	none := &gateway.Component{Endpoints: refusing{teal.Errorf(teal.CodeNoHealthyInstance, `component "web" of app "shop", version 7: a connection to 127.0.0.1:4000 failed`)}}
	fails := func(err error) *gateway.Component {
		return function(func(context.Context, teal.Invocation) (teal.Answer, error) { return teal.Answer{}, err })
	}
	return map[string]fault{
		"none healthy":  {none, "/", 503, teal.CodeNoHealthyInstance, "127.0.0.1:4000"},
		"no connection": {service(nobody.Address(t)), "/", 502, teal.CodeUpstreamFailed, "takes no connections"},
		"no route":      {says(`"ok"`), "/missing", 404, teal.CodeNoRoute, ""},
		"bad answer":    {says(`{"statusCode": 99}`), "/", 502, teal.CodeBadAnswer, "99"},
		"timeout":       {fails(teal.Errorf(teal.CodeFunctionTimeout, `function "web" of version 7 timed out`)), "/", 504, teal.CodeFunctionTimeout, "timed out"},
		"throttled":     {fails(teal.Errorf(teal.CodeThrottled, `all 10 instances of "web" are busy`)), "/", 429, teal.CodeThrottled, "10 instances"},
		"cannot start":  {fails(teal.Errorf(teal.CodeInvalidInput, "/srv/secret/run cannot be started")), "/", 400, teal.CodeInvalidInput, "/srv/secret"},
		"function failed": {function(func(context.Context, teal.Invocation) (teal.Answer, error) {
			return teal.Answer{FunctionError: "Unhandled", Payload: []byte(`{"errorType":"ValueError","errorMessage":"boom"}`)}, nil
		}), "/", 502, teal.CodeFunctionFailed, "boom"},
	}
}

type refusing struct{ err error }

func (r refusing) Claim() (gateway.Endpoint, error) { return nil, r.err }

// routed starts a site; for /missing, one whose live version has no route there.
func routed(t *testing.T, web *gateway.Component, path string, config exchange.Config) *site {
	s := start(t, web, config)
	if path == "/missing" {
		app := liveApp("shop", teal.Only(7), gateway.NewEnvironment(gateway.EnvironmentConfig{
			App: "shop", Version: 7, Routes: []teal.Route{route("", "/in", "web")}, Components: map[string]*gateway.Component{"web": web},
		}))
		if err := s.gateway.Update(func(table *gateway.Table) (*gateway.Table, error) { return table.With(app) }); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// What Teal answers itself names no app, component, version, instance or address:
// the public gets a code, a sentence and an id, and the log has the rest under
// that id. Who asks for a version, and may, is told all of it, as is who asks on
// an environment's own listener.
//
// Seen red with the sentence of the error in the answer.
func TestThePublicIsToldNothingOfTheInside(t *testing.T) {
	for name, tt := range faults(t) {
		t.Run(name, func(t *testing.T) {
			var log logLines
			s := routed(t, tt.web, tt.path, exchange.Config{
				Override: everybody, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			})
			eachFront(t, func(t *testing.T, c *http.Client) {
				public := ask(t, c, s.request("GET", tt.path, nil, "Host", "public.example"), tt.status, tt.code)
				for _, inside := range []string{"shop", "web", "version", "7", "127.0.0.1", "instance"} {
					if strings.Contains(public.Detail, inside) {
						t.Errorf("the public is told of %q: %s", inside, public.Detail)
					}
				}
				if line := log.with(public.RequestID); tt.secret != "" && !strings.Contains(line, tt.secret) {
					t.Errorf("the log has %q for %s", line, public.RequestID)
				}
				asked := ask(t, c, s.request("GET", tt.path, nil, "Host", "public.example", "Teal-Version", "7"), tt.status, tt.code)
				if tt.secret != "" && asked.Detail == public.Detail {
					t.Errorf("who asks for a version is told %q", asked.Detail)
				}
			})
		})
	}
}

func ask(t *testing.T, c *http.Client, r *http.Request, status int, code teal.Code) exchange.Problem {
	t.Helper()
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var p exchange.Problem
	if err := json.NewDecoder(response.Body).Decode(&p); err != nil || response.StatusCode != status || p.Code != code || p.Detail == "" || p.RequestID == "" {
		t.Fatalf("got %d %+v, %v; want %d %s", response.StatusCode, p, err, status, code)
	}
	return p
}

// The request id of a function that failed is its invocation's. Seen red with an id
// of its own for the failure, and for the event.
func TestAFailedInvocationIsFoundByItsRequest(t *testing.T) {
	var invoked string
	s := start(t, function(func(_ context.Context, in teal.Invocation) (teal.Answer, error) {
		invoked = in.RequestID
		return teal.Answer{FunctionError: "Unhandled", Payload: []byte(`{}`)}, nil
	}), exchange.Config{})
	eachFront(t, func(t *testing.T, c *http.Client) {
		if p := ask(t, c, s.request("GET", "/", nil), 502, teal.CodeFunctionFailed); p.RequestID != invoked {
			t.Errorf("request %s, invocation %s", p.RequestID, invoked)
		}
	})
}

// gRPC clients are told no more than others.
//
// Seen red with the sentence of the error in grpc-message.
func TestTheGRPCPublicIsToldNothingOfTheInside(t *testing.T) {
	var log logLines
	web := service(nobody.Address(t))
	web.HTTP2 = true
	s := start(t, web, exchange.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	response, err := http2Client(t).Do(s.request("POST", "/a.Service/Call", strings.NewReader("x"), "Content-Type", "application/grpc"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	message, _ := url.PathUnescape(response.Header.Get("Grpc-Message"))
	said, id, ok := strings.Cut(strings.TrimSuffix(message, ")"), " (request ")
	if !ok || said != "upstream_failed: "+"the service did not answer as it should" || !strings.Contains(log.with(id), "takes no connections") {
		t.Errorf("grpc-message %q", message)
	}
}
