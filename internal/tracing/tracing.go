// Package tracing makes spans of exchanges and sends them to an OpenTelemetry
// collector.
//
// It is told what to do by OpenTelemetry's own environment variables, and does
// nothing, not even begin, unless one of them names an endpoint.
package tracing

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"teal/internal/gateway"
)

// Config says where spans go.
type Config struct {
	// Getenv reads the environment. OTEL_EXPORTER_OTLP_ENDPOINT or
	// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT switches tracing on. What the SDK reads
	// itself (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER,
	// OTEL_BSP_…) it reads from the process.
	Getenv  func(string) string
	Version string       // of Teal
	Logger  *slog.Logger // hears what goes wrong; nil: nobody
}

// Tracer follows exchanges. It implements gateway.Tracer.
type Tracer struct {
	bound    *bound
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// New returns a tracer, or nil when the environment does not ask for one. The
// error says which variable is wrong. It connects nothing: spans are sent in the
// background from the first one on, until Run ends.
func New(cfg Config) (*Tracer, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	target, err := endpointOf(cfg.Getenv)
	if err != nil || target.url == "" {
		return nil, err
	}
	exporter := newExporter(target, cfg.Logger)
	described, err := resource.Merge(resource.NewSchemaless(attribute.String("service.name", "teal"), attribute.String("service.version", cfg.Version)), resource.Environment())
	if err != nil {
		cfg.Logger.Warn("OTEL_RESOURCE_ATTRIBUTES is not understood in full", "error", err)
	}
	bound := newBound(exporter, cfg.Getenv)
	exporter.sent = bound.sent
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(bound), sdktrace.WithResource(described))
	return &Tracer{bound: bound, provider: provider, tracer: provider.Tracer("teal/gateway", trace.WithInstrumentationVersion(cfg.Version))}, nil
}

// Dropped returns how many spans found no room, or could not be sent.
func (t *Tracer) Dropped() int64 { return t.bound.dropped.Load() }

// lastWords is how long the spans that are left may take to be sent.
const lastWords = 5 * time.Second

// Run waits until ctx ends, then sends what is left. It returns nil: that spans
// cannot be sent is said in the log and stops nothing.
func (t *Tracer) Run(ctx context.Context) error {
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	_ = t.provider.Shutdown(last) // the exporter has said what went wrong
	return nil
}

// headers carries a trace context in its two headers.
type headers struct{ parent, state string }

const (
	parentHeader = "traceparent"
	stateHeader  = "tracestate"
)

// Get implements propagation.TextMapCarrier.
func (h *headers) Get(key string) string {
	switch key {
	case parentHeader:
		return h.parent
	case stateHeader:
		return h.state
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (h *headers) Set(key, value string) {
	switch key {
	case parentHeader:
		h.parent = value
	case stateHeader:
		h.state = value
	}
}

// Keys implements propagation.TextMapCarrier.
func (h *headers) Keys() []string { return []string{parentHeader, stateHeader} }

// span is one exchange. It implements gateway.Span.
type span struct {
	trace.Span
	out headers
}

// Start implements gateway.Tracer. A traceparent that is not valid begins a trace
// of its own, and its tracestate is dropped, as the specification says.
func (t *Tracer) Start(parent, state string, at time.Time) gateway.Span {
	ctx := propagation.TraceContext{}.Extract(context.Background(), &headers{parent, state})
	ctx, inner := t.tracer.Start(ctx, "HTTP", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(at))
	s := &span{Span: inner}
	propagation.TraceContext{}.Inject(ctx, &s.out)
	return s
}

// Context implements gateway.Span.
func (s *span) Context() (parent, state string) { return s.out.parent, s.out.state }

// End implements gateway.Span.
func (s *span) End(r *gateway.Record) {
	if s.IsRecording() {
		s.SetName(nameOf(r))
		s.SetAttributes(attributesOf(r)...)
		if r.Fault != gateway.FaultNone || r.Status >= 500 {
			s.SetStatus(codes.Error, string(r.Code))
		}
	}
	s.Span.End(trace.WithTimestamp(r.Start.Add(r.Duration)))
}

func nameOf(r *gateway.Record) string {
	if r.App == "" {
		return r.Method
	}
	return r.Method + " " + r.Route + "/"
}

// attributesOf describes an exchange by OpenTelemetry's semantic conventions. The
// texts are copied: the record is not ours to keep.
func attributesOf(r *gateway.Record) []attribute.KeyValue {
	path, query, _ := strings.Cut(r.Target, "?")
	list := make([]attribute.KeyValue, 0, 20)
	text := func(key, value string) {
		if value != "" {
			list = append(list, attribute.String(key, strings.Clone(value)))
		}
	}
	text("http.request.method", r.Method)
	text("url.scheme", r.Scheme)
	text("url.path", path)
	text("url.query", query)
	text("server.address", r.Host)
	text("client.address", r.Client)
	text("user_agent.original", r.UserAgent)
	text("network.protocol.version", strings.TrimSuffix(strings.TrimPrefix(r.Protocol, "HTTP/"), ".0"))
	text("teal.app", r.App)
	text("teal.component", r.Component)
	text("teal.alias", r.Alias)
	text("teal.instance", r.Instance)
	text("error.type", string(r.Code))
	if r.App != "" {
		text("http.route", r.Route+"/")
	}
	if r.Status != 0 {
		list = append(list, attribute.Int("http.response.status_code", r.Status))
	}
	if r.Version != 0 {
		list = append(list, attribute.Int("teal.version", int(r.Version)))
	}
	return append(list, attribute.Int64("http.request.body.size", r.In), attribute.Int64("http.response.body.size", r.Out))
}
