package check_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"teal"
	"teal/internal/check"
)

func TestCommandHook(t *testing.T) {
	t.Parallel()
	g := run(t, func(http.ResponseWriter, *http.Request) {})
	f := g.hook(teal.Hook{Command: []string{"sh", "-c", `echo "$TEAL_HOOK $TEAL_VERSION $TEAL_PREVIEW_URL"`}})
	wants(t, f, teal.VerdictPass, "AfterInstall 2 "+g.url)
	if f.Name != "hook AfterInstall/it" {
		t.Errorf("the name is %q", f.Name)
	}
	wants(t, g.hook(teal.Hook{Command: []string{"false"}}), teal.VerdictFail, "exit status 1")
	wants(t, g.hook(teal.Hook{Command: []string{"/no/such/program"}}), teal.VerdictError, "it cannot be started")
	wants(t, g.hook(teal.Hook{}), teal.VerdictError, "neither a command, a URL nor a function")
}

// TestAHookBeforeGreen: nothing of green is there to be asked yet.
func TestAHookBeforeGreen(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	key := teal.TaskKey{Kind: teal.TaskHook, Name: "BeforeInstall/it"}
	g.begin(release(teal.Policy{Hooks: []teal.Hook{{Point: teal.BeforeInstall, Name: "it", Command: []string{"sh", "-c", `test -z "$TEAL_PREVIEW_URL"`}}}}), key)
	wants(t, g.only(g.outcome(key)), teal.VerdictPass)
	wants(t, g.hook(teal.Hook{Command: []string{"true"}}), teal.VerdictError, "version 2 is not running")
}

// TestAHookThatForksAndHangs: seen red with a command that is left behind.
func TestAHookThatForksAndHangs(t *testing.T) {
	t.Parallel()
	g := run(t, func(http.ResponseWriter, *http.Request) {})
	mark := "TEAL_TEST_MARK=" + t.Name() + fmt.Sprint(os.Getpid())
	name, value, _ := strings.Cut(mark, "=")
	f := g.hook(teal.Hook{Command: []string{"sh", "-c", hang}, Env: map[string]string{name: value}, Timeout: teal.Duration(300 * time.Millisecond)})
	wants(t, f, teal.VerdictFail, "it and everything that it had started were killed", "started")
	if pids := marked(t, mark); len(pids) > 0 {
		t.Errorf("the processes %v are left over", pids)
	}
}

// stranger is an address that a hook or a judge calls.
func stranger(t testing.TB, handler http.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	// A secret that no finding may hold.
	return strings.Replace(server.URL, "http://", "http://me:s3cret@", 1) + "/here?key=s3cret"
}

func TestURLHook(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	var told map[string]any
	status := atomic.Int32{}
	url := stranger(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || user+":"+password != "me:s3cret" || r.URL.Query().Get("key") != "s3cret" {
			t.Errorf("the request is %s %s %v", r.Method, r.URL, r.Header)
		}
		told = nil
		must(t, json.NewDecoder(r.Body).Decode(&told))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, "because")
	})
	for code, verdict := range map[int]teal.Verdict{
		200: teal.VerdictPass, 201: teal.VerdictPass, 299: teal.VerdictPass,
		302: teal.VerdictFail, 400: teal.VerdictFail, 500: teal.VerdictFail,
	} {
		status.Store(int32(code))
		f := g.hook(teal.Hook{URL: url})
		wants(t, f, verdict, fmt.Sprintf("status %d", code), "/here is answered with a status from 200 to 299")
		if all := fmt.Sprintf("%+v", f); strings.Contains(all, "s3cret") {
			t.Errorf("a secret is in the finding %s", all)
		}
	}
	token, _ := told["token"].(string)
	delete(told, "token")
	if want := "map[answer_url:/v1/releases/shop-7/hooks/" + token + " app:shop hook:it live:1 point:AfterInstall release:shop-7 version:2]"; fmt.Sprint(told) != want || len(token) < 20 {
		t.Errorf("the hook is told %v and the token %q, expected %s", told, token, want)
	}
	wants(t, g.hook(teal.Hook{URL: "http://127.0.0.1:1/"}), teal.VerdictFail, "connection refused")
	wants(t, g.hook(teal.Hook{URL: "http://[s3cret/"}), teal.VerdictFail, "cannot be")
}

func TestAURLHookThatNeverAnswers(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	over := make(chan struct{})
	url := stranger(t, func(http.ResponseWriter, *http.Request) { <-over })
	defer close(over)
	wants(t, g.hook(teal.Hook{URL: url, Timeout: teal.Duration(100 * time.Millisecond)}), teal.VerdictFail, "there was no answer within ")
}

// TestLaterAnswers: seen red with an answer that is lost when it comes before
// the 202 has been read.
func TestLaterAnswers(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	r := release(teal.Policy{Hooks: []teal.Hook{{Point: teal.AfterInstall, Name: "it"}}})
	r.Tasks = []teal.Task{{Key: hookKey, Token: "the-token-of-the-record"}}
	code := func(err error) teal.Code { return teal.CodeOf(err) }
	answer := func(token string, verdict teal.Verdict) error {
		return g.examiner.Answer("shop-7", token, verdict, "as I\x1b[31m see it")
	}
	for _, early := range []bool{false, true} {
		called := make(chan string, 1)
		r.Policy.Hooks[0].URL = stranger(t, func(w http.ResponseWriter, r *http.Request) {
			var told struct{ Token string }
			must(t, json.NewDecoder(r.Body).Decode(&told))
			if early {
				must(t, answer(told.Token, teal.VerdictFail))
			}
			w.WriteHeader(http.StatusAccepted)
			called <- told.Token
		})
		g.begin(r, hookKey)
		token := <-called
		if token != r.Tasks[0].Token {
			t.Errorf("the hook was told %q", token)
		}
		if err := g.examiner.Answer("shop-8", token, teal.VerdictPass, ""); code(err) != teal.CodeNotFound {
			t.Errorf("another release: %v", err)
		}
		for _, wrong := range []string{"", "wrong", token + "x"} {
			if err := answer(wrong, teal.VerdictPass); code(err) != teal.CodeNotFound {
				t.Errorf("the token %q: %v", wrong, err)
			}
		}
		if err := answer(token, teal.VerdictInconclusive); code(err) != teal.CodeInvalidInput {
			t.Errorf("inconclusive: %v", err)
		}
		if !early {
			if o := g.examiner.Outcome("shop-7", hookKey); o.Verdict != "" {
				t.Errorf("before the answer the outcome is %+v", o)
			}
			must(t, answer(token, teal.VerdictFail))
		}
		wants(t, g.only(g.outcome(hookKey)), teal.VerdictFail, "it answered fail: as I�[31m see it")
		must(t, answer(token, teal.VerdictFail))
		if err := answer(token, teal.VerdictPass); code(err) != teal.CodeConflict {
			t.Errorf("another answer: %v", err)
		}
		g.examiner.Stop("shop-7")
	}
	r.Policy.Hooks[0].URL = stranger(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) })
	r.Policy.Hooks[0].Timeout = teal.Duration(50 * time.Millisecond)
	g.begin(r, hookKey)
	wants(t, g.only(g.outcome(hookKey)), teal.VerdictFail, "it said that its answer comes later, and none came within 50ms")
	if err := answer(r.Tasks[0].Token, teal.VerdictPass); code(err) != teal.CodeConflict {
		t.Errorf("an answer that comes too late: %v", err)
	}
}

func TestFunctionHook(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	var event map[string]any
	said := teal.Answer{}
	g.function = func(_ context.Context, e []byte) (teal.Answer, error) {
		event = nil
		must(t, json.Unmarshal(e, &event))
		return said, nil
	}
	for payload, verdict := range map[string]teal.Verdict{
		`{"hookStatus": "SUCCEEDED"}`:                     teal.VerdictPass,
		`{"hookStatus": "FAILED", "why": "no migration"}`: teal.VerdictFail,
		`{"hookStatus": "succeeded"}`:                     teal.VerdictFail,
		`{"statusCode": 200}`:                             teal.VerdictFail,
		`null`:                                            teal.VerdictFail,
		`"SUCCEEDED"`:                                     teal.VerdictFail,
		``:                                                teal.VerdictFail,
	} {
		said = teal.Answer{Payload: []byte(payload)}
		wants(t, g.hook(teal.Hook{Function: "prepare"}), verdict, payload, "the function prepare answers")
	}
	if event["release"] != "shop-7" || event["DeploymentId"] != "shop-7" || event["point"] != "AfterInstall" || event["LifecycleEventHookExecutionId"] != event["token"] {
		t.Errorf("the event is %v", event)
	}
	said = teal.Answer{FunctionError: "Unhandled", Payload: []byte(`{"errorType": "KeyError", "errorMessage": "'order'", "stackTrace": []}`)}
	wants(t, g.hook(teal.Hook{Function: "prepare"}), teal.VerdictFail, "the function failed: KeyError: 'order'")
	g.function = nil
	wants(t, g.hook(teal.Hook{Function: "prepare"}), teal.VerdictError, "the function cannot be invoked: there is no function prepare")
	g.function = func(ctx context.Context, _ []byte) (teal.Answer, error) {
		<-ctx.Done()
		return teal.Answer{}, errors.New("the invocation was given up")
	}
	wants(t, g.hook(teal.Hook{Function: "prepare", Timeout: teal.Duration(50 * time.Millisecond)}), teal.VerdictFail, "it did not end within 50ms")
}

// TestAFunctionAnswersLater: as a function that was written for CodeDeploy.
func TestAFunctionAnswersLater(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	g.function = func(_ context.Context, e []byte) (teal.Answer, error) {
		var event struct {
			LifecycleEventHookExecutionID string `json:"LifecycleEventHookExecutionId"`
		}
		must(t, json.Unmarshal(e, &event))
		must(t, g.examiner.Answer("shop-7", event.LifecycleEventHookExecutionID, teal.VerdictPass, "migrated"))
		return teal.Answer{Payload: []byte("null")}, nil
	}
	wants(t, g.hook(teal.Hook{Function: "prepare"}), teal.VerdictPass, "it answered pass: migrated")
}

// callBacks does a function hook in a bubble of time, and returns its outcome
// and when the function was invoked.
func callBacks(t *testing.T, timeout time.Duration, answers ...string) (check.Outcome, []time.Duration) {
	var outcome check.Outcome
	var at []time.Duration
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		g := &green{t: t, function: func(context.Context, []byte) (teal.Answer, error) {
			at = append(at, time.Since(began))
			return teal.Answer{Payload: []byte(answers[min(len(at), len(answers))-1])}, nil
		}}
		changed := make(chan string, 1)
		e := check.New(check.Config{Versions: g, WorkDir: dir, Changed: func(app string) { changed <- app }})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		must(t, e.Begin(ctx, release(teal.Policy{Hooks: []teal.Hook{
			{Point: teal.AfterInstall, Name: "it", Function: "prepare", Timeout: teal.Duration(timeout)},
		}}), hookKey))
		<-changed
		outcome = e.Outcome("shop-7", hookKey)
		cancel()
		must(t, <-ended)
	})
	return outcome, at
}

func TestAFunctionInProgressIsAskedAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		timeout time.Duration
		answers []string
		verdict teal.Verdict
		at      []time.Duration // seconds
	}{
		{"default", 0, []string{`{"hookStatus": "IN_PROGRESS"}`, `{"hookStatus": "SUCCEEDED"}`}, teal.VerdictPass, []time.Duration{0, 30}},
		{"delay", 0, []string{`{"hookStatus": "IN_PROGRESS", "callBackDelay": 5}`, `{"hookStatus": "IN_PROGRESS"}`, `{"hookStatus": "FAILED"}`}, teal.VerdictFail, []time.Duration{0, 5, 35}},
		{"bounds", 3 * time.Hour, []string{`{"hookStatus": "IN_PROGRESS", "callBackDelay": -5}`, `{"hookStatus": "IN_PROGRESS", "callBackDelay": 1e300}`, `{"hookStatus": "SUCCEEDED"}`}, teal.VerdictPass, []time.Duration{0, 1, 3601}},
		{"for ever", 70 * time.Second, []string{`{"hookStatus": "IN_PROGRESS"}`}, teal.VerdictFail, []time.Duration{0, 30, 60}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, at := callBacks(t, c.timeout, c.answers...)
			for i := range at {
				at[i] /= time.Second
			}
			if o.Verdict != c.verdict || !slices.Equal(at, c.at) {
				t.Errorf("the outcome is %+v, the function was asked at the seconds %d, expected %s at %d", o, at, c.verdict, c.at)
			}
		})
	}
}

// TestAHookHasAnHour: the timeout of a hook that names none.
func TestAHookHasAnHour(t *testing.T) {
	t.Parallel()
	o, at := callBacks(t, 0, `{"hookStatus": "IN_PROGRESS", "callBackDelay": 700}`)
	if o.Verdict != teal.VerdictFail || len(at) != 6 {
		t.Errorf("the outcome is %+v after %d invocations", o, len(at))
	}
}
