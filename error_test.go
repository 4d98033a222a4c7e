package teal_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"teal"
)

// constants returns the values of error.go's constants of one type, by name.
func constants(t *testing.T, typ string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if ident, ok := spec.Type.(*ast.Ident); !ok || ident.Name != typ || len(spec.Values) != 1 {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		values[spec.Names[0].Name] = value
		return true
	})
	return values
}

// kindsOf returns which kind error.go's table gives each code, by the names of
// the constants.
func kindsOf(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "kinds" {
			return true
		}
		for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
			kv := e.(*ast.KeyValueExpr)
			table[kv.Key.(*ast.Ident).Name] = kv.Value.(*ast.Ident).Name
		}
		return false
	})
	return table
}

// Seen to fail: a code taken out of the table. (Two codes with one text do not
// compile: the table would name one key twice.)
func TestEveryCodeHasAKindAndATextOfItsOwn(t *testing.T) {
	t.Parallel()
	codes, kinds, table := constants(t, "Code"), constants(t, "Kind"), kindsOf(t)
	if len(codes) < 30 || len(kinds) < 10 {
		t.Fatalf("found only %d codes and %d kinds", len(codes), len(kinds))
	}
	words := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[string]string{}
	for name, text := range codes {
		kind, ok := table[name]
		if !ok {
			t.Errorf("%s has no kind", name)
		}
		if got := teal.Code(text).Kind(); string(got) != kinds[kind] {
			t.Errorf("%s is %s, want %s", name, got, kinds[kind])
		}
		if other, dup := seen[text]; dup {
			t.Errorf("%s and %s are both %q", name, other, text)
		}
		seen[text] = name
		if !words.MatchString(text) {
			t.Errorf("%s: %q is not lower_case", name, text)
		}
	}
	for name := range table {
		if _, ok := codes[name]; !ok {
			t.Errorf("the table names %s, which is no code", name)
		}
	}
	used := slices.Collect(func(yield func(string) bool) {
		for _, kind := range table {
			if !yield(kind) {
				return
			}
		}
	})
	for name := range kinds {
		if !slices.Contains(used, name) {
			t.Errorf("no code is of %s", name)
		}
	}
	if got := teal.Code("no_such_code").Kind(); got != teal.KindInternal {
		t.Errorf("an unknown code is %s", got)
	}
}

func TestErrorsInAChain(t *testing.T) {
	t.Parallel()
	inner := teal.Errorf(teal.CodeUnknownApp, "no app %q", "shop")
	cases := map[string]struct {
		err     error
		code    teal.Code
		message string
	}{
		"nil":     {nil, "", ""},
		"direct":  {inner, teal.CodeUnknownApp, `no app "shop"`},
		"wrapped": {fmt.Errorf("load: %w", inner), teal.CodeUnknownApp, `no app "shop"`},
		"joined":  {errors.Join(io.EOF, inner), teal.CodeUnknownApp, `no app "shop"`},
		"outer":   {teal.Errorf(teal.CodeConflict, "outer: %w", inner), teal.CodeConflict, `outer: no app "shop"`},
		"foreign": {fmt.Errorf("secret: %w", io.EOF), teal.CodeInternal, "Something inside Teal failed; the server's log says what."},
	}
	for name, c := range cases {
		if got := teal.CodeOf(c.err); got != c.code {
			t.Errorf("%s: code %q, want %q", name, got, c.code)
		}
		if got := teal.MessageOf(c.err); got != c.message {
			t.Errorf("%s: message %q, want %q", name, got, c.message)
		}
		if c.err != nil && !teal.IsCode(c.err, c.code) || teal.IsCode(c.err, "other") {
			t.Errorf("%s: IsCode", name)
		}
	}
	if teal.IsCode(nil, "") {
		t.Error("nil has a code")
	}
}

func TestErrorfKeepsTheCause(t *testing.T) {
	t.Parallel()
	err := teal.Errorf(teal.CodeTimeout, "waited: %w", io.ErrUnexpectedEOF)
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != "waited: unexpected EOF" {
		t.Errorf("%v, %v", err, err.Err)
	}
	if plain := teal.Errorf(teal.CodeTimeout, "waited"); plain.Unwrap() != nil {
		t.Errorf("%v", plain.Err)
	}
}
