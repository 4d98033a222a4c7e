package exchange

import (
	"net/textproto"
	"strings"
	"time"

	"teal/internal/gateway"
)

// The headers of W3C Trace Context.
const (
	HeaderTraceParent = "Traceparent"
	HeaderTraceState  = "Tracestate"
)

// Trace is what is known of an exchange for those who look on. All of it is zero
// when nobody does.
type Trace struct {
	Start    time.Time
	Span     gateway.Span
	Out      int64
	Instance string
	Whole    bool // the exchange came to its end
}

// IsWatched reports whether anybody wants the record of an exchange.
func (p *Policy) IsWatched() bool { return p.log != nil || p.tracer != nil }

// StartTrace begins the record of an exchange, if anybody wants one.
func (p *Policy) StartTrace(head Head) Trace {
	if !p.IsWatched() {
		return Trace{}
	}
	t := Trace{Start: time.Now()}
	if p.tracer != nil {
		// Copies: a span outlives the buffer.
		t.Span = p.tracer.Start(strings.Clone(Get(head, HeaderTraceParent)), strings.Clone(Get(head, HeaderTraceState)), t.Start)
	}
	return t
}

// Record hands the record of an exchange, which is over, to those who look on.
func (p *Policy) Record(at *Entrypoint, t *Trace, status int, record func(now time.Time) gateway.Record) {
	wanted := p.log != nil && !at.isInternal() && p.log.Wants(status)
	if !wanted && t.Span == nil {
		return
	}
	r := record(time.Now())
	if wanted {
		p.log.Log(&r)
	}
	if t.Span != nil {
		t.Span.End(&r)
	}
}

// Pass makes the component's part of the trace follow this one.
func (t *Trace) Pass(out textproto.MIMEHeader) {
	if t.Span == nil {
		return
	}
	parent, state := t.Span.Context()
	out.Set(HeaderTraceParent, parent)
	if out.Del(HeaderTraceState); state != "" {
		out.Set(HeaderTraceState, state)
	}
}
