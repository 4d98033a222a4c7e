package exchange

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/payload"
)

const headerTrace = "X-Amzn-Trace-Id"

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
	if err := p.CheckEvent(int64(len(event))); err != nil {
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

// FreeBody is what the body of a request to a function may hold without asking:
// connections bound such bodies already, and they must pass while large ones
// have used the budget up.
const FreeBody = 64 << 10

// ReadWhole reads a body of the announced size, -1 for none, and adds to held
// what it has taken from the budget.
func (p *Policy) ReadWhole(body io.Reader, size int64, held *int64) ([]byte, error) {
	data := make([]byte, 0, min(max(size+1, 512), FreeBody))
	for {
		n, err := body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err == nil {
			err = p.CheckEvent(int64(len(data)))
		}
		if err == nil && len(data) == cap(data) {
			data, err = p.grow(data, held)
		}
		if err != nil {
			return nil, err
		}
	}
}

// grow returns data with room for as much again, or an error with
// teal.CodeUnavailable when the budget does not have it.
func (p *Policy) grow(data []byte, held *int64) ([]byte, error) {
	more := int64(cap(data))
	if !p.bodies.take(more) {
		return nil, ErrTooManyBodies()
	}
	*held += more
	return append(make([]byte, 0, 2*cap(data)), data...), nil
}

func ErrTooManyBodies() error {
	return gateway.PublicErrorf(teal.CodeUnavailable, "too many large requests are being read at the moment; try again")
}

// CompleteEvent adds the headers that every event has.
func CompleteEvent(h textproto.MIMEHeader, host, port string, length int, now time.Time) {
	h.Set("Host", host)
	h.Set("Content-Length", strconv.Itoa(length))
	h.Set(headerTrace, traceID(h.Get(headerTrace), now))
	if port != "" && h.Get("X-Forwarded-Port") == "" {
		h.Set("X-Forwarded-Port", port)
	}
}

// Bodyless reports whether a response of that status has no body.
func Bodyless(status int) bool {
	return status == statusNoContent || status == statusNotModified
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

// Hold takes so many bytes of what the bodies of requests to functions may hold
// together. It reports whether they could be had; GiveBack returns them.
func (p *Policy) Hold(bytes int64) bool { return p.bodies.take(bytes) }

// GiveBack returns what Hold has taken.
func (p *Policy) GiveBack(bytes int64) { p.bodies.give(bytes) }
