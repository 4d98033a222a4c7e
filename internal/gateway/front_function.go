package gateway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"teal"
	"teal/internal/gateway/payload"
)

const headerTrace = "X-Amzn-Trace-Id"

// invoke answers with what the component's function says.
//
// A client that goes away once its body has arrived does not end the
// invocation, as it does not on AWS: the handler may be half way through. The
// drain deadline and the end of the server do.
func (x *exchange) invoke() {
	ctx, done := x.claim.Env.Bind(x.front.life)
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
func (x *exchange) collect(ctx context.Context, request payload.Request) {
	var response payload.Response
	var err error
	response, x.result.Failure, err = x.front.server.invoke(ctx, x.claim, request)
	if err != nil {
		x.fail(x.explain(ctx, err))
		return
	}
	x.answer(response)
}

// invoke runs the function of a claim with a request as its event, and reads its
// answer. It also returns what the function said if it failed.
func (s *Server) invoke(ctx context.Context, claim Claim, request payload.Request) (payload.Response, *Failure, error) {
	answer, failure, err := s.run(ctx, claim, request, nil)
	if err != nil {
		return payload.Response{}, failure, err
	}
	response, err := payload.Decode(answer.Payload, formatOf(claim))
	return response, nil, err
}

func formatOf(claim Claim) string {
	if claim.Component.Payload == payload.V1 {
		return payload.V1
	}
	return payload.V2
}

// run invokes the function of a claim with a request as its event. to gets what
// the function streams; nil collects it. It also returns what the function said
// if it failed, which is an error too.
func (s *Server) run(ctx context.Context, claim Claim, request payload.Request, to teal.Stream) (teal.Answer, *Failure, error) {
	encode := payload.EventV2
	if formatOf(claim) == payload.V1 {
		encode = payload.EventV1
	}
	event := encode(request)
	if err := s.checkSize(int64(len(event))); err != nil {
		return teal.Answer{}, nil, err
	}
	answer, err := claim.Component.Function.Invoke(ctx, teal.Invocation{
		RequestID: request.RequestID,
		Event:     event,
		TraceID:   request.Headers[headerTrace][0],
		Alias:     claim.Alias,
		Stream:    to,
		Inside:    claim.Inside,
	})
	var failure *Failure
	if answer.FunctionError != "" {
		failure = FailureOf(answer.Payload)
	}
	switch {
	case err != nil:
		err = functionFault(answer, err)
	case failure != nil:
		err = claim.functionFailed(failure, request.RequestID)
	}
	return answer, failure, err
}

// functionFault returns an error of Invoke as the client is to see it. An answer
// that is too large is the function's fault, where a request that is too large
// is the client's.
func functionFault(answer teal.Answer, err error) error {
	if answer.FunctionError != "" && teal.IsCode(err, teal.CodeTooLarge) {
		return &teal.Error{Code: teal.CodeBadAnswer, Message: teal.MessageOf(err), Err: err}
	}
	return err
}

// functionFailed says that the handler failed. What it said, and its stack
// trace, go to the log alone.
func (c Claim) functionFailed(said *Failure, requestID string) error {
	cause := errors.New("no error document")
	if said.Type != "" || said.Message != "" {
		cause = fmt.Errorf("%s: %s", said.Type, said.Message)
	}
	return &teal.Error{
		Code:    teal.CodeFunctionFailed,
		Message: fmt.Sprintf("function %q of version %s failed; the app's log says why at request %s", c.Component.Name, c.Version, requestID),
		Err:     cause,
	}
}

func (s *Server) checkSize(size int64) error {
	if limit := s.limits.FunctionBytes; size > int64(limit) {
		return publicErrorf(teal.CodeTooLarge, "the request, as an event for a function, is larger than %s; send less", limit)
	}
	return nil
}

// checkBody refuses the body of a request to a service, of which there are so
// many bytes.
func (s *Server) checkBody(size int64) error {
	if limit := s.limits.BodyBytes; size > int64(limit) {
		return publicErrorf(teal.CodeTooLarge, "the request's body is larger than %s; send less", limit)
	}
	return nil
}

// freeBody is what the body of a request to a function may hold without asking:
// connections bound such bodies already, and they must pass while large ones
// have used the budget up.
const freeBody = 64 << 10

// readBody reads the whole body. What it holds beyond a small one is taken from
// the server's budget as it arrives, so that a client which only announces much
// costs nothing; giveBack returns it.
func (x *exchange) readBody() ([]byte, error) {
	if x.body == nil {
		return nil, nil
	}
	if err := x.front.server.checkSize(x.in.ContentLength); err != nil {
		return nil, err
	}
	x.body.until = time.Now().Add(x.front.server.limits.FunctionBody)
	return x.front.server.readWhole(x.body, x.in.ContentLength, &x.held)
}

// ReadBody reads the body of a request to a function before it is known who has
// sent it, within the limits and the budget of all such bodies. The caller calls
// release when it needs the body no more, also after an error; w is the request's.
func (s *Server) ReadBody(w http.ResponseWriter, r *http.Request) (data []byte, release func(), err error) {
	held := new(int64)
	release = func() { s.bodies.give(*held) }
	if err := s.checkSize(r.ContentLength); err != nil {
		return nil, release, err
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(s.limits.FunctionBody)) // net/http's connections take deadlines
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	data, err = s.readWhole(r.Body, r.ContentLength, held)
	return data, release, err
}

// readWhole reads a body of the announced size, -1 for none, and adds to held
// what it has taken from the budget.
func (s *Server) readWhole(body io.Reader, size int64, held *int64) ([]byte, error) {
	data := make([]byte, 0, min(max(size+1, 512), freeBody))
	for {
		n, err := body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err == nil {
			err = s.checkSize(int64(len(data)))
		}
		if err == nil && len(data) == cap(data) {
			data, err = s.grow(data, held)
		}
		if err != nil {
			return nil, err
		}
	}
}

// grow returns data with room for as much again, or an error with
// teal.CodeUnavailable when the budget does not have it.
func (s *Server) grow(data []byte, held *int64) ([]byte, error) {
	more := int64(cap(data))
	if !s.bodies.take(more) {
		return nil, errTooManyBodies()
	}
	*held += more
	return append(make([]byte, 0, 2*cap(data)), data...), nil
}

func errTooManyBodies() error {
	return publicErrorf(teal.CodeUnavailable, "too many large requests are being read at the moment; try again")
}

func (x *exchange) giveBack() { x.front.server.bodies.give(x.held) }

// event describes the request to the function.
func (x *exchange) event(body []byte, now time.Time) payload.Request {
	x.requestID = uuid.NewString()
	h := x.in.Header.Clone()
	removeHopByHop(h)
	x.introduce(h)
	port := ""
	if address, ok := x.in.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, port, _ = net.SplitHostPort(address.String())
	}
	completeEvent(h, x.in.Host, port, len(body), now)
	return payload.Request{
		Method:    x.in.Method,
		Path:      x.in.URL.EscapedPath(),
		RawQuery:  x.in.URL.RawQuery,
		Protocol:  x.in.Proto,
		Host:      x.in.Host,
		SourceIP:  x.origin().sourceIP(x.in.Header),
		Headers:   h,
		Body:      body,
		RequestID: x.requestID,
		Time:      now,
	}
}

// completeEvent adds the headers that every event has.
func completeEvent(h http.Header, host, port string, length int, now time.Time) {
	h.Set("Host", host)
	h.Set("Content-Length", strconv.Itoa(length))
	h.Set(headerTrace, traceID(h.Get(headerTrace), now))
	if port != "" && h.Get("X-Forwarded-Port") == "" {
		h.Set("X-Forwarded-Port", port)
	}
}

// answer writes a function's response.
func (x *exchange) answer(r payload.Response) {
	h := x.prepare(r)
	if bodyless(r.Status) {
		x.w.WriteHeader(r.Status)
		return
	}
	x.sight.out = int64(len(r.Body))
	h.Set("Content-Length", strconv.Itoa(len(r.Body)))
	x.w.WriteHeader(r.Status)
	_, _ = x.w.Write(r.Body) // the client may have gone; nobody is left to tell
}

// prepare sets the headers of a function's response, and notes that it begins.
func (x *exchange) prepare(r payload.Response) http.Header {
	x.answered(r.Status)
	x.result.Gone = x.in.Context().Err() != nil
	h := x.w.Header()
	for _, pair := range r.Headers {
		h.Add(pair[0], pair[1])
	}
	for _, cookie := range r.Cookies {
		h.Add("Set-Cookie", cookie)
	}
	h.Set(headerVersion, x.claim.Env.label)
	if _, typed := h["Content-Type"]; !typed && !bodyless(r.Status) {
		h["Content-Type"] = nil // do not guess
	}
	return h
}

func bodyless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// traceID returns the trace that the client is in, or a new one, as X-Ray writes
// it: the time in seconds and 96 random bits.
func traceID(sent string, now time.Time) string {
	const longest = 512 // it becomes an environment variable of the function
	if strings.Contains(sent, "Root=") && len(sent) <= longest {
		return sent
	}
	var b [16]byte
	binary.BigEndian.PutUint32(b[:4], uint32(now.Unix()))
	_, _ = rand.Read(b[4:]) // never fails: it ends the program instead
	const form = "Root=1-00000000-000000000000000000000000"
	text := []byte(form)
	hex.Encode(text[7:15], b[:4])
	hex.Encode(text[16:], b[4:])
	return string(text)
}
