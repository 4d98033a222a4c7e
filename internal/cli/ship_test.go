package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal"
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

// Code that the server removes between the look for it and the deploy is sent again, a
// few times. Seen red with one try.
func TestDeploySendsCodeAgainThatWasRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refuse := 2
	w.fake.RefuseDeploy = func() error {
		if refuse--; refuse < 0 {
			return nil
		}
		return teal.Errorf(teal.CodeUnknownBundle, "the bundle has not been uploaded")
	}
	if r := w.run("deploy", w.dir); r.code != 0 || !strings.Contains(r.out, "v1 is live") {
		t.Errorf("%d %s%s", r.code, r.out, r.err)
	}
	refuse = 100
	if r := w.run("deploy", w.dir); r.code != 2 || !strings.Contains(r.err, "has not been uploaded") {
		t.Errorf("%d %s%s", r.code, r.out, r.err)
	}
}

// The value of a variable is in no output: seen red without Version.Shown in the
// API's answers.
func TestDeployTakesVariablesAndHidesThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, err := os.ReadFile(filepath.Join(w.dir, "teal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(w.dir, "teal.yaml"), strings.Replace(string(text), "code: ./code", "code: ./code, env: {KEY: \"${SECRET_KEY}\"}", 1))
	if r := w.run("deploy", w.dir); r.code != 2 || !strings.Contains(r.err, "refers to SECRET_KEY, which is not set") {
		t.Errorf("%d %s%s", r.code, r.out, r.err)
	}
	if r := w.run("validate", w.dir); r.code != 0 || !strings.Contains(r.out, "to deploy it, set SECRET_KEY") {
		t.Errorf("%d %s%s", r.code, r.out, r.err)
	}
	write(t, filepath.Join(w.dir, "deploy.env"), "SECRET_KEY=s3cret\n")
	var all strings.Builder
	r := w.run("deploy", w.dir, "--env-file", filepath.Join(w.dir, "deploy.env"))
	if r.code != 0 || !strings.Contains(r.out, "hello: taken from your environment: SECRET_KEY\n") {
		t.Errorf("%d %s%s", r.code, r.out, r.err)
	}
	all.WriteString(r.out + r.err)
	for _, args := range [][]string{
		{"deploy", w.dir, "--env-file", filepath.Join(w.dir, "deploy.env"), "--json"}, {"versions", "hello", "--json"},
		{"status", "hello", "--json"}, {"history", "hello", "--json"}, {"validate", w.dir, "--env-file", filepath.Join(w.dir, "deploy.env"), "--json"},
	} {
		r := w.run(args...)
		all.WriteString(r.out + r.err)
	}
	if text := all.String(); strings.Contains(text, "s3cret") || !strings.Contains(text, `"KEY": "***"`) {
		t.Errorf("the value is shown, or nothing in its place:\n%s", text)
	}
}
