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
	if err != nil {
		x.fail(x.explain(ctx, err))
		return
	}
	invocation := x.Invocation(portOf(x.in), x.collected.Bytes(), time.Now())
	if x.Claim.Stream {
		x.stream(ctx, &invocation)
	} else {
		x.collect(ctx, &invocation)
	}
}

// collect answers with the whole of what the function says.
func (x *roundTrip) collect(ctx context.Context, invocation *exchange.Invocation) {
	answer, failure, err := invocation.Collect(ctx)
	x.Result.Failure = failure
	if err != nil {
		x.fail(x.explain(ctx, err))
		return
	}
	h := x.begun(&answer)
	if answer.Length >= 0 {
		h.Set("Content-Length", strconv.FormatInt(answer.Length, 10))
	}
	x.out = int64(len(answer.Body))
	x.w.WriteHeader(answer.Status)
	if answer.Body != nil {
		_, _ = x.w.Write(answer.Body) // the client may have gone; nobody is left to tell
	}
}

// begun sets the header of a function's answer, and notes that it begins.
func (x *roundTrip) begun(answer *exchange.FunctionAnswer) http.Header {
	x.Answered(answer.Status)
	x.Result.Gone = x.in.Context().Err() != nil
	h := x.w.Header()
	answer.WriteHead(&header{Header: h})
	if _, typed := h["Content-Type"]; !typed && answer.Length >= 0 {
		h["Content-Type"] = nil // do not guess
	}
	return h
}

// portOf returns the port of the listener that a request has come in on, "" for none.
func portOf(r *http.Request) string {
	address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	_, port, _ := net.SplitHostPort(address.String())
	return port
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
