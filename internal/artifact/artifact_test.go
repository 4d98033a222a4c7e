package artifact

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashEnv) != "" {
		crashChild()
		return
	}
	goleak.VerifyTestMain(m)
}

// item is one entry of a zip that a test packs by hand.
type item struct {
	name, content string
	mode          fs.FileMode
	edit          func(*zip.FileHeader)
}

func pack(t testing.TB, items ...item) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, it := range items {
		h := &zip.FileHeader{Name: it.name, Method: zip.Deflate}
		if it.mode == 0 {
			it.mode = 0o644
		}
		h.SetMode(it.mode)
		if it.edit != nil {
			it.edit(h)
		}
		w, err := zw.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(it.name, "/") {
			continue
		}
		if _, err := io.WriteString(w, it.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// plant writes files below a new folder: "name" is a file, "name*" an executable
// one, "name@" a link whose target is the content, "name/" a folder.
func plant(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, strings.TrimRight(name, "*@/"))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(p, 0o755)
		case strings.HasSuffix(name, "@"):
			err = os.Symlink(content, p)
		case strings.HasSuffix(name, "*"):
			err = os.WriteFile(p, []byte(content), 0o700)
		default:
			err = os.WriteFile(p, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustScan(t testing.TB, location string) *Tree {
	t.Helper()
	tree, err := Scan(location, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func mustZip(t testing.TB, tree *Tree) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := tree.WriteZip(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func toFile(t testing.TB, data []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "bundle.zip")
	if err := os.WriteFile(p, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func wantRefusal(t *testing.T, err error, code teal.Code, sentence string) {
	t.Helper()
	if teal.CodeOf(err) != code {
		t.Fatalf("got error %v with code %q, want code %q", err, teal.CodeOf(err), code)
	}
	if !strings.Contains(teal.MessageOf(err), sentence) {
		t.Fatalf("got %q, want a sentence with %q", teal.MessageOf(err), sentence)
	}
}

func TestDigestDependsOnTheTreeAlone(t *testing.T) {
	t.Parallel()
	files := map[string]string{"app.py": "x = 1\n", "run*": "#!/bin/sh\n", "lib/a.py": "", "lib64@": "lib", "empty/": ""}
	a := plant(t, files)
	base := mustScan(t, a).Digest

	b := plant(t, files)
	old := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(b, "app.py"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(b, ".git", "objects"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b, ".git", "HEAD"), []byte("ref"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := mustScan(t, b).Digest; got != base {
		t.Errorf("times and .git changed the digest: %s, want %s", got, base)
	}

	byHand := pack(t,
		item{name: "./"}, item{name: "./lib64", content: "lib", mode: fs.ModeSymlink | 0o777},
		item{name: "lib/"}, item{name: "lib/a.py", mode: 0o640, edit: func(h *zip.FileHeader) { h.Method = zip.Store; h.Comment = "c" }},
		item{name: "run", content: "#!/bin/sh\n", mode: 0o711}, item{name: "app.py", content: "x = 1\n"},
		item{name: ".git/config", content: "secret"}, item{name: "empty/"})
	if got := mustScan(t, toFile(t, byHand)).Digest; got != base {
		t.Errorf("a zip of the same files has digest %s, want %s", got, base)
	}

	for name, other := range map[string]map[string]string{
		"content":      {"app.py": "x = 2\n", "run*": "#!/bin/sh\n", "lib/a.py": "", "lib64@": "lib", "empty/": ""},
		"executable":   {"app.py": "x = 1\n", "run": "#!/bin/sh\n", "lib/a.py": "", "lib64@": "lib", "empty/": ""},
		"target":       {"app.py": "x = 1\n", "run*": "#!/bin/sh\n", "lib/a.py": "", "lib64@": "lib/a.py", "empty/": ""},
		"name":         {"app.py": "x = 1\n", "run*": "#!/bin/sh\n", "lib/b.py": "", "lib64@": "lib", "empty/": ""},
		"empty folder": {"app.py": "x = 1\n", "run*": "#!/bin/sh\n", "lib/a.py": "", "lib64@": "lib"}, // seen red: empty folders vanished
	} {
		if got := mustScan(t, plant(t, other)).Digest; got == base {
			t.Errorf("another %s did not change the digest", name)
		}
	}
}

func TestWriteZipIsDeterministicAndFromEitherSource(t *testing.T) {
	t.Parallel()
	tree := mustScan(t, plant(t, map[string]string{"b": "2", "a/c*": "1", "l@": "a/c"}))
	one := mustZip(t, tree)
	if !bytes.Equal(one, mustZip(t, tree)) {
		t.Error("two zips of one tree differ")
	}
	again := mustScan(t, toFile(t, one))
	if !bytes.Equal(one, mustZip(t, again)) {
		t.Error("the zip of a zip differs")
	}
	if tree.Size != 2 || len(tree.Entries) != 3 {
		t.Errorf("size %d, %d entries; want 2 and 3", tree.Size, len(tree.Entries))
	}
}

func TestWriteZipRefusesChangedContent(t *testing.T) {
	t.Parallel()
	dir := plant(t, map[string]string{"a": "before"})
	tree := mustScan(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("behind"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, tree.WriteZip(io.Discard), teal.CodeConflict, "a changed while it was being sent")
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	limits := Limits{Unpacked: 100, Files: 5, PathLength: 40}
	tests := []struct {
		name     string
		files    map[string]string
		code     teal.Code
		sentence string
	}{
		{"nothing", map[string]string{"empty/": ""}, teal.CodeInvalidBundle, "is empty"},
		{"link out", map[string]string{"a": "", "d/l@": "../../x"}, teal.CodeInvalidBundle, "outside of the bundle"},
		{"link out through a link", map[string]string{"d/e/f": "", "up@": "d/e", "l@": "up/../../../x"}, teal.CodeInvalidBundle, "outside of the bundle"},
		{"link to itself", map[string]string{"l@": "l"}, teal.CodeInvalidBundle, "leads back to itself"},
		{"links in a circle", map[string]string{"a@": "b", "b@": "a/x"}, teal.CodeInvalidBundle, "leads back to itself"},
		{"control character", map[string]string{"a\nb": ""}, teal.CodeInvalidBundle, "control characters"},
		{"not UTF-8", map[string]string{"a\xff": ""}, teal.CodeInvalidBundle, "not UTF-8"},
		{"backslash", map[string]string{`a\b`: ""}, teal.CodeInvalidBundle, "backslash"},
		{"a pattern that is none", map[string]string{IgnoreFile: "[", "a": ""}, teal.CodeInvalidBundle, "cannot be understood"},
		{"size", map[string]string{"a": strings.Repeat("x", 60), "b": strings.Repeat("x", 41)}, teal.CodeTooLarge, "more than 100B"},
		{"count", map[string]string{"a/b/c/d/e/f": ""}, teal.CodeTooLarge, "more than 5 files"},
		{"path length", map[string]string{strings.Repeat("x", 41): ""}, teal.CodeTooLarge, "41 bytes long"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Scan(plant(t, test.files), limits)
			wantRefusal(t, err, test.code, test.sentence)
		})
	}
	t.Run("named pipe", func(t *testing.T) {
		t.Parallel()
		dir := plant(t, map[string]string{"a": ""})
		if err := syscall.Mkfifo(filepath.Join(dir, "p"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Scan(dir, limits)
		wantRefusal(t, err, teal.CodeInvalidBundle, `"p" is a named pipe`)
	})
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		_, err := Scan(filepath.Join(t.TempDir(), "nope"), limits)
		wantRefusal(t, err, teal.CodeInvalidBundle, "does not exist")
	})
}

func TestScanAcceptsLinksThatStayInside(t *testing.T) {
	t.Parallel()
	tree := mustScan(t, plant(t, map[string]string{
		"d/e/f": "", "up@": "d/e", "fine@": "up/../../d/e/f", "d/back@": "..", "dangling@": "later/on",
	}))
	if len(tree.Entries) != 5 {
		t.Errorf("got %d entries, want 5", len(tree.Entries))
	}
}

// A virtualenv and what lies around it: seen red with absolute links refused, and
// with the patterns not read.
func TestScanLeavesOutWhatIsIgnored(t *testing.T) {
	t.Parallel()
	tree := mustScan(t, plant(t, map[string]string{
		IgnoreFile: "# not for the server\n*.log\nlocal\n!local/keep\n**/__pycache__\n!deep/.env\n",
		"app.py":   "", "debug.log": "", "sub/debug.log": "", "local/drop": "", "local/keep": "kept",
		".env": "SECRET=1", "deep/.env": "wanted", "node_modules/.cache/x": "", "node_modules/a/index.js": "",
		"sub/__pycache__/m.pyc": "", ".git/HEAD": "", "sub/.git/HEAD": "", ".venv/bin/python@": "/usr/bin/python3", ".gitignore": "",
	}))
	var got []string
	for _, e := range tree.Entries {
		got = append(got, e.Path)
	}
	want := []string{".gitignore", ".venv/bin/python", "app.py", "deep/.env", "local/keep", "node_modules/a/index.js", "sub/debug.log"}
	if !slices.Equal(got, want) {
		t.Errorf("shipped %q, want %q", got, want)
	}
	if want := []string{".env", ".git", "debug.log", "local/drop", "node_modules/.cache/x", "sub/.git", "sub/__pycache__/m.pyc"}; !slices.Equal(tree.Ignored, want) {
		t.Errorf("left %q, want %q", tree.Ignored, want)
	}
}

// Such a link works here and leads nowhere on the server.
func TestScanRefusesLinksIntoItsOwnFolder(t *testing.T) {
	t.Parallel()
	dir := plant(t, map[string]string{"lib/a": ""})
	if err := os.Symlink(filepath.Join(dir, "lib"), filepath.Join(dir, "l")); err != nil {
		t.Fatal(err)
	}
	_, err := Scan(dir, Limits{})
	wantRefusal(t, err, teal.CodeInvalidBundle, "make it relative")
}

func TestLinksThatMultiplyAreRefusedSoon(t *testing.T) {
	t.Parallel()
	links := map[string]string{}
	for i := range 2000 {
		links[fmt.Sprintf("l%d", i)] = strings.Repeat("l"+fmt.Sprint((i+1)%2000)+"/../", 60) + "x"
	}
	b := newBuilder(Limits{}.withDefaults())
	b.limits.Files = 3000
	for p, target := range links {
		if err := b.add(Entry{Path: p, Link: target}); err != nil {
			t.Fatal(err)
		}
	}
	wantRefusal(t, b.finish(), teal.CodeInvalidBundle, "link")
}
