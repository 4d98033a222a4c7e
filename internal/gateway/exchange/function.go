package exchange

import (
	"context"
	"errors"
	"fmt"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/payload"
)

// Invoke runs the function of a claim with a request as its event, and reads its
// answer. It also returns what the function said if it failed.
func (p *Policy) Invoke(ctx context.Context, claim gateway.Claim, request payload.Request) (payload.Response, *gateway.Failure, error) {
	answer, failure, err := p.Run(ctx, claim, request, nil)
	if err != nil {
		return payload.Response{}, failure, err
	}
	response, err := payload.Decode(answer.Payload, formatOf(claim))
	return response, nil, err
}

func formatOf(claim gateway.Claim) string {
	if claim.Component.Payload == payload.V1 {
		return payload.V1
	}
	return payload.V2
}

// Run invokes the function of a claim with a request as its event. to gets what
// the function streams; nil collects it. It also returns what the function said
// if it failed, which is an error too.
func (p *Policy) Run(ctx context.Context, claim gateway.Claim, request payload.Request, to teal.Stream) (teal.Answer, *gateway.Failure, error) {
	encode := payload.EventV2
	if formatOf(claim) == payload.V1 {
		encode = payload.EventV1
	}
	event := encode(request)
	if err := p.checkEvent(int64(len(event))); err != nil {
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
	var failure *gateway.Failure
	if answer.FunctionError != "" {
		failure = gateway.FailureOf(answer.Payload)
	}
	switch {
	case err != nil:
		err = functionFault(answer, err)
	case failure != nil:
		err = functionFailed(claim, failure, request.RequestID)
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

// Bodyless reports whether a response of that status has no body.
func Bodyless(status int) bool {
	return status == statusNoContent || status == statusNotModified
}
