package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/function"
)

// What AWS does with events, unless the function's configuration says otherwise.
const (
	eventRetries   = 2
	eventMaxAge    = 6 * time.Hour
	retryFirst     = time.Second     // after an event could not be run at all; doubled each time
	retryMost      = 5 * time.Minute // likewise
	deliverTimeout = 15 * time.Second
)

// Why an event's destination is told about it, in AWS's words.
const (
	conditionSuccess   = "Success"
	conditionExhausted = "RetriesExhausted"
	conditionAge       = "EventAgeExceeded"
)

// workOn does the next thing about an event.
func (b *lambda) workOn(ctx context.Context, e queued) (next queued, done bool) {
	if len(e.Report) > 0 {
		return b.deliver(ctx, e)
	}
	rules := b.eventRules(e)
	now := time.Now()
	if now.Sub(e.AcceptedAt) > rules.maxAge {
		return b.end(e, rules.onFailure, conditionAge, awslambda.Result{Version: e.Version}, nil)
	}
	result, err := b.Invoke(ctx, awslambda.Call{
		Ref: e.ref(), Name: e.Name, Qualifier: e.Qualifier, Version: e.Version, RequestID: e.ID,
		Event: e.Event, ClientContext: e.ClientContext, TraceID: e.TraceID,
	})
	switch {
	case err == nil && result.Answer.FunctionError == "":
		return b.end(e, rules.onSuccess, conditionSuccess, result, nil)
	case err == nil:
		e.Attempts, e.Refusals = e.Attempts+1, 0
		if e.Attempts > rules.retries {
			return b.end(e, rules.onFailure, conditionExhausted, result, nil)
		}
		e.NotBefore = time.Now().Add(time.Duration(e.Attempts) * b.retryDelay) // one minute, then two
		return e, false
	case teal.CodeOf(err).Kind() == teal.KindNotFound, teal.IsCode(err, teal.CodeInvalidInput), teal.IsCode(err, teal.CodeTooLarge):
		b.logger.Warn("an event cannot be run any more", "function", e.Name, "version", e.Version, "request", e.ID, "error", err)
		return b.end(e, rules.onFailure, conditionExhausted, result, err)
	}
	if b.isStopped(e.ref()) {
		return b.end(e, rules.onFailure, conditionExhausted, result, err)
	}
	// There was no room, or something here failed: that is not the function's
	// fault and does not count.
	e.Refusals++
	e.NotBefore = time.Now().Add(pause(e.Refusals))
	return e, false
}

// pause is how long to wait after so many refusals in a row.
func pause(refusals int) time.Duration {
	wait := retryFirst
	for range refusals - 1 {
		if wait *= 2; wait >= retryMost {
			return retryMost
		}
	}
	return wait
}

// isStopped reports whether the function has a reserved concurrency of none.
func (b *lambda) isStopped(ref awslambda.Ref) bool {
	x, _ := b.Extras(context.Background(), ref) // a copy in memory, which never fails
	return x.Reserved != nil && *x.Reserved == 0
}

// rules is what holds for an event.
type rules struct {
	retries              int
	maxAge               time.Duration
	onSuccess, onFailure string
}

func (b *lambda) eventRules(e queued) rules {
	r := rules{retries: eventRetries, maxAge: eventMaxAge}
	x, _ := b.Extras(context.Background(), e.ref()) // see isStopped
	qualifier := e.Qualifier
	if qualifier == "" {
		qualifier = teal.DraftName
	}
	config, ok := x.Events[qualifier]
	if !ok {
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

// end is what remains of an event that has been run, or never will be: nothing,
// or a report to a destination.
func (b *lambda) end(e queued, destination, condition string, result awslambda.Result, cause error) (queued, bool) {
	if condition != conditionSuccess {
		b.logger.Warn("an event has failed for good", "function", e.Name, "version", e.Version, "request", e.ID, "condition", condition, "attempts", e.Attempts, "destination", destination)
	}
	if destination == "" {
		return e, true
	}
	e.Report, e.Destination = b.report(e, condition, result, cause), destination
	e.Refusals, e.NotBefore = 0, time.Now()
	return e, false
}

// maxReport is the largest report: what an event may be.
const maxReport = 1 << 20

// report describes what became of an event, as AWS does.
func (b *lambda) report(e queued, condition string, result awslambda.Result, cause error) []byte {
	count := e.Attempts
	if condition == conditionSuccess {
		count++
	}
	document := map[string]any{
		"version":   "1.0",
		"timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"requestContext": map[string]any{
			"requestId": e.ID, "functionArn": b.place.FunctionARN(e.Name, nonEmpty(e.Qualifier, teal.DraftName)),
			"condition": condition, "approximateInvokeCount": count,
		},
		"requestPayload": json.RawMessage(e.Event),
	}
	if len(result.Answer.Payload) > 0 || cause != nil {
		context := map[string]any{"statusCode": http.StatusOK, "executedVersion": teal.VersionLabel(e.Version)}
		if result.Answer.FunctionError != "" {
			context["functionError"] = result.Answer.FunctionError
		}
		if cause != nil {
			context["statusCode"] = http.StatusInternalServerError
			document["responsePayload"] = map[string]string{"errorMessage": teal.MessageOf(cause)}
		} else if json.Valid(result.Answer.Payload) {
			document["responsePayload"] = json.RawMessage(result.Answer.Payload)
		}
		document["responseContext"] = context
	}
	data, err := json.Marshal(document)
	if err == nil && len(data) > maxReport {
		delete(document, "responsePayload") // too much for an event; the log has it
		data, err = json.Marshal(document)
	}
	if err != nil {
		panic("daemon: report cannot be encoded: " + err.Error()) // everything in it is JSON already
	}
	return data
}

func nonEmpty(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// deliver sends the report to its destination.
func (b *lambda) deliver(ctx context.Context, e queued) (next queued, done bool) {
	err := b.send(ctx, e)
	if err == nil {
		return e, true
	}
	permanent := teal.CodeOf(err).Kind() == teal.KindNotFound || time.Since(e.AcceptedAt) > 2*eventMaxAge
	if permanent {
		b.logger.Error("the destination of an event cannot be told what became of it", "function", e.Name, "request", e.ID, "destination", e.Destination, "error", err)
		return e, true
	}
	e.Refusals++
	e.NotBefore = time.Now().Add(pause(e.Refusals))
	return e, false
}

func (b *lambda) send(ctx context.Context, e queued) error {
	if strings.HasPrefix(e.Destination, "http://") || strings.HasPrefix(e.Destination, "https://") {
		return b.post(ctx, e)
	}
	name, qualifier, err := b.place.Destination(e.Destination)
	if err != nil {
		return teal.Errorf(teal.CodeNotFound, "the destination %s is not a function: %w", e.Destination, err)
	}
	ref, err := b.Find(ctx, name)
	if err != nil {
		return err
	}
	// The same id each time, so that a report which is sent again is one event.
	_, err = b.Enqueue(ctx, awslambda.Event{AcceptedAt: time.Now(), Call: awslambda.Call{
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

func (b *lambda) post(ctx context.Context, e queued) error {
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Destination, bytes.NewReader(e.Report))
	if err != nil {
		return teal.Errorf(teal.CodeNotFound, "the destination %s is not an address: %w", e.Destination, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Amzn-Requestid", e.ID)
	response, err := b.http.Do(request)
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

// lambdaNames is how this server's functions are named.
func lambdaNames(cfg AWS) awslambda.Place {
	return awslambda.Place{Region: nonEmpty(cfg.Region, function.DefaultRegion), Account: nonEmpty(cfg.Account, function.DefaultAccount)}
}
