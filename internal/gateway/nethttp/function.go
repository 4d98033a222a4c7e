package nethttp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"teal/internal/gateway/exchange"
	"teal/internal/gateway/payload"
)

// invoke answers with what the component's function says.
//
// A client that goes away once its body has arrived does not end the
// invocation, as it does not on AWS: the handler may be half way through. The
// drain deadline and the end of the server do.
func (x *roundTrip) invoke() {
	ctx, done := x.Claim.Env.Bind(x.handler.life)
	defer done()
	defer x.body.boundTo(ctx)()
	defer x.collected.Release()
	err := x.readBody()
	switch {
	case err != nil:
		x.fail(x.explain(ctx, err))
	case x.Claim.Stream:
		x.stream(ctx, x.event())
	default:
		x.collect(ctx, x.event())
	}
}

// collect answers with the whole of what the function says.
func (x *roundTrip) collect(ctx context.Context, request payload.Request) {
	var response payload.Response
	var err error
	response, x.Result.Failure, err = x.handler.policy.Invoke(ctx, x.Claim, request)
	if err != nil {
		x.fail(x.explain(ctx, err))
		return
	}
	x.answer(response)
}

// readBody reads the whole body.
func (x *roundTrip) readBody() (err error) {
	if x.body == nil {
		return nil
	}
	if x.collected, err = x.handler.policy.NewBody(x.in.ContentLength); err != nil {
		return err
	}
	x.body.until = time.Now().Add(x.handler.policy.Limits.FunctionBody)
	return readWhole(x.body, &x.collected)
}

// ReadBody reads the body of a request to a function before it is known who has
// sent it, within the limits and the budget of all such bodies. The caller calls
// release when it needs the body no more, also after an error; w is the request's.
func (s *Server) ReadBody(w http.ResponseWriter, r *http.Request) (data []byte, release func(), err error) {
	body, err := s.policy.NewBody(r.ContentLength)
	if err != nil {
		return nil, body.Release, err
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(s.policy.Limits.FunctionBody)) // net/http's connections take deadlines
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	if err := readWhole(r.Body, &body); err != nil {
		return nil, body.Release, err
	}
	return body.Bytes(), body.Release, nil
}

func readWhole(from io.Reader, to *exchange.Body) error {
	for {
		room, err := to.Room()
		if err != nil {
			return err
		}
		n, err := from.Read(room)
		if tooLarge := to.Took(n); tooLarge != nil {
			return tooLarge
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// event describes the request to the function.
func (x *roundTrip) event() payload.Request {
	port := ""
	if address, ok := x.in.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, port, _ = net.SplitHostPort(address.String())
	}
	return x.Event(port, x.collected.Bytes(), time.Now())
}

// answer writes a function's response.
func (x *roundTrip) answer(r payload.Response) {
	h := x.prepare(r)
	if exchange.Bodyless(r.Status) {
		x.w.WriteHeader(r.Status)
		return
	}
	x.out = int64(len(r.Body))
	h.Set("Content-Length", strconv.Itoa(len(r.Body)))
	x.w.WriteHeader(r.Status)
	_, _ = x.w.Write(r.Body) // the client may have gone; nobody is left to tell
}

// prepare sets the headers of a function's response, and notes that it begins.
func (x *roundTrip) prepare(r payload.Response) http.Header {
	x.Answered(r.Status)
	x.Result.Gone = x.in.Context().Err() != nil
	h := x.w.Header()
	for _, pair := range r.Headers {
		h.Add(pair[0], pair[1])
	}
	for _, cookie := range r.Cookies {
		h.Add("Set-Cookie", cookie)
	}
	h.Set(exchange.HeaderVersion, x.Claim.Env.Label())
	if _, typed := h["Content-Type"]; !typed && !exchange.Bodyless(r.Status) {
		h["Content-Type"] = nil // do not guess
	}
	return h
}
