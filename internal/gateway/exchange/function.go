package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/payload"
	"teal/internal/http1"
)

// Invocation is a request as an event on its way through a function. It shares nothing
// with its exchange, which may wait for it on another goroutine.
type Invocation struct {
	policy  *Policy
	claim   gateway.Claim
	request payload.Request
	secure  string // of Strict-Transport-Security; "" for none
}

// Invocation returns the invocation that the request asks for. port is the listener's,
// "" for none.
func (x *Exchange) Invocation(port string, body []byte, now time.Time) Invocation {
	return Invocation{policy: x.policy, claim: x.Claim, request: x.event(port, body, now), secure: x.transportSecurity()}
}

// Request returns what the event says.
func (i *Invocation) Request() payload.Request { return i.request }

// Collect runs the function and reads its answer. ctx ends it. It also returns what the
// function said if it failed.
func (i *Invocation) Collect(ctx context.Context) (FunctionAnswer, *gateway.Failure, error) {
	answer, failure, err := i.Stream(ctx, nil)
	if err != nil {
		return FunctionAnswer{}, failure, err
	}
	response, err := payload.Decode(answer.Payload, i.format())
	if err != nil {
		return FunctionAnswer{}, nil, err
	}
	return i.Answer(response), nil, nil
}

func (i *Invocation) format() string {
	if i.claim.Component.Payload == payload.V1 {
		return payload.V1
	}
	return payload.V2
}

// Stream runs the function. to gets what it says as it says it; nil collects it. Stream
// also returns what the function said if it failed, which is an error too.
func (i *Invocation) Stream(ctx context.Context, to teal.Stream) (teal.Answer, *gateway.Failure, error) {
	encode := payload.EventV2
	if i.format() == payload.V1 {
		encode = payload.EventV1
	}
	event := encode(i.request)
	if err := i.policy.checkEvent(int64(len(event))); err != nil {
		return teal.Answer{}, nil, err
	}
	answer, err := i.claim.Component.Function.Invoke(ctx, teal.Invocation{
		RequestID: i.request.RequestID,
		Event:     event,
		TraceID:   i.request.Headers[headerTrace][0],
		Alias:     i.claim.Alias,
		Stream:    to,
		Inside:    i.claim.Inside,
	})
	var failure *gateway.Failure
	if answer.FunctionError != "" {
		failure = gateway.FailureOf(answer.Payload)
	}
	switch {
	case err != nil:
		err = functionFault(answer, err)
	case failure != nil:
		err = functionFailed(i.claim, failure, i.request.RequestID)
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
func functionFailed(c gateway.Claim, said *gateway.Failure, requestID string) error {
	said = c.Component.Shown(said)
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

// FunctionAnswer is a function's answer as the client gets it.
type FunctionAnswer struct {
	Status int
	Body   []byte // nil for none, also where the answer to HEAD has none
	Length int64  // of the content; negative where the status allows none

	head    functionHead
	version string
	secure  string // of Strict-Transport-Security; "" for none
}

// Answer returns an answer of the function as the client gets it.
func (i *Invocation) Answer(r payload.Response) FunctionAnswer {
	a := FunctionAnswer{Status: r.Status, Body: r.Body, Length: int64(len(r.Body)), head: functionHead(r), version: i.claim.Env.Label(), secure: i.secure}
	if r.Status == statusNoContent || r.Status == statusNotModified {
		a.Length = -1
	}
	if a.Length < 0 || i.request.Method == "HEAD" {
		a.Body = nil
	}
	return a
}

// WriteHead writes the fields of the answer, as Exchange.PassResponse does.
func (a *FunctionAnswer) WriteHead(to Fields) (dated bool) {
	return passResponse(to, &a.head, a.version, a.secure)
}

// functionHead is the head of a function's response.
type functionHead payload.Response

// Len implements Head.
func (h *functionHead) Len() int { return len(h.Headers) + len(h.Cookies) }

// Field implements Head.
func (h *functionHead) Field(i int) (name, value string, endToEnd bool) {
	if i < len(h.Headers) {
		pair := h.Headers[i]
		return pair[0], pair[1], !http1.IsAboutConnection(pair[0])
	}
	return "Set-Cookie", h.Cookies[i-len(h.Headers)], true
}
