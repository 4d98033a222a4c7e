package teal_test

import (
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teal"
)

// goldenDigest is part of every stored version: when it changes, a deploy of
// what is there already makes a new version.
const goldenDigest = "sha256:6bfd2b960e39faef5ea948881e6a17ca64128b2a12bbf7513eca19e1f5c36ded"

func TestDigestIsStable(t *testing.T) {
	t.Parallel()
	if got := validSpec().Digest(); got != goldenDigest {
		t.Errorf("%s, want %s", got, goldenDigest)
	}
}

func TestDigestDoesNotDependOnTheOrderOfMaps(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	build := func(order []string) teal.Spec {
		s := validSpec()
		for _, name := range order {
			f := *s.Components["hello"].Function
			f.Env = map[string]string{}
			for _, key := range order {
				f.Env[key] = key
			}
			s.Components[name] = teal.Component{Function: &f}
		}
		return s
	}
	want := build(names).Digest()
	slices.Reverse(names)
	for range 20 {
		if got := build(names).Digest(); got != want {
			t.Fatalf("%s, then %s", want, got)
		}
	}
}

// Seen to fail: no route as null and as [] had two digests.
func TestEqualContentHasEqualDigests(t *testing.T) {
	t.Parallel()
	none, empty := validSpec(), validSpec()
	none.Routes, empty.Routes = nil, []teal.Route{}
	none.Components["hello"].Function.Env, empty.Components["hello"].Function.Env = nil, map[string]string{}
	if none.Digest() != empty.Digest() {
		t.Error("nothing and an empty list differ")
	}
	if none.Routes != nil {
		t.Error("Digest changed the spec")
	}
	data, err := json.Marshal(validSpec())
	if err != nil {
		t.Fatal(err)
	}
	var back teal.Spec
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(validSpec(), back); diff != "" {
		t.Error(diff)
	}
	if back.Digest() != validSpec().Digest() {
		t.Error("the digest does not survive JSON")
	}
}

func TestEveryChangeChangesTheDigest(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*teal.Spec){
		"nothing":     func(*teal.Spec) {},
		"app":         func(s *teal.Spec) { s.App = "shop2" },
		"runtime":     func(s *teal.Spec) { s.Components["hello"].Function.Runtime = "python3.12" },
		"handler":     func(s *teal.Spec) { s.Components["hello"].Function.Handler = "app.other" },
		"code":        func(s *teal.Spec) { s.Components["hello"].Function.Code = someDigest[:70] + "0" },
		"memory":      func(s *teal.Spec) { s.Components["hello"].Function.Memory++ },
		"timeout":     func(s *teal.Spec) { s.Components["hello"].Function.Timeout++ },
		"init":        func(s *teal.Spec) { s.Components["hello"].Function.Init++ },
		"idle":        func(s *teal.Spec) { s.Components["hello"].Function.Idle++ },
		"min":         func(s *teal.Spec) { s.Components["hello"].Function.Concurrency.Min++ },
		"max":         func(s *teal.Spec) { s.Components["hello"].Function.Concurrency.Max++ },
		"payload":     func(s *teal.Spec) { s.Components["hello"].Function.Payload = "1.0" },
		"env":         func(s *teal.Spec) { s.Components["hello"].Function.Env["STAGE"] = "test" },
		"env name":    func(s *teal.Spec) { s.Components["hello"].Function.Env["STAGE2"] = "" },
		"command":     func(s *teal.Spec) { s.Components["web"].Service.Command = []string{"./web", ""} },
		"instances":   func(s *teal.Spec) { s.Components["web"].Service.Instances++ },
		"service mem": func(s *teal.Spec) { s.Components["web"].Service.Memory = teal.MinMemory },
		"grace":       func(s *teal.Spec) { s.Components["web"].Service.Grace++ },
		"health":      func(s *teal.Spec) { s.Components["web"].Service.Health.Failures++ },
		"url":         func(s *teal.Spec) { s.Components["legacy"].Upstream.URLs[0] += "1" },
		"interval":    func(s *teal.Spec) { s.Components["legacy"].Upstream.Health.Interval++ },
		"name":        func(s *teal.Spec) { s.Components["web2"] = s.Components["web"]; delete(s.Components, "web") },
		"route order": func(s *teal.Spec) { slices.Reverse(s.Routes) },
		"route host":  func(s *teal.Spec) { s.Routes[0].Host = "" },
		"fewer":       func(s *teal.Spec) { s.Routes = s.Routes[:1] },
	}
	seen := map[string]string{}
	for name, change := range changes {
		s := validSpec()
		change(&s)
		digest := s.Digest()
		if other, dup := seen[digest]; dup {
			t.Errorf("%q and %q have the same digest", name, other)
		}
		seen[digest] = name
	}
}

func TestBundlesAreNamedOnce(t *testing.T) {
	t.Parallel()
	s := validSpec()
	if got := s.Bundles(); !slices.Equal(got, []string{someDigest}) {
		t.Errorf("%v", got)
	}
	other := someDigest[:70] + "0"
	s.Components["web"].Service.Code = other
	s.Components["broken"] = teal.Component{}
	got := s.Bundles()
	slices.Sort(got)
	want := []string{someDigest, other}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Seen red without the look at the number (0, 999999 and 1000000 were versions), with
// signs read ("+1" was), and with another name of the draft.
func TestVersionRefs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]teal.VersionRef{
		"1": 1, "7": 7, "999998": 999_998, "$LATEST": teal.Draft,
		// The draft has no number, and what is no version's is none.
		"999999": 0, "1000000": 0, "0": 0, "-1": 0, "+1": 0, "": 0, "live": 0, "$latest": 0, "99999999999999999999": 0, "1.5": 0,
	} {
		got, ok := teal.ParseVersionRef(text)
		if got != want || ok != (want != 0) {
			t.Errorf("%q is %d, %v", text, got, ok)
		}
		number, numbered := got.Number()
		if ok && got.String() != text || numbered != (got > 0 && got < teal.Draft) || numbered && number != int(got) {
			t.Errorf("%q is written %q and has the number %d, %v", text, got, number, numbered)
		}
	}
}

// What was stored before drafts had a type is read as it was meant, and written as
// it was.
//
// Seen red with a VersionRef that is written as its name.
func TestStoredDraftsAreRead(t *testing.T) {
	t.Parallel()
	const environment = `{"app":"hello","version":999999,"aside":true,"state":"ready","created_at":"2026-11-01T10:00:00Z","state_at":"2026-11-01T10:00:01Z"}`
	var e teal.Environment
	if err := json.Unmarshal([]byte(environment), &e); err != nil || e.Version != teal.Draft {
		t.Fatalf("%+v, %v", e, err)
	}
	if data, err := json.Marshal(e); err != nil || string(data) != environment {
		t.Errorf("written as %s, %v", data, err)
	}
	var a teal.Alias
	const alias = `{"app":"hello","name":"dev","versions":[{"version":999999,"weight":100}],"updated_at":"2026-11-01T10:00:00Z","updated_by":"Lambda API"}`
	if err := json.Unmarshal([]byte(alias), &a); err != nil || a.Primary() != teal.Draft || teal.CheckTargets(a.Targets) != nil {
		t.Errorf("%+v, %v", a, err)
	}
	if text := teal.FormatTargets(a.Targets); text != "$LATEST" {
		t.Errorf("people read %q", text)
	}
}

// What AWS's interface keeps with a function is stored under the name that it has
// always had: another one would make a new version of every function at its next
// publication.
//
// Seen red with another name.
func TestWhatIsAttachedKeepsItsPlace(t *testing.T) {
	t.Parallel()
	const stored = `{"runtime":"python3","code":"sha256:1","memory":"128MiB","timeout":"3s","init":"10s","idle":"0s","concurrency":{"min":0,"max":1},"payload":"2.0","lambda":{"Role":"r","CodeSize":12}}`
	var f teal.Function
	if err := json.Unmarshal([]byte(stored), &f); err != nil || string(f.Attached) != `{"Role":"r","CodeSize":12}` {
		t.Fatalf("%s, %v", f.Attached, err)
	}
	if data, err := json.Marshal(f); err != nil || string(data) != stored {
		t.Errorf("written as %s, %v", data, err)
	}
}

// A draft is no version: whoever takes it for one does not compile.
//
// Seen red with Draft as an untyped constant.
func TestADraftIsNoNumber(t *testing.T) {
	t.Parallel()
	files := token.NewFileSet()
	root := typesOf(t, files)
	for expression, ok := range map[string]bool{
		"teal.Environment{Version: teal.Draft}":            true,
		"teal.Target{Version: teal.Draft}":                 true,
		"teal.Version{Number: teal.Draft}":                 false,
		"teal.Release{To: teal.Draft}":                     false,
		"teal.App{LastVersion: teal.Draft}":                false,
		"teal.Only(teal.Draft)":                            false,
		"teal.Version{Number: teal.Environment{}.Version}": false,
	} {
		_, err := types.Eval(files, scopeWith(root), token.NoPos, expression)
		if (err == nil) != ok {
			t.Errorf("%s: %v", expression, err)
		}
	}
}

// typesOf returns the types of the root package.
func typesOf(t *testing.T, files *token.FileSet) *types.Package {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
	}
	root, err := (&types.Config{Importer: importer.Default()}).Check("teal", files, parsed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// scopeWith returns a package that has imported another one.
func scopeWith(imported *types.Package) *types.Package {
	p := types.NewPackage("p", "p")
	p.Scope().Insert(types.NewPkgName(token.NoPos, p, imported.Name(), imported))
	return p
}
