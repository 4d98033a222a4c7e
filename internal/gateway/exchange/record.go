package exchange

import (
	"time"

	"teal/internal/gateway"
)

// The headers of W3C Trace Context.
const (
	headerTraceParent = "Traceparent"
	headerTraceState  = "Tracestate"
)

// Record hands the exchange, which is over, to those who look on, once. in and out are
// the bytes of the bodies.
func (x *Exchange) Record(in, out int64) {
	if x.start.IsZero() {
		return
	}
	to := x.policy.log
	wanted := to != nil && !x.at.isInternal() && to.Wants(x.Result.Status)
	if wanted || x.span != nil {
		x.tell(wanted, in, out)
	}
	x.start, x.span = time.Time{}, nil
}

func (x *Exchange) tell(wanted bool, in, out int64) {
	r := x.record(time.Now())
	if r.In, r.Out = in, out; r.Method == "HEAD" {
		r.Out = 0 // it is told of a body and gets none
	}
	if wanted {
		x.policy.log.Log(&r)
	}
	if x.span != nil {
		x.span.End(&r)
	}
}

// record returns what is known. The texts of the request lie in the carrier's buffer.
func (x *Exchange) record(now time.Time) gateway.Record {
	line := x.in.Line()
	r := gateway.Record{
		Start: x.start, Duration: now.Sub(x.start), Client: x.ClientAddress(),
		Scheme: x.at.Scheme(), Protocol: line.Protocol, Method: line.Method, Host: line.Host, Target: line.Target,
		Referer: Get(x.in, "Referer"), UserAgent: Get(x.in, "User-Agent"), TraceParent: Get(x.in, headerTraceParent),
		Status: x.Result.Status, Code: x.code, RequestID: x.requestID, Fault: x.Result.Fault, Aborted: x.Result.Status != 0 && !x.Whole,
		Alias: x.Claim.Alias, Version: x.Claim.Version, Route: x.Claim.Route, Instance: x.Instance,
	}
	if !x.Result.Answered.IsZero() {
		r.Answered = x.Result.Answered.Sub(x.start)
	}
	if x.span != nil {
		r.TraceParent, _ = x.span.Context()
	}
	if x.Claim.Env != nil {
		r.App = x.Claim.Env.App()
	}
	if x.Claim.Component != nil {
		r.Component = x.Claim.Component.Name
	}
	return r
}
