package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	goFile   = regexp.MustCompile(`[\w./-]*\w\.go\b`)
	ownPath  = regexp.MustCompile("`((?:internal|cmd|test|docs|examples|packaging|scripts)/[\\w./-]+)`")
	link     = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
	testName = regexp.MustCompile(`\bTest[A-Z]\w*…?`)
)

// elsewhere is what pages name and what is not in this module: a library, and a file of a
// reader's own app.
var elsewhere = []string{"nats.go", "docs/index.html"}

// Every page of the documentation names files, folders and tests that exist, and its
// links lead somewhere. A file may be named by the end of its path, as in a diagram.
//
// Seen red with a file that was renamed, a link to a page that is not there, and a test
// that has another name.
func TestPagesNameWhatExists(t *testing.T) {
	t.Parallel()
	const root = "../.."
	tests, files := declaredTests(t, root), filesOf(t, root)
	for _, page := range files {
		if !strings.HasSuffix(page, ".md") || strings.Contains(page, "testdata/") || page == "CHANGELOG.md" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range missing(page, string(data), files, tests) {
			if !slices.Contains(elsewhere, wrong) {
				t.Errorf("%s names %s, which does not exist", page, wrong)
			}
		}
	}
}

// missing returns what a page names and what does not exist.
func missing(page, text string, files []string, tests map[string]bool) (wrong []string) {
	for _, name := range goFile.FindAllString(text, -1) {
		if !slices.ContainsFunc(files, func(file string) bool { return file == name || strings.HasSuffix(file, "/"+name) }) {
			wrong = append(wrong, name)
		}
	}
	for _, name := range ownPath.FindAllStringSubmatch(text, -1) {
		if !exists(files, strings.TrimSuffix(name[1], "/")) {
			wrong = append(wrong, name[1])
		}
	}
	for _, to := range link.FindAllStringSubmatch(text, -1) {
		if !exists(files, filepath.ToSlash(filepath.Join(filepath.Dir(page), to[1]))) {
			wrong = append(wrong, to[1])
		}
	}
	for _, name := range testName.FindAllString(text, -1) {
		prefix, several := strings.CutSuffix(name, "…")
		known := tests[name]
		for test := range tests {
			known = known || several && strings.HasPrefix(test, prefix)
		}
		if !known {
			wrong = append(wrong, name)
		}
	}
	return wrong
}

// exists reports whether a path is that of a file, or of a folder that has one.
func exists(files []string, path string) bool {
	return slices.ContainsFunc(files, func(file string) bool { return file == path || strings.HasPrefix(file, path+"/") })
}

// filesOf returns the paths of the files of the module, but not of what is made or hidden.
func filesOf(t *testing.T, root string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); path != root && (name == ".git" || name == "node_modules" || name == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(root, path)
		files = append(files, filepath.ToSlash(relative))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
