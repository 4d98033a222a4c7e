package manifest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	lookup := func(name string) (string, bool) {
		value, set := map[string]string{"KEY": "s3cret", "EMPTY": "", "DEEP": "${KEY}"}[name]
		return value, set
	}
	for _, c := range []struct {
		in, want string
		names    []string
		missing  []string
		broken   bool
	}{
		{in: "plain $PORT and $$ stay", want: "plain $PORT and $$ stay"},
		{in: "${KEY}", want: "s3cret", names: []string{"KEY"}},
		{in: "a ${KEY} b ${EMPTY}${KEY}", want: "a s3cret b s3cret", names: []string{"KEY", "EMPTY", "KEY"}},
		{in: "${GONE:-there}, ${GONE:-}", want: "there, ", names: []string{"GONE", "GONE"}},
		{in: "${GONE}", want: "${GONE}", names: []string{"GONE"}, missing: []string{"GONE"}},
		{in: "${DEEP}", want: "${KEY}", names: []string{"DEEP"}}, // a value is taken as it is
		{in: "$${KEY}", want: "${KEY}"},
		{in: "${", want: "${", broken: true},
		{in: "${not a name}", want: "${not a name}", broken: true},
		{in: "${}", want: "${}", broken: true},
	} {
		e := expand(c.in, lookup)
		if e.text != c.want || !slices.Equal(e.names, c.names) || !slices.Equal(e.missing, c.missing) || e.broken != c.broken {
			t.Errorf("%q: %+v, want %+v", c.in, e, c)
		}
	}
}

// What has no ${ is taken as it is, and $${ can write everything. Seen red with
// every $$ made one.
func TestExpandKeepsEverythingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching(`[a$\{\}A:\-]{0,20}`).Draw(rt, "text")
		written := strings.ReplaceAll(text, "${", "$${")
		if strings.Contains(text, "$${") {
			return // $$ before { needs no escape of its own and has none
		}
		if e := expand(written, func(string) (string, bool) { return "x", true }); e.text != text || e.broken {
			rt.Fatalf("%q written as %q came out as %q", text, written, e.text)
		}
	})
}

func TestLoadTakesVariables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"app.py":     "def h(e, c): pass\n",
		"deploy.env": "# the team's\nexport FROM_FILE='it is so'\nSTAGE=file\n",
		"teal.yaml": `app: a
functions:
  f: {runtime: python3, handler: app.h, env_file: deploy.env, env: {KEY: "${KEY}", STAGE: prod, PORT_TEXT: "$PORT"}}
services:
  s: {command: [sh], env: {URL: "http://${HOST:-localhost}/$${x}"}}
routes: [{path: /, to: f}]
release: {checks: [{name: c, command: [sh], env: {TOKEN: "${KEY}"}}], hooks: {AfterInstall: [{command: [sh], env: {TOKEN: "${KEY}"}}]}}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := Load(dir, Variables{Lookup: func(name string) (string, bool) { return "s3cret", name == "KEY" }})
	if err != nil {
		t.Fatal(err)
	}
	f, s := m.Spec.Components["f"].Function, m.Spec.Components["s"].Service
	if want := map[string]string{"KEY": "s3cret", "STAGE": "prod", "PORT_TEXT": "$PORT", "FROM_FILE": "it is so"}; !equalMaps(f.Env, want) {
		t.Errorf("env of f: %v, want %v", f.Env, want)
	}
	if !slices.Equal(f.Masked, []string{"FROM_FILE", "KEY"}) || !slices.Equal(s.Masked, []string{"URL"}) {
		t.Errorf("masked: %v and %v", f.Masked, s.Masked)
	}
	if s.Env["URL"] != "http://localhost/${x}" || m.Policy.Checks[0].Env["TOKEN"] != "s3cret" || m.Policy.Hooks[0].Env["TOKEN"] != "s3cret" ||
		!slices.Equal(m.Policy.Checks[0].Masked, []string{"TOKEN"}) || !slices.Equal(m.Policy.Hooks[0].Masked, []string{"TOKEN"}) {
		t.Errorf("%v %v %v", s.Env, m.Policy.Checks[0].Env, m.Policy.Hooks[0].Env)
	}
	if !slices.Equal(m.Variables, []string{"HOST", "KEY"}) || len(m.Missing) != 0 {
		t.Errorf("variables %v, missing %v", m.Variables, m.Missing)
	}
	// Seen red with the value passed on as it is written, which was what was done.
	_, err = Load(dir, Variables{})
	for _, want := range []string{"teal.yaml:3:", "functions.f.env.KEY: refers to KEY, which is not set", "checks.0.env.TOKEN", "hooks.AfterInstall.0.env.TOKEN"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	if m, err = Load(dir, Variables{MayMiss: true}); err != nil || !slices.Equal(m.Missing, []string{"KEY"}) {
		t.Errorf("%v, %v", m, err)
	}
}

func equalMaps(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, has := b[k]; !has || v != w {
			return false
		}
	}
	return true
}

// Errors about such a file show none of it: seen red with the parser's own error.
func TestEnvFilesThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"bad": "not a line s3cret", "quote": "A=\"s3cret", "big": strings.Repeat("A=1\n", 300_000)} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadEnvFile(file); err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadEnvFile(filepath.Join(dir, "gone")); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a file that is not there: %v", err)
	}
}
