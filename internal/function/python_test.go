package function

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"teal"
)

func TestPythonExampleUnchanged(t *testing.T) {
	t.Parallel()
	r := start(t, python("blue.lambda_handler"))
	got := decoded[map[string]any](t, r.ok(`{"key":"value"}`))
	if got["statusCode"] != "200" || got["body"] != "Hello From Blue Deployment" || got["isBase64Encoded"] != false {
		t.Errorf("got %v", got)
	}
}

func TestPythonHandlerNames(t *testing.T) {
	t.Parallel()
	for handler, want := range map[string]string{"dir/app.handler": `"from dir"`, "pkg.mod.fn": `"from pkg.mod"`} {
		r := start(t, python(handler))
		if got := r.ok("{}"); got != want {
			t.Errorf("%s: got %s", handler, got)
		}
		r.stop()
	}
}

func TestPythonContext(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.context"))
	answer, err := r.Invoke(t.Context(), teal.Invocation{
		RequestID: "request-1", Event: []byte("{}"), TraceID: "Root=1-a-b", Alias: "live",
		ClientContext: "eyJjbGllbnQiOnsiYXBwX3RpdGxlIjoidCJ9LCJjdXN0b20iOnsiYSI6MX0sImVudiI6eyJiIjoyfX0=",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := decoded[map[string]any](t, string(answer.Payload))
	want := map[string]any{
		"aws_request_id": "request-1", "function_name": "shop-hello", "function_version": "3", "memory_limit_in_mb": "128",
		"invoked_function_arn": "arn:aws:lambda:us-east-1:000000000000:function:shop-hello:live",
		"log_group_name":       "/aws/lambda/shop-hello", "trace": "Root=1-a-b",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	if ms, _ := got["remaining"].(float64); ms <= 0 || ms > 15000 {
		t.Errorf("remaining is %v", got["remaining"])
	}
	if cc, _ := got["client_context"].(map[string]any); cc["title"] != "t" {
		t.Errorf("client context is %v", got["client_context"])
	}
}

func TestPythonErrors(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.act"))
	raised := r.fails(`{"do":"raise"}`, "")
	if raised.Type != "Boom" || raised.Message != "it went wrong" || raised.RequestID == "" {
		t.Errorf("got %+v", raised)
	}
	if len(raised.Python) != 1 || !strings.Contains(raised.Python[0], "raise Boom") {
		t.Errorf("the stack is %q", raised.Python)
	}
	if d := r.fails(`{"do":"set"}`, ""); d.Type != "Runtime.MarshalError" || !strings.Contains(d.Message, "set is not JSON serializable") {
		t.Errorf("got %+v", d)
	}
	if d := r.fails(`{"do":`, ""); d.Type != "Runtime.UnmarshalError" {
		t.Errorf("got %+v", d)
	}
	if got := r.ok(`{"do":"values"}`); got != `{"decimal": 1.5, "text": "h\u00e4\u00df\ud800"}` {
		t.Errorf("got %s", got)
	}
	if s := r.State(); s.Failing || s.Instances != 1 {
		t.Errorf("errors of the handler count as failures of the instance: %+v", s)
	}
}

func TestPythonOutput(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.act"))
	if _, err := r.Invoke(t.Context(), teal.Invocation{RequestID: "id-7", Event: []byte(`{"do":"print","text":"ä"}`)}); err != nil {
		t.Fatal(err)
	}
	for text, stream := range map[string]string{"printed ä": "stdout", "to stderr": "stderr", "\tid-7\tlogged": "stdout", "START RequestId: id-7 Version: 3": "platform", "END RequestId: id-7": "platform"} {
		if line := r.logs.find(t, text); line.stream != stream || line.requestID != "id-7" || line.instance != "hello/1" {
			t.Errorf("%q: got %+v", text, line)
		}
	}
	report := r.logs.find(t, "REPORT RequestId: id-7\tDuration: ").text
	for _, part := range []string{" ms\tBilled Duration: ", " ms\tMemory Size: 128 MB\tMax Memory Used: ", " MB\tInit Duration: "} {
		if !strings.Contains(report, part) {
			t.Errorf("%q is not in %q", part, report)
		}
	}
	if strings.Contains(report, "Max Memory Used: 0 MB") {
		t.Errorf("no memory was measured: %q", report)
	}
	r.ok("{}")
	eventually(t, "two reports", func() bool {
		n, inits := 0, 0
		for _, line := range r.logs.all() {
			if strings.HasPrefix(line.text, "REPORT") {
				n++
				inits += strings.Count(line.text, "Init Duration")
			}
		}
		if inits > 1 {
			t.Fatal("the init duration was reported twice")
		}
		return n == 2
	})
}

func TestPythonInitErrors(t *testing.T) {
	t.Parallel()
	for handler, want := range map[string]struct{ errorType, reason, output string }{
		"imports.handler": {"Runtime.ImportModuleError", "No module named 'no_such_module'", "[ERROR] Runtime.ImportModuleError"},
		"missing.handler": {"Runtime.ImportModuleError", "No module named 'missing'", ""},
		"app.missing":     {"Runtime.HandlerNotFound", "Handler 'missing' missing on module 'app'", ""},
		"syntax.handler":  {"Runtime.UserCodeSyntaxError", "Syntax error in module 'syntax'", "def handler(event, context)"},
		"raises.handler":  {"ValueError", "no configuration", "configuring"},
		"exits.handler":   {"Runtime.ExitError", "exit status 5", "cannot go on"},
	} {
		t.Run(handler, func(t *testing.T) {
			t.Parallel()
			r := launch(t, python(handler))
			s := r.await("failing", func(s State) bool { return s.Failing })
			if s.Ready || !strings.Contains(s.Reason, want.reason) || !strings.Contains(s.Output, want.output) {
				t.Errorf("state is %+v", s)
			}
			if d := r.fails("{}", teal.CodeFunctionFailed); d.Type != want.errorType {
				t.Errorf("got %+v", d)
			}
		})
	}
}

// The code is shared between versions and read-only in its meaning: nothing is
// written beside it.
func TestPythonLeavesTheCodeAlone(t *testing.T) {
	t.Parallel()
	r := start(t, python("pkg.mod.fn"))
	r.ok("{}")
	if _, err := os.Stat(testdata(t, "python/pkg/__pycache__")); !os.IsNotExist(err) {
		t.Errorf("compiled modules are beside the code: %v", err)
	}
}

// Seen to fail with os.Environ as the beginning of the environment.
func TestEnvironment(t *testing.T) {
	t.Setenv("TEAL_TOKEN", "the-server's-own")
	t.Setenv("SOME_SERVER_SETTING", "the-server's-own")
	r := start(t, python("app.env"), func(c *Config) {
		c.Function.Env = map[string]string{"STAGE": "prod", "TZ": "Europe/Berlin", "TEAL_APP": "user's"}
	})
	got := decoded[map[string]string](t, r.ok("{}"))
	want := map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME": "shop-hello", "AWS_LAMBDA_FUNCTION_VERSION": "3", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"_HANDLER": "app.env", "LAMBDA_TASK_ROOT": r.cfg.Dir, "CWD": r.cfg.Dir, "STAGE": "prod", "TZ": "Europe/Berlin",
		"TEAL_APP": "shop", "AWS_REGION": "us-east-1", "AWS_EXECUTION_ENV": "AWS_Lambda_python3", "PATH": os.Getenv("PATH"),
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	for name, value := range got {
		if strings.Contains(value, "the-server's-own") {
			t.Errorf("the server's %s reached the function", name)
		}
	}
	if !strings.HasPrefix(got["TMPDIR"], r.cfg.WorkDir) || got["HOME"] != got["TMPDIR"] {
		t.Errorf("TMPDIR is %q, HOME is %q", got["TMPDIR"], got["HOME"])
	}
}

func TestMissingInterpreter(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r := launch(t, python("blue.lambda_handler"), func(c *Config) { c.Function.Runtime = "python3.9" })
	s := r.await("failing", func(s State) bool { return s.Failing })
	for _, part := range []string{"python3.9 is not in PATH", "python3 is not in PATH", "install it"} {
		if !strings.Contains(s.Reason, part) {
			t.Errorf("%q is not in %q", part, s.Reason)
		}
	}
}

// A name in PATH that cannot run, as version managers leave them, is passed
// over with a word.
func TestInterpreterThatDoesNotRun(t *testing.T) {
	broken := t.TempDir()
	if err := os.WriteFile(broken+"/python3.9", []byte("#!/bin/sh\necho no such version >&2; exit 127\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", broken+":"+os.Getenv("PATH"))
	r := start(t, python("blue.lambda_handler"), func(c *Config) { c.Function.Runtime = "python3.9" })
	if line := r.logs.find(t, "INIT_START Runtime: python3.9, run by /"); !strings.Contains(line.text, "python3.9 does not run: exit status 127") {
		t.Errorf("got %q", line.text)
	}
}

func pidOf(t testing.TB, text string) int {
	t.Helper()
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
