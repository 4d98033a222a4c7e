package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal"
	"teal/internal/datadir"
)

// Where nothing can be made read-only, checks and hooks run no code that has been
// changed since it was deployed, as components do not. Seen red with
// check.Config.Bundle being the store's Dir: the check ran the changed script.
func TestChecksRunNoChangedCode(t *testing.T) {
	app, data := t.TempDir(), t.TempDir()
	// Without a folder for temporary files the server finds out that it can mount nothing.
	t.Setenv("TMPDIR", filepath.Join(data, "missing"))
	for name, text := range map[string]string{
		"teal.yaml": `app: checked
functions:
  f: {runtime: python3, handler: app.handler, code: code}
routes: [{path: /, to: f}]
release:
  checks: [{name: script, command: [/bin/sh, check.sh], code: tests}]
`,
		"code/app.py":    "def handler(event, context):\n    return 'fine'\n",
		"tests/check.sh": "exit 0\n",
	} {
		path := filepath.Join(app, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := startDaemon(t, data)
	if err := h.daemon.running.processes.Protects(); err == nil {
		t.Fatal("code is protected here in another way")
	}
	deploy := func() { h.deploy(app, true, func(p *teal.Policy) { p.Confidence = 0 }) }
	deploy()
	h.awaitPhase("checked", teal.PhaseCompleted)
	found, err := filepath.Glob(filepath.Join(data, datadir.Bundles, "*", "code", "check.sh"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if err := errors.Join(
		os.Chmod(filepath.Dir(found[0]), 0o700), os.Remove(found[0]), os.WriteFile(found[0], []byte("echo changed; exit 1\n"), 0o400),
	); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(app, "code", "app.py"), []byte("def handler(event, context):\n    return 'new'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	body := h.prepare(app, true, func(p *teal.Policy) { p.Confidence = 0 }) // the store still takes the check for what was sent
	if _, err := h.Deploy(t.Context(), body); err != nil {
		t.Fatal(err)
	}
	r := h.awaitPhase("checked", teal.PhaseAborted)
	if !strings.Contains(r.Reason, "its code cannot be read") || !strings.Contains(r.Reason, "has been changed since it was deployed") {
		t.Errorf("the release is %s: %s", r.Phase, r.Reason)
	}
}
