package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"teal"
	"teal/internal/api"
	"teal/internal/api/apitest"
	"teal/internal/client"
	"teal/internal/nobody"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T) (*client.Client, *apitest.Teal) {
	t.Helper()
	fake := apitest.New()
	fake.Script = apitest.AtOnce
	return connect(t, client.Config{Address: apitest.Serve(t, fake, api.Config{}), Token: apitest.Token}), fake
}

func spec(stage string) teal.Spec {
	return teal.Spec{
		App: "hello",
		Components: map[string]teal.Component{"hello": {Function: &teal.Function{
			Runtime: "python3", Handler: "app.handler", Code: "sha256:" + strings.Repeat("a", 64),
			Memory: teal.DefaultMemory, Timeout: teal.DefaultTimeout, Init: teal.DefaultInit, Idle: teal.DefaultIdle,
			Concurrency: teal.Concurrency{Min: 1, Max: 10}, Payload: teal.DefaultPayload, Env: map[string]string{"STAGE": stage},
		}}},
	}
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestEveryMethod(t *testing.T) {
	t.Parallel()
	c, fake := serve(t)
	ctx := t.Context()
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}

	code := "not really a zip"
	digest := apitest.Digest([]byte(code))
	if has := must[bool](t)(c.HasBundle(ctx, digest)); has {
		t.Error("the bundle is there before it was sent")
	}
	if err := c.PutBundle(ctx, digest, strings.NewReader(code)); err != nil {
		t.Fatal(err)
	}
	if has := must[bool](t)(c.HasBundle(ctx, digest)); !has {
		t.Error("the bundle is not there")
	}

	policy := teal.DefaultPolicy()
	for i, stage := range []string{"one", "two"} {
		d := must[api.DeployView](t)(c.Deploy(ctx, api.DeployBody{Spec: spec(stage), Policy: &policy, Release: true}))
		if d.Version.Number != i+1 || d.Release == nil || !d.Created {
			t.Fatalf("deployed %+v", d)
		}
	}
	d := must[api.DeployView](t)(c.Deploy(ctx, api.DeployBody{Spec: spec("three")}))
	if d.Release != nil {
		t.Errorf("a release that nobody asked for: %+v", d.Release)
	}
	versions := must[[]api.VersionView](t)(c.Versions(ctx, "hello"))
	if diff := cmp.Diff(versions[2], must[api.VersionView](t)(c.Version(ctx, "hello", 3))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(spec("three"), teal.Spec(versions[2].Spec)); diff != "" {
		t.Errorf("the spec changed on its way: %s", diff)
	}

	status := must[api.Status](t)(c.Status(ctx, "hello"))
	if apps := must[[]api.Status](t)(c.Apps(ctx)); len(apps) != 1 || !cmp.Equal(apps[0], status) {
		t.Errorf("apps %+v", apps)
	}
	if diff := cmp.Diff(status.Aliases, must[map[string]api.AliasView](t)(c.Aliases(ctx, "hello"))); diff != "" {
		t.Error(diff)
	}
	split := []teal.Target{{Version: 1, Weight: 8750}, {Version: 2, Weight: 1250}}
	view := must[api.AliasView](t)(c.SetAlias(ctx, "hello", "beta", api.AliasBody{Versions: split}))
	if diff := cmp.Diff(split, view.Versions); diff != "" {
		t.Error(diff)
	}

	if r := must[api.ReleaseView](t)(c.Rollback(ctx, "hello", api.RollbackBody{Why: "try"})); r.Phase != teal.PhaseRolledBack {
		t.Errorf("rollback: %+v", r)
	}
	r := must[api.ReleaseView](t)(c.Promote(ctx, "hello", api.PromoteBody{By: "ann"}))
	if r.To != 3 || r.CreatedBy != "admin (ann)" {
		t.Errorf("promote: %+v", r)
	}
	if r := must[api.ReleaseView](t)(c.Abort(ctx, "hello", api.AbortBody{})); r.Phase != teal.PhaseRolledBack {
		t.Errorf("abort: %+v", r)
	}
	fake.Script = nil
	policy.Steps = []teal.Step{{Weight: teal.Percent(10), Approval: true}}
	policy.Strategy = teal.StrategyCanary
	why := "it must go out"
	d = must[api.DeployView](t)(c.Deploy(ctx, api.DeployBody{Spec: spec("four"), Policy: &policy, Release: true, Force: &why, Unfreeze: &why}))
	if o := d.Release.Commands; o.Force.Why != why || o.Unfreeze.Why != why {
		t.Errorf("orders %+v", o)
	}
	fake.Provision("hello")
	fake.Begin("hello", teal.TaskKey{Kind: teal.TaskHook, Name: "AfterInstall/ci"}, "tok")
	if err := c.AnswerHook(ctx, d.Release.ID, "tok", api.HookAnswer{Status: api.HookSucceeded}); err != nil {
		t.Error(err)
	}
	fake.Step("hello")
	if r := must[api.ReleaseView](t)(c.Pause(ctx, "hello", api.OrderBody{By: "ann", Why: "lunch"})); r.Commands.Pause.Why != "lunch" {
		t.Errorf("pause: %+v", r.Commands)
	}
	if r := must[api.ReleaseView](t)(c.Resume(ctx, "hello", api.OrderBody{By: "ann"})); r.Commands.Pause != nil {
		t.Errorf("resume: %+v", r.Commands)
	}
	if r := must[api.ReleaseView](t)(c.Approve(ctx, "hello", api.ApproveBody{Step: 1})); !r.Commands.Approved(1) {
		t.Errorf("approve: %+v", r.Commands)
	}
	fake.Measured("hello", teal.Interval{At: fake.Now(), Green: teal.Measurement{Requests: 7}})
	intervals := must[io.ReadCloser](t)(c.Intervals(ctx, d.Release.ID))
	if text := must[[]byte](t)(io.ReadAll(intervals)); strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), `"requests":7`) {
		t.Errorf("intervals: %s", text)
	}
	if err := intervals.Close(); err != nil {
		t.Error(err)
	}
	releases := must[[]api.ReleaseView](t)(c.Releases(ctx, "hello"))
	if diff := cmp.Diff(releases[2], must[api.ReleaseView](t)(c.Release(ctx, r.ID))); diff != "" {
		t.Error(diff)
	}

	got := must[client.Invoked](t)(c.Invoke(ctx, api.Invoke{App: "hello", Qualifier: "1", Event: []byte(`[1]`)}))
	if diff := cmp.Diff(client.Invoked{Version: 1, RequestID: "req-1", Payload: []byte(`[1]`)}, got); diff != "" {
		t.Error(diff)
	}
	if got := must[client.Invoked](t)(c.Invoke(ctx, api.Invoke{App: "hello", Event: []byte(`"fail"`)})); got.FunctionError != "Unhandled" {
		t.Errorf("invoked %+v", got)
	}

	line := api.LogLine{At: fake.Now(), App: "hello", Version: 2, Component: "hello", Instance: "i1", RequestID: "r", Stream: "stdout", Text: "hi"}
	fake.Log(line)
	for l, err := range c.Logs(ctx, api.LogQuery{App: "hello", Version: 2, Component: "hello", Instance: "i1", RequestID: "r", Since: line.At, Text: "h", Tail: 3}) {
		if diff := cmp.Diff(line, l); diff != "" || err != nil {
			t.Error(diff, err)
		}
	}
}

func TestCodesCrossTheWire(t *testing.T) {
	t.Parallel()
	c, _ := serve(t)
	ctx := t.Context()
	must[api.DeployView](t)(c.Deploy(ctx, api.DeployBody{Spec: spec("one"), Release: true}))
	_, unknown := c.Status(ctx, "nope")
	_, wild := c.Status(ctx, "../../healthz")
	_, weights := c.SetAlias(ctx, "hello", "live", api.AliasBody{Versions: []teal.Target{{Version: 1, Weight: 1}}})
	_, nothing := c.Rollback(ctx, "hello", api.RollbackBody{})
	_, pause := c.Pause(ctx, "hello", api.OrderBody{})
	hook := c.AnswerHook(ctx, "hello-1", "guess", api.HookAnswer{Status: api.HookFailed})
	_, intervals := c.Intervals(ctx, "hello-9")
	_, large := c.Invoke(ctx, api.Invoke{App: "hello", Event: []byte(`"` + strings.Repeat("x", 6<<20) + `"`)})
	var log error
	for _, err := range c.Logs(ctx, api.LogQuery{App: "hello", RequestID: "broken"}) {
		log = err
	}
	stranger := connect(t, client.Config{Address: c.Address(), Token: "guess"})
	_, token := stranger.Apps(ctx)
	_, headless := stranger.HasBundle(ctx, apitest.Digest(nil))
	for name, tt := range map[string]struct {
		err  error
		code teal.Code
	}{
		"unknown app": {unknown, teal.CodeUnknownApp}, "path in a name": {wild, teal.CodeUnknownApp},
		"weights": {weights, teal.CodeInvalidWeights}, "rollback": {nothing, teal.CodeNothingToRollBackTo},
		"pause": {pause, teal.CodeNoActiveRelease}, "hook": {hook, teal.CodeNotFound}, "intervals": {intervals, teal.CodeUnknownRelease},
		"large event": {large, teal.CodeTooLarge}, "token": {token, teal.CodeUnauthorized},
		"token, in an answer without a body": {headless, teal.CodeUnauthorized}, "log": {log, teal.CodeUnavailable},
	} {
		if !teal.IsCode(tt.err, tt.code) || errors.Is(tt.err, client.ErrUnreachable) {
			t.Errorf("%s: %v has the code %s, want %s", name, tt.err, teal.CodeOf(tt.err), tt.code)
		}
	}
	if strings.Contains(token.Error(), "guess") {
		t.Errorf("the token is in the error: %v", token)
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	address := nobody.Address(t)
	c := connect(t, client.Config{Address: address, Token: "secret"})
	_, err := c.Apps(t.Context())
	if !errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), "teal server") || !strings.Contains(err.Error(), address) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if err := c.Ping(t.Context()); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("ping: %v", err)
	}
	for _, err := range c.Events(t.Context(), "hello") {
		if !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("events: %v", err)
		}
	}
	for _, err := range c.Logs(t.Context(), api.LogQuery{App: "hello"}) {
		if !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("logs: %v", err)
		}
	}
}

func TestSomethingElseAnswers(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"a web page":      func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>") },
		"another problem": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", http.StatusTeapot) },
		"a redirect":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
		"other JSON":      func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"apps":7}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(handler)
			defer server.Close()
			c := connect(t, client.Config{Address: server.URL})
			if _, err := c.Apps(t.Context()); !teal.IsCode(err, teal.CodeBadAnswer) {
				t.Errorf("apps: %v", err)
			}
			if _, err := c.Invoke(t.Context(), api.Invoke{App: "hello"}); !teal.IsCode(err, teal.CodeBadAnswer) {
				t.Errorf("invoke: %v", err)
			}
			c.Close()
		})
	}
}

func TestAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = fmt.Fprint(w, `{"apps":[`)
	}))
	defer server.Close()
	c := connect(t, client.Config{Address: server.URL})
	if _, err := c.Apps(t.Context()); !errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), "broke") {
		t.Errorf("%v", err)
	}
	c.Close()
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "http://127.0.0.1:8081", "host:1": "http://host:1", "https://host": "https://host", "http://host:1/": "http://host:1", "[::1]:8081": "http://[::1]:8081",
	} {
		if c := connect(t, client.Config{Address: in}); c.Address() != want {
			t.Errorf("%q: %s, want %s", in, c.Address(), want)
		}
	}
	for _, in := range []string{"ftp://x", "http://", "http://user:pw@host", "http://host/api", "http://host?x=1", "::::", "http://a b"} {
		if _, err := client.New(client.Config{Address: in}); !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestEventsAreASnapshotThenChanges(t *testing.T) {
	t.Parallel()
	c, fake := serve(t)
	for _, stage := range []string{"one", "two"} {
		must[api.DeployView](t)(c.Deploy(t.Context(), api.DeployBody{Spec: spec(stage), Release: true}))
	}
	fake.OnWatch = func(app string) { fake.Complete(app) }
	var phases []string
	retired := false
	for e, err := range c.Events(t.Context(), "hello") {
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := e.Release(); ok && r.ID == "hello-2" {
			phases = append(phases, string(r.Phase))
		}
		if _, ok := e.Environment(); !ok && e.Kind == api.EventEnvironment {
			retired = e.Deleted && e.Name == "1"
		}
		if len(phases) == 2 {
			break
		}
	}
	if diff := cmp.Diff([]string{"watching", "completed"}, phases); diff != "" || !retired {
		t.Error(diff, retired)
	}
}

func TestStreamThatTheServerEnds(t *testing.T) {
	t.Parallel()
	c, fake := serve(t)
	must[api.DeployView](t)(c.Deploy(t.Context(), api.DeployBody{Spec: spec("one"), Release: true}))
	fake.OnWatch = func(string) { fake.Disconnect() }
	var last error
	for _, err := range c.Events(t.Context(), "hello") {
		last = err
	}
	if !errors.Is(last, client.ErrUnreachable) {
		t.Errorf("%v", last)
	}
}

func TestStreamThatTheCallerEnds(t *testing.T) {
	t.Parallel()
	c, _ := serve(t)
	must[api.DeployView](t)(c.Deploy(t.Context(), api.DeployBody{Spec: spec("one"), Release: true}))
	ctx, cancel := context.WithCancel(t.Context())
	for _, err := range c.Events(ctx, "hello") {
		if err != nil {
			t.Errorf("events: %v", err)
		}
		cancel()
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, err := range c.Logs(ctx, api.LogQuery{App: "hello", Follow: true}) {
		t.Errorf("logs: %v", err)
	}
}

// TestServerThatFallsSilent was seen to hang without the watchdog in Events.
func TestServerThatFallsSilent(t *testing.T) {
	t.Parallel()
	for name, greeting := range map[string]string{
		"before the answer": "",
		"after the answer":  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: events\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				if _, err := io.WriteString(conn, greeting); err != nil {
					t.Error(err)
				}
				_, _ = io.Copy(io.Discard, conn) // until the client hangs up
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			}()
			c := connect(t, client.Config{Address: ln.Addr().String(), Patience: 100 * time.Millisecond})
			var last error
			for _, err := range c.Events(t.Context(), "hello") {
				last = err
			}
			if !errors.Is(last, client.ErrUnreachable) {
				t.Errorf("%v", last)
			}
			<-ended
			if err := ln.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestIntervalsThatBreakOff(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = fmt.Fprint(w, "{}\n")
	}))
	defer server.Close()
	c := connect(t, client.Config{Address: server.URL})
	r := must[io.ReadCloser](t)(c.Intervals(t.Context(), "hello-1"))
	if text, err := io.ReadAll(r); !errors.Is(err, client.ErrUnreachable) || string(text) != "{}\n" {
		t.Errorf("%q, %v", text, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	c.Close()
}

// A list is read to its end, page by page. Seen red without the cursor in the query,
// and, for the one without an end, without the look at the cursor (it went on).
func TestListsAreReadToTheirEnd(t *testing.T) {
	t.Parallel()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+"?"+r.URL.RawQuery)
		switch cursor := r.URL.Query().Get("cursor"); {
		case r.URL.Path == "/v1/apps/loop/versions":
			_, _ = io.WriteString(w, `{"versions":[{"number":1}],"next":"here"}`)
		case cursor == "":
			_, _ = io.WriteString(w, `{"versions":[{"number":1},{"number":2}],"next":"two&more"}`)
		case cursor == "two&more":
			_, _ = io.WriteString(w, `{"versions":[{"number":3}]}`)
		}
	}))
	defer server.Close()
	c := must[*client.Client](t)(client.New(client.Config{Address: server.URL}))
	defer c.Close()
	var numbers []int
	for _, v := range must[[]api.VersionView](t)(c.Versions(t.Context(), "shop")) {
		numbers = append(numbers, v.Number)
	}
	want := []string{"/v1/apps/shop/versions?limit=1000", "/v1/apps/shop/versions?cursor=two%26more&limit=1000"}
	if !slices.Equal(numbers, []int{1, 2, 3}) || !slices.Equal(asked, want) {
		t.Errorf("%v after %q", numbers, asked)
	}
	if _, err := c.Versions(t.Context(), "loop"); !teal.IsCode(err, teal.CodeBadAnswer) {
		t.Errorf("a list without an end: %v", err)
	}
}
