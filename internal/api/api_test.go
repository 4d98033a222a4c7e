package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"teal"
	"teal/internal/api"
	"teal/internal/api/apitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// caller talks to a server as any HTTP client would.
type caller struct {
	t      *testing.T
	base   string
	client *http.Client
}

func serve(t *testing.T, fake *apitest.Teal, cfg api.Config) *caller {
	t.Helper()
	addr := apitest.Serve(t, fake, cfg)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &caller{t: t, base: "http://" + addr, client: &http.Client{Transport: transport}}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) problem(t *testing.T) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("not a problem: %q: %v", a.body, err)
	}
	if got := a.header.Get("Content-Type"); got != api.ProblemType {
		t.Errorf("media type of a problem is %q", got)
	}
	if p.Status != a.status {
		t.Errorf("problem says %d, the response %d", p.Status, a.status)
	}
	return p
}

func (c *caller) request(method, path, body string, header ...string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+apitest.Token)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (c *caller) do(r *http.Request) answer {
	c.t.Helper()
	resp, err := c.client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		c.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

func (c *caller) call(method, path, body string, header ...string) answer {
	c.t.Helper()
	return c.do(c.request(method, path, body, header...))
}

func spec(app, stage string) teal.Spec {
	return teal.Spec{
		App: app,
		Components: map[string]teal.Component{"hello": {Function: &teal.Function{
			Runtime: "python3", Handler: "app.handler", Code: "sha256:" + strings.Repeat("a", 64),
			Memory: teal.DefaultMemory, Timeout: teal.DefaultTimeout, Init: teal.DefaultInit, Idle: teal.DefaultIdle,
			Concurrency: teal.Concurrency{Min: 1, Max: 10}, Payload: teal.DefaultPayload,
			Env: map[string]string{"STAGE": stage},
		}}},
		Routes: []teal.Route{{Path: "/", To: "hello"}},
	}
}

func deployBody(t *testing.T, s teal.Spec) string {
	t.Helper()
	data, err := json.Marshal(api.DeployBody{Spec: s, Release: true})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// twoVersions returns a server with version 2 live and version 1 standing by.
func twoVersions(t *testing.T) (*caller, *apitest.Teal) {
	t.Helper()
	fake := apitest.New()
	fake.Script = apitest.AtOnce
	c := serve(t, fake, api.Config{})
	for _, stage := range []string{"one", "two"} {
		if a := c.call("POST", "/v1/apps/hello/versions", deployBody(t, spec("hello", stage))); a.status != 200 {
			t.Fatalf("deploy: %d %s", a.status, a.body)
		}
	}
	return c, fake
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	c := serve(t, apitest.New(), api.Config{Ready: func() (bool, string) { return false, "the store is opening" }})
	if a := c.call("GET", "/readyz", ""); a.status != 503 || !strings.Contains(a.body, "the store is opening") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	c, _ := twoVersions(t)
	good := deployBody(t, spec("hello", "three"))
	tests := []struct {
		name, method, path, body string
		status                   int
		code                     teal.Code
		says                     string
	}{
		{"unknown path", "GET", "/v1/nothing", "", 404, "not_found", "/openapi.json"},
		{"wrong method", "PUT", "/v1/apps/hello", "", 405, "method_not_allowed", "use GET"},
		{"unknown app", "GET", "/v1/apps/nope", "", 404, "unknown_app", `"nope"`},
		{"name with store wildcard", "GET", "/v1/apps/*", "", 404, "unknown_app", `"*"`},
		{"name with a dot", "GET", "/v1/apps/a.b/versions", "", 404, "unknown_app", `"a.b"`},
		{"unknown version", "GET", "/v1/apps/hello/versions/7", "", 404, "unknown_version", "no version 7"},
		{"version is a word", "GET", "/v1/apps/hello/versions/x", "", 404, "unknown_version", "no version x"},
		{"unknown release", "GET", "/v1/releases/hello-77", "", 404, "unknown_release", "hello-77"},
		{"not a release", "GET", "/v1/releases/HELLO", "", 404, "unknown_release", "look like shop-3"},
		{"unknown app's log", "GET", "/v1/apps/nope/logs", "", 404, "unknown_app", "nope"},
		{"unknown app's events", "GET", "/v1/apps/nope/events", "", 404, "unknown_app", "nope"},
		{"unknown query", "GET", "/v1/apps/hello/logs?folow=true", "", 400, "invalid_input", "folow"},
		{"tail is a word", "GET", "/v1/apps/hello/logs?tail=x", "", 400, "invalid_input", "tail"},
		{"not JSON", "POST", "/v1/apps/hello/versions", "{", 400, "invalid_input", "body"},
		{"empty body", "POST", "/v1/apps/hello/versions", "", 400, "invalid_input", "body"},
		{"unknown field", "POST", "/v1/apps/hello/versions", strings.Replace(good, `"release":`, `"relase":true,"release":`, 1), 400, "invalid_input", "relase"},
		{"duration without unit", "POST", "/v1/apps/hello/versions", strings.Replace(good, `"timeout":"3s"`, `"timeout":"3"`, 1), 400, "invalid_input", "300ms"},
		{"bad spec", "POST", "/v1/apps/hello/versions", strings.Replace(good, `"python3"`, `"cobol"`, 1), 400, "invalid_input", "functions.hello.runtime"},
		{"another app's spec", "POST", "/v1/apps/other/versions", good, 400, "invalid_input", `app "hello"`},
		{"too large", "POST", "/v1/apps/hello/promote", `{"by":"` + strings.Repeat("x", 70_000) + `"}`, 413, "too_large", "too large"},
		{"weights of 90", "PUT", "/v1/apps/hello/aliases/live", `{"versions":[{"version":1,"weight":40},{"version":2,"weight":50}]}`, 400, "invalid_weights", "exactly 100"},
		{"weight of 101", "PUT", "/v1/apps/hello/aliases/live", `{"versions":[{"version":1,"weight":101}]}`, 400, "invalid_input", "100"},
		{"weight is a word", "PUT", "/v1/apps/hello/aliases/live", `{"versions":[{"version":1,"weight":"all"}]}`, 400, "invalid_input", "number"},
		{"alias to nowhere", "PUT", "/v1/apps/hello/aliases/live", `{"versions":[{"version":9,"weight":100}]}`, 404, "unknown_version", "no version 9"},
		{"stale revision", "PUT", "/v1/apps/hello/aliases/live", `{"versions":[{"version":1,"weight":100}],"revision":1}`, 409, "conflict", "read it again"},
		{"alias name", "PUT", "/v1/apps/hello/aliases/No!", `{"versions":[{"version":1,"weight":100}]}`, 400, "invalid_input", "No!"},
		{"nothing to roll back to", "POST", "/v1/apps/hello/rollback", `{"to":77}`, 409, "nothing_to_roll_back_to", "go back"},
		{"negative version", "POST", "/v1/apps/hello/rollback", `{"to":-1}`, 400, "invalid_input", "to"},
		{"event is not JSON", "POST", "/v1/apps/hello/invoke", `{`, 400, "invalid_input", "not JSON"},
		{"event of 6 MB and a byte", "POST", "/v1/apps/hello/invoke", `"` + strings.Repeat("x", 6<<20-1) + `"`, 413, "too_large", "6MiB"},
		{"unknown component", "POST", "/v1/apps/hello/invoke?component=nope", `{}`, 404, "unknown_component", "nope"},
		{"digest is a word", "PUT", "/v1/bundles/abc", "x", 400, "invalid_input", "64 hexadecimal"},
		{"digest of something else", "PUT", "/v1/bundles/" + apitest.Digest([]byte("x")), "y", 400, "invalid_bundle", "digest"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := c.call(tt.method, tt.path, tt.body, "Content-Type", "application/json")
			p := a.problem(t)
			if a.status != tt.status || p.Code != tt.code || !strings.Contains(p.Detail, tt.says) {
				t.Errorf("got %d %s: %s\nwant %d %s: … %s …", a.status, p.Code, p.Detail, tt.status, tt.code, tt.says)
			}
		})
	}
}

func TestDeployAndLook(t *testing.T) {
	t.Parallel()
	c, fake := twoVersions(t)
	again := c.call("POST", "/v1/apps/hello/versions", deployBody(t, spec("hello", "two")))
	var deployed api.DeployView
	decode(t, again.body, &deployed)
	if deployed.Created || !deployed.Live || deployed.Release != nil || deployed.Version.Number != 2 {
		t.Errorf("second deploy of the same: %+v", deployed)
	}

	var status map[string]any
	decode(t, c.call("GET", "/v1/apps/hello", "").body, &status)
	live := status["aliases"].(map[string]any)["live"].(map[string]any)["versions"]
	if diff := cmp.Diff([]any{map[string]any{"version": 2.0, "weight": 100.0}}, live); diff != "" {
		t.Error(diff)
	}
	var typed api.Status
	decode(t, c.call("GET", "/v1/apps/hello", "").body, &typed)
	var states []string
	for _, e := range typed.Environments {
		states = append(states, fmt.Sprintf("%d %s %s", e.Version, e.Slot, e.State))
	}
	if diff := cmp.Diff([]string{"1 blue standby", "2 green serving"}, states); diff != "" {
		t.Error(diff)
	}
	if until := typed.Environments[0].StandbyUntil; until == nil || !until.Equal(fake.Now().Add(10*time.Minute)) {
		t.Errorf("standby until %v", until)
	}
	if typed.Release.ID != "hello-2" || typed.Release.Phase != teal.PhaseWatching {
		t.Errorf("release %+v", typed.Release)
	}

	var apps api.AppList
	decode(t, c.call("GET", "/v1/apps", "").body, &apps)
	if len(apps.Apps) != 1 || apps.Apps[0].App != "hello" {
		t.Errorf("apps %+v", apps)
	}
	var versions api.VersionList
	decode(t, c.call("GET", "/v1/apps/hello/versions", "").body, &versions)
	var one api.VersionView
	decode(t, c.call("GET", "/v1/apps/hello/versions/2", "").body, &one)
	if diff := cmp.Diff(versions.Versions[1], one); diff != "" || one.Digest != teal.Spec(one.Spec).Digest() {
		t.Errorf("version changed on the wire: %s", diff)
	}
}

func TestSplitRollbackAndReleases(t *testing.T) {
	t.Parallel()
	c, _ := twoVersions(t)
	var view api.AliasView
	decode(t, c.call("PUT", "/v1/apps/hello/aliases/beta", `{"versions":[{"version":1,"weight":87.5},{"version":2,"weight":12.5}]}`).body, &view)
	if view.Versions[1].Weight != 1250 || view.UpdatedBy != "admin" {
		t.Errorf("alias %+v", view)
	}
	swap := fmt.Sprintf(`{"versions":[{"version":1,"weight":100}],"revision":%d}`, view.Revision)
	if a := c.call("PUT", "/v1/apps/hello/aliases/beta", swap); a.status != 200 {
		t.Errorf("compare-and-swap: %d %s", a.status, a.body)
	}
	if a := c.call("PUT", "/v1/apps/hello/aliases/beta", swap); a.status != 409 {
		t.Errorf("the same compare-and-swap again: %d", a.status)
	}

	var release api.ReleaseView
	decode(t, c.call("POST", "/v1/apps/hello/rollback", `{"why":"it smells","by":"ann"}`).body, &release)
	if release.Phase != teal.PhaseRolledBack || release.Reason != `requested by admin (ann) ("it smells")` {
		t.Errorf("release %+v", release)
	}
	var releases api.ReleaseList
	decode(t, c.call("GET", "/v1/apps/hello/releases", "").body, &releases)
	var one api.ReleaseView
	decode(t, c.call("GET", "/v1/releases/hello-2", "").body, &one)
	if diff := cmp.Diff(releases.Releases[1], one); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{"/v1/apps/hello/promote", "/v1/apps/hello/abort"} { // a body may be left out
		if a := c.call("POST", path, ""); a.status != 409 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	c, _ := twoVersions(t)
	a := c.call("POST", "/v1/apps/hello/invoke?qualifier=1&component=hello", ` {"n": 1.0} `)
	if a.body != ` {"n": 1.0} ` || a.header.Get("Teal-Version") != "1" || a.header.Get("Teal-Request-Id") != "req-1" || a.header.Get("Teal-Function-Error") != "" {
		t.Errorf("%d %q %v", a.status, a.body, a.header)
	}
	if a := c.call("POST", "/v1/apps/hello/invoke", `"fail"`); a.status != 200 || a.header.Get("Teal-Function-Error") != "Unhandled" || a.header.Get("Teal-Version") != "2" {
		t.Errorf("%d %q %v", a.status, a.body, a.header)
	}
	if a := c.call("POST", "/v1/apps/hello/invoke", ""); a.body != "{}" {
		t.Errorf("no event: %q", a.body)
	}
}

func TestBundles(t *testing.T) {
	t.Parallel()
	c := serve(t, apitest.New(), api.Config{MaxBundle: 1000})
	content := strings.Repeat("x", 1000)
	path := "/v1/bundles/" + apitest.Digest([]byte(content))
	if a := c.call("HEAD", path, ""); a.status != 404 {
		t.Errorf("before: %d", a.status)
	}
	if a := c.call("PUT", path, content, "Content-Type", "application/zip"); a.status != 201 {
		t.Errorf("put: %d %s", a.status, a.body)
	}
	if a := c.call("HEAD", path, ""); a.status != 200 {
		t.Errorf("after: %d", a.status)
	}
	if a := c.call("PUT", path, content+"x"); a.status != 413 || a.problem(t).Code != teal.CodeTooLarge {
		t.Errorf("one byte more: %d %s", a.status, a.body)
	}
}

// TestBodyThatNeverEnds was seen to fail (the test hangs) without the limit in
// putBundle and with io.ReadAll(in.content) in invoke.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	c := serve(t, apitest.New(), api.Config{Version: "0.1.0"})
	var document struct {
		OpenAPI string
		Info    struct{ Version string }
		Paths   map[string]map[string]struct {
			Responses map[string]struct{ Content map[string]any }
		}
		Components struct{ Schemas map[string]any }
	}
	decode(t, c.call("GET", "/openapi.json", "", "Authorization", "").body, &document)
	if !strings.HasPrefix(document.OpenAPI, "3.1") || document.Info.Version != "0.1.0" {
		t.Errorf("%s of %s", document.OpenAPI, document.Info.Version)
	}
	var operations []string
	for path, methods := range document.Paths {
		for method, operation := range methods {
			operations = append(operations, strings.ToUpper(method)+" "+path)
			if _, ok := operation.Responses["default"].Content[api.ProblemType]; !ok {
				t.Errorf("%s %s does not document its problems", method, path)
			}
		}
	}
	slices.Sort(operations)
	want := []string{
		"DELETE /v1/apps/{app}", "DELETE /v1/apps/{app}/secrets/{name}", "DELETE /v1/records/{key}", "DELETE /v1/tokens/{name}", "GET /v1/alerts", "GET /v1/apps", "GET /v1/apps/{app}",
		"GET /v1/apps/{app}/alias-changes", "GET /v1/apps/{app}/aliases", "GET /v1/apps/{app}/events", "GET /v1/apps/{app}/logs", "GET /v1/apps/{app}/releases", "GET /v1/apps/{app}/schedules", "GET /v1/apps/{app}/secrets", "GET /v1/apps/{app}/versions", "GET /v1/apps/{app}/versions/{version}",
		"GET /v1/audit", "GET /v1/events", "GET /v1/queues", "GET /v1/queues/{queue}", "GET /v1/queues/{queue}/dead", "GET /v1/releases/{id}", "GET /v1/releases/{id}/intervals", "GET /v1/schedules", "GET /v1/tokens", "GET /v1/whoami",
		"HEAD /v1/bundles/{digest}", "POST /v1/apps/{app}/abort", "POST /v1/apps/{app}/approve", "POST /v1/apps/{app}/freeze", "POST /v1/apps/{app}/invoke", "POST /v1/apps/{app}/pause",
		"POST /v1/apps/{app}/promote", "POST /v1/apps/{app}/resume", "POST /v1/apps/{app}/rollback", "POST /v1/apps/{app}/start", "POST /v1/apps/{app}/stop", "POST /v1/apps/{app}/unfreeze",
		"POST /v1/apps/{app}/versions", "POST /v1/console-codes",
		"POST /v1/queues/{queue}/extend", "POST /v1/queues/{queue}/messages", "POST /v1/queues/{queue}/purge", "POST /v1/queues/{queue}/receive", "POST /v1/queues/{queue}/redrive", "POST /v1/queues/{queue}/results",
		"POST /v1/releases/{id}/hooks/{token}", "POST /v1/tokens",
		"PUT /v1/apps/{app}/aliases/{alias}", "PUT /v1/apps/{app}/secrets/{name}", "PUT /v1/bundles/{digest}",
	}
	if diff := cmp.Diff(want, operations); diff != "" {
		t.Error(diff)
	}
	if _, ok := document.Components.Schemas["ErrorModel"]; ok {
		t.Error("the document describes huma's errors, which are never sent")
	}
}

// TestPanicIsAProblem was seen to fail (EOF) without recovered in observe.
// impatient runs a server whose clients may pause for 50 ms.
// slowControl takes its time to promote.
// TestDeadlineOfTheBodyIsTakenAway was seen to fail (503, context canceled) when
// patientBody.Close left its deadline behind: the request is cancelled when it
// passes.
// TestBodyThatStalls was seen to hang without the deadlines in patientBody, once
// in Read and once in Close.
func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// TestStreamsEndWithTheServer was seen to fail (ten seconds, then a cut) without
// s.stop in Run. The server's own clean-up checks that Run returns nil.

func TestReadyTellsAlerts(t *testing.T) {
	t.Parallel()
	var found []teal.Alert
	c := serve(t, apitest.New(), api.Config{Alerts: func() []teal.Alert { return found }})
	if a := c.call("GET", "/readyz", ""); a.status != 200 || a.body != "ready\n" {
		t.Errorf("%d %q without alerts", a.status, a.body)
	}
	found = []teal.Alert{{Code: teal.AlertRecordUnreadable, Subject: "apps/shop", Message: "secret detail"}}
	if a := c.call("GET", "/readyz", ""); a.status != 200 || a.body != "ready\nrecord_unreadable: apps/shop\n" {
		t.Errorf("%d %q with one that blocks nothing", a.status, a.body)
	}
	found[0].Blocking = true
	if a := c.call("GET", "/readyz", ""); a.status != 503 || !strings.Contains(a.body, "no orders are taken") { // seen red without the look at Blocking
		t.Errorf("%d %q while orders are blocked", a.status, a.body)
	}
}
