package nethttp

import (
	"net/textproto"
	"time"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
)

// look begins the record of an exchange, if anybody wants one.
func (x *roundTrip) look() {
	if x.handler.policy.IsWatched() {
		x.trace = x.handler.policy.StartTrace(headOf(x.in.Header))
	}
}

// record hands the exchange, which is over, to those who look on.
func (x *roundTrip) record() {
	x.handler.policy.Record(&x.handler.at.Entrypoint, &x.trace, x.result.Status, x.recordOf)
}

func (x *roundTrip) recordOf(now time.Time) gateway.Record {
	r := gateway.Record{
		Start: x.trace.Start, Duration: now.Sub(x.trace.Start), Client: x.origin().SourceIP(textproto.MIMEHeader(x.in.Header)),
		Scheme: x.handler.at.Scheme(), Protocol: x.in.Proto, Method: x.in.Method, Host: x.in.Host, Target: x.in.RequestURI,
		Referer: x.in.Header.Get("Referer"), UserAgent: x.in.Header.Get("User-Agent"), TraceParent: x.in.Header.Get(exchange.HeaderTraceParent),
		Status: x.result.Status, Code: x.code, RequestID: x.requestID, Fault: x.result.Fault, Aborted: x.result.Status != 0 && !x.trace.Whole,
		In: x.body.received(), Out: x.trace.Out,
		Alias: x.claim.Alias, Version: x.claim.Version, Route: x.claim.Route, Instance: x.trace.Instance,
	}
	if !x.result.Answered.IsZero() {
		r.Answered = x.result.Answered.Sub(x.trace.Start)
	}
	if x.trace.Span != nil {
		r.TraceParent, _ = x.trace.Span.Context()
	}
	if x.claim.Env != nil {
		r.App = x.claim.Env.App()
	}
	if x.claim.Component != nil {
		r.Component = x.claim.Component.Name
	}
	return r
}
