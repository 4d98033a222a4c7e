package manifest

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teal"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file, or writes it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func read1(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	return files
}

func TestBadManifests(t *testing.T) {
	t.Parallel()
	for _, file := range glob(t, "testdata/bad/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			_, err := Parse(filepath.Base(file), read1(t, file))
			var list Errors
			if !errors.As(err, &list) || len(list) == 0 {
				t.Fatalf("Parse = %v, want Errors", err)
			}
			if teal.CodeOf(err) != teal.CodeInvalidManifest || teal.MessageOf(err) != list.Error() || teal.CodeOf(list[0]) != teal.CodeInvalidManifest {
				t.Errorf("code %s, message %s", teal.CodeOf(err), teal.MessageOf(err))
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".errors", list.Error()+"\n")
		})
	}
}

func TestGoodManifests(t *testing.T) {
	t.Parallel()
	for _, file := range glob(t, "testdata/good/*.y*ml") {
		m, err := Parse(file, read1(t, file))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if _, err := m.Resolve(digests(m)); err != nil {
			t.Errorf("%s: Resolve: %v", file, err)
		}
	}
}

func digests(m *Manifest) map[string]string {
	out := map[string]string{}
	for name := range m.Code {
		out[name] = anyDigest
	}
	return out
}

func TestParseFillsInDefaults(t *testing.T) {
	t.Parallel()
	m, err := Parse("dir/teal.yaml", []byte(`
app: a
functions: {f: {runtime: python3, handler: app.fn}}
services: {s: {command: [web]}}
upstreams: {u: {urls: ["http://u"]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	health := teal.Health{Path: "/", Interval: teal.Duration(time.Second), Timeout: teal.Duration(5 * time.Second), Failures: 3}
	want := &Manifest{
		Spec: teal.Spec{App: "a", Components: map[string]teal.Component{
			"f": {Function: &teal.Function{
				Runtime: "python3", Handler: "app.fn", Memory: 128 * teal.MiB, Timeout: teal.Duration(3 * time.Second),
				Init: teal.Duration(10 * time.Second), Idle: teal.Duration(5 * time.Minute),
				Concurrency: teal.Concurrency{Min: 1, Max: 10}, Payload: "2.0",
			}},
			"s": {Service: &teal.Service{Command: []string{"web"}, Health: health, Instances: 1, Grace: teal.Duration(10 * time.Second)}},
			"u": {Upstream: &teal.Upstream{URLs: []string{"http://u"}, Health: health}},
		}},
		Policy: teal.DefaultPolicy(),
		Code:   map[string]string{"f": ".", "s": "."},
		Dir:    "dir",
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
}

func TestParseTakesWhatIsWritten(t *testing.T) {
	t.Parallel()
	m, err := Parse("teal.yaml", read1(t, "testdata/good/full.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	one, two := m.Spec.Components["one"].Function, m.Spec.Components["two"].Function
	env := map[string]string{"PORT_X": "8080", "ON": "true", "RATE": "1.10", "HEX": "0x1F", "EMPTY": "", "TEXT": "two\nlines\n"}
	if diff := cmp.Diff(env, one.Env); diff != "" {
		t.Error(diff)
	}
	env["ON"], env["MORE"] = "no", "yes"
	if diff := cmp.Diff(env, two.Env); diff != "" {
		t.Error(diff)
	}
	if one.Payload != "1.0" || two.Payload != "2.0" || two.Handler != "src/index.handler" || one.Concurrency.Max != 1000 || one.Memory != 512*teal.MiB {
		t.Errorf("one %+v, two %+v", one, two)
	}
	if got := m.Spec.Components["web"].Service.Command; !slices.Equal(got, []string{"./bin/web", "-p", "8080"}) {
		t.Errorf("command %q", got)
	}
	if m.Code["three"] != "build/three.zip" || m.Code["one"] != "." {
		t.Errorf("code %v", m.Code)
	}
}

func TestByteOrderMarkAndCarriageReturns(t *testing.T) {
	t.Parallel()
	_, err := Parse("teal.yaml", []byte("\xef\xbb\xbfapp: a\r\nupstreams:\r\n  u: {urls: [\"http://u\"], x: 1}\r\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "teal.yaml:3:27: upstreams.u.x: ") {
		t.Errorf("got %v", err)
	}
}

func TestLargeFileIsRefused(t *testing.T) {
	t.Parallel()
	_, err := Parse("teal.yaml", []byte(strings.Repeat("#", maxSize+1)))
	if err == nil || !strings.Contains(err.Error(), "1:1: the file is larger than 1 MiB") {
		t.Errorf("got %v", err)
	}
}

// Seen red: "dashes" without the bound on depth (the process was killed, out of
// memory), "keys" without the bounds on keys and tokens (too long).
func TestHostileFilesAreCheap(t *testing.T) {
	t.Parallel()
	for name, unit := range map[string]string{
		"keys": "a: 1\n", "anchors": "a: &a 1\n", "brackets": "[", "braces": "{a: ", "dashes": "- ", "questions": "? ",
		"tags": "!a ", "anchors in line": "&a ", "commas": "[],", "spaces": " ", "newlines": "\n", "quotes": "''", "stars": "*a ",
		"pipes": "|\n", "colons": ": ", "indented": "a:\n ", "comments": "#\n", "percent": "%a\n", "documents": "---\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			size := maxSize / 4
			if name == "keys" {
				size = maxSize / 2
			}
			start := time.Now()
			_, err := Parse("teal.yaml", []byte(strings.Repeat(unit, size/len(unit))))
			if err == nil {
				t.Error("accepted")
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	m, err := Parse("teal.yaml", read1(t, "testdata/good/design.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := m.Resolve(digests(m))
	if err != nil {
		t.Fatal(err)
	}
	if spec.Components["hello"].Function.Code != anyDigest || spec.Components["web"].Service.Code != anyDigest {
		t.Errorf("Resolve left code out: %+v", spec)
	}
	if m.Spec.Components["hello"].Function.Code != "" {
		t.Error("Resolve changed the manifest")
	}
	if _, err := m.Resolve(map[string]string{"hello": anyDigest}); teal.CodeOf(err) != teal.CodeInvalidInput {
		t.Errorf("Resolve without a digest = %v", err)
	}
	if _, err := m.Resolve(map[string]string{"hello": anyDigest, "web": "md5:1"}); teal.CodeOf(err) != teal.CodeInvalidInput {
		t.Errorf("Resolve with a wrong digest = %v", err)
	}
}

func TestTemplateLoads(t *testing.T) {
	t.Parallel()
	files, err := Template("my-app")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range files {
		write(t, filepath.Join(dir, f.Path), string(f.Data), 0o600)
	}
	m, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Spec.App != "my-app" || m.Code["hello"] != "./hello" || m.Dir != dir {
		t.Errorf("got %+v", m)
	}
	if _, err := Template("My App"); teal.CodeOf(err) != teal.CodeInvalidInput {
		t.Errorf("Template of a bad name = %v", err)
	}
}
