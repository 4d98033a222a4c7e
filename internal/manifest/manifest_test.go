package manifest

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teal"
	"teal/internal/await"
	"teal/internal/yamltree"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file, or writes it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func read1(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	return files
}

func TestBadManifests(t *testing.T) {
	t.Parallel()
	for _, file := range glob(t, "testdata/bad/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			_, err := Parse(filepath.Base(file), read1(t, file))
			var list Errors
			if !errors.As(err, &list) || len(list) == 0 {
				t.Fatalf("Parse = %v, want Errors", err)
			}
			if teal.CodeOf(err) != teal.CodeInvalidManifest || teal.MessageOf(err) != list.Error() || teal.CodeOf(list[0]) != teal.CodeInvalidManifest {
				t.Errorf("code %s, message %s", teal.CodeOf(err), teal.MessageOf(err))
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".errors", list.Error()+"\n")
		})
	}
}

func TestGoodManifests(t *testing.T) {
	t.Parallel()
	for _, file := range glob(t, "testdata/good/*.y*ml") {
		m, err := Parse(file, read1(t, file))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if _, _, err := m.Resolve(digests(m)); err != nil {
			t.Errorf("%s: Resolve: %v", file, err)
		}
	}
}

func digests(m *Manifest) map[string]string {
	out := map[string]string{}
	for name := range m.Code {
		out[name] = anyDigest
	}
	return out
}

func TestParseFillsInDefaults(t *testing.T) {
	t.Parallel()
	m, err := Parse("dir/teal.yaml", []byte(`
app: a
functions: {f: {runtime: python3, handler: app.fn}}
services: {s: {command: [web]}}
upstreams: {u: {urls: ["http://u"]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	health := teal.Health{Path: "/", Interval: teal.Duration(time.Second), Timeout: teal.Duration(5 * time.Second), Failures: 3}
	want := &Manifest{
		Spec: teal.Spec{App: "a", Components: map[string]teal.Component{
			"f": {Function: &teal.Function{
				Runtime: "python3", Handler: "app.fn", Memory: 128 * teal.MiB, Timeout: teal.Duration(3 * time.Second),
				Init: teal.Duration(10 * time.Second), Idle: teal.Duration(5 * time.Minute),
				Concurrency: teal.Concurrency{Min: 1, Max: 10}, Payload: "2.0",
			}},
			"s": {Service: &teal.Service{Command: []string{"web"}, Health: health, Instances: 1, Grace: teal.Duration(10 * time.Second)}},
			"u": {Upstream: &teal.Upstream{URLs: []string{"http://u"}, Health: health}},
		}},
		Policy: teal.DefaultPolicy(),
		Code:   map[string]string{"f": ".", "s": "."},
		Dir:    "dir",
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
}

func TestParseTakesWhatIsWritten(t *testing.T) {
	t.Parallel()
	m, err := Parse("teal.yaml", read1(t, "testdata/good/full.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	one, two := m.Spec.Components["one"].Function, m.Spec.Components["two"].Function
	env := map[string]string{"PORT_X": "8080", "ON": "true", "RATE": "1.10", "HEX": "0x1F", "EMPTY": "", "TEXT": "two\nlines\n"}
	if diff := cmp.Diff(env, one.Env); diff != "" {
		t.Error(diff)
	}
	env["ON"], env["MORE"] = "no", "yes"
	if diff := cmp.Diff(env, two.Env); diff != "" {
		t.Error(diff)
	}
	if one.Payload != "1.0" || two.Payload != "2.0" || two.Handler != "src/index.handler" || one.Concurrency.Max != 1000 || one.Memory != 512*teal.MiB {
		t.Errorf("one %+v, two %+v", one, two)
	}
	if got := m.Spec.Components["web"].Service.Command; !slices.Equal(got, []string{"./bin/web", "-p", "8080"}) {
		t.Errorf("command %q", got)
	}
	if m.Code["three"] != "build/three.zip" || m.Code["one"] != "." {
		t.Errorf("code %v", m.Code)
	}
}

func TestByteOrderMarkAndCarriageReturns(t *testing.T) {
	t.Parallel()
	_, err := Parse("teal.yaml", []byte("\xef\xbb\xbfapp: a\r\nupstreams:\r\n  u: {urls: [\"http://u\"], x: 1}\r\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "teal.yaml:3:27: upstreams.u.x: ") {
		t.Errorf("got %v", err)
	}
}

func TestLargeFileIsRefused(t *testing.T) {
	t.Parallel()
	_, err := Parse("teal.yaml", []byte(strings.Repeat("#", yamltree.MaxSize+1)))
	if err == nil || !strings.Contains(err.Error(), "1:1: the file is larger than 1 MiB") {
		t.Errorf("got %v", err)
	}
}

// Seen red: "dashes" without the bound on depth (the process was killed, out of
// memory), "keys" without the bounds on keys and tokens (too long).
func TestHostileFilesAreCheap(t *testing.T) {
	t.Parallel()
	for name, unit := range map[string]string{
		"keys": "a: 1\n", "anchors": "a: &a 1\n", "brackets": "[", "braces": "{a: ", "dashes": "- ", "questions": "? ",
		"tags": "!a ", "anchors in line": "&a ", "commas": "[],", "spaces": " ", "newlines": "\n", "quotes": "''", "stars": "*a ",
		"pipes": "|\n", "colons": ": ", "indented": "a:\n ", "comments": "#\n", "percent": "%a\n", "documents": "---\n",
	} {
		t.Run(name, func(t *testing.T) { // one after the other: each is measured
			size := yamltree.MaxSize / 4
			if name == "keys" {
				size = yamltree.MaxSize // it is what grows with the square
			}
			start := time.Now()
			_, err := Parse("teal.yaml", []byte(strings.Repeat(unit, size/len(unit))))
			if err == nil {
				t.Error("accepted")
			}
			if d := time.Since(start); d > await.Patience {
				t.Errorf("took %s", d)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	m, err := Parse("teal.yaml", read1(t, "testdata/good/design.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	spec, policy, err := m.Resolve(digests(m))
	if err != nil {
		t.Fatal(err)
	}
	if policy.Checks[1].Code != anyDigest || policy.Checks[0].Code != "" || m.Policy.Checks[1].Code != "" {
		t.Errorf("Resolve left code out, or changed the manifest: %+v", policy)
	}
	if spec.Components["hello"].Function.Code != anyDigest || spec.Components["web"].Service.Code != anyDigest {
		t.Errorf("Resolve left code out: %+v", spec)
	}
	if m.Spec.Components["hello"].Function.Code != "" {
		t.Error("Resolve changed the manifest")
	}
	if _, _, err := m.Resolve(map[string]string{"hello": anyDigest}); teal.CodeOf(err) != teal.CodeInvalidInput {
		t.Errorf("Resolve without a digest = %v", err)
	}
	for _, wrong := range []string{"web", "check/integration"} {
		all := digests(m)
		all[wrong] = "md5:1"
		if _, _, err := m.Resolve(all); teal.CodeOf(err) != teal.CodeInvalidInput {
			t.Errorf("Resolve with a wrong digest of %s = %v", wrong, err)
		}
	}
}

// Seen red with a destination of the app left as it is written.
func TestLayersAndAsynchronousSettings(t *testing.T) {
	t.Parallel()
	m, err := Parse("teal.yaml", read1(t, "testdata/good/async.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Code["layer/work/0"] != "layers/common" || m.Code["layer/work/1"] != "deps.zip" || len(m.Code) != 5 {
		t.Errorf("the code is %v", m.Code)
	}
	all := digests(m)
	all["layer/work/1"] = strings.Replace(anyDigest, "0", "1", 1)
	spec, _, err := m.Resolve(all)
	if err != nil {
		t.Fatal(err)
	}
	none := 0
	for name, want := range map[string]struct {
		layers []string
		async  teal.Async
	}{
		"work": {[]string{anyDigest, all["layer/work/1"]}, teal.Async{Retries: &none, MaxAge: teal.Duration(90 * time.Minute), OnSuccess: "https://hooks.example.com/done", OnFailure: "jobs-dead:live"}},
		"dead": {nil, teal.Async{OnFailure: "alerts-notify:live"}},
		"jobs": {nil, teal.Async{OnSuccess: "jobs-work:$LATEST", OnFailure: "other:7"}},
	} {
		f := spec.Components[name].Function
		if !slices.Equal(f.Layers, want.layers) || !cmp.Equal(*f.Async, want.async) {
			t.Errorf("%s: %v %+v", name, f.Layers, *f.Async)
		}
	}
	if m.Spec.Components["work"].Function.Layers[0] != "" {
		t.Error("Resolve changed the manifest")
	}
	delete(all, "layer/work/0")
	if _, _, err := m.Resolve(all); teal.CodeOf(err) != teal.CodeInvalidInput || !strings.Contains(err.Error(), "layers/common") {
		t.Errorf("without a layer: %v", err)
	}
}

func TestReleaseSectionIsTakenWhole(t *testing.T) {
	t.Parallel()
	m, err := Parse("teal.yaml", read1(t, "testdata/good/release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	second := teal.Duration(time.Second)
	rate, tolerance, low, high := teal.Weight(50), teal.Weight(2500), -1.0, 1000.0
	want := teal.Policy{
		Strategy: teal.StrategyCanary,
		Steps: []teal.Step{
			{Weight: 250, Hold: 60 * second},
			{Weight: 5000, Hold: 600 * second, Approval: true, Checks: []teal.Check{
				{Name: "load", Command: []string{"./load.sh", "50"}, Env: map[string]string{"RATE": "100"}, Masked: []string{}, Timeout: 60 * second},
			}},
		},
		ReadyWithin: teal.DefaultReadyWithin, Drain: teal.DefaultDrain,
		Confidence: 3600 * second, Deadline: 3 * 3600 * second, MaxPause: 4 * 3600 * second, OnNewVersion: teal.OnNewVersionQueue, Keep: 3,
		Checks: []teal.Check{
			{
				Name:    "smoke",
				Request: &teal.Request{Method: "POST", Path: "/ok?deep=1", Host: "all.example.com", Headers: map[string]string{"X-Smoke": "1"}, Body: "{}"},
				Expect:  teal.Expect{Status: 201, Body: "ok", Headers: map[string]string{"Content-Type": "application/json"}, JSON: map[string]string{"items.0.id": "7"}, Within: second / 2},
				Timeout: 2 * second, Retries: 3, Repeat: 2, Every: 30 * second,
			},
			{Name: "buy", To: "web", Timeout: teal.DefaultCheckTimeout, Every: 60 * second, Transaction: []teal.Exchange{
				{Request: teal.Request{Path: "/cart"}, Capture: map[string]string{"id": "json:id", "csrf": `regexp:csrf=(\w+)`}},
				{Request: teal.Request{Method: "POST", Path: "/cart/${id}", Headers: map[string]string{"X-CSRF": "${csrf}"}}, Expect: teal.Expect{Status: 204}},
			}},
		},
		Hooks: []teal.Hook{
			{Point: teal.BeforeInstall, Name: "backup", Command: []string{"./backup.sh"}, Timeout: 600 * second},
			{Point: teal.AfterInstall, Name: "hook-1", Function: "migrate", Timeout: teal.DefaultHookTimeout},
			{Point: teal.AfterInstall, Name: "hook-2", URL: "https://ci.example.com/hook", Timeout: teal.DefaultHookTimeout},
			{Point: teal.AfterAllowTestTraffic, Name: "hook-1", Command: []string{"/usr/bin/true"}, Timeout: teal.DefaultHookTimeout},
			{Point: teal.AfterAllowTraffic, Name: "tell", URL: "http://[::1]:9/", Timeout: teal.DefaultHookTimeout},
		},
		Warm: teal.Warm{Requests: []teal.Request{{Path: "/"}}, Replay: 50, Rounds: 5, Within: 1.5, Timeout: 30 * second},
		Judge: teal.Judging{
			ErrorRate: &rate, Latency: teal.Percentiles{P50: second / 20, P90: second / 10, P95: second / 5, P99: second},
			Alpha: 0.001, Tolerance: &tolerance, MinRequests: 500,
			OnInconclusive: teal.DoubtPromote, OnError: teal.DoubtRollback, DoubtAfter: 900 * second, NewErrors: teal.NewErrorsFail,
			Queries:  []teal.Query{{Name: "conversion", URL: "http://prometheus:9090", Query: `conversion{v="${version}"}`, Min: &low, Max: &high, Every: 30 * second, Timeout: 5 * second}},
			Webhooks: []teal.Webhook{{Name: "oracle", URL: "https://oracle.example.com/judge", Every: teal.DefaultAskEvery, Timeout: teal.DefaultCheckTimeout}},
		},
		Freeze: []teal.Freeze{
			{Cron: "0 18 * * FRI", For: 62 * 3600 * second, TimeZone: "Europe/Berlin", Reason: "weekend"},
			{Cron: "0 0 24 12 *", For: 72 * 3600 * second, TimeZone: "UTC"},
		},
		Notify: []teal.Notify{{URL: "https://hooks.slack.com/services/a/b", Slack: true}, {URL: "http://pager/teal"}},
	}
	if diff := cmp.Diff(want, m.Policy); diff != "" {
		t.Error(diff)
	}
	code := map[string]string{
		"migrate": ".", "web": ".", "check/2/load": "tests",
		"hook/BeforeInstall/backup": "ops.zip", "hook/AfterAllowTestTraffic/hook-1": ".",
	}
	if diff := cmp.Diff(code, m.Code); diff != "" {
		t.Error(diff)
	}
}

// A gradual release that says nothing about judging is compared with live.
func TestAStrategyIsCompiledAndJudged(t *testing.T) {
	t.Parallel()
	m, err := Parse("teal.yaml", []byte("app: a\nupstreams: {u: {urls: [\"http://u\"]}}\nrelease: {strategy: LambdaCanary10Percent5Minutes}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := teal.DefaultPolicy()
	want.Strategy = "LambdaCanary10Percent5Minutes"
	want.Steps = []teal.Step{{Weight: teal.Percent(10), Hold: teal.Duration(5 * time.Minute)}}
	if diff := cmp.Diff(want, m.Policy); diff != "" || m.Policy.Judge.Compare != teal.AliasLive {
		t.Error(diff)
	}
}

// How to release changes nothing about what runs.
func TestThePolicyIsNotInTheVersion(t *testing.T) {
	t.Parallel()
	const app = "app: a\nservices: {s: {command: [x]}}\n"
	digest := func(release string) string {
		m, err := Parse("teal.yaml", []byte(app+release))
		if err != nil {
			t.Fatal(err)
		}
		spec, _, err := m.Resolve(digests(m))
		if err != nil {
			t.Fatal(err)
		}
		return spec.Digest()
	}
	if digest("") != digest("release: {strategy: canary, checks: [{name: c, command: [./c.sh]}], keep: 1}\n") {
		t.Error("the same content is another version when it is released in another way")
	}
}

// Every kind of component has a section, which is a key of the file, and what has code
// is looked at. Seen red with the entry of upstreams missing.
func TestEveryKindOfComponentCanBeWritten(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	for i := range reflect.TypeFor[document]().NumField() {
		keys[reflect.TypeFor[document]().Field(i).Tag.Get("yaml")] = true
	}
	for _, kind := range teal.ComponentKinds() {
		if s := sections[kind]; s.read == nil || !keys[kind.Section()] {
			t.Errorf("%s is not read from %q", kind, kind.Section())
		}
	}
}
