package function

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal"
)

// both runs a test with the handler that does what its event says, in each
// language.
func both(t *testing.T, name string, f func(t *testing.T, r *running)) {
	for language, change := range map[string]func(*Config){"python": python("app.act"), "node": node("app.act")} {
		t.Run(language+"/"+name, func(t *testing.T) {
			t.Parallel()
			f(t, start(t, change))
		})
	}
}

// Whatever a caller sends fails his own invocation at most: the instance lives.
// Seen red with the bootstraps as they were: RecursionError and a client context
// that is a number or a list ended the process.
func TestNothingThatACallerSendsEndsAnInstance(t *testing.T) {
	t.Parallel()
	both(t, "", func(t *testing.T, r *running) {
		pid := r.ok("{}")
		encode := base64.StdEncoding.EncodeToString
		deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
		for what, in := range map[string]teal.Invocation{
			"nested":              {Event: []byte(`{"a":` + deep(3000) + "}")},
			"nested deeper":       {Event: []byte(`{"a":` + deep(100_000) + "}")},
			"a long number":       {Event: []byte(`{"a":` + strings.Repeat("1", 10_000) + "}")},
			"no UTF-8":            {Event: []byte("{\"a\":\"\xff\"}")},
			"a context of a list": {Event: []byte("{}"), ClientContext: encode([]byte("[]"))},
			"of a number":         {Event: []byte("{}"), ClientContext: encode([]byte("1"))},
			"of null":             {Event: []byte("{}"), ClientContext: encode([]byte("null"))},
			"of odd fields":       {Event: []byte("{}"), ClientContext: encode([]byte(`{"client":1,"custom":2,"env":[]}`))},
			"of nesting":          {Event: []byte("{}"), ClientContext: encode([]byte(`{"custom":` + deep(3000) + "}"))},
			"of no JSON":          {Event: []byte("{}"), ClientContext: encode([]byte("{"))},
			"a trace":             {Event: []byte("{}"), TraceID: "\u00e4=;=;"},
		} {
			r.quiet() // else a second instance is started meanwhile, and may serve the next
			if _, err := r.Invoke(t.Context(), in); teal.CodeOf(err) == teal.CodeFunctionFailed {
				t.Errorf("%s: %v", what, err)
			}
			r.quiet()
			if got := r.ok("{}"); got != pid {
				t.Errorf("%s: process %s has been replaced by %s", what, pid, got)
			}
		}
	})
}

// Whatever a handler does to its own process, the next caller is answered. Seen red
// with the bootstraps as they were (Python's in all but fd 0, Node's in another folder),
// and with usable saying yes at once: Python's next invocation met the closed stream,
// and in both languages it ran in another folder. A Node whose streams are not looked
// at is not seen here.
func TestTheNextCallerIsNotHit(t *testing.T) {
	t.Parallel()
	for _, event := range []string{
		`{"do":"close"}`, `{"do":"closefd","fd":0}`, `{"do":"closefd","fd":1}`, `{"do":"closefd","fd":2}`,
		`{"do":"clear"}`, `{"do":"leave"}`, `{"do":"mute"}`,
	} {
		both(t, event, func(t *testing.T, r *running) {
			home := r.ok(`{"do":"where"}`)
			for range 3 {
				if _, err := r.Invoke(t.Context(), teal.Invocation{Event: []byte(event)}); err != nil {
					t.Errorf("itself: %v", err)
				}
				if got := r.ok(`{"do":"where"}`); got != home {
					t.Errorf("the next one is in %s", got)
				}
				r.ok(fmt.Sprintf(`{"do":"print","text":%q}`, "x"))
			}
			if s := r.State(); s.Failing {
				t.Errorf("%+v", s)
			}
		})
	}
}

// An alarm, and a limit, that an invocation has set end nobody who comes later.
//
// Seen red with a bootstrap that looks at neither: the next caller got
// Runtime.ExitError, of SIGALRM and of SIGKILL.
func TestWhatACallerSetsForLaterEndsNobodyElse(t *testing.T) {
	t.Parallel()
	for set, next := range map[string]string{`{"do":"alarm"}`: `{"do":"touch","seconds":1.5,"file":"/dev/null"}`, `{"do":"limit"}`: `{"do":"burn","seconds":2}`} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			r := start(t, python("app.act"))
			r.ok(set)
			r.ok(next)
		})
	}
}

// A caller who ends the process again and again is told so each time, and the others are
// served by a new one: nobody gets the error of somebody else's invocation.
//
// Seen red with crashes of invocations that delay the next start like those of a start:
// the sixth caller got the error of the fifth, and so did who sent another event.
func TestACallerWhoEndsTheProcessEndsNobodyElses(t *testing.T) {
	t.Parallel()
	both(t, "", func(t *testing.T, r *running) {
		for n := range 8 {
			out, err := r.invoke(`{"do":"exit"}`)
			if !teal.IsCode(err, teal.CodeFunctionFailed) || out.Duration == 0 {
				t.Errorf("round %d: the invocation was not begun: %s, %v", n, out.Payload, err)
			}
		}
		r.ok("{}")
		if s := r.State(); s.Failing {
			t.Errorf("the function is taken for one that cannot be started: %+v", s)
		}
	})
}

// What an invocation leaves behind and ends the process later, a thread that exits or a
// promise that is rejected, does not fail whoever is served then; the instance is
// replaced after that one.
//
// Seen red with a thread that ends the process at once, and with a rejection that is
// taken for the current request's: the next caller got Runtime.ExitError, and
// Runtime.UnhandledPromiseRejection.
func TestWhatACallerLeavesBehindHitsNobodyElse(t *testing.T) {
	t.Parallel()
	both(t, "", func(t *testing.T, r *running) {
		for n, how := range []string{"reject", "exit", "throw"} { // of Node's; Python has one way
			file := filepath.Join(t.TempDir(), "now")
			left := r.ok(fmt.Sprintf(`{"do":"exit when","how":%q,"file":%q}`, how, file))
			if next := r.ok(fmt.Sprintf(`{"do":"touch","seconds":0.3,"file":%q}`, file)); next != left {
				t.Errorf("round %d: process %s serves the next one, not %s: nothing was tested", n, next, left)
			}
			if got := r.ok("{}"); got == left {
				t.Errorf("round %d: process %s goes on", n, got)
			}
		}
	})
}

// Between two calls it ends the process then, and a caller that comes at the same moment
// is served: by the last call of this process, or by another one.
//
// Seen red with a process that ends without asking the server first: the caller got
// Runtime.ExitError.
func TestWhatACallerLeavesBehindEndsAnIdleInstance(t *testing.T) {
	t.Parallel()
	both(t, "", func(t *testing.T, r *running) {
		file := filepath.Join(t.TempDir(), "now")
		left := r.ok(fmt.Sprintf(`{"do":"exit when","file":%q}`, file))
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another process serves", func() bool { return r.ok("{}") != left })
	})
}
