package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"teal"
	"teal/internal/await"
	"teal/internal/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestTheEnvironmentDecides(t *testing.T) {
	t.Parallel()
	const general, traces = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	for name, c := range map[string]struct {
		env  []string
		want endpoint
		err  string
	}{
		"nothing":  {},
		"general":  {env: []string{general, "http://c:4318/"}, want: endpoint{url: "http://c:4318/v1/traces", timeout: 10 * time.Second}},
		"traces":   {env: []string{general, "http://c:4318", traces, "https://t/own"}, want: endpoint{url: "https://t/own", timeout: 10 * time.Second}},
		"disabled": {env: []string{general, "http://c:4318", "OTEL_SDK_DISABLED", "true"}},
		"none":     {env: []string{general, "http://c:4318", "OTEL_TRACES_EXPORTER", "none"}},
		"headers": {env: []string{general, "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x, a=b", "OTEL_EXPORTER_OTLP_TIMEOUT", "250"},
			want: endpoint{url: "http://c:4318/v1/traces", headers: map[string]string{"authorization": "Bearer x", "a": "b"}, timeout: 250 * time.Millisecond}},
		"no address":  {env: []string{general, "c:4318"}, err: "write an address"},
		"gRPC":        {env: []string{general, "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, err: "over HTTP"},
		"bad timeout": {env: []string{general, "http://c:4318", "OTEL_EXPORTER_OTLP_TIMEOUT", "soon"}, err: "milliseconds"},
		"bad headers": {env: []string{general, "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS", "secret"}, err: "name=value"},
	} {
		got, err := endpointOf(environment(c.env...))
		if c.err != "" {
			if !teal.IsCode(err, teal.CodeInvalidInput) || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if len(got.headers) == 0 {
			got.headers = nil
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(endpoint{})); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if tracer, err := New(Config{Getenv: environment()}); tracer != nil || err != nil {
		t.Errorf("%v, %v", tracer, err)
	}
}

// collect runs a tracer against a collector and returns what the collector got.
func collect(t *testing.T, use func(*Tracer)) []spanMessage {
	t.Helper()
	got := make(chan []byte, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Key") != "word" {
			t.Errorf("%s %v", r.URL.Path, r.Header)
		}
		got <- body
	}))
	defer collector.Close()
	tracer, err := New(Config{Version: "1.2", Getenv: environment("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL, "OTEL_EXPORTER_OTLP_HEADERS", "key=word")})
	if err != nil {
		t.Fatal(err)
	}
	use(tracer)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tracer.Run(ctx); err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(<-got, &d); err != nil || len(d.ResourceSpans) != 1 || len(d.ResourceSpans[0].ScopeSpans) != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, a := range d.ResourceSpans[0].Resource.Attributes {
		if a.Key == "service.name" && *a.Value.String != "teal" {
			t.Errorf("service.name %s", *a.Value.String)
		}
	}
	return d.ResourceSpans[0].ScopeSpans[0].Spans
}

func TestASpanIsSent(t *testing.T) {
	t.Parallel()
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	at := time.Unix(1000, 5)
	var passed string
	spans := collect(t, func(tracer *Tracer) {
		s := tracer.Start("00-"+trace+"-"+parent+"-01", "vendor=1", at)
		var state string
		if passed, state = s.Context(); state != "vendor=1" {
			t.Errorf("tracestate %q", state)
		}
		s.End(&gateway.Record{
			Start: at, Duration: time.Second, Scheme: "https", Protocol: "HTTP/2.0", Method: "GET", Target: "/a/b?c=1", Route: "/a",
			Status: 502, Code: teal.CodeUpstreamFailed, Fault: gateway.FaultConnection, App: "shop", Component: "web", Version: 7, Out: 9,
		})
	})
	if len(spans) != 1 {
		t.Fatalf("%d spans", len(spans))
	}
	s := spans[0]
	if want := "00-" + trace + "-" + s.SpanID + "-01"; passed != want || s.SpanID == parent {
		t.Errorf("passed on %q, want %q", passed, want)
	}
	got := map[string]string{}
	for _, a := range s.Attributes {
		if a.Value.String != nil {
			got[a.Key] = *a.Value.String
		} else {
			got[a.Key] = *a.Value.Int
		}
	}
	want := map[string]string{
		"http.request.method": "GET", "url.scheme": "https", "url.path": "/a/b", "url.query": "c=1", "network.protocol.version": "2",
		"teal.app": "shop", "teal.component": "web", "teal.version": "7", "http.route": "/a/", "http.response.status_code": "502",
		"error.type": "upstream_failed", "http.request.body.size": "0", "http.response.body.size": "9",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.Attributes = nil
	wantSpan := spanMessage{
		TraceID: trace, SpanID: s.SpanID, ParentSpanID: parent, TraceState: "vendor=1", Flags: 0x301, Name: "GET /a/", Kind: 2,
		Start: "1000000000005", End: "1001000000005",
	}
	wantSpan.Status.Code, wantSpan.Status.Message = statusError, "upstream_failed"
	if diff := cmp.Diff(wantSpan, s); diff != "" {
		t.Error(diff)
	}
}

// What W3C Trace Context says of clients that have no trace, or a broken one, or
// one that is not recorded.
func TestTheParentDecides(t *testing.T) {
	t.Parallel()
	const unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	spans := collect(t, func(tracer *Tracer) {
		for _, parent := range []string{"", "00-junk", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"} {
			s := tracer.Start(parent, "vendor=1", time.Now())
			if out, state := s.Context(); len(out) != 55 || !strings.HasSuffix(out, "-01") || strings.Contains(out, "4bf92f") || state != "" {
				t.Errorf("%q became %q and %q", parent, out, state)
			}
			s.End(&gateway.Record{Method: "GET"})
		}
		s := tracer.Start(unsampled, "", time.Now())
		if out, _ := s.Context(); !strings.HasPrefix(out, unsampled[:36]) || !strings.HasSuffix(out, "-00") || out == unsampled {
			t.Errorf("passed on %q", out)
		}
		s.End(&gateway.Record{})
	})
	if len(spans) != 3 {
		t.Errorf("%d spans were sent, want 3", len(spans))
	}
}

func TestACollectorThatIsGoneIsSaidOnce(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	tracer, err := New(Config{Logger: slog.New(slog.NewTextHandler(&said, nil)), Getenv: environment("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		tracer.Start("", "", time.Now()).End(&gateway.Record{})
		_ = tracer.provider.ForceFlush(t.Context())
	}
	if tracer.Dropped() != 2 {
		t.Errorf("%d spans were dropped", tracer.Dropped())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = tracer.Run(ctx)
	if strings.Count(said.String(), "cannot be sent") != 1 {
		t.Errorf("said:\n%s", said.String())
	}
}

// A collector that does not answer holds no exchange up: spans beyond the bound are
// dropped and counted, all of them.
//
// Seen red without the bound before the SDK's: it dropped without counting.
func TestACollectorThatStallsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	stalled := make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stalled }))
	defer collector.Close()
	const bound, more = 100, 250
	tracer, err := New(Config{Getenv: environment("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL, "OTEL_BSP_MAX_QUEUE_SIZE", "100")})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range bound + more {
		tracer.Start("", "", time.Now()).End(&gateway.Record{})
	}
	if took := time.Since(began); tracer.Dropped() != more || took > await.Patience {
		t.Errorf("%d spans were dropped, want %d, in %s", tracer.Dropped(), more, took)
	}
	close(stalled)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tracer.Run(ctx); err != nil || tracer.Dropped() != more {
		t.Errorf("%v, %d spans dropped in the end", err, tracer.Dropped())
	}
}
