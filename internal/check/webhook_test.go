package check_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal"
)

func TestWebhook(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	status, body := 200, ""
	var told map[string]any
	url := stranger(t, func(w http.ResponseWriter, r *http.Request) {
		told = nil
		must(t, json.NewDecoder(r.Body).Decode(&told))
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
	for _, c := range []struct {
		name    string
		status  int
		body    string
		verdict teal.Verdict
		says    string
	}{
		{"pass", 200, `{"verdict": "pass", "reason": "sales are up"}`, teal.VerdictPass, "it says pass: sales are up"},
		{"fail", 200, `{"verdict": "fail", "reason": "sales are down", "more": 1}`, teal.VerdictFail, "it says fail: sales are down"},
		{"bare", 200, `{"verdict": "inconclusive"}`, teal.VerdictInconclusive, "it says inconclusive"},
		{"long", 200, `{"verdict": "fail", "reason": "` + strings.Repeat("x\\u001b", 1<<15) + `"}`, teal.VerdictFail, "it says fail: x�x�"},
		{"other word", 200, `{"verdict": "PASS"}`, teal.VerdictError, `the verdict "PASS" is none of`},
		{"no word", 200, `{}`, teal.VerdictError, "is none of"},
		{"no text", 200, `{"verdict": true}`, teal.VerdictError, "not JSON"},
		{"no JSON", 200, "fine!", teal.VerdictError, `"fine!"`},
		{"other status", 202, `{"verdict": "pass"}`, teal.VerdictError, "status 202 instead of 200"},
		{"redirect", 302, `{"verdict": "pass"}`, teal.VerdictError, "status 302"},
		{"endless", 200, `{"verdict": "pass"` + strings.Repeat(" ", 2<<20) + "}", teal.VerdictError, "longer than 1MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body = c.status, c.body
			f := g.ask(teal.Judging{Webhooks: []teal.Webhook{{Name: "it", URL: url, Every: teal.Duration(time.Hour)}}})
			wants(t, f, c.verdict, c.says, "the verdict of http://127.0.0.1")
			if all := fmt.Sprintf("%+v", f); strings.Contains(all, "s3cret") || len(all) > 2000 || f.Name != "webhook it" {
				t.Errorf("the finding is %s", all)
			}
		})
	}
	if want := "map[alias:live app:shop live:1 name:it release:shop-7 version:2]"; fmt.Sprint(told) != want {
		t.Errorf("the webhook is told %v, expected %s", told, want)
	}
}

// TestAWebhookThatAnswers500ForEver: it is asked again and again, and never
// gives more than an error. Seen red with any JSON taken for an answer.
func TestAWebhookThatAnswers500ForEver(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	var asked atomic.Int32
	url := stranger(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"verdict": "pass"}`)
	})
	key := teal.TaskKey{Kind: teal.TaskAsk, Name: "it"}
	g.begin(release(teal.Policy{Judge: teal.Judging{Webhooks: []teal.Webhook{{Name: "it", URL: url, Every: teal.Duration(time.Millisecond)}}}}), key)
	for asked.Load() < 50 {
		if o := g.outcome(key); o.Verdict != teal.VerdictError {
			t.Fatalf("the outcome is %+v", o)
		}
	}
}

func TestAWebhookThatNeverAnswers(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	over := make(chan struct{})
	defer close(over)
	url := stranger(t, func(http.ResponseWriter, *http.Request) { <-over })
	wants(t, g.ask(teal.Judging{Webhooks: []teal.Webhook{{Name: "it", URL: url, Timeout: teal.Duration(50 * time.Millisecond)}}}), teal.VerdictError, "there was no answer within")
}
