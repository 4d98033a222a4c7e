package gateway

import (
	"net/http"
	"time"
)

// The headers of W3C Trace Context.
const (
	headerTraceParent = "Traceparent"
	headerTraceState  = "Tracestate"
)

// sight is what is known of an exchange for those who look on. All of it is zero
// when nobody does.
type sight struct {
	start    time.Time
	span     Span
	out      int64
	instance string
	whole    bool // the handler came to its end
}

// look begins the record of an exchange, if anybody wants one.
func (x *exchange) look() {
	s := x.front.server
	if s.log == nil && s.tracer == nil {
		return
	}
	x.sight.start = time.Now()
	if s.tracer != nil {
		x.sight.span = s.tracer.Start(x.in.Header.Get(headerTraceParent), x.in.Header.Get(headerTraceState), x.sight.start)
	}
}

// passTrace makes the component's part of the trace follow this one.
func (s *sight) passTrace(out http.Header) {
	if s.span == nil {
		return
	}
	parent, state := s.span.Context()
	out.Set(headerTraceParent, parent)
	if out.Del(headerTraceState); state != "" {
		out.Set(headerTraceState, state)
	}
}

// record hands the exchange, which is over, to those who look on.
func (x *exchange) record() {
	s := x.front.server
	wanted := s.log != nil && !x.front.internal && s.log.Wants(x.result.Status)
	if !wanted && x.sight.span == nil {
		return
	}
	r := x.recordOf(time.Now())
	if wanted {
		s.log.Log(&r)
	}
	if x.sight.span != nil {
		x.sight.span.End(&r)
	}
}

func (x *exchange) recordOf(now time.Time) Record {
	r := Record{
		Start: x.sight.start, Duration: now.Sub(x.sight.start), Client: x.origin().sourceIP(x.in.Header),
		Scheme: x.front.scheme(), Protocol: x.in.Proto, Method: x.in.Method, Host: x.in.Host, Target: x.in.RequestURI,
		Referer: x.in.Header.Get("Referer"), UserAgent: x.in.Header.Get("User-Agent"), TraceParent: x.in.Header.Get(headerTraceParent),
		Status: x.result.Status, Code: x.code, RequestID: x.requestID, Fault: x.result.Fault, Aborted: x.result.Status != 0 && !x.sight.whole,
		In: x.body.received(), Out: x.sight.out,
		Alias: x.claim.Alias, Version: x.claim.Version, Route: x.claim.Route, Instance: x.sight.instance,
	}
	if !x.result.Answered.IsZero() {
		r.Answered = x.result.Answered.Sub(x.sight.start)
	}
	if x.sight.span != nil {
		r.TraceParent, _ = x.sight.span.Context()
	}
	if x.claim.Env != nil {
		r.App = x.claim.Env.app
	}
	if x.claim.Component != nil {
		r.Component = x.claim.Component.Name
	}
	return r
}
