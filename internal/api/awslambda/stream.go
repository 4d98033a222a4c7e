package awslambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"teal"
)

func (h *Handler) invokeStreaming(q *request) (any, error) {
	t, err := h.target(q)
	if err != nil {
		return nil, err
	}
	call, err := h.call(q, t)
	if err != nil {
		return nil, err
	}
	switch kind := q.http.Header.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
		return &reply{stream: func(w http.ResponseWriter) error { return h.stream(w, q, call) }}, nil
	case "DryRun":
		return h.dryRun(q, t, call)
	default:
		return nil, invalid(kind, "invocationType", "Member must satisfy enum value set: [RequestResponse, DryRun]")
	}
}

// stream invokes a function and writes its answer as it comes.
func (h *Handler) stream(w http.ResponseWriter, q *request, call Call) error {
	out := &frames{w: w, control: http.NewResponseController(w), encoder: eventstream.NewEncoder(), trace: call.TraceID}
	defer func() { _ = out.control.SetWriteDeadline(time.Time{}) }() // for the connection's next request
	call.Stream = func(version teal.VersionRef) teal.Stream {
		out.version = version
		return out
	}
	result, err := h.cfg.Backend.Invoke(q.ctx, call)
	if err != nil {
		err = h.explainCall(err, call)
		if !out.begun {
			return err
		}
		fault, _ := faultOf(err)
		_ = out.event("InvokeComplete", completeEvent{ErrorCode: fault.Code, ErrorDetails: fault.Message})
		return nil
	}
	if !out.begun {
		out.begin()
		if result.Answer.FunctionError == "" {
			_, _ = out.Write(result.Answer.Payload) // whoever has gone needs no answer
		}
	}
	end := completeEvent{LogResult: base64.StdEncoding.EncodeToString(result.Log)}
	if result.Answer.FunctionError != "" {
		end.ErrorCode, end.ErrorDetails = result.Answer.FunctionError, string(result.Answer.Payload)
	}
	_ = out.event("InvokeComplete", end)
	return nil
}

// completeEvent is the shape InvokeWithResponseStreamCompleteEvent.
type completeEvent struct {
	ErrorCode    string `json:",omitempty"`
	ErrorDetails string `json:",omitempty"`
	LogResult    string `json:",omitempty"`
}

// frameStall is how long a client may take to accept one frame.
const frameStall = time.Minute

// frames writes a streamed answer as an event stream. It implements teal.Stream.
type frames struct {
	w       http.ResponseWriter
	control *http.ResponseController
	encoder *eventstream.Encoder
	version teal.VersionRef
	trace   string
	begun   bool
	buf     bytes.Buffer
}

// Begin implements teal.Stream.
func (f *frames) Begin(string) {
	f.begin()
	_ = f.control.Flush() // the next write fails too
}

func (f *frames) begin() {
	f.begun = true
	header := f.w.Header()
	header.Set("Content-Type", "application/vnd.amazon.eventstream")
	header.Set(headerVersion, f.version.String())
	if f.trace != "" {
		header.Set("X-Amzn-Trace-Id", f.trace)
	}
	f.w.WriteHeader(http.StatusOK)
}

// Write implements teal.Stream.
func (f *frames) Write(piece []byte) (int, error) {
	return len(piece), f.frame("PayloadChunk", "application/octet-stream", piece)
}

func (f *frames) event(name string, content any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return f.frame(name, "application/json", data)
}

func (f *frames) frame(name, contentType string, payload []byte) error {
	f.buf.Reset()
	err := f.encoder.Encode(&f.buf, eventstream.Message{
		Headers: eventstream.Headers{
			{Name: ":message-type", Value: eventstream.StringValue("event")},
			{Name: ":event-type", Value: eventstream.StringValue(name)},
			{Name: ":content-type", Value: eventstream.StringValue(contentType)},
		},
		Payload: payload,
	})
	if err != nil {
		return err
	}
	if err := f.control.SetWriteDeadline(time.Now().Add(frameStall)); err != nil {
		return err
	}
	if _, err := f.w.Write(f.buf.Bytes()); err != nil {
		return err
	}
	return f.control.Flush()
}
