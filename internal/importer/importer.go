// Package importer reads how other tools describe functions (AWS SAM's template.yaml,
// the Serverless Framework's serverless.yml) and writes the teal.yaml that does the same.
// It only reads: nothing is asked of AWS, and no code is looked at.
//
// What Teal has no counterpart for is left out and listed, with its line and the reason;
// what the source says wrongly is an error with file, line and column, and then nothing
// is written. Whatever is written is valid by the manifest package's own rules: what
// those refuse is left out with their reason.
package importer

import (
	"cmp"
	"slices"
	"strings"

	"teal"
	"teal/internal/manifest"
	"teal/internal/yamltree"
)

// Source is a file of another tool's.
type Source struct {
	File string // its name, for messages
	Data []byte
	// App is the name of the app to be. "" takes the name that the file has, or Folder where
	// it has none.
	App, Folder string
	// Base leads from the folder of the manifest to be to the folder of the file, with
	// slashes; "" when they are the same.
	Base string
}

// Result is what became of a source.
type Result struct {
	App       string
	Manifest  []byte
	Ignore    []byte // the .tealignore for the folder of the source; nil for none
	Functions []string
	Routes    int
	Strategy  string     // as the source has it; "" for none
	Variables []Variable // that whoever deploys has to set, sorted by name
	LeftOut   []Remark   // by line
	Changed   []Remark   // what means something else, or needs a hand, by line
}

// Variable is one of whoever deploys, in the place of what is not known before.
type Variable struct {
	Name string `json:"name"`
	Line int    `json:"line"` // where it is first needed
	From string `json:"from"` // what it stands for
}

// Remark is about one place of the source.
type Remark struct {
	Line   int    `json:"line"`
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// report collects what is found while a source is read.
type report struct {
	file      string
	errors    manifest.Errors
	left      []Remark
	changed   []Remark
	variables map[string]Variable
	reserved  map[string]string // what alone may have a name of a variable, by the name
}

func newReport(file string) *report {
	return &report{file: file, variables: map[string]Variable{}}
}

// place is a value's way through the source and where that stands.
type place struct {
	path []string
	at   yamltree.Position
}

// below returns the place of what stands under a key.
func (p place) below(key string, at yamltree.Position) place {
	return place{append(slices.Clone(p.path), key), at}
}

func (p place) String() string { return strings.Join(p.path, ".") }

// fail reports an error, which ends the import when everything has been read.
func (r *report) fail(at place, format string, args ...any) {
	if len(r.errors) < maxErrors {
		message := teal.Errorf(teal.CodeInvalidManifest, format, args...).Message
		r.errors = append(r.errors, &manifest.Error{File: r.file, Line: max(at.at.Line, 1), Column: max(at.at.Column, 1), Path: at.path, Message: message})
	}
}

// maxErrors is how many errors are kept: more help nobody.
const maxErrors = 100

// leave notes something that is left out.
func (r *report) leave(at place, format string, args ...any) {
	r.left = append(r.left, remark(at, format, args...))
}

// change notes something that is taken and means something else, or needs a hand.
func (r *report) change(at place, format string, args ...any) {
	r.changed = append(r.changed, remark(at, format, args...))
}

func remark(at place, format string, args ...any) Remark {
	return Remark{Line: at.at.Line, Path: at.String(), Reason: teal.Errorf(teal.CodeInvalidInput, format, args...).Message}
}

// variable returns the name of a variable that stands for what from says, such as
// "!Ref Table". Two that stand for different things have different names.
func (r *report) variable(name, from string, at place) string {
	name = variableName(name)
	for {
		known, taken := r.variables[name]
		if owner, reserved := r.reserved[name]; reserved && owner != from {
			known, taken = Variable{From: owner}, true
		}
		if !taken {
			r.variables[name] = Variable{Name: name, Line: at.at.Line, From: from}
			return name
		}
		if known.From == from {
			return name
		}
		name += "_2"
	}
}

// tree reads the source as YAML; nil after reporting why it is none.
func (r *report) tree(data []byte, options yamltree.Options) *yamltree.Node {
	root := yamltree.Read(data, options, func(at yamltree.Position, path []string, message string) {
		r.fail(place{path, at}, "%s", message)
	})
	if root != nil && root.Kind != yamltree.Mapping {
		r.fail(place{nil, root.At}, "the file is %s; expected %s", root.Kind, options.Empty)
		return nil
	}
	return root
}

// result turns the plan into what is returned: the errors, if there are any.
func (r *report) result(p *plan) (Result, error) {
	if len(r.errors) > 0 {
		return Result{}, r.sorted()
	}
	text, err := p.settle(r)
	if err != nil {
		return Result{}, err
	}
	out := Result{App: p.app, Manifest: text, Ignore: p.ignore, Routes: len(p.routes), Strategy: p.strategy.text, LeftOut: r.left, Changed: r.changed}
	for _, f := range p.functions {
		out.Functions = append(out.Functions, f.name)
	}
	for _, v := range r.variables {
		if strings.Contains(string(text), "${"+v.Name+"}") {
			out.Variables = append(out.Variables, v)
		}
	}
	slices.SortFunc(out.Variables, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	out.LeftOut, out.Changed = inOrder(out.LeftOut), inOrder(out.Changed)
	return out, nil
}

// inOrder returns remarks in the order of the lines that they are about, each once: what
// all functions have is found with each.
func inOrder(remarks []Remark) []Remark {
	slices.SortStableFunc(remarks, func(a, b Remark) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), strings.Compare(a.Path, b.Path), strings.Compare(a.Reason, b.Reason))
	})
	return slices.Compact(remarks)
}

func (r *report) sorted() manifest.Errors {
	slices.SortStableFunc(r.errors, func(a, b *manifest.Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	// What all functions have is read with each.
	return slices.CompactFunc(r.errors, func(a, b *manifest.Error) bool { return a.Error() == b.Error() })
}
