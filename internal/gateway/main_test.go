package gateway

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The core must not know net/http, because a faster front end will replace it.
func TestOnlyTheFrontEndsKnowHTTP(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	pure, err := filepath.Glob("payload/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, pure...) {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "front_") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if path == "net" || strings.HasPrefix(path, "net/http") {
				t.Errorf("%s imports %s; only files front_*.go may", name, path)
			}
		}
	}
}
