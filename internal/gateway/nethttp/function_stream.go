package nethttp

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"teal"
	"teal/internal/gateway/exchange"
	"teal/internal/gateway/payload"
)

// stream answers with what the function says, as it says it. An answer that ends
// before its end is cut off, so that nobody takes it for the whole.
func (x *roundTrip) stream(ctx context.Context, invocation *exchange.Invocation) {
	out := &outflow{x: x, invocation: invocation, began: time.Now()}
	answer, failure, err := invocation.Stream(ctx, out)
	x.Result.Failure = failure
	switch {
	case out.refused:
	case err == nil && out.waitsForHead():
		x.fail(payload.NoPreludeEnd())
	case err == nil && !out.begun:
		out.begin(payload.Response{Status: http.StatusOK, Headers: octets("")})
		_, _ = out.Write(answer.Payload)
	case err != nil && !out.begun:
		x.fail(x.explain(ctx, err))
	case err != nil:
		out.breakOff(exchange.ExplainEnd(ctx, err))
	}
}

// octets returns the headers of an answer that has none of its own.
func octets(mediaType string) [][2]string {
	return [][2]string{{"Content-Type", cmp.Or(mediaType, "application/octet-stream")}}
}

// outflow writes a streamed answer to the client. It implements teal.Stream.
type outflow struct {
	x          *roundTrip
	invocation *exchange.Invocation
	prelude    []byte // status and headers, until they are whole
	framed     bool   // the answer begins with a prelude
	begun      bool   // the response's head has been written
	refused    bool   // the answer made no sense, and the client has been told so

	began time.Time
	held  time.Duration // by the client, in writes
}

// Begin implements teal.Stream.
func (o *outflow) Begin(mediaType string) {
	if o.framed = mediaType == payload.IntegrationType; o.framed {
		return
	}
	o.begin(payload.Response{Status: http.StatusOK, Headers: octets(mediaType)})
	_ = o.flush() // the next write fails too
}

func (o *outflow) waitsForHead() bool { return o.framed && !o.begun }

func (o *outflow) begin(r payload.Response) {
	o.begun = true
	answer := o.invocation.Answer(r)
	o.x.begun(&answer)
	o.x.w.WriteHeader(r.Status)
}

var errRefused = errors.New("the answer has been refused")

// Write implements teal.Stream.
func (o *outflow) Write(piece []byte) (int, error) {
	body := piece
	if o.waitsForHead() {
		o.prelude = append(o.prelude, piece...)
		response, n, err := payload.Prelude(o.prelude)
		if err != nil {
			o.refused = true
			o.x.fail(err)
			return 0, errRefused
		}
		if n == 0 {
			return len(piece), nil
		}
		body = o.prelude[n:]
		o.begin(response)
	}
	since := time.Now()
	defer func() { o.held += time.Since(since) }()
	n, err := o.x.w.Write(body)
	o.x.out += int64(n)
	if err == nil {
		err = o.flush()
	}
	return len(piece), err
}

func (o *outflow) flush() error { return http.NewResponseController(o.x.w).Flush() }

// breakOff ends an answer that will not be whole. A timeout counts against the
// version unless it was the client who took most of the time.
func (o *outflow) breakOff(err error) {
	slow := o.held >= time.Since(o.began)/2
	o.x.BreakOff(err, slow)
	panic(http.ErrAbortHandler)
}

var _ teal.Stream = (*outflow)(nil)
