package function

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"teal"
	"teal/internal/function/runtimeapi"
	"teal/internal/process"
)

// streamPlatform is the log stream of what Teal says about an invocation.
const streamPlatform = "platform"

// unhandled is AWS's word for every failure of a function.
const unhandled = "Unhandled"

// The error types of AWS's documents.
const (
	typeTimeout     = "Sandbox.Timedout"
	typeExit        = "Runtime.ExitError"
	typeOutOfMemory = "Runtime.OutOfMemory"
	typeStart       = "Runtime.InvalidEntrypoint"
	typeTooLarge    = "Function.ResponseSizeTooLarge"
	typeUnknown     = "Runtime.Unknown"
)

// outcome is what Invoke returns.
type outcome struct {
	answer teal.Answer
	err    error
}

// call is one invocation, from when it is asked for until it has its outcome: in the
// queue, and then in one instance.
type call struct {
	id      string
	inside  bool
	started time.Time
	init    time.Duration // of the instance, on its first call
	event   runtimeapi.Event
	stream  teal.Stream // gets what the event's Flow carries; nil without one

	deliveries int // how many instances it has been given to
	// outcome has room for the one outcome; whoever ends the invocation at the
	// instance's endpoint sends it.
	outcome  chan outcome
	duration time.Duration // written before the outcome is sent
}

// newCall returns the call of an invocation; its times are set when an instance gets
// it.
func (p *Pool) newCall(in *teal.Invocation) *call {
	c := &call{id: in.RequestID, inside: in.Inside, stream: in.Stream, outcome: make(chan outcome, 1)}
	c.event = runtimeapi.Event{
		RequestID: in.RequestID, ARN: p.arn(in.Alias),
		TraceID: in.TraceID, ClientContext: clientContext(in.ClientContext), Payload: in.Event,
	}
	if c.event.TraceID == "" {
		c.event.TraceID = newTraceID(time.Now())
	}
	if len(c.event.Payload) == 0 {
		c.event.Payload = emptyEvent
	}
	if in.Stream != nil {
		c.event.Flow = runtimeapi.NewFlow()
	}
	return c
}

// clientContext returns a client context as the Runtime API hands it over: JSON
// in one line of ASCII. What is none is handed over as it is; Check refuses what
// would break out of its line.
func clientContext(encoded string) string {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	var line bytes.Buffer
	if encoded == "" || err != nil || json.Compact(&line, raw) != nil {
		return encoded
	}
	var ascii strings.Builder
	for _, r := range line.String() {
		switch {
		case r < utf8.RuneSelf:
			ascii.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&ascii, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&ascii, `\u%04x`, r)
		}
	}
	return ascii.String()
}

var emptyEvent = []byte("{}")

// await returns the call's outcome. When ctx ends first the call goes on by itself.
func (c *call) await(ctx context.Context) (teal.Answer, error) {
	defer c.event.Flow.Leave()
	for {
		select {
		case out := <-c.outcome:
			return out.answer, out.err
		case piece := <-c.event.Flow.Pieces():
			c.take(piece)
		case <-ctx.Done():
			return teal.Answer{}, callerGone(ctx)
		}
	}
}

// take hands a piece of a streamed answer to whoever wants it.
func (c *call) take(p runtimeapi.Piece) {
	var err error
	if p.First {
		c.stream.Begin(p.MediaType)
	} else {
		_, err = c.stream.Write(p.Data)
	}
	if err != nil {
		c.event.Flow.Leave() // and no piece comes any more
	}
	c.event.Flow.Took()
}

// answer returns the answer to a call that has ended.
func (c *call) answer(functionError string, payload []byte) teal.Answer {
	return teal.Answer{RequestID: c.id, Payload: payload, FunctionError: functionError, Duration: c.duration, InitDuration: c.init}
}

// replied is the outcome of a call that the runtime ended.
func (c *call) replied(r runtimeapi.Reply) outcome {
	switch {
	case r.TooLarge:
		limit := teal.MaxPayload
		if r.Streamed {
			limit = teal.MaxStreamed
		}
		message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", limit)
		return outcome{c.answer(unhandled, runtimeapi.ErrorDocument(typeTooLarge, message)),
			teal.Errorf(teal.CodeTooLarge, "the function's answer is larger than %d bytes; return a reference to the data instead", limit)}
	case r.Failed:
		return outcome{answer: c.answer(unhandled, documentOf(r.Payload, r.ErrorType))}
	case r.Streamed:
		return outcome{answer: c.answer("", nil)}
	default:
		return outcome{answer: c.answer("", integrationAnswer(r))}
	}
}

// documentOf returns the error document that a runtime posted, or one in its
// place.
func documentOf(document []byte, errorType string) []byte {
	if len(document) > 0 {
		return document
	}
	if errorType == "" {
		errorType = typeUnknown
	}
	return runtimeapi.ErrorDocument(errorType, "The function failed without saying why.")
}

// forRequest puts AWS's beginning before a message.
func forRequest(id, message string) string { return "RequestId: " + id + " Error: " + message }

// exitReason says how a process ended in AWS's words, and of which type that
// is.
func exitReason(exit process.Exit) (errorType, message string) {
	switch {
	case exit.OutOfMemory:
		return typeOutOfMemory, "Runtime exited with error: signal: killed (" + exit.String() + ")"
	case exit.Signal != "":
		return typeExit, "Runtime exited with error: signal: " + exit.Signal
	case exit.Code == 0:
		return typeExit, "Runtime exited without providing a reason"
	default:
		return typeExit, "Runtime exited with error: " + exit.String()
	}
}

// crash settles a call whose process ended.
func (i *instance) crash(c *call, exit process.Exit, now time.Time) {
	errorType, message := exitReason(exit)
	c.duration = now.Sub(c.started)
	document := runtimeapi.ErrorDocument(errorType, forRequest(c.id, message))
	c.outcome <- outcome{c.answer(unhandled, document),
		teal.Errorf(teal.CodeFunctionFailed, "function %s crashed: %s; its log holds the last output", i.pool.cfg.Name, exit)}
	i.platform(forRequest(c.id, message))
	i.report(c, "\tStatus: error\tError Type: "+errorType)
}

// timeout settles a call that took too long.
func (i *instance) timeout(c *call, now time.Time) {
	limit := i.pool.cfg.Function.Timeout.Std()
	message := fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds())
	c.duration = now.Sub(c.started)
	c.outcome <- outcome{c.answer(unhandled, runtimeapi.ErrorDocument(typeTimeout, forRequest(c.id, message))),
		teal.Errorf(teal.CodeFunctionTimeout, "function %s did not finish within its timeout of %s; make it faster or raise timeout", i.pool.cfg.Name, teal.Duration(limit))}
	i.process.SettleOutput()
	i.platform(now.UTC().Format("2006-01-02T15:04:05.000Z") + " " + c.id + " " + message)
	i.report(c, "\tStatus: timeout")
}

// report logs the end of a call as AWS does.
func (i *instance) report(c *call, status string) {
	log, now := i.pool.cfg.Log, time.Now()
	log(i.name, c.id, streamPlatform, "END RequestId: "+c.id)
	line := make([]byte, 0, 256)
	line = append(line, "REPORT RequestId: "...)
	line = append(line, c.id...)
	line = appendMillis(append(line, "\tDuration: "...), c.duration)
	line = append(line, "\tBilled Duration: "...)
	line = strconv.AppendInt(line, int64(math.Ceil(millis(c.duration))), 10)
	line = append(line, " ms\tMemory Size: "...)
	line = strconv.AppendInt(line, megabytes(i.pool.cfg.Function.Memory), 10)
	line = append(line, " MB\tMax Memory Used: "...)
	line = strconv.AppendInt(line, megabytes(i.peakMemory(now)), 10)
	line = append(line, " MB"...)
	if c.init > 0 {
		line = appendMillis(append(line, "\tInit Duration: "...), c.init)
	}
	log(i.name, c.id, streamPlatform, string(append(line, status...)))
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func appendMillis(to []byte, d time.Duration) []byte {
	return append(strconv.AppendFloat(to, millis(d), 'f', 2, 64), " ms"...)
}

// failure is why there is no instance, or one less.
type failure struct {
	instance string
	reason   string // a sentence
	output   string // the last lines of what failed
	init     bool   // it happened before the instance was ready
	ofCall   bool   // an invocation had the instance: its caller knows, and it is no other caller's
	// document is what invocations get that find nothing but the failure; nil:
	// made of errorType and message with the invocation's id.
	document  []byte
	errorType string
	message   string
}

// about adds what only the instance knows.
func (f *failure) about(i *instance) {
	f.instance = i.name
	f.output = i.tail.String()
}

// outcome is the outcome of an invocation that found nothing but the failure.
func (f *failure) outcome(id string) outcome {
	document := f.document
	if document == nil {
		document = runtimeapi.ErrorDocument(f.errorType, forRequest(id, f.message))
	}
	return outcome{
		answer: teal.Answer{RequestID: id, Payload: document, FunctionError: unhandled},
		err:    teal.Errorf(teal.CodeFunctionFailed, "the function has no instance: %s", f.reason),
	}
}

// initFailure is what a runtime posted to init/error, which is told and logged until the
// function works.
func (p *Pool) initFailure(posted runtimeapi.InitFailure) *failure {
	if hide := p.cfg.Hide; hide != nil {
		posted.ErrorType, posted.Document = hide(posted.ErrorType), []byte(hide(string(posted.Document)))
	}
	return initFailure(posted)
}

func initFailure(posted runtimeapi.InitFailure) *failure {
	var said struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	document := documentOf(posted.Document, posted.ErrorType)
	if json.Unmarshal(document, &said) != nil || said.Type == "" {
		said.Type = posted.ErrorType
	}
	return &failure{init: true, document: document, reason: strings.TrimSuffix("initialization failed: "+said.Type+": "+said.Message, ": ")}
}

func initExit(exit process.Exit) *failure {
	errorType, message := exitReason(exit)
	return &failure{init: true, errorType: errorType, message: message, reason: "it ended before it was initialised: " + exit.String()}
}

func initTimeout(limit time.Duration) *failure {
	return &failure{init: true, errorType: typeTimeout, message: fmt.Sprintf("Init timed out after %.2f seconds", limit.Seconds()),
		reason: "it was not initialised within " + teal.Duration(limit).String() + "; make the start faster or raise init"}
}

func startFailure(err error) *failure {
	reason := teal.MessageOf(err)
	if teal.CodeOf(err) == teal.CodeInternal {
		reason = err.Error() // for the operator of the same machine; there is no secret in it
	}
	return &failure{init: true, errorType: typeStart, message: reason, reason: reason}
}

func crashFailure(exit process.Exit) *failure {
	errorType, message := exitReason(exit)
	return &failure{errorType: errorType, message: message, reason: "it crashed: " + exit.String()}
}

// validRequestID reports whether id may stand in a header, in a path and in a
// log line.
func validRequestID(id string) bool {
	if len(id) > 128 {
		return false
	}
	for _, c := range []byte(id) {
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// newTraceID returns a trace header that says: not sampled.
func newTraceID(now time.Time) string {
	seconds := uint32(now.Unix())
	return "Root=1-" + hex.EncodeToString([]byte{byte(seconds >> 24), byte(seconds >> 16), byte(seconds >> 8), byte(seconds)}) +
		"-" + randomHex(12) + ";Sampled=0"
}
