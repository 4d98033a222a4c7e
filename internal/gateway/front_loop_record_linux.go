package gateway

import (
	"strings"
	"time"

	"teal/internal/http1"
)

// look begins the record of a request, if anybody wants one.
func (c *caller) look() {
	s := c.loop.server
	if s.log == nil && s.tracer == nil {
		return
	}
	t := c.trip
	t.sight = sight{start: time.Now()}
	if s.tracer != nil {
		// Copies: a span outlives the buffer.
		t.sight.span = s.tracer.Start(string(valueOr(&t.request, "traceparent", nil)), string(valueOr(&t.request, "tracestate", nil)), t.sight.start)
	}
}

// appendTrace makes the instance's part of the trace follow this one.
func (t *trip) appendTrace(to []byte) []byte {
	if t.sight.span == nil {
		return to
	}
	parent, state := t.sight.span.Context()
	to = http1.AppendLine(to, headerTraceParent, parent)
	if state != "" {
		to = http1.AppendLine(to, headerTraceState, state)
	}
	return to
}

// isTrace reports whether a field is one that appendTrace writes.
func isTrace(name []byte) bool {
	return http1.EqualFold(name, "traceparent") || http1.EqualFold(name, "tracestate")
}

// record hands the request, which is over, to those who look on, once.
func (c *caller) record() {
	t := c.trip
	if t.sight.start.IsZero() {
		return
	}
	s := c.loop.server
	span := t.sight.span
	if wanted := s.log != nil && s.log.Wants(t.result.Status); wanted || span != nil {
		r := c.recordOf(time.Now())
		if wanted {
			s.log.Log(&r)
		}
		if span != nil {
			span.End(&r)
		}
	}
	t.sight = sight{}
}

// recordOf returns the record, whose texts lie in the client's buffer.
func (c *caller) recordOf(now time.Time) Record {
	t := c.trip
	q := &t.request
	r := Record{
		Start: t.sight.start, Duration: now.Sub(t.sight.start), Client: c.sourceIP(), Scheme: c.loop.all.front.scheme(), Protocol: protocolOf(q),
		Status: t.result.Status, Code: t.code, RequestID: t.requestID, Fault: t.result.Fault, Aborted: t.result.Status != 0 && !t.sight.whole,
		In: t.up.passed + t.skipped + int64(len(t.body)), Out: t.sight.out + t.down.passed,
		Alias: t.claim.Alias, Version: t.claim.Version, Instance: t.sight.instance,
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
		r.Answered = t.result.Answered.Sub(t.sight.start)
	}
	if t.sight.span != nil {
		r.TraceParent, _ = t.sight.span.Context()
	}
	if t.claim.Env != nil {
		r.App, r.Component = t.claim.Env.app, t.claim.Component.Name
	}
	return r
}

// sourceIP returns the address of the client: the one that a trusted peer names,
// else the peer's.
func (c *caller) sourceIP() string {
	if c.trusted && c.trip.head > 0 {
		var chain []string
		for name, value := range c.fields {
			if strings.EqualFold(name, "X-Forwarded-For") {
				chain = append(chain, value)
			}
		}
		if client, known := lastClient(chain, c.loop.server.trusted); known {
			return client.String()
		}
	}
	if c.address == "" && c.peer.IsValid() {
		c.address = c.peer.String()
	}
	return c.address
}
