package manifest

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal"
)

func write(t testing.TB, file, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func TestLoadFindsTheFile(t *testing.T) {
	t.Parallel()
	const good = "app: a\nupstreams: {u: {urls: [\"http://u\"]}}\n"
	dir := t.TempDir()
	for _, file := range []string{"long/teal.yaml", "short/teal.yml", "both/teal.yaml", "both/teal.yml", "own/prod.yaml", "empty/x", "other/teal.json"} {
		write(t, filepath.Join(dir, file), good, 0o600)
	}
	if err := os.MkdirAll(filepath.Join(dir, "folder", "teal.yaml"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ location, sentence string }{
		{"long", ""}, {"short", ""}, {"own/prod.yaml", ""},
		{"both", "has both teal.yaml and teal.yml"},
		{"empty", "has no teal.yaml; write one with `teal init`"},
		{"nowhere", "does not exist"},
		{"other/teal.json", "is not a manifest"},
		{"folder", "is not a regular file"},
	}
	for _, test := range tests {
		_, err := Load(filepath.Join(dir, test.location), Variables{})
		switch {
		case test.sentence == "" && err != nil:
			t.Errorf("%s: %v", test.location, err)
		case test.sentence != "" && (teal.CodeOf(err) != teal.CodeInvalidManifest || !strings.Contains(teal.MessageOf(err), test.sentence)):
			t.Errorf("%s: got %v, want a sentence with %q", test.location, err, test.sentence)
		}
	}
}

func zipOf(t testing.TB, mode fs.FileMode, names ...string) string {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, name := range names {
		h := &zip.FileHeader{Name: name}
		h.SetMode(mode)
		if _, err := zw.CreateHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// codeTree is the folder that the manifests of TestLoadChecksCode live in.
func codeTree(t testing.TB) string {
	dir := t.TempDir()
	for _, file := range []string{
		"app/app.py", "app/index.mjs", "app/main.py", "app/pkg/__init__.py", "app/src/a/b.py", "app/src/i.cjs", "app/fast.cpython-312-x86_64-linux-gnu.so",
		"app/plain", "app/bootstrap", "text.txt", "in/x", "../outside-" + filepath.Base(dir) + "/app.py",
	} {
		write(t, filepath.Join(dir, file), "", 0o600)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(filepath.Join(dir, "../outside-"+filepath.Base(dir))); err != nil {
			t.Error(err)
		}
	})
	write(t, filepath.Join(dir, "app/web"), "", 0o700)
	write(t, filepath.Join(dir, "go/bootstrap"), "", 0o700)
	write(t, filepath.Join(dir, "go.zip"), zipOf(t, 0o755, "bootstrap"), 0o600)
	write(t, filepath.Join(dir, "flat.zip"), zipOf(t, 0o644, "bootstrap", "app.py", "d/m.py"), 0o600)
	write(t, filepath.Join(dir, "broken.zip"), "PK no", 0o600)
	return dir
}

func TestLoadChecksCode(t *testing.T) {
	t.Parallel()
	dir := codeTree(t)
	outside := "../outside-" + filepath.Base(dir)
	tests := []struct{ component, want string }{
		{"{runtime: python3, handler: app.fn, code: app}", ""},
		{"{runtime: python3.12, handler: pkg.fn, code: ./app/}", ""},
		{"{runtime: python3, handler: src/a/b.fn, code: app}", ""},
		{"{runtime: python3, handler: src.a.b.fn, code: app}", ""},
		{"{runtime: python3, handler: fast.fn, code: app}", ""},
		{"{runtime: python3, handler: d.m.fn, code: flat.zip}", ""},
		{"{runtime: python3, handler: app.fn, code: " + outside + "}", ""},
		{"{runtime: nodejs, handler: index.handler, code: app}", ""},
		{"{runtime: nodejs22.x, handler: src/i.a.b, code: app}", ""},
		{"{runtime: provided, code: go}", ""},
		{"{runtime: provided.al2, code: go.zip}", ""},
		{"{command: [./web], code: app}", ""},
		{"{command: [app/web]}", ""},
		{"{command: [web], code: app}", ""},
		{"{command: [/usr/bin/web], code: app}", ""},
		{"{runtime: python3, handler: ap.fn, code: app}", `2:29: functions.c.handler: "ap.fn" needs ap.py or ap/__init__.py in app, which is not there; there is app.py, main.py`},
		{"{runtime: python3, handler: app.fn, code: go}", `2:29: functions.c.handler: "app.fn" needs app.py or app/__init__.py in go, which is not there; there is no .py file at the top of it`},
		{"{runtime: python3, handler: ../x.fn, code: app}", "2:29: functions.c.handler: "},
		{"{runtime: nodejs, handler: ../in/x.fn, code: app}", "2:28: functions.c.handler: "},
		{"{runtime: nodejs, handler: main.handler, code: app}", "2:28: functions.c.handler: \"main.handler\" needs main.js or main.mjs or main.cjs in app, which is not there; there is index.mjs"},
		{"{runtime: provided, code: in}", "1:13: functions.c: the runtime provided needs an executable file named bootstrap in in"},
		{"{runtime: provided, code: app}", "1:13: functions.c: app/bootstrap is not executable; run chmod +x on it"},
		{"{runtime: provided, code: flat.zip}", "1:13: functions.c: flat.zip/bootstrap is not executable"},
		{"{runtime: python3, handler: app.fn, code: nope}", "2:43: functions.c.code: nope does not exist; expected a folder or a .zip file"},
		{"{runtime: python3, handler: app.fn, code: text.txt}", "2:43: functions.c.code: text.txt is neither a folder nor a .zip file"},
		{"{runtime: python3, handler: app.fn, code: broken.zip}", "2:43: functions.c.code: broken.zip cannot be read as a zip"},
		{"{runtime: python3, handler: app.fn, code: ''}", "2:43: functions.c.code: is empty; write text"},
		{"{runtime: python3, handler: app.fn, code: /srv}", `2:43: functions.c.code: "/srv" is not a place for code`},
		{"{command: [./nope], code: app}", `2:12: services.c.command.0: "./nope" is not in app; expected a program in the code folder`},
		{"{command: [./plain], code: app}", "2:12: services.c.command.0: app/plain is not executable; run chmod +x on it"},
		{"{command: [../go/bootstrap], code: app}", `2:12: services.c.command.0: "../go/bootstrap" is outside of the code folder app`},
		{"{command: [./src], code: app}", `2:12: services.c.command.0: "./src" is not in app`},
	}
	for i, test := range tests {
		section := "functions"
		if strings.HasPrefix(test.component, "{command") {
			section = "services"
		}
		file := filepath.Join(dir, "m"+string(rune('a'+i/26))+string(rune('a'+i%26))+".yaml")
		// The component is on the second line, at its first column.
		write(t, file, section+": {c:\n"+test.component+"}\napp: a\n", 0o600)
		_, err := Load(file, Variables{})
		got := ""
		if err != nil {
			got = err.Error()
		}
		want := test.want
		if want != "" {
			want = file + ":" + want
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" || strings.Contains(got, "\n") {
			t.Errorf("%s:\n got %s\nwant %s", test.component, got, want)
		}
	}
}

func TestLoadReportsContentAndCodeTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "teal.yaml")
	write(t, file, "app: a\nfunctions:\n  f: {runtime: python3, handler: app.fn, code: nope}\n  g: {runtime: python3, handler: app.fn, timeout: 3}\n", 0o600)
	_, err := Load(dir, Variables{})
	want := file + ":3:48: functions.f.code: nope does not exist; expected a folder or a .zip file\n" +
		file + ":4:34: functions.g.handler: \"app.fn\" needs app.py or app/__init__.py in ., which is not there; there is no .py file at the top of it\n" +
		file + ":4:51: functions.g.timeout: 3 has no unit; expected a duration such as 300ms, 30s or 5m"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestLoadChecksTheProgramsOfChecksAndHooks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tests/ok.sh"), "", 0o700)
	write(t, filepath.Join(dir, "tests/plain.sh"), "", 0o600)
	file := filepath.Join(dir, "teal.yaml")
	write(t, file, `app: a
upstreams: {u: {urls: ["http://u"]}}
release:
  checks:
    - {name: good, command: [./ok.sh], code: tests}
    - {name: path, command: [sh, -c, "true"]}
    - {name: here, command: [tests/ok.sh]}
    - {name: gone, command: [./ok.sh]}
    - {name: plain, command: [./plain.sh], code: tests}
    - {name: nowhere, command: [./ok.sh], code: nope}
  steps: [{weight: 5, checks: [{name: out, command: [../ok.sh], code: tests}]}]
  hooks: {BeforeInstall: [{command: [./backup]}]}
`, 0o600)
	_, err := Load(dir, Variables{})
	want := strings.ReplaceAll(`FILE:8:30: release.checks.3.command.0: "./ok.sh" is not in .; expected a program in the code folder
FILE:9:31: release.checks.4.command.0: tests/plain.sh is not executable; run chmod +x on it
FILE:10:49: release.checks.5.code: nope does not exist; expected a folder or a .zip file
FILE:11:54: release.steps.0.checks.0.command.0: "../ok.sh" is outside of the code folder tests; only that folder is deployed
FILE:12:38: release.hooks.BeforeInstall.0.command.0: "./backup" is not in .; expected a program in the code folder`, "FILE", file)
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Seen red with the folder looked for under code, and with layers not looked for.
func TestFoldersOfFilesAndLayersAreLookedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, folder := range []string{"dist", "one"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "dist", "index.html"), "x", 0o600)
	write(t, filepath.Join(dir, "app.py"), "def handler(event, context): pass", 0o600)
	write(t, filepath.Join(dir, "teal.yaml"), `app: site
static:
  a: {folder: dist, fallback: index.html, 404: none.html}
  b: {folder: build}
  c: {folder: /dist, fallback: gone.html}
functions:
  f: {runtime: python3, handler: app.handler, layers: [one, two]}
`, 0o600)
	_, err := Load(dir, Variables{})
	want := []string{
		"teal.yaml:3:48: static.a.404: none.html is not in dist; expected a file of that folder",
		"teal.yaml:4:15: static.b.folder: build does not exist; expected a folder or a .zip file",
		"teal.yaml:5:15: static.c.folder: \"/dist\" is not a place for code; expected a folder or a .zip file, relative to the manifest",
		"teal.yaml:7:61: functions.f.layers.1: two does not exist; expected a folder or a .zip file",
	}
	for _, line := range want {
		if err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("%q is not in\n%v", line, err)
		}
	}
	if err == nil || strings.Count(err.Error(), "\n") != len(want)-1 {
		t.Errorf("%v", err)
	}
}
