package exchange

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/google/uuid"

	"teal"
	"teal/internal/gateway"
	"teal/internal/http1"
)

// Problem is an error of Teal's own as RFC 9457 writes it, with Teal's code.
type Problem struct {
	Type   string    `json:"type"`
	Title  string    `json:"title"`
	Status int       `json:"status"`
	Code   teal.Code `json:"code"`
	Detail string    `json:"detail"`
	// RequestID is in the server's log too, with the whole of what went wrong; for
	// an invocation it is the one in the function's log.
	RequestID string `json:"request_id,omitempty"`
}

// Answer is an answer of Teal's own, an error, in place of a component's.
type Answer struct {
	Status int
	Body   []byte // nil for none, without a length

	failure failure
	grpc    bool
	secure  string // of Strict-Transport-Security; "" for none
}

// failure is a request that Teal itself answers with an error.
type failure struct {
	err       error
	id        string // the same in the answer and in the log
	internals bool   // the client may know what is behind
	claim     gateway.Claim
	method    string
	path      string
	location  string // where the client is sent instead; "" for nowhere
	proof     *proof // what the client, a certificate authority, is told; nil for nothing
}

// Fail decides what is answered to a request for which there is no answer of a
// component, and notes and logs that it is.
func (x *Exchange) Fail(err error) Answer {
	err = x.Claim.Explain(err)
	f := x.failureOf(err)
	a := answerOf(f)
	a.secure = x.transportSecurity()
	x.Answered(a.Status)
	if f.location == "" && f.proof == nil {
		x.code = teal.CodeOf(err)
	}
	x.Result.Fault, x.Result.Refused = faultOf(err, a.Status), errors.Is(err, ErrNotImplemented)
	if partial := (partialBody{}); errors.As(err, &partial) {
		x.Result.Gone = true
	}
	x.policy.logAnswer(f, a.Status)
	if x.IsGRPC() {
		a.Status, a.Body, a.grpc = statusOK, nil, true
	}
	return a
}

func answerOf(f failure) Answer {
	status := statusOf(f.err)
	switch {
	case f.location != "":
		return Answer{Status: status, Body: []byte{}, failure: f}
	case f.proof != nil:
		return Answer{Status: status, Body: []byte(f.proof.text), failure: f}
	}
	return Answer{Status: status, Body: f.document(status), failure: f}
}

// NotSecure is the answer to a client that speaks without TLS where all speak with it.
func NotSecure() Answer {
	return answerOf(failure{err: gateway.PublicErrorf(teal.CodeInvalidInput, "this port speaks HTTPS only; ask with https://")})
}

// retryAfter is what clients are told to wait, in seconds, when trying again may
// help.
const retryAfter = "1"

// WriteHead writes the fields of the answer, without framing.
func (a Answer) WriteHead(to Fields) {
	addTransportSecurity(to, a.secure)
	if version := a.failure.claim.Version; version > 0 {
		to.Add(headerVersion, version.String())
	}
	status := a.Status
	if a.grpc {
		status = statusOf(a.failure.err)
	}
	if status == statusServiceUnavailable || status == statusTooManyRequests {
		to.Add("Retry-After", retryAfter)
	}
	if a.grpc {
		a.failure.writeGRPC(to)
		return
	}
	if a.failure.location != "" {
		to.Add("Location", a.failure.location)
		return
	}
	if a.failure.proof != nil {
		to.Add(headerContentType, "application/octet-stream")
		return
	}
	if only := (*gateway.NotAllowed)(nil); errors.As(a.failure.err, &only) {
		to.Add("Allow", strings.Join(only.Methods, ", "))
	}
	// A cache may keep a 404 or a 405 for as long as it likes (RFC 9111, 4.2.2); the next
	// version may have what this one has not.
	to.Add("Cache-Control", "no-store")
	to.Add(headerContentType, "application/problem+json")
}

// Break notes whose fault it is that an answer which has begun ends before its end, and
// logs why: nobody is left to tell.
func (x *Exchange) Break(err error, fault gateway.Fault) {
	x.Result.Fault = fault
	x.policy.logFailure(x.failureOf(err))
}

// BreakOff is Break for the streamed answer of a function. A timeout counts against the
// version unless it was the client who took most of the time.
func (x *Exchange) BreakOff(err error, slowClient bool) {
	x.code = teal.CodeOf(err)
	fault := x.Result.Fault
	if !slowClient || !teal.IsCode(err, teal.CodeFunctionTimeout) {
		fault = faultOf(err, statusOf(err))
	}
	x.Break(err, fault)
}

// failureOf returns err as the request's.
func (x *Exchange) failureOf(err error) failure {
	x.requestID = or(x.requestID, uuid.NewString())
	line := x.in.Line()
	f := failure{
		err: err, id: x.requestID, internals: x.policy.seesInternals(x.at, x.peer.Addr, x.in),
		claim: x.Claim, method: strings.Clone(line.Method), path: strings.Clone(line.Path),
	}
	if elsewhere := (*gateway.Redirection)(nil); errors.As(err, &elsewhere) {
		f.location = elsewhere.Location(f.path, strings.Clone(line.RawQuery))
	}
	f.proof, _ = errors.AsType[*proof](err)
	return f
}

// document returns the error as the client reads it.
func (f failure) document(status int) []byte {
	data, err := json.Marshal(Problem{
		Type:      "about:blank",
		Title:     http1.StatusText(status),
		Status:    status,
		Code:      teal.CodeOf(f.err),
		Detail:    sentenceFor(f.err, f.internals),
		RequestID: f.id,
	})
	if err != nil {
		panic("exchange: problem cannot be encoded: " + err.Error()) // it holds strings and an int
	}
	return data
}

// sentenceFor returns what a client is told of an error. Apps, versions, instances and
// their addresses are named only to who may see the internals; anybody else gets a
// sentence for the kind of error, and the log has the rest.
func sentenceFor(err error, internals bool) string {
	if internals || gateway.IsPublic(err) {
		return teal.MessageOf(err)
	}
	return sentences[teal.CodeOf(err).Kind()]
}

var sentences = map[teal.Kind]string{
	teal.KindInvalid:      "the request cannot be served as it was sent",
	teal.KindUnauthorized: "the request does not say who sends it",
	teal.KindForbidden:    "this client may not do that",
	teal.KindNotFound:     "there is nothing at this address",
	teal.KindConflict:     "the request cannot be served in the present state",
	teal.KindTooLarge:     "the request is too large; send less",
	teal.KindThrottled:    "there are too many requests at the moment; try again",
	teal.KindUnavailable:  "the service is not available at the moment; try again",
	teal.KindTimeout:      "the service did not answer in time",
	teal.KindBadGateway:   "the service did not answer as it should",
	teal.KindInternal:     "something inside the server failed",
}
