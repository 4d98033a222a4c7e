package cli_test

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestDeployTellsWhatStaysBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	write(t, filepath.Join(w.dir, "code", ".env"), "SECRET=1\n")
	write(t, filepath.Join(w.dir, "code", ".git", "HEAD"), "ref\n")
	write(t, filepath.Join(w.dir, "code", ".tealignore"), "*.log\n")
	write(t, filepath.Join(w.dir, "code", "debug.log"), "x\n")
	if r := w.run("deploy", w.dir); r.code != 0 || !strings.Contains(r.out, "hello: not shipped: .env, debug.log (.tealignore decides)\n") {
		t.Errorf("%d %s%s", r.code, r.out, r.err)
	}
	if r := w.run("deploy", w.dir); strings.Contains(r.out, "not shipped") { // the server has the code
		t.Errorf("%d %s%s", r.code, r.out, r.err)
	}
}
