package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "teal"

// module is what the rules look at: the packages of a source tree, by folder
// ("" for the root).
type module map[string]*pkg

type pkg struct {
	name  string
	files []file
	tests []file
}

// file is one Go file.
type file struct {
	name    string
	doc     string
	imports []string
	clock   []string // positions where time is asked for
	spawns  []string // positions of go statements
	follows []string // positions of HTTP clients that follow redirects
	forks   []string // positions of what executes programs
	texts   []text   // string literals
	lines   int
	domain  []use // what it names of the root package
}

// text is a string literal.
type text struct{ at, value string }

// use is a name of another package, and where it stands.
type use struct{ name, at string }

// load reads every Go file of a tree, whatever its build constraints.
func load(t testing.TB, tree fs.FS) module {
	t.Helper()
	m := module{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return m.add(name, source)
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m module) add(name string, source []byte) error {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	if dir == "." {
		dir = ""
	}
	if m[dir] == nil {
		m[dir] = &pkg{}
	}
	f := file{name: path.Base(name), doc: parsed.Doc.Text(), lines: bytes.Count(source, []byte("\n"))}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		f.imports = append(f.imports, imported)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		at := func() string { return files.Position(n.Pos()).String() }
		switch n := n.(type) {
		case *ast.BasicLit:
			if value, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				f.texts = append(f.texts, text{at(), value})
			}
		case *ast.GoStmt:
			f.spawns = append(f.spawns, at())
		case *ast.CompositeLit:
			if isOf(n.Type, "http", "Client") && !names(n, "CheckRedirect") {
				f.follows = append(f.follows, at())
			}
		case *ast.SelectorExpr:
			if isOf(n, "http", followers...) {
				f.follows = append(f.follows, at())
			}
			if forks(n) {
				f.forks = append(f.forks, at())
			}
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
				f.clock = append(f.clock, at())
			} else if ok && x.Name == modulePath {
				f.domain = append(f.domain, use{n.Sel.Name, at()})
			}
		}
		return true
	})
	if strings.HasSuffix(name, "_test.go") {
		m[dir].tests = append(m[dir].tests, f)
	} else {
		m[dir].files, m[dir].name = append(m[dir].files, f), parsed.Name.Name
	}
	return nil
}

// followers are the clients of package http that follow redirects.
var followers = []string{"DefaultClient", "Get", "Head", "Post", "PostForm"}

// isOf reports whether an expression is one of the names of a package.
func isOf(n ast.Expr, pkg string, names ...string) bool {
	s, ok := n.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg && slices.Contains(names, s.Sel.Name)
}

// names reports whether a composite literal sets a field.
func names(n *ast.CompositeLit, field string) bool {
	return slices.ContainsFunc(n.Elts, func(e ast.Expr) bool {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return false
		}
		key, ok := pair.Key.(*ast.Ident)
		return ok && key.Name == field
	})
}

// clock lists what in package time reads the clock or waits for it.
var clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}

// has reports whether a folder holds a package, itself or below it.
func (m module) has(dir string) bool {
	for _, d := range m.dirs() {
		if within(d, dir) {
			return true
		}
	}
	return false
}

// dirs returns, in a stable order, the folders of all packages that are not only
// tests.
func (m module) dirs() []string {
	dirs := make([]string, 0, len(m))
	for dir, p := range m {
		if len(p.files) > 0 {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return dirs
}

// within reports whether dir is tree or below it.
func within(dir, tree string) bool { return dir == tree || strings.HasPrefix(dir, tree+"/") }

// folder returns the folder of an import path of this module.
func folder(imported string) (dir string, ours bool) {
	if imported == modulePath {
		return "", true
	}
	return strings.CutPrefix(imported, modulePath+"/")
}

// standard reports whether an import path belongs to the standard library: only
// its first elements have no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	_, ours := folder(imported)
	return !ours && !strings.Contains(first, ".")
}

// eachImport calls f for everything that the packages at and below a folder
// import.
func (m module) eachImport(tree string, f func(dir, name, imported string)) {
	for _, dir := range m.dirs() {
		if tree != "*" && dir != tree && (tree == "" || !within(dir, tree)) {
			continue
		}
		for _, file := range m[dir].files {
			for _, imported := range file.imports {
				f(dir, path.Join(dir, file.name), imported)
			}
		}
	}
}

// findings collects what breaks a rule.
type findings []string

func (f *findings) addf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }
