package daemon

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal"
	"teal/internal/process"
)

const writerYAML = `app: writer
services:
  shared: {command: [python3, web.py], instances: 2, health: {path: /}}
  own: {command: [python3, web.py], instances: 2, writable: true, health: {path: /}}
functions:
  f: {runtime: python3, handler: app.handler}
routes:
  - {path: /, to: shared}
  - {path: /own, to: own}
  - {path: /f, to: f}
`

// writerCode tries to leave a file with its process ID beside its code, as many
// programs do, and to rewrite the code itself.
const writerCode = `import json, os

def refused(path, mode):
    try:
        os.chmod(os.path.dirname(path) or ".", 0o700)
        with open(path, mode) as f:
            f.write("raise SystemExit(3)")
        return False
    except OSError:
        return True

def report():
    with open(os.environ["TEAL_STATE_DIR"] + "/starts", "a") as f:
        f.write("x")
    with open(os.environ["TMPDIR"] + "/mine", "x") as f:
        f.write("x")
    return json.dumps({"pid": refused("pid", "x"), "code": refused("web.py", "w"), "loader": "LAMBDA_RUNTIME_DIR" not in os.environ or refused(os.environ["LAMBDA_RUNTIME_DIR"] + "/bootstrap.py", "w"),
        "dir": os.getcwd(), "tmp": os.environ["TMPDIR"], "state": os.environ["TEAL_STATE_DIR"]})
`

type wrote struct {
	Pid, Code, Loader bool
	Dir, Tmp, State   string
}

// What runs cannot change what is stored, and has places to write to. Seen red
// without Config.ReadOnly (as root: the code was rewritten, and no second instance
// started), with makeDirs not copying the code of a writable service (its second
// instance found the first one's file).
func TestWhatRunsMayWriteTo(t *testing.T) {
	r, err := process.New(process.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Protects(); err != nil {
		t.Skip("nothing can be made read-only here: ", err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"teal.yaml": writerYAML,
		"app.py":    writerCode + "said = report()\ndef handler(event, context):\n    return {'statusCode': 200, 'body': said}\n",
		"web.py": writerCode + `
from http.server import *
said = report()
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(said.encode())
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h := startDaemon(t, t.TempDir())
	h.deploy(dir, true, func(p *teal.Policy) { p.Confidence = 0 })
	h.awaitPhase("writer", teal.PhaseCompleted)
	look := func(path string) (list []wrote) {
		t.Helper()
		seen := map[string]bool{}
		for range 20 {
			code, _, body := h.get(path)
			var w wrote
			if err := json.Unmarshal([]byte(body), &w); code != 200 || err != nil {
				t.Fatalf("%s: %d %s", path, code, body)
			}
			if !seen[w.Tmp] {
				seen[w.Tmp] = true
				list = append(list, w)
			}
		}
		return list
	}
	shared, own, function := look("/"), look("/own"), look("/f")
	if len(shared) != 2 || len(own) != 2 {
		t.Fatalf("%+v and %+v: want two instances of each", shared, own)
	}
	for _, w := range append(shared, function...) {
		if !w.Pid || !w.Code || !w.Loader {
			t.Errorf("it could write beside its code: %+v", w)
		}
	}
	for _, w := range own {
		if w.Pid || w.Code {
			t.Errorf("it could not write to its own copy: %+v", w)
		}
	}
	if own[0].Dir == own[1].Dir || shared[0].Dir != shared[1].Dir {
		t.Errorf("folders %+v, %+v", own, shared)
	}
	// A restart of the server starts everything anew, with the state that there is.
	h.stop()
	h = startDaemon(t, h.data)
	again := look("/own")
	if text, err := os.ReadFile(filepath.Join(again[0].State, "starts")); err != nil || len(text) != 4 {
		t.Errorf("the state is %q, %v; want one letter for each of four starts", text, err)
	}
	if _, err := os.Stat(own[0].Dir); err == nil {
		t.Error("the copy of an instance that has ended is left")
	}
}

// Whoever writes beside the code is told where else to. Seen red without
// withReadOnlyHint in endpointPart (web) and in functionPart (f).
func TestWhoWritesBesideTheCodeIsToldWhereElse(t *testing.T) {
	r, err := process.New(process.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Protects(); err != nil {
		t.Skip("nothing can be made read-only here: ", err)
	}
	h := startDaemon(t, t.TempDir())
	for app, component := range map[string]string{
		"web": "services:\n  web: {command: [python3, app.py]}\n",
		"f":   "functions:\n  f: {runtime: python3, handler: app.handler}\n",
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"teal.yaml": "app: " + app + "\n" + component + "routes: [{path: /" + app + ", to: " + app + "}]\n",
			"app.py":    "open('app.pid', 'x')\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		h.deploy(dir, true, nil)
		reason := h.awaitPhase(app, teal.PhaseAborted).Reason
		if !strings.Contains(reason, "its code is read-only: have it write to $TMPDIR") || strings.Contains(reason, "writable: true") != (app == "web") {
			t.Errorf("%s: %s", app, reason)
		}
	}
}
