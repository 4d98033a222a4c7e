package nethttp

import (
	"context"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"time"

	"github.com/google/uuid"

	"teal/internal/gateway/exchange"
	"teal/internal/gateway/payload"
)

// invoke answers with what the component's function says.
//
// A client that goes away once its body has arrived does not end the
// invocation, as it does not on AWS: the handler may be half way through. The
// drain deadline and the end of the server do.
func (x *roundTrip) invoke() {
	ctx, done := x.claim.Env.Bind(x.handler.life)
	defer done()
	defer x.body.boundTo(ctx)()
	defer x.giveBack()
	body, err := x.readBody()
	switch {
	case err != nil:
		x.fail(x.explain(ctx, err))
	case x.claim.Stream:
		x.stream(ctx, x.event(body, time.Now()))
	default:
		x.collect(ctx, x.event(body, time.Now()))
	}
}

// collect answers with the whole of what the function says.
func (x *roundTrip) collect(ctx context.Context, request payload.Request) {
	var response payload.Response
	var err error
	response, x.result.Failure, err = x.handler.policy.Invoke(ctx, x.claim, request)
	if err != nil {
		x.fail(x.explain(ctx, err))
		return
	}
	x.answer(response)
}

// readBody reads the whole body. What it holds beyond a small one is taken from
// the server's budget as it arrives, so that a client which only announces much
// costs nothing; giveBack returns it.
func (x *roundTrip) readBody() ([]byte, error) {
	if x.body == nil {
		return nil, nil
	}
	if err := x.handler.policy.CheckEvent(x.in.ContentLength); err != nil {
		return nil, err
	}
	x.body.until = time.Now().Add(x.handler.policy.Limits.FunctionBody)
	return x.handler.policy.ReadWhole(x.body, x.in.ContentLength, &x.held)
}

// ReadBody reads the body of a request to a function before it is known who has
// sent it, within the limits and the budget of all such bodies. The caller calls
// release when it needs the body no more, also after an error; w is the request's.
func (s *Server) ReadBody(w http.ResponseWriter, r *http.Request) (data []byte, release func(), err error) {
	held := new(int64)
	release = func() { s.policy.GiveBack(*held) }
	if err := s.policy.CheckEvent(r.ContentLength); err != nil {
		return nil, release, err
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(s.policy.Limits.FunctionBody)) // net/http's connections take deadlines
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	data, err = s.policy.ReadWhole(r.Body, r.ContentLength, held)
	return data, release, err
}

func (x *roundTrip) giveBack() { x.handler.policy.GiveBack(x.held) }

// event describes the request to the function.
func (x *roundTrip) event(body []byte, now time.Time) payload.Request {
	x.requestID = uuid.NewString()
	h := x.in.Header.Clone()
	removeHopByHop(h)
	x.introduce(h)
	port := ""
	if address, ok := x.in.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, port, _ = net.SplitHostPort(address.String())
	}
	exchange.CompleteEvent(textproto.MIMEHeader(h), x.in.Host, port, len(body), now)
	return payload.Request{
		Method:    x.in.Method,
		Path:      x.in.URL.EscapedPath(),
		RawQuery:  x.in.URL.RawQuery,
		Protocol:  x.in.Proto,
		Host:      x.in.Host,
		SourceIP:  x.origin().SourceIP(textproto.MIMEHeader(x.in.Header)),
		Headers:   h,
		Body:      body,
		RequestID: x.requestID,
		Time:      now,
	}
}

// answer writes a function's response.
func (x *roundTrip) answer(r payload.Response) {
	h := x.prepare(r)
	if exchange.Bodyless(r.Status) {
		x.w.WriteHeader(r.Status)
		return
	}
	x.trace.Out = int64(len(r.Body))
	h.Set("Content-Length", strconv.Itoa(len(r.Body)))
	x.w.WriteHeader(r.Status)
	_, _ = x.w.Write(r.Body) // the client may have gone; nobody is left to tell
}

// prepare sets the headers of a function's response, and notes that it begins.
func (x *roundTrip) prepare(r payload.Response) http.Header {
	x.answered(r.Status)
	x.result.Gone = x.in.Context().Err() != nil
	h := x.w.Header()
	for _, pair := range r.Headers {
		h.Add(pair[0], pair[1])
	}
	for _, cookie := range r.Cookies {
		h.Add("Set-Cookie", cookie)
	}
	h.Set(exchange.HeaderVersion, x.claim.Env.Label())
	if _, typed := h["Content-Type"]; !typed && !exchange.Bodyless(r.Status) {
		h["Content-Type"] = nil // do not guess
	}
	return h
}

// introduce makes what is sent to the component say where the request comes
// from, and which trace it belongs to.
func (x *roundTrip) introduce(out http.Header) {
	x.origin().Set(textproto.MIMEHeader(out), textproto.MIMEHeader(x.in.Header))
	x.trace.Pass(textproto.MIMEHeader(out))
}

// origin may be asked before anything is claimed; then there is no label.
func (x *roundTrip) origin() exchange.Origin {
	label := ""
	if x.claim.Env != nil {
		label = x.claim.Env.Label()
	}
	return x.handler.policy.Origin(&x.handler.at.Entrypoint, remoteAddr(x.in), x.in.Host, label)
}
