package yamltree

import (
	"fmt"
	"strings"
	"testing"
)

// dump writes a tree on one line: tags and lines included. Columns behind a tag are the
// parser's, which counts them one or two short.
func dump(n *Node) string {
	text := n.Tag
	switch n.Kind {
	case Mapping:
		var parts []string
		for _, p := range n.Pairs {
			parts = append(parts, fmt.Sprintf("%s@%d=%s", p.Key, p.At.Line, dump(p.Value)))
		}
		return text + "{" + strings.Join(parts, " ") + "}"
	case List:
		var parts []string
		for _, item := range n.Items {
			parts = append(parts, dump(item))
		}
		return text + "[" + strings.Join(parts, " ") + "]"
	}
	return fmt.Sprintf("%s%s@%d", text, n.Text, n.At.Line)
}

// Tags that YAML does not know stay with what they are written at, whatever that is; in a
// document that has none they are problems. Seen red with tags kept for everybody.
func TestTags(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"a: !Ref Table\n":                        "{a@1=!RefTable@1}",
		"a: !If [x, !Sub \"${b}\", {c: d}]\n":    "{a@1=!If[x@1 !Sub${b}@1 {c@1=d@1}]}",
		"a: !GetAtt Table.Arn\nb: !Base64\n":     "{a@1=!GetAttTable.Arn@1 b@2=!Base64@2}",
		"a: !Sub |\n  x ${y}\n  z\n":             "{a@1=!Subx ${y}\nz\n@1}",
		"a:\n  - !Ref A\n  - !Ref B\n":           "{a@1=[!RefA@2 !RefB@3]}",
		"a: !If\n  - x\n  - b: !Ref C\n  - y\n":  "{a@1=!If[x@2 {b@3=!RefC@3} y@4]}",
		"a: !!str 5\n":                           "{a@1=5@1}",
		"a: &a x\nb: *a\n":                       "{a@1=x@1 b@2=x@2}",
		`{"a": {"Ref": "B"}}`:                    "{a@1={Ref@1=B@1}}",
		"a: !Transform {Name: x}\n":              "{a@1=!Transform{Name@1=x@1}}",
		"a: !Sub\n  - \"${b}\"\n  - b: !Ref C\n": "{a@1=!Sub[${b}@2 {b@3=!RefC@3}]}",
	} {
		var problems []string
		report := func(at Position, path []string, message string) {
			problems = append(problems, fmt.Sprintf("%d:%d %v %s", at.Line, at.Column, path, message))
		}
		n := Read([]byte(source), Options{What: "a template", Tags: true}, report)
		if n == nil || len(problems) > 0 {
			t.Errorf("%q: %v", source, problems)
			continue
		}
		if got := dump(n); got != want {
			t.Errorf("%q:\n got %s\nwant %s", source, got, want)
		}
		n = Read([]byte(source), Options{What: "a manifest"}, report)
		if has := strings.Contains(want, "!"); has != (len(problems) > 0) {
			t.Errorf("%q without tags: %v, %v", source, n, problems)
		}
	}
}
