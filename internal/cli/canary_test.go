package cli_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/api/apitest"
)

// canaryApp writes an app that is released step by step.
func (w *world) canaryApp(answer string) {
	w.t.Helper()
	w.app(answer)
	write(w.t, filepath.Join(w.dir, "teal.yaml"), `app: hello
functions:
  hello: {runtime: python3, handler: app.handler, code: ./code}
routes:
  - {path: /, to: hello}
release:
  steps: [{weight: 10, hold: 5m}, {weight: 50, hold: 10m, approval: true}]
  checks:
    - {name: smoke, request: {path: /}}
    - {name: integration, command: [sh, itest.sh]}
  hooks: {AfterInstall: [{name: ci, url: "http://ci.example"}]}
  freeze: [{cron: "0 18 * * FRI", for: 62h, reason: nobody is here}]
  watch: {confidence: 10m, error_rate: {max: 1%}}
`)
	write(w.t, filepath.Join(w.dir, "itest.sh"), "exit 0\n")
}

var (
	smoke       = teal.TaskKey{Kind: teal.TaskCheck, Name: "smoke"}
	integration = teal.TaskKey{Kind: teal.TaskCheck, Name: "integration"}
	ci          = teal.TaskKey{Kind: teal.TaskHook, Name: "AfterInstall/ci"}
)

// verify lets the release get as far as its first share.
func verify(fake *apitest.Teal) {
	fake.Provision("hello")
	fake.Begin("hello", ci, "token")
	fake.Advance(1200 * time.Millisecond)
	fake.End("hello", ci, teal.VerdictPass, teal.Finding{Asked: "POST http://ci.example is answered with a status from 200 to 299", Seen: "204 in 1.2 s"})
	fake.Begin("hello", smoke, "")
	fake.Advance(12 * time.Millisecond)
	fake.End("hello", smoke, teal.VerdictPass, teal.Finding{Asked: "GET /", Seen: "200 in 12 ms"})
	fake.Begin("hello", integration, "")
	fake.Advance(3 * time.Second)
	fake.End("hello", integration, teal.VerdictPass, teal.Finding{Asked: "sh itest.sh ends with exit status 0", Seen: "exit status 0 after 3 s", Output: "ok 1\nok 2\n"})
}

func TestStrategyOfTheCommandLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, strategy := range []string{"all-at-once", "Linear25PercentEvery2Minutes"} {
		w.app(strategy)
		if r := w.run("deploy", w.dir, "--strategy", strategy); r.code != 0 {
			t.Fatalf("%+v", r)
		}
		r, err := w.fake.Release(t.Context(), fmt.Sprintf("hello-%d", i+1))
		if err != nil || string(r.Policy.Strategy) != strategy || len(r.Policy.Steps) != 3*i {
			t.Errorf("%s: %+v, %v", strategy, r.Policy, err)
		}
	}
}

// Checks and hooks bring their code: it is uploaded once, and the version does
// not change by it.
func TestCodeOfChecksIsUploaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if r := w.run("deploy", w.dir); r.code != 0 {
		t.Fatal(r)
	}
	w.canaryApp("one")
	if r := w.run("deploy", w.dir, "--json"); r.code != 0 || !strings.Contains(r.out, `"created": false`) {
		t.Errorf("the policy is part of the version: %+v", r)
	}
	w.canaryApp("two")
	r := w.run("deploy", w.dir, "--json")
	var d struct{ Release api.ReleaseView }
	if err := json.Unmarshal([]byte(r.out), &d); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	checks := d.Release.Policy.Checks
	if checks[0].Code != "" || !strings.HasPrefix(checks[1].Code, "sha256:") {
		t.Errorf("checks %+v", checks)
	}
}

// recording is ten minutes of a release whose green fails so many of its ten
// requests a second.
func recording(t *testing.T, failed int64) string {
	t.Helper()
	var b strings.Builder
	start := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	for i := range 600 {
		at := start.Add(time.Duration(i) * time.Second).Format(time.RFC3339)
		fmt.Fprintf(&b, "{\"at\":%q,\"side\":\"live\",\"requests\":90,\"errors\":%d,\"latency_ms\":[[50,80],[100,10]]}\n", at, i%2)
		if i >= 60 {
			fmt.Fprintf(&b, "{\"at\":%q,\"side\":\"green\",\"requests\":10,\"errors\":%d,\"latency_ms\":[[50,9],[100,1]]}\n", at, failed*int64(i%2))
		}
	}
	file := filepath.Join(t.TempDir(), "recording.jsonl")
	write(t, file, b.String())
	return file
}

func TestAnalyze(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good, bad := recording(t, 0), recording(t, 4)
	lenient, strict := t.TempDir(), t.TempDir()
	const app = "app: hello\nfunctions: {f: {runtime: python3, handler: app.fn, code: ./nowhere}}\nrelease: {watch: "
	write(t, filepath.Join(lenient, "teal.yaml"), app+"{compare: none, error_rate: {max: 50%}}}\n")
	write(t, filepath.Join(strict, "teal.yaml"), app+"{compare: none, error_rate: {max: 2%}}}\n")
	for _, tt := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{good}, 0, []string{"VERDICT", "would not have rolled back: "}},
		{[]string{bad}, 1, []string{"VERDICT", "fail", "####", "would have rolled back at 2026-01-02 03:0", "asked", "rolls back at"}},
		{[]string{bad, "--policy", lenient}, 0, []string{"would not have rolled back"}},
		{[]string{bad, "--policy", filepath.Join(strict, "teal.yaml")}, 1, []string{"would have rolled back"}},
	} {
		r := w.run(append([]string{"analyze"}, tt.args...)...)
		if r.code != tt.code || !hasAll(r.out, tt.says) || r.err != "" {
			t.Errorf("%v: exit %d\n%s%s", tt.args, r.code, r.out, r.err)
		}
	}
}

func TestAnalyzeJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run("analyze", recording(t, 4), "--json")
	lines := strings.Split(strings.TrimRight(r.out, "\n"), "\n")
	if r.code != 1 || len(lines) != 600 || r.err != "" {
		t.Fatalf("exit %d, %d lines, %s", r.code, len(lines), r.err)
	}
	failed := false
	for i, line := range lines {
		var look map[string]any
		if err := json.Unmarshal([]byte(line), &look); err != nil {
			t.Fatal(err)
		}
		seen, ok := look["seen"].(map[string]any)
		if !ok || look["at"] == nil || look["reason"] == "" {
			t.Fatalf("line %d: %s", i, line)
		}
		green, ok := seen["green"].(map[string]any)
		if !ok || i == 599 && (green["requests"] != 5400.0 || green["errors"] != 1080.0) {
			t.Fatalf("line %d: %s", i, line)
		}
		failed = failed || look["verdict"] == "fail"
		if i < 60 && look["verdict"] != "inconclusive" {
			t.Errorf("line %d: %s before green had a request", i, look["verdict"])
		}
	}
	if !failed {
		t.Error("never says fail, and exits with 1")
	}
	text := `{"at":"2026-01-02T10:00:00Z","side":"green","requests":1}` + "\n"
	if r := w.runWith(t.Context(), text, "analyze", "-", "--json"); r.code != 0 || strings.Count(r.out, "\n") != 1 {
		t.Errorf("%+v", r)
	}
	if r := w.runWith(t.Context(), text+"nonsense\n", "analyze", "-"); r.code != 2 || !hasAll(r.err, []string{"line 2"}) || r.out != "" {
		t.Errorf("%+v", r)
	}
}

// A recording that begins with its judge is judged by the policy of the release,
// with its baseline; and those who gave up are shown where there are any. Seen red
// with the default policy in its place.
func TestAnalyzeByTheReleasesOwnPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const judge, interval = `{"at":"2026-01-02T10:00:00Z","judge":{"policy":{"error_rate":%s},"baseline":{"requests":1000,"errors":0}}}` + "\n" +
		`{"at":"2026-01-02T10:00:00Z","step":1}` + "\n",
		`{"at":"2026-01-02T10:00:%02dZ","side":"green","requests":100,"errors":20,"unanswered":3}` + "\n"
	intervals := ""
	for n := range 10 {
		intervals += fmt.Sprintf(interval, n)
	}
	for limit, code := range map[string]int{"50": 0, "1": 1} {
		text := fmt.Sprintf(judge, limit) + intervals
		r := w.runWith(t.Context(), text, "analyze", "-")
		if r.code != code || !hasAll(r.out, []string{"GAVE UP", " 30 "}) {
			t.Errorf("limit %s %%: exit %d\n%s%s", limit, r.code, r.out, r.err)
		}
	}
}
