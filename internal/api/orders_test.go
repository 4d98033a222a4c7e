package api_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teal"
	"teal/internal/api"
	"teal/internal/api/apitest"
)

// canary returns a server with version 1 live and a release to version 2 that
// has not begun.
func canary(t *testing.T, cfg api.Config) (*caller, *apitest.Teal) {
	t.Helper()
	fake := apitest.New()
	fake.Script = apitest.AtOnce
	c := serve(t, fake, cfg)
	if a := c.call("POST", "/v1/apps/hello/versions", deployBody(t, spec("hello", "one"))); a.status != 200 {
		t.Fatalf("deploy: %d %s", a.status, a.body)
	}
	fake.Script = nil
	policy := teal.DefaultPolicy()
	policy.Strategy = teal.StrategyCanary
	policy.Steps = []teal.Step{{Weight: teal.Percent(10), Approval: true}}
	policy.Checks = []teal.Check{{Name: "smoke", Request: &teal.Request{Path: "/"}, Timeout: teal.DefaultCheckTimeout}}
	data, err := json.Marshal(api.DeployBody{Spec: spec("hello", "two"), Policy: &policy, Release: true})
	if err != nil {
		t.Fatal(err)
	}
	if a := c.call("POST", "/v1/apps/hello/versions", string(data)); a.status != 200 {
		t.Fatalf("deploy: %d %s", a.status, a.body)
	}
	fake.Provision("hello")
	return c, fake
}

func TestOrders(t *testing.T) {
	t.Parallel()
	c, fake := canary(t, api.Config{})
	if a := c.call("POST", "/v1/apps/hello/approve", ""); a.status != 409 || a.problem(t).Code != teal.CodeConflict {
		t.Errorf("approve before there is a step: %d %s", a.status, a.body)
	}
	fake.Step("hello")
	fake.Advance(time.Minute)
	var r api.ReleaseView
	decode(t, c.call("POST", "/v1/apps/hello/pause", `{"by":"ann","why":"lunch"}`).body, &r)
	want := &teal.Command{Kind: teal.CommandPause, By: "admin (ann)", Why: "lunch", At: fake.Now()}
	if diff := cmp.Diff(want, r.Commands.Pause); diff != "" {
		t.Error(diff)
	}
	r = api.ReleaseView{}
	decode(t, c.call("POST", "/v1/apps/hello/resume", "").body, &r)
	if r.Commands.Pause != nil {
		t.Errorf("resumed: %+v", r.Commands)
	}
	if a := c.call("POST", "/v1/apps/hello/resume", ""); a.status != 409 || !strings.Contains(a.problem(t).Detail, "not paused") {
		t.Errorf("resume twice: %d %s", a.status, a.body)
	}
	if a := c.call("POST", "/v1/apps/hello/approve", `{"step":2}`); a.status != 409 {
		t.Errorf("approve a step that is not there: %d %s", a.status, a.body)
	}
	decode(t, c.call("POST", "/v1/apps/hello/approve", `{"step":1}`).body, &r)
	if diff := cmp.Diff([]teal.Command{{Kind: teal.CommandApprove, By: "admin", At: fake.Now(), Step: 1}}, r.Commands.Approvals); diff != "" {
		t.Error(diff)
	}
	decode(t, c.call("POST", "/v1/apps/hello/promote", `{"by":"ann"}`).body, &r)
	if r.ID != "hello-2" || r.Commands.Promote == nil {
		t.Errorf("promote while a release runs: %+v", r)
	}
	fake.GoLive("hello")
	fake.Complete("hello")
	for _, order := range []string{"pause", "resume", "approve"} {
		if a := c.call("POST", "/v1/apps/hello/"+order, ""); a.status != 409 || a.problem(t).Code != teal.CodeNoActiveRelease {
			t.Errorf("%s without a release: %d %s", order, a.status, a.body)
		}
	}
}

// lockedText may be written and read at the same time.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A hook that answers later has the token that it was given, and no other power.
func TestHooksAnswerByTheirToken(t *testing.T) {
	t.Parallel()
	var log lockedText
	c, fake := canary(t, api.Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	key := teal.TaskKey{Kind: teal.TaskHook, Name: "AfterInstall/ci"}
	fake.Begin("hello", key, "tok-123_x")
	answer := func(path, body string) answer {
		r := c.request("POST", path, body, "Content-Type", "application/json")
		r.Header.Del("Authorization")
		return c.do(r)
	}
	for _, tt := range []struct {
		path, body string
		status     int
	}{
		{"/v1/releases/hello-2/hooks/guess", `{"status":"Succeeded"}`, 404},
		{"/v1/releases/hello-1/hooks/tok-123_x", `{"status":"Succeeded"}`, 404},
		{"/v1/releases/nope/hooks/tok-123_x", `{"status":"Succeeded"}`, 404},
		{"/v1/releases/hello-2/hooks/a%2Fb", `{"status":"Succeeded"}`, 401},
		{"/v1/releases/hello-2/hooks/a.b", `{"status":"Succeeded"}`, 404},
		{"/v1/releases/hello-2/hooks/", `{"status":"Succeeded"}`, 401},
		{"/v1/releases/hello-2/hooks/tok-123_x", `{"status":"InProgress"}`, 400},
		{"/v1/releases/hello-2/hooks/tok-123_x", `{}`, 400},
		{"/v1/releases/hello-2/hooks/tok-123_x", `{"status":"Failed","reason":"tests are red"}`, 204},
		{"/v1/releases/hello-2/hooks/tok-123_x", `{"status":"Failed"}`, 204}, // again
		{"/v1/releases/hello-2/hooks/tok-123_x", `{"status":"Succeeded"}`, 404},
		{"/v1/releases/hello-2", `{}`, 401},
		{"/v1/apps/hello/pause", `{}`, 401},
	} {
		if a := answer(tt.path, tt.body); a.status != tt.status || tt.status != 204 && a.problem(t).Code == "" {
			t.Errorf("%s %s: %d %s, want %d", tt.path, tt.body, a.status, a.body, tt.status)
		}
	}
	r := c.request("POST", "/v1/releases/hello-2/hooks/tok-123_x", `{"status":"Failed"}`, "Origin", "https://evil.example")
	if a := c.do(r); a.status != 403 {
		t.Errorf("from a page of another origin: %d", a.status)
	}
	release, err := fake.Release(t.Context(), "hello-2")
	if err != nil || release.Task(key).Verdict != teal.VerdictFail || !strings.Contains(release.Evidence[0].Seen, "tests are red") {
		t.Errorf("%+v, %v", release, err)
	}
	if strings.Contains(log.String(), "tok-123_x") || !strings.Contains(log.String(), "/v1/releases/hello-2/hooks/") {
		t.Error("the token of a hook is in the log")
	}
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	c, fake := canary(t, api.Config{})
	if a := c.call("GET", "/v1/releases/hello-2/intervals", ""); a.status != 200 || a.body != "" {
		t.Errorf("nothing measured: %d %q", a.status, a.body)
	}
	fake.Step("hello")
	fake.Measured("hello", teal.Interval{
		At:    fake.Now(),
		Live:  teal.Measurement{Requests: 90, Latency: []teal.LatencyCount{{UpTo: 12500 * time.Microsecond, Count: 90}}},
		Green: teal.Measurement{Requests: 10, Errors: 2},
	})
	a := c.call("GET", "/v1/releases/hello-2/intervals", "")
	want := `{"at":"2026-01-02T10:32:00.4Z","side":"live","requests":90,"errors":0,"latency_ms":[[12.5,90]]}
{"at":"2026-01-02T10:32:00.4Z","side":"green","requests":10,"errors":2}
`
	if a.body != want || a.header.Get("Content-Type") != "application/jsonl" {
		t.Errorf("%s: %s", a.header.Get("Content-Type"), cmp.Diff(want, a.body))
	}
	if a := c.call("GET", "/v1/releases/hello-9/intervals", ""); a.status != 404 || a.problem(t).Code != teal.CodeUnknownRelease {
		t.Errorf("unknown release: %d %s", a.status, a.body)
	}
}

// Seen red without the panic in intervals: half of them looked like all.
func TestIntervalsThatBreakOff(t *testing.T) {
	t.Parallel()
	c, fake := canary(t, api.Config{})
	for i := 3; i <= 13; i++ {
		fake.GoLive("hello")
		if _, err := fake.Deploy(t.Context(), api.Deploy{Spec: spec("hello", strings.Repeat("x", i)), Policy: teal.DefaultPolicy(), Release: true}); err != nil {
			t.Fatal(err)
		}
		fake.Provision("hello")
	}
	resp, err := c.client.Do(c.request("GET", "/v1/releases/hello-13/intervals", ""))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(resp.Body)
	if err == nil || string(data) != "{}\n" || resp.StatusCode != http.StatusOK {
		t.Errorf("%d %q, %v", resp.StatusCode, data, err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}

// What a policy asks for is looked at before anything is recorded.
func TestBadPolicies(t *testing.T) {
	t.Parallel()
	c, _ := twoVersions(t)
	base := strings.TrimSuffix(deployBody(t, spec("hello", "three")), "}")
	const times = `"ready_within":"1s","confidence":"1s","drain":"1s"`
	for _, tt := range []struct{ more, says string }{
		{`"policy":{"strategy":"blue-green",` + times + `}`, `"blue-green" is not a strategy`},
		{`"policy":{"strategy":"all-at-once",` + times + `,"steps":[{"weight":5,"hold":"1m"}]}`, "either the strategy or the steps"},
		{`"policy":{"strategy":"canary","confidence":"1s","drain":"1s"}`, "ready_within"},
		{`"policy":{"strategy":"canary",` + times + `,"stepz":[]}`, "stepz"},
		{`"policy":{"strategy":"canary",` + times + `,"steps":[{"weight":50,"hold":"1m"},{"weight":20,"hold":"0s"}]}`, "release.steps.1.weight: is 20, and the step before has 50"},
		{`"policy":{"strategy":"canary",` + times + `,"steps":[{"weight":5,"hold":"60"}]}`, "300ms"},
		{`"policy":{"strategy":"canary",` + times + `,"checks":[{"name":"a","to":"web","timeout":"1s","request":{"path":"/"}}]}`, `release.checks.0.to: "web" is not a component of the app; it has hello`},
		{`"policy":{"strategy":"canary",` + times + `,"hooks":[{"point":"BeforeLunch","name":"a","timeout":"1s","url":"http://x"}]}`, "release.hooks.BeforeLunch: is not a point"},
		{`"policy":{"strategy":"canary",` + times + `,"judge":{"alpha":0.9}}`, "release.watch.alpha: is 0.9"},
		{`"policy":{"strategy":"canary",` + times + `,"freeze":[{"cron":"* * * * *","for":"1h","time_zone":"Mars/Base"}]}`, `"Mars/Base" is not a time zone`},
		{`"force":""`, "force"},
		{`"force":"  "`, "force has no reason"},
		{`"unfreeze":"\n"`, "unfreeze has no reason"},
	} {
		a := c.call("POST", "/v1/apps/hello/versions", base+","+tt.more+"}")
		if p := a.problem(t); a.status != 400 || p.Code != teal.CodeInvalidInput || !strings.Contains(p.Detail, tt.says) {
			t.Errorf("%s: %d %s %s", tt.more, a.status, p.Code, p.Detail)
		}
	}
	var versions api.VersionList
	decode(t, c.call("GET", "/v1/apps/hello/versions", "").body, &versions)
	if len(versions.Versions) != 2 {
		t.Errorf("%d versions", len(versions.Versions))
	}
}

func TestDeployCompilesAndOverrides(t *testing.T) {
	t.Parallel()
	fake := apitest.New()
	fake.Script = apitest.AtOnce
	c := serve(t, fake, api.Config{})
	body := strings.TrimSuffix(deployBody(t, spec("hello", "one")), "}") +
		`,"force":"it is on fire","unfreeze":"boss said so","by":"ann","policy":{"strategy":"Canary20Percent3Minutes","ready_within":"1s","confidence":"1s","drain":"1s"}}`
	var deployed api.DeployView
	decode(t, c.call("POST", "/v1/apps/hello/versions", body).body, &deployed)
	orders := deployed.Release.Commands
	if orders.Force == nil || orders.Force.Why != "it is on fire" || orders.Force.By != "admin (ann)" || orders.Unfreeze == nil || orders.Unfreeze.Why != "boss said so" {
		t.Errorf("orders %+v", orders)
	}
	want := []teal.Step{{Weight: teal.Percent(20), Hold: teal.Duration(3 * time.Minute)}}
	if diff := cmp.Diff(want, deployed.Release.Policy.Steps); diff != "" {
		t.Error(diff)
	}
}
