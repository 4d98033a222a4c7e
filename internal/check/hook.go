package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"teal"
)

// notice is what a hook that is called, or invoked, is told.
type notice struct {
	Release string         `json:"release"`
	App     string         `json:"app"`
	Point   teal.HookPoint `json:"point"`
	Hook    string         `json:"hook"`
	Version int            `json:"version"` // green
	Live    int            `json:"live"`    // what green is to follow; 0 is nothing
	// Token and AnswerURL, a path at the REST API, are for an answer that comes
	// later.
	Token     string `json:"token"`
	AnswerURL string `json:"answer_url,omitempty"`
}

// hook runs something of the user's that must succeed within its time.
func (s releaseTask) hook(ctx context.Context, h teal.Hook) teal.Finding {
	ctx, cancel := context.WithTimeout(ctx, orDefault(h.Timeout, teal.DefaultHookTimeout))
	defer cancel()
	switch {
	case len(h.Command) > 0:
		return s.commandHook(ctx, h)
	case h.URL != "":
		return s.urlHook(ctx, h)
	case h.Function != "":
		return s.functionHook(ctx, h)
	}
	return s.hookFinding(h, "a hook", teal.VerdictError, "the hook says neither a command, a URL nor a function")
}

func (s releaseTask) hookFinding(h teal.Hook, asked string, verdict teal.Verdict, seen string) teal.Finding {
	return s.finding("hook "+string(h.Point)+"/"+h.Name, asked, verdict, seen)
}

func (s releaseTask) notice(h teal.Hook) notice {
	n := notice{
		Release: s.release.ID, App: s.release.App, Point: h.Point, Hook: h.Name,
		Version: s.release.To, Live: s.release.From, Token: s.token,
	}
	if s.examiner.cfg.AnswerPath != nil {
		n.AnswerURL = s.examiner.cfg.AnswerPath(s.release.ID) + "/" + url.PathEscape(s.token)
	}
	return n
}

func (s releaseTask) commandHook(ctx context.Context, h teal.Hook) teal.Finding {
	asked := fmt.Sprintf("the command %s ends with exit status 0", shownCommand(h.Command))
	told, err := s.command(ctx, program{argv: h.Command, code: h.Code, env: h.Env, masked: h.Masked, secrets: h.Secrets})
	if err == nil && h.Point != teal.BeforeInstall { // there, green is not to be had yet
		err = s.addresses(ctx, told.env)
	}
	if err != nil {
		return s.hookFinding(h, asked, teal.VerdictError, err.Error())
	}
	told.env["TEAL_HOOK"] = string(h.Point)
	end, err := s.examiner.commands.run(ctx, told)
	if err != nil {
		return s.hookFinding(h, asked, teal.VerdictError, err.Error())
	}
	return s.commandFinding("hook "+string(h.Point)+"/"+h.Name, asked, end)
}

// urlHook calls an address. A 202 says that the answer comes later.
func (s releaseTask) urlHook(ctx context.Context, h teal.Hook) teal.Finding {
	asked := fmt.Sprintf("POST %s is answered with a status from 200 to 299", displayURL(h.URL))
	client := newClient(http.ProxyFromEnvironment)
	defer client.CloseIdleConnections()
	r, err := post(ctx, client, h.URL, s.notice(h))
	switch {
	case err != nil:
		return s.hookFinding(h, asked, teal.VerdictFail, err.Error())
	case r.status < 200 || r.status > 299:
		return s.hookFinding(h, asked, teal.VerdictFail, fmt.Sprintf("status %d, %s", r.status, excerpt(string(r.body))))
	case r.status == http.StatusAccepted:
		return s.laterAnswer(ctx, h, asked)
	}
	select {
	case a := <-s.answers.fresh: // given before the call had an end: it says more
		return s.answered(h, asked, a)
	default:
	}
	return s.hookFinding(h, asked, teal.VerdictPass, fmt.Sprintf("status %d in %s", r.status, rounded(r.took)))
}

// laterAnswer waits for the answer that a hook has promised.
func (s releaseTask) laterAnswer(ctx context.Context, h teal.Hook, asked string) teal.Finding {
	select {
	case a := <-s.answers.fresh:
		return s.answered(h, asked, a)
	case <-ctx.Done():
		return s.hookFinding(h, asked, teal.VerdictFail,
			fmt.Sprintf("it said that its answer comes later, and none came within %s", teal.Duration(orDefault(h.Timeout, teal.DefaultHookTimeout))))
	}
}

func (s releaseTask) answered(h teal.Hook, asked string, a answer) teal.Finding {
	seen := "it answered " + string(a.verdict)
	if a.why != "" {
		seen += ": " + a.why
	}
	return s.hookFinding(h, asked, a.verdict, seen)
}

// post sends a JSON document and reads what the answer has of a body.
func post(ctx context.Context, client *http.Client, address string, document any) (reply, error) {
	body, err := json.Marshal(document)
	if err != nil {
		return reply{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return reply{}, &errRequest{"the address cannot be used: " + plainCause(err)}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Teal")
	return send(ctx, client, request)
}

// send makes a request and reads what maxBody lets through of the answer.
func send(ctx context.Context, client *http.Client, request *http.Request) (reply, error) {
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return reply{}, noAnswer(ctx, began, err)
	}
	return read(ctx, began, response)
}

// event is what a function is told: beside the notice the words of CodeDeploy,
// so that a function that was written as its hook finds what it looks for.
type event struct {
	notice
	DeploymentID string `json:"DeploymentId"`
	ExecutionID  string `json:"LifecycleEventHookExecutionId"`
}

// Hook states that a function returns, by the words of Amazon ECS.
const (
	hookSucceeded  = "SUCCEEDED"
	hookFailed     = "FAILED"
	hookInProgress = "IN_PROGRESS"
)

// A function that is in progress is asked again after callBackDelay, within
// these bounds.
const (
	callbackDefault = 30 * time.Second
	callbackMin     = time.Second
	callbackMax     = time.Hour
)

// functionHook invokes a function of green until it says how it went, in its
// result or with a later answer.
func (s releaseTask) functionHook(ctx context.Context, h teal.Hook) teal.Finding {
	asked := fmt.Sprintf("the function %s answers {%q: %q}", h.Function, "hookStatus", hookSucceeded)
	n := s.notice(h)
	payload, err := json.Marshal(event{n, n.Release, n.Token})
	if err != nil {
		return s.hookFinding(h, asked, teal.VerdictError, err.Error())
	}
	for {
		result, err := s.examiner.cfg.Versions.Invoke(ctx, s.release.App, s.release.To, h.Function, payload)
		select {
		case a := <-s.answers.fresh:
			return s.answered(h, asked, a)
		default:
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			break
		}
		if err != nil {
			return s.hookFinding(h, asked, teal.VerdictError, "the function cannot be invoked: "+teal.MessageOf(err))
		}
		verdict, seen, again := hookResult(result)
		if verdict != "" {
			return s.hookFinding(h, asked, verdict, seen)
		}
		if a, ok := s.answerWithin(ctx, again); ok {
			return s.answered(h, asked, a)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return s.hookFinding(h, asked, teal.VerdictFail, fmt.Sprintf("it did not end within %s", teal.Duration(orDefault(h.Timeout, teal.DefaultHookTimeout))))
}

// answerWithin waits for a later answer, for so long or until ctx ends.
func (s releaseTask) answerWithin(ctx context.Context, d time.Duration) (answer, bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case a := <-s.answers.fresh:
		return a, true
	case <-timer.C:
	case <-ctx.Done():
	}
	return answer{}, false
}

// hookResult reads what a function has returned: a verdict, or after how long it
// wants to be asked again.
func hookResult(result teal.Answer) (verdict teal.Verdict, seen string, again time.Duration) {
	if result.FunctionError != "" {
		return teal.VerdictFail, "the function failed: " + functionError(result.Payload), 0
	}
	var said struct {
		HookStatus    string   `json:"hookStatus"`
		CallBackDelay *float64 `json:"callBackDelay"`
	}
	if err := json.Unmarshal(result.Payload, &said); err != nil {
		said.HookStatus = "" // null and text too
	}
	switch said.HookStatus {
	case hookSucceeded:
		return teal.VerdictPass, "it answered " + hookSucceeded, 0
	case hookFailed:
		return teal.VerdictFail, "it answered " + hookFailed + ": " + line(string(result.Payload), maxExcerpt), 0
	case hookInProgress:
		return "", "", callbackTimeout(said.CallBackDelay)
	}
	return teal.VerdictFail, fmt.Sprintf("it answered %s, which says nothing; a hook answers {\"hookStatus\": \"%s\"}, %s or %s",
		line(string(result.Payload), maxExcerpt), hookSucceeded, hookFailed, hookInProgress), 0
}

func callbackTimeout(seconds *float64) time.Duration {
	if seconds == nil {
		return callbackDefault
	}
	least, most := callbackMin.Seconds(), callbackMax.Seconds()
	return time.Duration(max(least, min(most, *seconds)) * float64(time.Second))
}

// functionError returns the message of a function's error document.
func functionError(payload []byte) string {
	var document struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(payload, &document); err != nil || document.Type+document.Message == "" {
		return line(string(payload), maxExcerpt)
	}
	return line(strings.Trim(document.Type+": "+document.Message, ": "), maxReason)
}
