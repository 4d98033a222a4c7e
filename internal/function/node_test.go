package function

import (
	"strings"
	"testing"

	"teal"
)

func TestNodeExampleUnchanged(t *testing.T) {
	t.Parallel()
	r := start(t, node("index.handler"))
	if got := r.ok("{}"); got != `{"statusCode":200,"body":"\"Hello from Lambda!\""}` {
		t.Errorf("got %s", got)
	}
}

func TestNodeContext(t *testing.T) {
	t.Parallel()
	r := start(t, node("app.context"), func(c *Config) { c.App = "hello" })
	answer, err := r.Invoke(t.Context(), teal.Invocation{RequestID: "request-1", ClientContext: "eyJjdXN0b20iOjF9"})
	if err != nil {
		t.Fatal(err)
	}
	got := decoded[map[string]any](t, string(answer.Payload))
	want := map[string]any{
		"awsRequestId": "request-1", "functionName": "hello", "functionVersion": "3", "memoryLimitInMB": "128",
		"invokedFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:hello:3",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	if ms, _ := got["remaining"].(float64); ms <= 0 || ms > 15000 {
		t.Errorf("remaining is %v", got["remaining"])
	}
	if cc, _ := got["clientContext"].(map[string]any); cc["custom"] != 1.0 {
		t.Errorf("client context is %v", got["clientContext"])
	}
}

// The styles in which a Node.js handler may answer.
func TestNodeStyles(t *testing.T) {
	t.Parallel()
	for handler, want := range map[string]string{
		"app.callback":     `{"from":"callback"}`,
		"app.waits":        `{"timer":true}`,
		"app.doesNotWait":  `"at once"`,
		"app.succeed":      `"succeeded"`,
		"app.nothing":      `null`,
		"app.object.inner": `"inner"`,
		"dir/fn.handler":   `"from cjs"`,
	} {
		t.Run(handler, func(t *testing.T) {
			r := start(t, node(handler))
			for range 2 {
				if got := r.ok("{}"); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
}

func TestNodeErrors(t *testing.T) {
	t.Parallel()
	for handler, want := range map[string]struct{ errorType, message string }{
		"app.raises":        {"TypeError", "bad type"},
		"app.raisesText":    {"string", "just text"},
		"app.callbackError": {"RangeError", "out of range"},
		"app.circular":      {"Runtime.MarshalError", "circular"},
		"app.never":         {"Runtime.NodeJsExit", "never settled"},
		"app.uncaught":      {"Error", "from a timer"},
		"app.unhandled":     {"Runtime.UnhandledPromiseRejection", "Error: rejected"},
	} {
		t.Run(handler, func(t *testing.T) {
			r := start(t, node(handler))
			d := r.fails("{}", "")
			if d.Type != want.errorType || !strings.Contains(d.Message, want.message) {
				t.Errorf("got %+v", d)
			}
			if handler == "app.raises" && (len(d.Node) < 2 || !strings.Contains(d.Node[1], "app.js")) {
				t.Errorf("the trace is %q", d.Node)
			}
		})
	}
}

func TestNodeInitErrors(t *testing.T) {
	t.Parallel()
	for handler, want := range map[string]struct{ errorType, reason string }{
		"imports.handler": {"Runtime.ImportModuleError", "no-such-package"},
		"missing.handler": {"Runtime.ImportModuleError", "Cannot find module 'missing'"},
		"app.missing":     {"Runtime.HandlerNotFound", "app.missing is undefined or not exported"},
		"app.value":       {"Runtime.HandlerNotFound", "app.value is not a function"},
		"syntax.handler":  {"Runtime.UserCodeSyntaxError", "SyntaxError"},
		"raises.handler":  {"Error", "no configuration"},
	} {
		t.Run(handler, func(t *testing.T) {
			r := launch(t, node(handler))
			s := r.await("failing", func(s State) bool { return s.Failing })
			if s.Ready || !strings.Contains(s.Reason, want.reason) || s.Output == "" {
				t.Errorf("state is %+v", s)
			}
			if d := r.fails("{}", teal.CodeFunctionFailed); d.Type != want.errorType {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func TestNodeExitsAndPrints(t *testing.T) {
	t.Parallel()
	r := start(t, node("app.exits"))
	if d := r.fails("{}", teal.CodeFunctionFailed); d.Type != "Runtime.ExitError" || !strings.HasSuffix(d.Message, "Runtime exited with error: exit status 4") {
		t.Errorf("got %+v", d)
	}
	r = start(t, node("app.prints"))
	r.ok("{}")
	if line := r.logs.find(t, "printed"); line.stream != "stdout" || line.requestID == "" {
		t.Errorf("got %+v", line)
	}
}

func TestNodeLargeEvent(t *testing.T) {
	t.Parallel()
	r := start(t, node("app.echo"))
	event := `"` + strings.Repeat("ä", 1<<20) + `"`
	if got := r.ok(event); got != event {
		t.Errorf("%d bytes came back of %d", len(got), len(event))
	}
}
