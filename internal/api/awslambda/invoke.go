package awslambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"

	"teal"
)

const headerVersion = "X-Amz-Executed-Version"

func (h *Handler) invoke(q *request) (any, error) {
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
		return h.invokeNow(q, call)
	case "DryRun":
		return h.dryRun(q, t, call)
	case "Event":
		return h.invokeLater(q, call)
	default:
		return nil, invalid(kind, "invocationType", "Member must satisfy enum value set: [Event, RequestResponse, DryRun]")
	}
}

// dryRun says which version would be called.
func (h *Handler) dryRun(q *request, t target, call Call) (any, error) {
	version, err := h.choose(q, t, call)
	if err != nil {
		return nil, err
	}
	return &reply{status: http.StatusNoContent, headers: map[string]string{headerVersion: version.String()}}, nil
}

// call reads what all sorts of invocation have in common.
func (h *Handler) call(q *request, t target) (Call, error) {
	ref, err := h.find(q.ctx, t)
	if err != nil {
		return Call{}, or404(err, h.noFunction(target{t.name, or(t.qualifier, teal.DraftName)}))
	}
	log := q.http.Header.Get("X-Amz-Log-Type")
	if log != "" && log != "None" && log != "Tail" {
		return Call{}, invalid(log, "logType", "Member must satisfy enum value set: [None, Tail]")
	}
	for _, header := range []string{"X-Amz-Tenant-Id", "X-Amz-Durable-Execution-Name"} {
		if q.http.Header.Get(header) != "" {
			return Call{}, unavailablef("%s: there are no tenants and no durable executions.", header)
		}
	}
	context := q.http.Header.Get("X-Amz-Client-Context")
	if context != "" && !encodesObject(context) {
		return Call{}, faultf(codeContent, "Client context must be a valid Base64-encoded JSON object.")
	}
	event := q.body
	if len(bytes.TrimSpace(event)) == 0 {
		event = []byte("{}")
	}
	if !json.Valid(event) || !utf8.Valid(event) {
		return Call{}, faultf(codeContent, "Could not parse request body into json: Could not parse payload into json: %s", jsonProblem(event))
	}
	return Call{
		Ref: ref, Name: t.name, Qualifier: t.qualifier, RequestID: q.id, Event: event,
		ClientContext: context, TraceID: q.http.Header.Get("X-Amzn-Trace-Id"), Tail: log == "Tail",
	}, nil
}

// encodesObject reports whether text is the base64 of a JSON object.
func encodesObject(text string) bool {
	raw, err := base64.StdEncoding.DecodeString(text)
	return err == nil && json.Valid(raw) && utf8.Valid(raw) && bytes.TrimSpace(raw)[0] == '{'
}

// jsonProblem says why data is no JSON. Go's decoder replaces bytes that are no
// UTF-8, which would change an event without a word.
func jsonProblem(data []byte) string {
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return fmt.Sprintf("Invalid UTF-8 start byte 0x%x", data[at])
		}
		at += size
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return err.Error()
	}
	return ""
}

func (h *Handler) invokeNow(q *request, call Call) (any, error) {
	result, err := h.cfg.Backend.Invoke(q.ctx, call)
	if err != nil {
		return nil, h.explainCall(err, call)
	}
	headers := map[string]string{
		"Content-Type":   "application/json",
		headerVersion:    result.Version.String(),
		"Content-Length": strconv.Itoa(len(result.Answer.Payload)),
	}
	if call.TraceID != "" {
		headers["X-Amzn-Trace-Id"] = call.TraceID
	}
	if result.Answer.FunctionError != "" {
		headers["X-Amz-Function-Error"] = result.Answer.FunctionError
	}
	if call.Tail {
		headers["X-Amz-Log-Result"] = base64.StdEncoding.EncodeToString(result.Log)
	}
	return &reply{status: http.StatusOK, headers: headers, body: result.Answer.Payload}, nil
}

// explainCall puts AWS's words in the place of Teal's where AWS has some.
func (h *Handler) explainCall(err error, call Call) error {
	switch code := teal.CodeOf(err); {
	case asFault(err) != nil:
		return err
	case code == teal.CodeUnknownApp, code == teal.CodeUnknownVersion, code == teal.CodeUnknownAlias, code == teal.CodeUnknownComponent:
		return h.noFunction(target{call.Name, call.Qualifier})
	case code == teal.CodeTooLarge:
		return tooLargeFault(maxEvent, "Invoke")
	}
	return err
}

// choose returns the version that a call is for.
func (h *Handler) choose(q *request, t target, call Call) (teal.VersionRef, error) {
	version, err := h.cfg.Backend.Choose(q.ctx, call.Ref, t.qualifier)
	if err != nil {
		return 0, h.explainCall(err, call)
	}
	return version, nil
}

// invokeLater accepts an event. It is durable, and its version chosen, when the
// answer goes out.
func (h *Handler) invokeLater(q *request, call Call) (any, error) {
	if len(call.Event) > maxAsyncSize {
		return nil, tooLargeFault(maxAsyncSize, "Invoke")
	}
	if _, err := h.cfg.Backend.Enqueue(q.ctx, Event{Call: call, AcceptedAt: h.cfg.Now()}); err != nil {
		return nil, h.explainCall(err, call)
	}
	return &reply{status: http.StatusAccepted}, nil
}

// invokeAsync is the old form of an Event.
func (h *Handler) invokeAsync(q *request) (any, error) {
	t, err := h.target(q)
	if err != nil {
		return nil, err
	}
	call, err := h.call(q, t)
	if err != nil {
		return nil, err
	}
	return h.invokeLater(q, call)
}
