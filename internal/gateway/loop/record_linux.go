package loop

import (
	"time"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// look begins the record of a request, if anybody wants one.
func (c *clientConn) look() {
	if p := c.loop.policy; p.IsWatched() {
		c.exchange.trace = p.StartTrace(c.fields())
	}
}

// appendTrace makes the instance's part of the trace follow this one.
func (t *roundTrip) appendTrace(to []byte) []byte {
	if t.trace.Span == nil {
		return to
	}
	parent, state := t.trace.Span.Context()
	to = http1.AppendLine(to, exchange.HeaderTraceParent, parent)
	if state != "" {
		to = http1.AppendLine(to, exchange.HeaderTraceState, state)
	}
	return to
}

// isTrace reports whether a field is one that appendTrace writes.
func isTrace(name []byte) bool {
	return http1.EqualFold(name, "traceparent") || http1.EqualFold(name, "tracestate")
}

// record hands the request, which is over, to those who look on, once.
func (c *clientConn) record() {
	t := c.exchange
	if t.trace.Start.IsZero() {
		return
	}
	c.loop.policy.Record(&c.loop.all.at.Entrypoint, &t.trace, t.result.Status, c.recordOf)
	t.trace = exchange.Trace{}
}

// recordOf returns the record, whose texts lie in the client's buffer.
func (c *clientConn) recordOf(now time.Time) gateway.Record {
	t := c.exchange
	q := &t.request
	r := gateway.Record{
		Start: t.trace.Start, Duration: now.Sub(t.trace.Start), Client: c.sourceIP(), Scheme: c.loop.all.at.Scheme(), Protocol: protocolOf(q),
		Status: t.result.Status, Code: t.code, RequestID: t.requestID, Fault: t.result.Fault, Aborted: t.result.Status != 0 && !t.trace.Whole,
		In: t.up.passed + t.skipped + int64(len(t.body)), Out: t.trace.Out + t.down.passed,
		Alias: t.claim.Alias, Version: t.claim.Version, Instance: t.trace.Instance,
	}
	if t.head > 0 {
		r.Method, r.Host, r.Target = view(q.Method), view(q.Host), view(q.Target())
		r.Referer, r.UserAgent = view(valueOr(q, "referer", nil)), view(valueOr(q, "user-agent", nil))
		r.TraceParent = view(valueOr(q, "traceparent", nil))
		r.Route = view(c.decodedPath())[:t.route]
	}
	if t.tunnel {
		r.In, r.Out = 0, 0
	}
	if !t.result.Answered.IsZero() {
		r.Answered = t.result.Answered.Sub(t.trace.Start)
	}
	if t.trace.Span != nil {
		r.TraceParent, _ = t.trace.Span.Context()
	}
	if t.claim.Env != nil {
		r.App, r.Component = t.claim.Env.App(), t.claim.Component.Name
	}
	return r
}

// sourceIP returns the address of the client: the peer's, or, when that is a
// trusted proxy, the one that it names.
func (c *clientConn) sourceIP() string {
	if c.trusted {
		if named := c.loop.policy.NamedClient(c.fields()); named != "" {
			return named
		}
	}
	if c.address == "" && c.peer.IsValid() {
		c.address = c.peer.String()
	}
	return c.address
}
