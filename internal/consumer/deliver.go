package consumer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/queue"
)

// deliver has the version work on a batch, and returns what became of each message.
func (r *reader) deliver(ctx context.Context, batch []queue.Delivery) []queue.Result {
	event, batch, rest := r.fitting(batch)
	claim, err := r.claim(ctx)
	if err != nil {
		return append(all(batch, outcomeOf(err)), rest...)
	}
	defer claim.Release()
	var a answer
	if claim.Component.Function != nil {
		a = invoke(ctx, claim, event)
	} else {
		a = r.post(ctx, event)
	}
	results := a.results(batch)
	for _, result := range results {
		if result.Outcome != queue.Untried {
			claim.Report(a.measured(result))
		}
	}
	return append(results, rest...)
}

// fitting returns the event of as many messages as fit into one, these, and what becomes
// of the others: they are given out again.
func (r *reader) fitting(batch []queue.Delivery) (event []byte, fits []queue.Delivery, rest []queue.Result) {
	for n := len(batch); ; n = (n + 1) / 2 {
		event = r.consumer.event(r.name(), batch[:n])
		if n == 1 || teal.Bytes(len(event)) <= teal.MaxPayload {
			return event, batch[:n], all(batch[n:], queue.Result{Outcome: queue.Untried})
		}
	}
}

// all returns the same result of all messages.
func all(batch []queue.Delivery, of queue.Result) []queue.Result {
	results := make([]queue.Result, len(batch))
	for i, d := range batch {
		of.Receipt = d.Receipt
		results[i] = of
	}
	return results
}

// claim counts the batch in, and starts the version where it does not run: one that is
// not live any more has messages to be tried again.
func (r *reader) claim(ctx context.Context) (gateway.Claim, error) {
	const tries = 3 // each further one means that somebody has stopped it in between
	var claim gateway.Claim
	var err error
	for range tries {
		claim, err = r.consumer.cfg.Gateway.ClaimMessages(r.version.App, r.version.Version, r.trigger.To)
		if !teal.IsCode(err, teal.CodeVersionNotRunning) && !teal.IsCode(err, teal.CodeUnavailable) {
			return claim, err
		}
		if err := r.consumer.cfg.Starter.Ensure(ctx, r.version.App, r.version.Version); err != nil {
			return claim, err
		}
	}
	return claim, err
}

// outcomeOf returns what becomes of messages that a version could not be given.
func outcomeOf(err error) queue.Result {
	switch code := teal.CodeOf(err); code.Kind() {
	case teal.KindThrottled, teal.KindUnavailable:
		return queue.Result{Outcome: queue.Untried, After: untriedPause}
	default:
		return queue.Result{Outcome: queue.Failed, Reason: cmp.Or(teal.MessageOf(err), string(code))}
	}
}

// answer is what a version said to a batch.
type answer struct {
	result queue.Result   // of the whole batch
	said   []byte         // of one that is done
	seen   gateway.Result // of what has not failed by its own
}

func invoke(ctx context.Context, claim gateway.Claim, event []byte) answer {
	got, err := claim.Component.Function.Invoke(ctx, teal.Invocation{Event: event, Alias: teal.AliasLive})
	a := answer{said: got.Payload, seen: exchange.InvocationResult(ctx, got, err)}
	switch {
	case got.FunctionError != "":
		a.result = queue.Result{Outcome: queue.Failed, Reason: failureText(got)}
	case err != nil:
		a.result = outcomeOf(err)
	}
	return a
}

// failureText is what a function said when it failed.
func failureText(got teal.Answer) string {
	f := gateway.FailureOf(got.Payload)
	switch {
	case f.Type != "" && f.Message != "":
		return f.Type + ": " + f.Message
	case f.Type+f.Message != "":
		return f.Type + f.Message
	}
	return "the function failed without saying why"
}

// maxAnswer is how much of a service's answer is read.
const maxAnswer = 1 << 20

// post asks a service.
func (r *reader) post(ctx context.Context, event []byte) answer {
	number, _ := r.version.Version.Number()
	base, err := r.consumer.cfg.Addresses.Address(r.version.App, number, r.trigger.To)
	if err != nil {
		return answer{result: outcomeOf(err)}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+r.trigger.Queue.Path, bytes.NewReader(event))
	if err != nil {
		return answer{result: queue.Result{Outcome: queue.Failed, Reason: "the path cannot be asked for: " + err.Error()}}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Teal")
	request.Header.Set("Teal-Trigger", r.trigger.Name)
	request.Header.Set("Teal-Queue", r.name())
	response, err := r.consumer.client.Do(request)
	if err != nil {
		return answer{
			result: queue.Result{Outcome: queue.Failed, Reason: "the service did not answer: " + err.Error()},
			seen:   gateway.Result{Status: http.StatusBadGateway, Fault: gateway.FaultConnection},
		}
	}
	defer func() { _ = response.Body.Close() }() // nothing more is read from it
	said, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	a := answer{said: said, seen: gateway.Result{Status: response.StatusCode, Answered: time.Now()}}
	switch {
	case isUntried(response, said):
		a.result = queue.Result{Outcome: queue.Untried, After: untriedPause}
	case response.StatusCode < 200 || response.StatusCode > 299:
		a.result = queue.Result{Outcome: queue.Failed, Reason: fmt.Sprintf("POST %s was answered with status %d", r.trigger.Queue.Path, response.StatusCode)}
	case err != nil:
		a.result = queue.Result{Outcome: queue.Failed, Reason: "the service's answer broke off: " + err.Error()}
		a.seen = gateway.Result{Status: http.StatusBadGateway, Fault: gateway.FaultConnection}
	}
	return a
}

// isUntried reports whether an answer is the gateway's, and says that no instance could
// be asked.
func isUntried(response *http.Response, said []byte) bool {
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	var problem struct{ Code teal.Code }
	if response.StatusCode != http.StatusServiceUnavailable || kind != "application/problem+json" || json.Unmarshal(said, &problem) != nil {
		return false
	}
	return problem.Code == teal.CodeNoHealthyInstance || problem.Code == teal.CodeUnavailable
}

// results returns what became of each message of a batch.
func (a answer) results(batch []queue.Delivery) []queue.Result {
	if a.result.Outcome != queue.Done {
		return all(batch, a.result)
	}
	failed, err := failures(a.said, batch)
	if err != nil {
		return all(batch, queue.Result{Outcome: queue.Failed, Reason: err.Error()})
	}
	results := all(batch, queue.Result{})
	for i, d := range batch {
		if failed[d.ID] {
			results[i].Outcome, results[i].Reason = queue.Failed, "it was among the batchItemFailures of the answer"
		}
	}
	return results
}

// failures reads which messages of a batch an answer says have failed. As on AWS, one
// that is wrong fails all.
func failures(said []byte, batch []queue.Delivery) (map[string]bool, error) {
	var partial struct {
		Failures []struct {
			ID *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if json.Unmarshal(said, &partial) != nil {
		return nil, nil //nolint:nilerr // no such answer: all are done
	}
	known := map[string]bool{}
	for _, d := range batch {
		known[d.ID] = true
	}
	failed := map[string]bool{}
	for _, f := range partial.Failures {
		if f.ID == nil || !known[*f.ID] {
			return nil, fmt.Errorf("an itemIdentifier of the answer's batchItemFailures is none of the batch's")
		}
		failed[*f.ID] = true
	}
	return failed, nil
}

// measured returns what is measured of one message.
func (a answer) measured(result queue.Result) gateway.Result {
	seen := a.seen
	if result.Outcome == queue.Failed && a.result.Outcome == queue.Done { // by its own
		seen.Fault = gateway.FaultFunction
		seen.Failure = &gateway.Failure{Type: "batchItemFailures", Message: result.Reason}
	}
	if result.Outcome == queue.Failed && seen.Fault == gateway.FaultNone && seen.Status < http.StatusInternalServerError {
		seen.Fault = gateway.FaultStatus
	}
	return seen
}
