package e2e

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// contained, deferred, makes a panic a failure of its test alone: the others go on,
// and their results are not lost.
func contained(t testing.TB) {
	if p := recover(); p != nil {
		t.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// Every test, and every part of one, begins with `defer contained(t)`: it takes
// minutes to run them all, and one that panics would take the results of the others
// with it. Seen red with a test and a part of one that do not.
func TestEveryTestIsContained(t *testing.T) {
	defer contained(t)
	paths, err := filepath.Glob("*_test.go")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	tests := 0
	for _, path := range paths {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			signature, body := testIn(n)
			if body == nil {
				return true
			}
			if tests++; !beginsContained(body) {
				t.Errorf("%s: the test does not begin with `defer contained(t)`", files.Position(signature.Pos()))
			}
			return true
		})
	}
	if tests < 50 {
		t.Errorf("only %d tests were found", tests)
	}
}

// testIn returns the signature and the body of a test, or of a part of one that
// t.Run gets; nil for other nodes.
func testIn(n ast.Node) (*ast.FuncType, *ast.BlockStmt) {
	var signature *ast.FuncType
	var body *ast.BlockStmt
	switch f := n.(type) {
	case *ast.FuncDecl:
		if !strings.HasPrefix(f.Name.Name, "Test") || f.Name.Name == "TestMain" {
			return nil, nil
		}
		signature, body = f.Type, f.Body
	case *ast.FuncLit:
		signature, body = f.Type, f.Body
	default:
		return nil, nil
	}
	if len(signature.Params.List) != 1 {
		return nil, nil
	}
	pointer, ok := signature.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return nil, nil
	}
	if of, ok := pointer.X.(*ast.SelectorExpr); !ok || of.Sel.Name != "T" {
		return nil, nil
	}
	return signature, body
}

func beginsContained(body *ast.BlockStmt) bool {
	if len(body.List) == 0 {
		return false
	}
	first, ok := body.List[0].(*ast.DeferStmt)
	if !ok {
		return false
	}
	called, ok := first.Call.Fun.(*ast.Ident)
	return ok && called.Name == "contained"
}

// A panic fails its test and no other. Seen red without the recover: no result at all.
func TestAPanicIsContained(t *testing.T) {
	defer contained(t)
	failed := &silent{TB: t}
	func() {
		defer contained(failed)
		var none *result
		_ = none.code
	}()
	if !strings.Contains(failed.said, "nil pointer") || !strings.Contains(failed.said, "contained_test.go") {
		t.Errorf("a panic has said %q", failed.said)
	}
}

// silent is a test whose failures are only noted.
type silent struct {
	testing.TB
	said string
}

func (s *silent) Errorf(format string, args ...any) {
	s.said += strings.TrimSpace(fmt.Sprintf(format, args...))
}
