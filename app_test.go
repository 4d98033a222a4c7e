package teal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teal"
)

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func someHealth() teal.Health {
	return teal.Health{Path: "/healthz", Interval: teal.DefaultHealthInterval, Timeout: teal.DefaultHealthTimeout, Failures: 3}
}

// validSpec returns a new spec with a component of every kind.
func validSpec() teal.Spec {
	return teal.Spec{
		App: "shop",
		Components: map[string]teal.Component{
			"hello": {Function: &teal.Function{
				Runtime: "python3", Handler: "app.lambda_handler", Code: someDigest,
				Memory: teal.DefaultMemory, Timeout: teal.DefaultTimeout, Init: teal.DefaultInit, Idle: teal.DefaultIdle,
				Concurrency: teal.Concurrency{Min: 1, Max: 10}, Payload: "2.0", Env: map[string]string{"STAGE": "prod"},
			}},
			"web": {Service: &teal.Service{
				Command: []string{"./web"}, Code: someDigest, Health: someHealth(), Instances: 2, Grace: teal.DefaultGrace,
			}},
			"legacy": {Upstream: &teal.Upstream{URLs: []string{"http://10.0.0.7:9000"}, Health: someHealth()}},
		},
		Routes: []teal.Route{{Host: "shop.example.com", Path: "/hello", To: "hello"}, {Path: "/", To: "web"}},
	}
}

// refusals is every way in which a spec can be wrong: where the problem must be
// said to be, a part of what must be said, and how to make a valid spec wrong.
var refusals = []struct {
	where, says string
	spoil       func(s *teal.Spec, f *teal.Function, w *teal.Service, u *teal.Upstream)
}{
	{"app", "app name", func(s *teal.Spec, _ *teal.Function, _ *teal.Service, _ *teal.Upstream) { s.App = "a.b" }},
	{"app", "has no component", func(s *teal.Spec, _ *teal.Function, _ *teal.Service, _ *teal.Upstream) {
		s.Components, s.Routes = nil, nil
	}},
	{"app", "at most 100", func(s *teal.Spec, _ *teal.Function, w *teal.Service, _ *teal.Upstream) {
		for i := range 98 {
			s.Components[fmt.Sprint("w", i)] = teal.Component{Service: w}
		}
	}},
	{"components.x", "neither", func(s *teal.Spec, _ *teal.Function, _ *teal.Service, _ *teal.Upstream) {
		s.Components["x"] = teal.Component{}
	}},
	{"components.x", "more than one", func(s *teal.Spec, f *teal.Function, w *teal.Service, _ *teal.Upstream) {
		s.Components["x"] = teal.Component{Function: f, Service: w}
	}},
	{"components.a_b", "TEAL_URL_A_B", func(s *teal.Spec, _ *teal.Function, _ *teal.Service, u *teal.Upstream) {
		s.Components["a-b"], s.Components["a_b"] = teal.Component{Upstream: u}, teal.Component{Upstream: u}
	}},
	{"functions.-x", "component name", func(s *teal.Spec, f *teal.Function, _ *teal.Service, _ *teal.Upstream) {
		s.Components["-x"] = teal.Component{Function: f}
	}},
	{"services.-", "component name", func(s *teal.Spec, _ *teal.Function, w *teal.Service, _ *teal.Upstream) {
		s.Components["-"] = teal.Component{Service: w}
	}},
	{"upstreams.a b", "component name", func(s *teal.Spec, _ *teal.Function, _ *teal.Service, u *teal.Upstream) {
		s.Components["a b"] = teal.Component{Upstream: u}
	}},

	function("runtime", "ruby", func(f *teal.Function) { f.Runtime = "ruby" }),
	function("handler", "not a handler", func(f *teal.Function) { f.Handler = "" }),
	function("handler", "not a handler", func(f *teal.Function) { f.Handler = "handler" }),
	function("handler", "contains a NUL byte", func(f *teal.Function) { f.Handler = "a\x00.b" }), // seen red without its rule
	function("code", "digest", func(f *teal.Function) { f.Code = "sha256:x" }),
	function("memory", "16MiB to 64GiB", func(f *teal.Function) { f.Memory = teal.MinMemory - 1 }),
	function("memory", "16MiB to 64GiB", func(f *teal.Function) { f.Memory = teal.MaxMemory + 1 }),
	function("timeout", "at most 15m", func(f *teal.Function) { f.Timeout = 0 }),
	function("timeout", "at most 15m", func(f *teal.Function) { f.Timeout = teal.MaxTimeout + 1 }),
	function("init", "at most 15m", func(f *teal.Function) { f.Init = -1 }),
	function("init", "at most 15m", func(f *teal.Function) { f.Init = teal.MaxTimeout + 1 }),
	function("concurrency.max", "1 to 1000", func(f *teal.Function) { f.Concurrency = teal.Concurrency{} }),
	function("concurrency.max", "1 to 1000", func(f *teal.Function) { f.Concurrency.Max = 1001 }),
	function("concurrency.min", "0 to max (10)", func(f *teal.Function) { f.Concurrency.Min = 11 }),
	function("concurrency.min", "0 to max (10)", func(f *teal.Function) { f.Concurrency.Min = -1 }),
	function("payload", `"2.0" or "1.0"`, func(f *teal.Function) { f.Payload = "3.0" }),
	function("env", "not the name", func(f *teal.Function) { f.Env = map[string]string{"A-B": ""} }),
	function("env", "set by Teal", func(f *teal.Function) { f.Env = map[string]string{"AWS_LAMBDA_X": ""} }),
	function("env", "NUL", func(f *teal.Function) { f.Env = map[string]string{"A": "\x00"} }),
	function("env", "at most 64KiB", func(f *teal.Function) { f.Env = map[string]string{"A": strings.Repeat("x", 1<<16)} }),

	service("command", "is empty", func(w *teal.Service) { w.Command = nil }),
	service("command", "is empty", func(w *teal.Service) { w.Command = []string{""} }),
	service("command", "contains a NUL byte", func(w *teal.Service) { w.Command = []string{"./web", "a\x00b"} }), // seen red without the rule of commands of checks
	service("code", "digest", func(w *teal.Service) { w.Code = "" }),
	service("instances", "1 to 100", func(w *teal.Service) { w.Instances = 0 }),
	service("instances", "1 to 100", func(w *teal.Service) { w.Instances = 101 }),
	service("memory", "16MiB to 64GiB", func(w *teal.Service) { w.Memory = 1 }),
	service("grace", "at most 15m", func(w *teal.Service) { w.Grace = teal.MaxTimeout + 1 }),
	service("env", "set by Teal", func(w *teal.Service) { w.Env = map[string]string{"PORT": "1"} }),
	service("health.path", "does not start with /", func(w *teal.Service) { w.Health.Path = "" }),
	service("health.path", "percent-encode", func(w *teal.Service) { w.Health.Path = "/ HTTP/1.1\r\nX: y" }),
	service("health.interval", "at least 10ms", func(w *teal.Service) { w.Health.Interval = 0 }),
	service("health.timeout", "at least 10ms", func(w *teal.Service) { w.Health.Timeout = teal.Duration(9 * time.Millisecond) }),
	service("health.failures", "at least 1", func(w *teal.Service) { w.Health.Failures = 0 }),

	upstream("urls", "1 to 100", func(u *teal.Upstream) { u.URLs = nil }),
	upstream("urls", "1 to 100", func(u *teal.Upstream) {
		u.URLs = strings.Split(strings.Repeat("http://a ", 101), " ")[:101]
	}),
	upstream("urls", "not an upstream address", func(u *teal.Upstream) { u.URLs = []string{"10.0.0.7:9000"} }),
	upstream("health.path", "does not start with /", func(u *teal.Upstream) { u.Health.Path = "x" }),

	route("routes.0.host", "lower case", func(r *teal.Route) { r.Host = "Shop" }),
	route("routes.0.host", "host name", func(r *teal.Route) { r.Host = "shop:80" }),
	route("routes.0.host", "host name", func(r *teal.Route) { r.Host = strings.Repeat("a", 254) }),
	route("routes.0.path", "does not start with /", func(r *teal.Route) { r.Path = "hello" }),
	route("routes.0.path", `write "/hello"`, func(r *teal.Route) { r.Path = "/hello/" }),
	route("routes.0.path", "plain path prefix", func(r *teal.Route) { r.Path = "//" }),
	route("routes.0.path", "plain path prefix", func(r *teal.Route) { r.Path = "/a//b" }),
	route("routes.0.path", "plain path prefix", func(r *teal.Route) { r.Path = "/a?b" }),
	route("routes.0.path", "plain path prefix", func(r *teal.Route) { r.Path = "/a*" }),
	route("routes.0.path", "dot segment", func(r *teal.Route) { r.Path = "/a/.." }),
	route("routes.0.path", "dot segment", func(r *teal.Route) { r.Path = "/./a" }),
	route("routes.0.to", "hello, legacy, web", func(r *teal.Route) { r.To = "x" }),
	route("routes.1.path", "repeats route 0", func(r *teal.Route) { *r = teal.Route{Path: "/", To: "hello"} }),
	{"routes", "at most 1000", func(s *teal.Spec, _ *teal.Function, _ *teal.Service, _ *teal.Upstream) {
		for i := range 999 {
			s.Routes = append(s.Routes, teal.Route{Path: fmt.Sprint("/r", i), To: "web"})
		}
	}},
}

type refusal = struct {
	where, says string
	spoil       func(s *teal.Spec, f *teal.Function, w *teal.Service, u *teal.Upstream)
}

func function(key, says string, spoil func(*teal.Function)) refusal {
	return refusal{"functions.hello." + key, says, func(_ *teal.Spec, f *teal.Function, _ *teal.Service, _ *teal.Upstream) { spoil(f) }}
}

func service(key, says string, spoil func(*teal.Service)) refusal {
	return refusal{"services.web." + key, says, func(_ *teal.Spec, _ *teal.Function, w *teal.Service, _ *teal.Upstream) { spoil(w) }}
}

func upstream(key, says string, spoil func(*teal.Upstream)) refusal {
	return refusal{"upstreams.legacy." + key, says, func(_ *teal.Spec, _ *teal.Function, _ *teal.Service, u *teal.Upstream) { spoil(u) }}
}

func route(where, says string, spoil func(*teal.Route)) refusal {
	return refusal{where, says, func(s *teal.Spec, _ *teal.Function, _ *teal.Service, _ *teal.Upstream) { spoil(&s.Routes[0]) }}
}

func TestEveryRefusalOfASpec(t *testing.T) {
	t.Parallel()
	if problems := validSpec().Check(); len(problems) != 0 {
		t.Fatalf("the valid spec has problems: %v", problems)
	}
	if err := validSpec().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range refusals {
		s := validSpec()
		c.spoil(&s, s.Components["hello"].Function, s.Components["web"].Service, s.Components["legacy"].Upstream)
		problems := s.Check()
		if len(problems) != 1 {
			t.Errorf("%s (%s): %d problems, want 1: %v", c.where, c.says, len(problems), problems)
			continue
		}
		text := problems[0].String()
		if !strings.HasPrefix(text, c.where+": ") || !strings.Contains(text, c.says) {
			t.Errorf("want %s: … %s …, got %s", c.where, c.says, text)
		}
		if err := s.Validate(); !teal.IsCode(err, teal.CodeInvalidInput) || err.Error() != text {
			t.Errorf("Validate: %v, want %s", err, text)
		}
	}
}

func TestAllProblemsAreSaidAtOnceInAStableOrder(t *testing.T) {
	t.Parallel()
	spoiled := func() teal.Spec {
		s := validSpec()
		s.App = ""
		s.Components["hello"].Function.Payload = ""
		s.Components["web"].Service.Instances = 0
		s.Components["legacy"].Upstream.URLs = nil
		s.Routes[0].To = "x"
		return s
	}
	want := spoiled().Validate().Error()
	if n := strings.Count(want, "\n"); n != 4 {
		t.Errorf("%d lines, want 5:\n%s", n+1, want)
	}
	for range 50 {
		if got := spoiled().Validate().Error(); got != want {
			t.Fatalf("the order changes:\n%s\n\n%s", want, got)
		}
	}
}

func TestProvidedNeedsNoHandler(t *testing.T) {
	t.Parallel()
	s := validSpec()
	f := s.Components["hello"].Function
	f.Runtime, f.Handler = "provided.al2023", ""
	if problems := s.Check(); len(problems) != 0 {
		t.Error(problems)
	}
}

func TestRuntimeFamilies(t *testing.T) {
	t.Parallel()
	for runtime, want := range map[string]string{
		"python3": "python3", "python3.12": "python3", "nodejs": "nodejs", "nodejs22.x": "nodejs",
		"provided": "provided", "provided.al2023": "provided", "provided.al2": "provided",
		"": "", "python": "", "python2.7": "", "python3.": "", "nodejs22": "", "provided.": "", "python3.12\n": "", "java21": "",
	} {
		if got := teal.RuntimeFamily(runtime); got != want {
			t.Errorf("%q: %q, want %q", runtime, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "shop", "shop-2", "a1", "a--b", "1a", "A", "a-", "a_b", "_", "7", strings.Repeat("a", 64)} {
		if err := teal.CheckName("app", good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "-", "-a", "a.b", "a b", "ä", "a\n", "../a", "$LATEST", "12", strings.Repeat("a", 129)} {
		err := teal.CheckName("alias", bad)
		if !teal.IsCode(err, teal.CodeInvalidInput) || !strings.Contains(err.Error(), "alias name") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestUpstreamURLs(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"http://10.0.0.7:9000", "https://example.com", "http://a/b/c", "http://a:1/", "http://[::1]:80", "https://[fe80::1]/x", "http://a:65535",
	} {
		if err := teal.CheckUpstreamURL(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"", "a", "a:80", "ftp://a", "http://", "http:///x", "http://a?b", "http://a#b", "http://u@a", "http://a/../b", "http://a/..",
		"http://a b", "http://a\r\nb", `http://a\b`, "http://:80", "http://a:", "http://a:0", "http://a:65536", "http://a:x", "http://a:-1",
		"http://::1", "http://[::1", "http://[]:80", "http://[::1]x:80", "HTTP://a",
	} {
		if err := teal.CheckUpstreamURL(bad); !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestReservedEnvironment(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"PORT", "_HANDLER", "_X_AMZN_TRACE_ID", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_LAMBDA_FUNCTION_NAME", "TEAL_URL_WEB"} {
		if !teal.ReservedEnv(name) {
			t.Errorf("%s may be changed", name)
		}
	}
	for _, name := range []string{"", "port", "AWS_REGION", "TEALX", "PATH"} {
		if teal.ReservedEnv(name) {
			t.Errorf("%s is reserved", name)
		}
	}
}

func TestKindIsTheFieldThatIsSet(t *testing.T) {
	t.Parallel()
	s := validSpec()
	got := []teal.ComponentKind{s.Components["hello"].Kind(), s.Components["web"].Kind(), s.Components["legacy"].Kind(), teal.Component{Static: &teal.Static{}}.Kind(), teal.Component{}.Kind()}
	want := []teal.ComponentKind{teal.KindFunction, teal.KindService, teal.KindUpstream, teal.KindStatic, ""}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
}

func TestCheckNeverPanics(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := teal.Spec{App: rapid.String().Draw(t, "app"), Components: map[string]teal.Component{}}
		for range rapid.IntRange(0, 3).Draw(t, "components") {
			s.Components[rapid.String().Draw(t, "name")] = teal.Component{
				Function: rapid.Ptr(rapid.Make[teal.Function](), true).Draw(t, "function"),
				Service:  rapid.Ptr(rapid.Make[teal.Service](), true).Draw(t, "service"),
				Upstream: rapid.Ptr(rapid.Make[teal.Upstream](), true).Draw(t, "upstream"),
				Static:   rapid.Ptr(rapid.Make[teal.Static](), true).Draw(t, "static"),
			}
		}
		s.Routes = rapid.SliceOfN(rapid.Make[teal.Route](), 0, 3).Draw(t, "routes")
		if err := s.Validate(); (err == nil) != (len(s.Check()) == 0) {
			t.Fatalf("Validate says %v, Check %v", err, s.Check())
		}
	})
}

func FuzzCheckUpstreamURL(f *testing.F) {
	for _, seed := range []string{"http://a:80", "https://[::1]:80/x", "http://a/../b", "http://a:80:90"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if err := teal.CheckUpstreamURL(raw); err == nil && strings.ContainsAny(raw, "?#@\\ \r\n") {
			t.Fatalf("%q was accepted", raw)
		}
	})
}
