package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exporter sends spans as OTLP over HTTP, in JSON. The official exporters bring
// gRPC, its gateway and protobuf with them, for messages of one kind.
type exporter struct {
	to     endpoint
	client *http.Client
	logger *slog.Logger
	sent   func(spans int, err error)
	said   atomic.Int64 // when a failure was logged last, in Unix seconds
}

func newExporter(to endpoint, logger *slog.Logger) *exporter {
	return &exporter{to: to, logger: logger, client: &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment},
		Timeout:       to.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// quiet is how long failures that follow one are not logged.
const quiet = 60 * time.Second

// ExportSpans implements sdktrace.SpanExporter. Spans that cannot be sent are
// dropped.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.send(ctx, spans)
	e.sent(len(spans), err)
	now := time.Now().Unix()
	if last := e.said.Load(); err != nil && now-last >= int64(quiet.Seconds()) && e.said.CompareAndSwap(last, now) {
		e.logger.Warn("spans cannot be sent and are dropped", "endpoint", e.to.url, "spans", len(spans), "error", err)
	}
	return nil // said where operators look
}

// Shutdown implements sdktrace.SpanExporter.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

func (e *exporter) send(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	body, err := json.Marshal(documentOf(spans))
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.to.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range e.to.headers {
		request.Header.Set(name, value)
	}
	response, err := e.client.Do(request)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("answered with %d", response.StatusCode)
	}
	return nil
}

// The types below are OTLP's messages as its JSON has them: identifiers in
// hexadecimal, 64-bit integers as text.

type document struct {
	ResourceSpans []resourceSpans `json:"resourceSpans"`
}

type resourceSpans struct {
	Resource struct {
		Attributes []keyValue `json:"attributes"`
	} `json:"resource"`
	ScopeSpans []scopeSpans `json:"scopeSpans"`
}

type scopeSpans struct {
	Scope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	} `json:"scope"`
	Spans []spanMessage `json:"spans"`
}

type spanMessage struct {
	TraceID      string     `json:"traceId"`
	SpanID       string     `json:"spanId"`
	TraceState   string     `json:"traceState,omitempty"`
	ParentSpanID string     `json:"parentSpanId,omitempty"`
	Flags        uint32     `json:"flags"`
	Name         string     `json:"name"`
	Kind         int        `json:"kind"`
	Start        string     `json:"startTimeUnixNano"`
	End          string     `json:"endTimeUnixNano"`
	Attributes   []keyValue `json:"attributes"`
	Status       struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code,omitempty"`
	} `json:"status"`
}

type keyValue struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

type value struct {
	String *string  `json:"stringValue,omitempty"`
	Int    *string  `json:"intValue,omitempty"`
	Bool   *bool    `json:"boolValue,omitempty"`
	Double *float64 `json:"doubleValue,omitempty"`
}

// The codes of OTLP where they differ from the SDK's.
const (
	statusOK    = 1
	statusError = 2
	remoteKnown = 1 << 8 // of flags: whether the parent is remote is known
	remote      = 1 << 9
)

// documentOf returns spans, all of one provider, as one message.
func documentOf(spans []sdktrace.ReadOnlySpan) document {
	var all resourceSpans
	all.Resource.Attributes = keyValues(spans[0].Resource().Attributes())
	var scope scopeSpans
	scope.Scope.Name, scope.Scope.Version = spans[0].InstrumentationScope().Name, spans[0].InstrumentationScope().Version
	for _, s := range spans {
		scope.Spans = append(scope.Spans, messageOf(s))
	}
	all.ScopeSpans = []scopeSpans{scope}
	return document{[]resourceSpans{all}}
}

func messageOf(s sdktrace.ReadOnlySpan) spanMessage {
	ids := s.SpanContext()
	m := spanMessage{
		TraceID: ids.TraceID().String(), SpanID: ids.SpanID().String(), TraceState: ids.TraceState().String(),
		Flags: uint32(ids.TraceFlags()) | remoteKnown, Name: s.Name(), Kind: int(s.SpanKind()),
		Start: nanoseconds(s.StartTime()), End: nanoseconds(s.EndTime()), Attributes: keyValues(s.Attributes()),
	}
	if parent := s.Parent(); parent.SpanID().IsValid() {
		m.ParentSpanID = parent.SpanID().String()
		if parent.IsRemote() {
			m.Flags |= remote
		}
	}
	switch m.Status.Message = s.Status().Description; s.Status().Code.String() {
	case "Error":
		m.Status.Code = statusError
	case "Ok":
		m.Status.Code = statusOK
	}
	return m
}

func nanoseconds(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func keyValues(list []attribute.KeyValue) []keyValue {
	out := make([]keyValue, len(list))
	for i, a := range list {
		out[i].Key = string(a.Key)
		switch a.Value.Type() {
		case attribute.INT64:
			text := strconv.FormatInt(a.Value.AsInt64(), 10)
			out[i].Value.Int = &text
		case attribute.BOOL:
			yes := a.Value.AsBool()
			out[i].Value.Bool = &yes
		case attribute.FLOAT64:
			number := a.Value.AsFloat64()
			out[i].Value.Double = &number
		default:
			text := a.Value.String()
			out[i].Value.String = &text
		}
	}
	return out
}
