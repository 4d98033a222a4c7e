package lambda

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/backoff"
	"teal/internal/event"
)

// What AWS does with events, unless the function's configuration says otherwise.
const (
	eventMaxAge    = time.Duration(teal.DefaultAsyncMaxAge)
	deliverTimeout = 15 * time.Second
	// reportMaxAge is how long after its acceptance an event's destination is still
	// told: an event may run until eventMaxAge, and its report then has as long.
	reportMaxAge = 2 * eventMaxAge
)

// Why an event's destination is told about it, in AWS's words.
const (
	conditionSuccess   = "Success"
	conditionExhausted = "RetriesExhausted"
	conditionAge       = "EventAgeExceeded"
)

// worker works on events: it runs them as AWS does, and tells their destinations
// what became of them.
type worker struct {
	backend *Backend
	client  *http.Client // of destinations that are addresses
	logger  *slog.Logger
}

func newWorker(b *Backend) *worker {
	return &worker{backend: b, client: newDestinationClient(), logger: b.logger}
}

var _ event.Worker = (*worker)(nil)

// Work implements [event.Worker].
func (w *worker) Work(ctx context.Context, e event.Event) (next event.Event, done bool) {
	if len(e.Report) > 0 {
		return w.deliver(ctx, e)
	}
	rules := w.rules(ctx, e)
	now := time.Now()
	if now.Sub(e.AcceptedAt) > rules.maxAge {
		return w.end(e, rules.onFailure, outcome{condition: conditionAge})
	}
	result, err := w.backend.Invoke(ctx, awslambda.Call{
		Ref: refOf(e), Name: e.Name, Qualifier: e.Qualifier, Version: e.Version, RequestID: e.ID,
		Event: e.Payload, ClientContext: e.ClientContext, TraceID: e.TraceID,
	})
	switch {
	case err == nil && result.Answer.FunctionError == "":
		return w.end(e, rules.onSuccess, outcome{condition: conditionSuccess, answer: result.Answer})
	case err == nil:
		e.Attempts, e.Refusals = e.Attempts+1, 0
		if e.Attempts > rules.retries {
			return w.end(e, rules.onFailure, outcome{condition: conditionExhausted, answer: result.Answer})
		}
		e.NotBefore = time.Now().Add(time.Duration(e.Attempts) * w.backend.cfg.RetryDelay) // one minute, then two
		return e, false
	case teal.CodeOf(err).Kind() == teal.KindNotFound, teal.IsCode(err, teal.CodeInvalidInput), teal.IsCode(err, teal.CodeTooLarge):
		w.logger.Warn("an event cannot be run any more", "function", e.Name, "version", e.Version, "request", e.ID, "error", err)
		return w.end(e, rules.onFailure, outcome{condition: conditionExhausted, answer: result.Answer, cause: err})
	}
	if w.isStopped(refOf(e)) {
		return w.end(e, rules.onFailure, outcome{condition: conditionExhausted, answer: result.Answer, cause: err})
	}
	// There was no room, or something here failed: that is not the function's
	// fault and does not count.
	e.Refusals++
	e.NotBefore = time.Now().Add(backoff.After(e.Refusals))
	return e, false
}

func refOf(e event.Event) awslambda.Ref {
	return awslambda.Ref{App: e.App, Component: e.Component}
}

// isStopped reports whether the function has a reserved concurrency of none.
func (w *worker) isStopped(ref awslambda.Ref) bool {
	x := w.backend.settings.of(ref)
	return x.Reserved != nil && *x.Reserved == 0
}

// eventRules is what holds for an event.
type eventRules struct {
	retries              int
	maxAge               time.Duration
	onSuccess, onFailure string
}

// rules returns what is configured for the qualifier by which the function was called,
// or, where nothing is, what the version says that the event runs on.
func (w *worker) rules(ctx context.Context, e event.Event) eventRules {
	r := eventRules{retries: teal.DefaultAsyncRetries, maxAge: eventMaxAge}
	x := w.backend.settings.of(refOf(e))
	config, ok := x.Events[cmp.Or(e.Qualifier, teal.DraftName)]
	if !ok {
		if own, err := w.backend.contentOf(ctx, refOf(e), e.Version); err == nil && own.Function.Async != nil {
			r.apply(*own.Function.Async)
		}
		return r
	}
	if config.Retries != nil {
		r.retries = *config.Retries
	}
	if config.MaxAge != nil {
		r.maxAge = time.Duration(*config.MaxAge) * time.Second
	}
	r.onSuccess, r.onFailure = config.OnSuccess, config.OnFailure
	return r
}

func (r *eventRules) apply(own teal.Async) {
	if own.Retries != nil {
		r.retries = *own.Retries
	}
	if own.MaxAge != 0 {
		r.maxAge = time.Duration(own.MaxAge)
	}
	r.onSuccess, r.onFailure = own.OnSuccess, own.OnFailure
}

// outcome is what became of an event in the end.
type outcome struct {
	condition string
	answer    teal.Answer // the function's last one; empty when there was none
	cause     error       // why the function could not be run; nil when it was
}

// told is the outcome for whoever has handed the event over.
func (o outcome) told() *event.Outcome {
	switch {
	case o.condition == conditionSuccess:
		return &event.Outcome{}
	case o.condition == conditionAge:
		return &event.Outcome{Failed: true, Why: "it was older than the function's async.max_age before it could be run"}
	case o.cause != nil:
		return &event.Outcome{Failed: true, Why: teal.MessageOf(o.cause)}
	}
	return &event.Outcome{Failed: true, Why: "the function failed: " + errorOf(o.answer.Payload)}
}

// errorOf returns the message of a function's error document.
func errorOf(payload []byte) string {
	var document struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(payload, &document); err != nil || document.Type+document.Message == "" {
		return "it did not say why"
	}
	return strings.Trim(document.Type+": "+document.Message, ": ")
}

// end is what remains of an event that has been run, or never will be: nothing,
// or a report to a destination.
func (w *worker) end(e event.Event, destination string, o outcome) (event.Event, bool) {
	if o.condition != conditionSuccess {
		w.logger.Warn("an event has failed for good", "function", e.Name, "version", e.Version, "request", e.ID, "condition", o.condition, "attempts", e.Attempts, "destination", destination)
	}
	e.Outcome = o.told()
	if destination == "" {
		return e, true
	}
	e.Report, e.Destination = w.report(e, o), destination
	e.Refusals, e.NotBefore = 0, time.Now()
	return e, false
}

// maxReport is the largest report: what an event may be.
const maxReport = 1 << 20

// report describes what became of an event, as AWS does.
func (w *worker) report(e event.Event, o outcome) []byte {
	count := e.Attempts // that failed
	if o.condition == conditionSuccess {
		count++
	}
	document := map[string]any{
		"version":   "1.0",
		"timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"requestContext": map[string]any{
			"requestId": e.ID, "functionArn": w.backend.cfg.Place.FunctionARN(e.Name, cmp.Or(e.Qualifier, teal.DraftName)),
			"condition": o.condition, "approximateInvokeCount": count,
		},
		"requestPayload": json.RawMessage(e.Payload),
	}
	if len(o.answer.Payload) > 0 || o.cause != nil {
		document["responseContext"] = responseContext(e, o)
	}
	switch {
	case o.cause != nil:
		document["responsePayload"] = map[string]string{"errorMessage": teal.MessageOf(o.cause)}
	case json.Valid(o.answer.Payload):
		document["responsePayload"] = json.RawMessage(o.answer.Payload)
	}
	data, err := json.Marshal(document)
	if err == nil && len(data) > maxReport {
		delete(document, "responsePayload") // too much for an event; the log has it
		data, err = json.Marshal(document)
	}
	if err != nil {
		panic("lambda: report cannot be encoded: " + err.Error()) // everything in it is JSON already
	}
	return data
}

func responseContext(e event.Event, o outcome) map[string]any {
	context := map[string]any{"statusCode": http.StatusOK, "executedVersion": e.Version.String()}
	if o.answer.FunctionError != "" {
		context["functionError"] = o.answer.FunctionError
	}
	if o.cause != nil {
		context["statusCode"] = http.StatusInternalServerError
	}
	return context
}

// deliver sends the report to its destination.
func (w *worker) deliver(ctx context.Context, e event.Event) (next event.Event, done bool) {
	err := w.send(ctx, e)
	if err == nil {
		return e, true
	}
	permanent := teal.CodeOf(err).Kind() == teal.KindNotFound || time.Since(e.AcceptedAt) > reportMaxAge
	if permanent {
		w.logger.Error("the destination of an event cannot be told what became of it", "function", e.Name, "request", e.ID, "destination", e.Destination, "error", err)
		return e, true
	}
	e.Refusals++
	e.NotBefore = time.Now().Add(backoff.After(e.Refusals))
	return e, false
}

func (w *worker) send(ctx context.Context, e event.Event) error {
	if strings.HasPrefix(e.Destination, "http://") || strings.HasPrefix(e.Destination, "https://") {
		return w.post(ctx, e)
	}
	name, qualifier, err := w.backend.cfg.Place.Destination(e.Destination)
	if err != nil {
		return teal.Errorf(teal.CodeNotFound, "the destination %s is not a function: %w", e.Destination, err)
	}
	ref, err := w.backend.Find(ctx, name)
	if err != nil {
		return err
	}
	// The same id each time, so that a report which is sent again is one event.
	_, err = w.backend.Enqueue(ctx, awslambda.Event{AcceptedAt: time.Now(), Call: awslambda.Call{
		Ref: ref, Name: name, Qualifier: qualifier, Event: e.Report,
		RequestID: awslambda.RevisionID("destination", e.App, e.ID),
	}})
	return err
}

// newDestinationClient returns the client that tells destinations: one that
// answers with a redirect has not been told.
func newDestinationClient() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (w *worker) post(ctx context.Context, e event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Destination, bytes.NewReader(e.Report))
	if err != nil {
		return teal.Errorf(teal.CodeNotFound, "the destination %s is not an address: %w", e.Destination, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Amzn-Requestid", e.ID)
	response, err := w.client.Do(request)
	if err != nil {
		return fmt.Errorf("post to %s: %w", e.Destination, err)
	}
	defer func() { _ = response.Body.Close() }() // nothing more is read from it
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxReport))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("post to %s: status %d", e.Destination, response.StatusCode)
	}
	return nil
}
