package teal_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/cron"
)

func policySpec() teal.Spec {
	return teal.Spec{
		App: "shop",
		Components: map[string]teal.Component{
			"cart": {Function: &teal.Function{}},
			"web":  {Service: &teal.Service{}},
		},
		Routes: []teal.Route{{Path: "/", To: "web"}},
	}
}

// fullPolicy uses everything once.
func fullPolicy() teal.Policy {
	digest := "sha256:" + strings.Repeat("a", 64)
	limit, low, tolerance := teal.Weight(100), 0.5, teal.Weight(500)
	sec := teal.Duration(time.Second)
	p := teal.DefaultPolicy()
	p.Strategy = teal.StrategyCanary
	p.Steps = []teal.Step{
		{Weight: 1000, Hold: 60 * sec},
		{Weight: 5000, Hold: 60 * sec, Approval: true, Checks: []teal.Check{{Name: "smoke", Request: &teal.Request{Path: "/"}, Timeout: sec}}},
	}
	p.Deadline, p.OnNewVersion = 3600*sec, teal.OnNewVersionQueue
	p.Warm = teal.Warm{Requests: []teal.Request{{Path: "/a?b=c", Method: "HEAD"}}, Replay: 20, Rounds: 5, Within: 1.5, Timeout: 30 * sec}
	p.Checks = []teal.Check{
		{Name: "smoke", To: "web", Request: &teal.Request{Path: "/healthz", Headers: map[string]string{"X-A": "b"}}, Expect: teal.Expect{Status: 200, Body: "ok", Within: sec, JSON: map[string]string{"items.0.name": "x"}}, Timeout: sec, Retries: 2, Repeat: 3},
		{Name: "integration", Command: []string{"./itest.sh"}, Code: digest, Env: map[string]string{"A": "1"}, Timeout: sec},
		{Name: "buy", Timeout: sec, Every: 10 * sec, Transaction: []teal.Exchange{
			{Request: teal.Request{Path: "/cart", Method: "POST"}, Capture: map[string]string{"id": "json:id", "tag": "header:ETag", "csrf": `regexp:csrf=(\w+)`}},
			{Request: teal.Request{Path: "/cart/${id}", Headers: map[string]string{"If-Match": "${tag}"}, Body: "${csrf}"}, Expect: teal.Expect{Status: 204}},
		}},
	}
	p.Hooks = []teal.Hook{
		{Point: teal.BeforeInstall, Name: "backup", Command: []string{"backup"}, Timeout: sec},
		{Point: teal.AfterInstall, Name: "tell", URL: "https://example.com/hook?x=1", Timeout: sec},
		{Point: teal.AfterAllowTraffic, Name: "cart", Function: "cart", Timeout: sec},
		{Point: teal.AfterAllowTraffic, Name: "backup", URL: "http://[::1]:80", Timeout: sec},
	}
	p.Judge = teal.Judging{
		ErrorRate: &limit, Latency: teal.Percentiles{P50: sec, P99: sec}, Compare: teal.AliasLive, Alpha: 0.05, Tolerance: &tolerance, MinRequests: 10,
		OnInconclusive: teal.DoubtPromote, OnError: teal.DoubtRollback, DoubtAfter: sec, NewErrors: teal.NewErrorsFail,
		Queries:  []teal.Query{{Name: "conversion", URL: "http://prometheus:9090", Query: "rate(x[1m])", Min: &low, Every: sec, Timeout: sec}},
		Webhooks: []teal.Webhook{{Name: "oracle", URL: "http://oracle", Every: sec, Timeout: sec}},
	}
	p.Freeze = []teal.Freeze{{Cron: "0 18 * * FRI", For: 3600 * sec, TimeZone: "Europe/Berlin"}}
	p.Notify = []teal.Notify{{URL: "https://hooks.slack.com/services/x/y/z", Slack: true}}
	return p
}

func TestGoodPolicies(t *testing.T) {
	t.Parallel()
	quiet := teal.DefaultPolicy()
	quiet.Confidence, quiet.Judge = 0, teal.Judging{} // allowed: then nobody watches
	for name, p := range map[string]teal.Policy{"default": teal.DefaultPolicy(), "full": fullPolicy(), "nothing is watched": quiet} {
		if err := p.ValidateFor(policySpec(), cron.Check); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := p.Validate(cron.Check); err != nil {
			t.Errorf("%s without a spec: %v", name, err)
		}
	}
}

func TestBadPolicies(t *testing.T) {
	t.Parallel()
	many := func(n int) []teal.Check {
		var list []teal.Check
		for i := range n {
			list = append(list, teal.Check{Name: fmt.Sprintf("c%d", i), Request: &teal.Request{Path: "/"}, Timeout: 1})
		}
		return list
	}
	nan, two := math.NaN(), 2.0
	over := teal.All + 1
	for _, tt := range []struct {
		change func(*teal.Policy)
		want   string // the beginning of the one problem
	}{
		{func(p *teal.Policy) { p.Strategy = "blue-green" }, `release.strategy: "blue-green" is not a strategy; use all-at-once`},
		{func(p *teal.Policy) { p.Strategy = "LambdaAllAtOnce" }, `release.strategy: "LambdaAllAtOnce" moves the traffic in its own way; leave`},
		{func(p *teal.Policy) { p.Steps = nil }, `release.strategy: "canary" stands for 2 steps, which are missing`},
		{func(p *teal.Policy) { p.Steps[0].Weight = 0 }, "release.steps.0.weight: is 0; expected more than 0 and less than 100"},
		{func(p *teal.Policy) { p.Steps[1].Weight = over }, "release.steps.1.weight: is 100.01; expected more"},
		{func(p *teal.Policy) { p.Steps[1].Weight = teal.All }, "release.steps.1.weight: is everything, which green gets by itself"},
		{func(p *teal.Policy) { p.Steps[1].Weight = 900 }, "release.steps.1.weight: is 9, and the step before has 10; every step"},
		{func(p *teal.Policy) { p.Steps[1].Weight = 1000 }, "release.steps.1.weight: is 10, and the step before has 10; every step"},
		{func(p *teal.Policy) { p.Steps[0].Hold = -1 }, "release.steps.0.hold: is -1ns; expected at least 0s"},
		{func(p *teal.Policy) { p.Steps[0].Hold, p.Deadline = teal.MaxHold+1, 0 }, "release.steps.0.hold: is 720h0m0.000000001s; expected at most 720h"},
		{func(p *teal.Policy) { p.Steps[1].Checks[0].Every = minutes(1) }, "release.steps.1.checks.0.every: is for the checks of the release"},
		{func(p *teal.Policy) { p.Steps[1].Checks[0].Name = "-smoke" }, `release.steps.1.checks.0.name: "-smoke" is not a valid check name`},
		{func(p *teal.Policy) { p.ReadyWithin = 0 }, "release.ready_within: must be more than 0s"},
		{func(p *teal.Policy) { p.Confidence = -1 }, "release.watch.confidence: is -1ns"},
		{func(p *teal.Policy) { p.Drain = teal.MaxReady + 1 }, "release.drain: is 24h0m0.000000001s; expected at most 24h"},
		{func(p *teal.Policy) { p.Deadline = minutes(2) }, "release.deadline: is 2m, and the steps alone last 2m; a release could never end well"},
		{func(p *teal.Policy) { p.MaxPause = -1 }, "release.max_pause: is -1ns"},
		{func(p *teal.Policy) { p.OnNewVersion = "wait" }, `release.on_new_version: "wait" is none of reject, queue, replace`},
		{func(p *teal.Policy) { p.Keep = -1 }, "release.keep: is -1; expected 0 to"},

		{func(p *teal.Policy) { p.Warm.Requests[0].Path = "a" }, `release.warm.requests.0.path: "a" does not start with /`},
		{func(p *teal.Policy) { p.Warm.Replay = -1 }, "release.warm.replay: is -1"},
		{func(p *teal.Policy) { p.Warm.Rounds = 101 }, "release.warm.rounds: is 101"},
		{func(p *teal.Policy) { p.Warm.Within = -1 }, "release.warm.within: is -1"},
		{func(p *teal.Policy) { p.Warm = teal.Warm{Within: 2} }, "release.warm.within: measures warm-ups, of which there are none"},

		{func(p *teal.Policy) { p.Checks = append(many(98), p.Checks...) }, "release.checks: has 101 checks; at most 100 are allowed"},
		{func(p *teal.Policy) { p.Checks[1].Name = "smoke" }, `release.checks.1.name: repeats the name "smoke"`},
		{func(p *teal.Policy) { p.Checks[0].Name = "" }, `release.checks.0.name: "" is not a valid check name`},
		{func(p *teal.Policy) { p.Checks[0].Request = nil }, "release.checks.0: asks nothing; add request, command or transaction"},
		{func(p *teal.Policy) { p.Checks[0].Command = []string{"x"} }, "release.checks.0: is more than one of request, command and transaction"},
		{func(p *teal.Policy) { p.Checks[0].To = "wbe" }, `release.checks.0.to: "wbe" is not a component of the app; it has cart, web`},
		{func(p *teal.Policy) { p.Checks[0].Timeout = 0 }, "release.checks.0.timeout: must be more than 0s"},
		{func(p *teal.Policy) { p.Checks[0].Timeout = minutes(61) }, "release.checks.0.timeout: is 1h1m; expected at most 1h"},
		{func(p *teal.Policy) { p.Checks[0].Retries = -1 }, "release.checks.0.retries: is -1; expected 0 to 100"},
		{func(p *teal.Policy) { p.Checks[0].Repeat = 1001 }, "release.checks.0.repeat: is 1001; expected 0 to 1000"},
		{func(p *teal.Policy) { p.Checks[0].Every = 1 }, "release.checks.0.every: is 1ns; expected at least 100ms"},
		{func(p *teal.Policy) { p.Checks[0].Code = p.Checks[1].Code }, "release.checks.0: has code or env, which only a command has"},
		{func(p *teal.Policy) { p.Checks[0].Request.Method = "get" }, `release.checks.0.request.method: "get" is not a method`},
		{func(p *teal.Policy) { p.Checks[0].Request.Path = "/a b" }, `release.checks.0.request.path: "/a b" holds a character`},
		{func(p *teal.Policy) { p.Checks[0].Request.Host = "A:80" }, `release.checks.0.request.host: "A:80" is not a host name`},
		{func(p *teal.Policy) { p.Checks[0].Request.Headers = map[string]string{"a b": ""} }, `release.checks.0.request.headers: "a b" is not the name of a header`},
		{func(p *teal.Policy) { p.Checks[0].Request.Headers = map[string]string{"a": "b\r\nc: d"} }, "release.checks.0.request.headers: a has a value with a control character"},
		{func(p *teal.Policy) { p.Checks[0].Request.Headers = map[string]string{"teal-version": "1"} }, "release.checks.0.request.headers: teal-version is set by Teal"},
		{func(p *teal.Policy) { p.Checks[0].Expect.Status = 99 }, "release.checks.0.expect.status: is 99; expected 100 to 599"},
		{func(p *teal.Policy) { p.Checks[0].Expect.Within = -1 }, "release.checks.0.expect.within: is -1ns"},
		{func(p *teal.Policy) { p.Checks[0].Expect.JSON = map[string]string{"a..b": ""} }, `release.checks.0.expect.json: "a..b" is not a path`},
		{func(p *teal.Policy) { p.Checks[1].Expect.Status = 200 }, "release.checks.1.expect: belongs to a request"},
		{func(p *teal.Policy) { p.Checks[1].To = "web" }, "release.checks.1.to: is for requests and transactions"},
		{func(p *teal.Policy) { p.Checks[1].Every = minutes(1) }, "release.checks.1.every: is for requests and transactions"},
		{func(p *teal.Policy) { p.Checks[1].Command[0] = "" }, "release.checks.1.command: is empty"},
		{func(p *teal.Policy) { p.Checks[1].Command[0] = "a\x00" }, "release.checks.1.command: contains a NUL byte"},
		{func(p *teal.Policy) { p.Checks[1].Code = "md5:1" }, `release.checks.1.code: "md5:1" is not the digest of a bundle`},
		{func(p *teal.Policy) { p.Checks[1].Env = map[string]string{"TEAL_VERSION": "1"} }, "release.checks.1.env: TEAL_VERSION is set by Teal"},
		{func(p *teal.Policy) { p.Checks[2].Transaction[1].Request.Path = "/${nope}" }, "release.checks.2.transaction.1.request.path: ${nope} has not been captured"},
		{func(p *teal.Policy) { p.Checks[2].Transaction[0].Request.Body = "${id}" }, "release.checks.2.transaction.0.request.body: ${id} has not been captured"},
		{func(p *teal.Policy) { p.Checks[2].Transaction[1].Capture = map[string]string{"a-b": "json:a"} }, `release.checks.2.transaction.1.capture: "a-b" is not a name for a value`},
		{func(p *teal.Policy) { p.Checks[2].Transaction[1].Capture = map[string]string{"a": "xml:a"} }, `release.checks.2.transaction.1.capture.a: "xml:a" does not say where`},
		{func(p *teal.Policy) { p.Checks[2].Transaction[1].Capture = map[string]string{"a": "regexp:("} }, `release.checks.2.transaction.1.capture.a: "(" is not a regular expression: `},
		{func(p *teal.Policy) { p.Checks[2].Transaction[1].Capture = map[string]string{"a": "regexp:a"} }, `release.checks.2.transaction.1.capture.a: "a" has no group`},
		{func(p *teal.Policy) { p.Checks[2].Transaction[1].Capture = map[string]string{"a": "json:"} }, `release.checks.2.transaction.1.capture.a: "" is not a path`},
		{func(p *teal.Policy) { p.Checks[2].Transaction[1].Capture = map[string]string{"a": "header:x y"} }, `release.checks.2.transaction.1.capture.a: "x y" is not the name of a header`},

		{func(p *teal.Policy) { p.Hooks[0].Point = "BeforeBlockTraffic" }, "release.hooks.BeforeBlockTraffic: is not a point at which hooks run; there are BeforeInstall, AfterInstall,"},
		{func(p *teal.Policy) { p.Hooks[1].URL = "" }, "release.hooks.AfterInstall.0: does nothing; add command, url or function"},
		{func(p *teal.Policy) { p.Hooks[1].Function = "cart" }, "release.hooks.AfterInstall.0: is more than one of command, url and function"},
		{func(p *teal.Policy) { p.Hooks[1].URL = "example.com" }, `release.hooks.AfterInstall.0.url: "example.com" is not an address`},
		{func(p *teal.Policy) { p.Hooks[1].Env = map[string]string{"A": "1"} }, "release.hooks.AfterInstall.0: has code or env, which only a command has"},
		{func(p *teal.Policy) { p.Hooks[1].Timeout = 0 }, "release.hooks.AfterInstall.0.timeout: must be more than 0s"},
		{func(p *teal.Policy) { p.Hooks[1].Timeout = minutes(24*60 + 1) }, "release.hooks.AfterInstall.0.timeout: is 24h1m; expected at most 24h"},
		{func(p *teal.Policy) { p.Hooks[2].Function = "web" }, `release.hooks.AfterAllowTraffic.0.function: "web" is not a function of the app; it has cart`},
		{func(p *teal.Policy) { p.Hooks[2].Point = teal.BeforeInstall }, "release.hooks.BeforeInstall.1.function: is a function of the new version, which does not run yet"},
		{func(p *teal.Policy) { p.Hooks[3].Name = "cart" }, `release.hooks.AfterAllowTraffic.1.name: repeats the name "cart"`},
		{func(p *teal.Policy) { p.Hooks[3].Name = "a/b" }, `release.hooks.AfterAllowTraffic.1.name: "a/b" is not a valid hook name`},

		{func(p *teal.Policy) { *p.Judge.ErrorRate = over }, "release.watch.error_rate.max: is 100.01; expected 0 to 100"},
		{func(p *teal.Policy) { p.Judge.Latency.P99 = 1 }, "release.watch.latency.p99: is 1ns, less than p50 (1s)"},
		{func(p *teal.Policy) { p.Judge.Compare = "preview" }, `release.watch.compare: "preview" is neither live nor none`},
		{func(p *teal.Policy) { p.Judge.Alpha = 0.51 }, "release.watch.alpha: is 0.51; expected more than 0 and at most 0.5"},
		{func(p *teal.Policy) { p.Judge.Alpha = -0.01 }, "release.watch.alpha: is -0.01"},
		{func(p *teal.Policy) { *p.Judge.Tolerance = -1 }, "release.watch.tolerance: is -0.01; expected 0 to 100"},
		{func(p *teal.Policy) { p.Judge.MinRequests = -1 }, "release.watch.min_requests: is -1"},
		{func(p *teal.Policy) { p.Judge.OnInconclusive = "pass" }, `release.watch.on_inconclusive: "pass" is none of hold, rollback, promote`},
		{func(p *teal.Policy) { p.Judge.OnError = "ignore" }, `release.watch.on_error: "ignore" is none of hold, rollback, promote`},
		{func(p *teal.Policy) { p.Judge.DoubtAfter = -1 }, "release.watch.doubt_after: is -1ns"},
		{func(p *teal.Policy) { p.Judge.NewErrors = "hold" }, `release.watch.new_errors: "hold" is none of note, fail, ignore`},
		{func(p *teal.Policy) { p.Judge.Queries[0].Query = " " }, "release.watch.queries.0.query: is empty"},
		{func(p *teal.Policy) { p.Judge.Queries[0].Min = nil }, "release.watch.queries.0: has no limit; add min, max or both"},
		{func(p *teal.Policy) { p.Judge.Queries[0].Min, p.Judge.Queries[0].Max = &two, p.Judge.Queries[0].Min }, "release.watch.queries.0.min: is 2, more than max (0.5)"},
		{func(p *teal.Policy) { p.Judge.Queries[0].URL = "http://prometheus:port" }, "release.watch.queries.0.url: "},
		{func(p *teal.Policy) { p.Judge.Queries[0].Every = 0 }, "release.watch.queries.0.every: is 0s; expected at least 100ms"},
		{func(p *teal.Policy) { p.Judge.Webhooks[0].Timeout = 0 }, "release.watch.webhooks.0.timeout: must be more than 0s"},
		{func(p *teal.Policy) { p.Judge.Webhooks[0].Name = "conversion" }, `release.watch.webhooks.0.name: the name "conversion" is taken by a query`},
		{func(p *teal.Policy) { p.Judge.Queries[0].Name = "buy" }, `release.watch.queries.0.name: the name "buy" is taken by a check`},

		{func(p *teal.Policy) { p.Freeze[0].For = 0 }, "release.freeze.0.for: must be more than 0s"},
		{func(p *teal.Policy) { p.Freeze[0].For = teal.MaxFreeze + 1 }, "release.freeze.0.for: is 8784h0m0.000000001s; expected at most 8784h"},
		{func(p *teal.Policy) { p.Freeze[0].Cron = "@weekly" }, `release.freeze.0.cron: "@weekly" has 1 fields`},
		{func(p *teal.Policy) { p.Freeze[0].TimeZone = "Europe/Atlantis" }, `release.freeze.0.time_zone: "Europe/Atlantis" is not a time zone`},
		{func(p *teal.Policy) { p.Notify[0].URL = "ftp://x" }, `release.notify.0.url: "ftp://x" is not an address`},
		{func(p *teal.Policy) { p.Warm.Requests[0].Body = strings.Repeat("x", 1<<18) }, "release: holds "},
	} {
		p := fullPolicy()
		tt.change(&p)
		problems := p.Check(policySpec(), cron.Check)
		if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), tt.want) {
			t.Errorf("got  %v\nwant %s", problems, tt.want)
		}
		if err := p.ValidateFor(policySpec(), cron.Check); !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%s: ValidateFor = %v", tt.want, err)
		}
	}
	// What is no number cannot be written as JSON either: two problems.
	p := fullPolicy()
	p.Judge.Queries[0].Min, p.Judge.Alpha, p.Warm.Within = &nan, nan, nan
	if problems := p.Check(policySpec(), cron.Check); len(problems) != 4 {
		t.Errorf("not a number: %v", problems)
	}
}

func TestChecksNeedRoutes(t *testing.T) {
	t.Parallel()
	spec := policySpec()
	spec.Routes = nil
	p := teal.DefaultPolicy()
	p.Checks = []teal.Check{{Name: "a", Request: &teal.Request{Path: "/"}, Timeout: 1}, {Name: "b", To: "web", Request: &teal.Request{Path: "/"}, Timeout: 1}}
	p.Warm.Requests = []teal.Request{{Path: "/"}}
	if got := fmt.Sprint(p.Check(spec, cron.Check)); got != "[release.warm.requests.0: asks the app by its routes, of which it has none; add a route release.checks.0: asks the app by its routes, of which it has none; add a route]" {
		t.Error(got)
	}
	if err := p.Validate(cron.Check); err != nil {
		t.Errorf("without a spec nothing is known of routes: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for raw, ok := range map[string]bool{
		"http://a": true, "https://a.example:8443/x/y?z=%20#": false, "https://a/x?y=%20": true, "http://[::1]:9090/": true, "http://a?x=1": true,
		"": false, "a": false, "//a": false, "http://": false, "http:///x": false, "http://a:0": false, "http://a:99999": false, "http://a b": false,
		"http://u:p@a": true, "http://u@": false, "http://a/\n": false, "HTTP://a": false, "http://a\\b": false, "http://%41": false, "file:///etc/passwd": false,
		"http://a/" + strings.Repeat("x", 2048): false,
	} {
		if err := teal.CheckURL(raw); (err == nil) != ok {
			t.Errorf("%.60q: %v", raw, err)
		}
	}
}
