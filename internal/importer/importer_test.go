package importer

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"teal"
	"teal/internal/manifest"
)

var update = flag.Bool("update", false, "write the golden files")

// told is everything that a result says, for a golden file.
func told(r Result, err error) string {
	if err != nil {
		return fmt.Sprintf("%s\n%v\n", teal.CodeOf(err), err)
	}
	var b strings.Builder
	b.Write(r.Manifest)
	if r.Ignore != nil {
		fmt.Fprintf(&b, "\n# .tealignore\n%s", r.Ignore)
	}
	b.WriteString("\n# to be set\n")
	for _, v := range r.Variables {
		fmt.Fprintf(&b, "%d: %s: %s\n", v.Line, v.Name, v.From)
	}
	for title, remarks := range map[string][]Remark{"left out": r.LeftOut} {
		fmt.Fprintf(&b, "\n# %s\n", title)
		for _, remark := range remarks {
			fmt.Fprintf(&b, "%d: %s: %s\n", remark.Line, remark.Path, remark.Reason)
		}
	}
	b.WriteString("\n# with a difference\n")
	for _, remark := range r.Changed {
		fmt.Fprintf(&b, "%d: %s: %s\n", remark.Line, remark.Path, remark.Reason)
	}
	return b.String()
}

// Every file of testdata becomes what its golden file has: a manifest that is valid and
// what is said of it, or errors with their lines. Seen red with the authorizer of an API
// not looked for: /admin became a route.
func TestCorpus(t *testing.T) {
	t.Parallel()
	for folder, read := range map[string]func(Source) (Result, error){"sam": SAM, "serverless": Serverless} {
		files, err := filepath.Glob("testdata/" + folder + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, ".golden") {
				continue
			}
			t.Run(folder+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				result, err := read(Source{File: filepath.Base(file), Data: data, Folder: "shop"})
				if bad := strings.HasPrefix(filepath.Base(file), "bad-"); bad != (err != nil) {
					t.Errorf("%v", err)
				}
				golden(t, file+".golden", told(result, err))
				if err == nil {
					deployable(t, result, nil)
				}
			})
		}
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./internal/importer -update writes it):\n%s", file, got)
	}
}

// deployable reads a result as a deploy does, with code that has what its functions name,
// and returns what the deploy would send.
func deployable(t testing.TB, result Result, variables map[string]string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse(manifest.FileName, result.Manifest)
	if err != nil {
		t.Fatalf("%v\n%s", err, result.Manifest)
	}
	dir := t.TempDir()
	write := func(name string) {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, folder := range m.Code {
		if m.Spec.Components[name].Function == nil {
			write(folder + "/of-the-layer")
		}
	}
	for name, c := range m.Spec.Components {
		code := m.Code[name]
		if strings.HasSuffix(code, ".zip") { // packed code is the artifact package's matter
			result.Manifest = []byte(strings.ReplaceAll(string(result.Manifest), code, "./unpacked"))
			code = "./unpacked"
		}
		write(code + "/bootstrap")
		if handler := c.Function.Handler; handler != "" {
			stem := handler[:strings.LastIndexByte(handler, '.')]
			write(code + "/" + stem + ".js")
			write(code + "/" + strings.ReplaceAll(stem, ".", "/") + ".py")
		}
	}
	if err := os.WriteFile(filepath.Join(dir, manifest.FileName), result.Manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err = manifest.Load(dir, manifest.Variables{MayMiss: true, Lookup: func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}})
	if err != nil {
		t.Fatalf("%v\n%s", err, result.Manifest)
	}
	return m
}

// A value of a function's environment comes out of a deploy as the stack would have it:
// as it is written, or put together from what is known and what whoever deploys says.
// Seen red with ${ in a text written as it is: $ and a brace became a reference.
func TestEveryVariableIsWhatItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		piece := rapid.OneOf(rapid.StringMatching("[ -~é\"'\\\\#:{}$\n\t]{0,12}"), rapid.SampledFrom([]string{"$", "${", "$${", "{X}", "${X}", "${X:-y}", "}"}))
		var items []any
		want := ""
		for range rapid.IntRange(1, 5).Draw(rt, "pieces") {
			if rapid.Bool().Draw(rt, "known") {
				text := piece.Draw(rt, "text")
				if strings.Contains(want+text, "{{resolve:") {
					continue
				}
				items, want = append(items, text), want+text
				continue
			}
			items, want = append(items, map[string]any{"Ref": "Other"}), want+"<other>"
		}
		template := map[string]any{
			"Resources": map[string]any{"F": map[string]any{"Type": "AWS::Serverless::Function", "Properties": map[string]any{
				"Runtime": "python3.12", "Handler": "a.b", "Environment": map[string]any{"Variables": map[string]any{"V": map[string]any{"Fn::Join": []any{"", items}}}},
			}}},
		}
		data, err := json.Marshal(template)
		if err != nil {
			rt.Fatal(err)
		}
		result, err := SAM(Source{File: "template.json", Data: data})
		if err != nil {
			rt.Fatalf("%v\n%s", err, data)
		}
		// Where a dollar sign stands before a reference the whole value is a variable.
		m := deployable(t, result, map[string]string{"OTHER": "<other>", "V": want})
		if got := m.Spec.Components["F"].Function.Env["V"]; got != want {
			rt.Fatalf("%s\nbecame %q, want %q\n%s", data, got, want, result.Manifest)
		}
	})
}

// Whatever a file holds, there is a valid manifest or an error that names the file.
func fuzz(f *testing.F, folder string, read func(Source) (Result, error)) {
	files, err := filepath.Glob("testdata/" + folder + "/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		result, err := read(Source{File: "file.yaml", Data: data, Folder: "shop"})
		var lines manifest.Errors
		switch {
		case err == nil:
			if _, err := manifest.Parse(manifest.FileName, result.Manifest); err != nil {
				t.Errorf("%v\n%s", err, result.Manifest)
			}
		case teal.CodeOf(err) != teal.CodeInvalidManifest, !errors.As(err, &lines) && !strings.Contains(err.Error(), "file.yaml"):
			t.Errorf("%v", err)
		}
	})
}

func FuzzSAM(f *testing.F)        { fuzz(f, "sam", SAM) }
func FuzzServerless(f *testing.F) { fuzz(f, "serverless", Serverless) }

// The code is found from where the manifest is. Seen red with the way of the folder left
// out.
func TestBase(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/sam/template.json")
	if err != nil {
		t.Fatal(err)
	}
	for base, want := range map[string]string{"": "./hello", ".aws-sam/build": "./.aws-sam/build/hello", "../stack": "../stack/hello", "..": "../hello"} {
		result, err := SAM(Source{File: "template.json", Data: data, Base: base})
		if err != nil {
			t.Fatal(err)
		}
		m, err := manifest.Parse(manifest.FileName, result.Manifest)
		if err != nil || m.Code["Hello"] != want {
			t.Errorf("%s: %v, %v", base, m, err)
		}
	}
}
