package importer

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"teal/internal/yamltree"
)

// maxText bounds what one value may become, in bytes: intrinsic functions multiply.
const maxText = 64 << 10

// template is what intrinsic functions of CloudFormation may ask.
type template struct {
	*report
	texts      texts
	parameters map[string]parameter
	mappings   *yamltree.Node
	conditions *yamltree.Node
	decided    map[string]truth  // conditions that have been looked at
	functions  map[string]string // the names that calls have for functions of the app, by logical ID
}

// texts says what a text means before CloudFormation sees it.
type texts interface {
	// node returns the value that a text of nothing but a reference stands for; n itself
	// when that is a text, or not known.
	node(n *yamltree.Node) *yamltree.Node
	// words returns a text with its references replaced.
	words(r *report, text string, at place) words
}

// asWritten takes texts as they are.
type asWritten struct{}

func (asWritten) node(n *yamltree.Node) *yamltree.Node         { return n }
func (asWritten) words(r *report, text string, at place) words { return r.plainText(text, at) }

func newTemplate(r *report, source texts) template {
	return template{report: r, texts: source, parameters: map[string]parameter{}, decided: map[string]truth{}, functions: map[string]string{}}
}

// parameter is one of a template's; known says that its default is its value.
type parameter struct {
	text  string
	known bool
}

// truth is what is known of a condition.
type truth int

const (
	undecided truth = iota // only a deploy knows
	holds
	fails
)

// call returns the intrinsic function that a node calls, and its argument; "" for none.
func call(n *yamltree.Node) (name string, argument *yamltree.Node) {
	if n.Tag != "" {
		bare := *n
		bare.Tag = ""
		return strings.TrimPrefix(n.Tag, "!"), &bare
	}
	if n.Kind == yamltree.Mapping && len(n.Pairs) == 1 {
		key := n.Pairs[0].Key
		if key == "Ref" || key == "Condition" {
			return key, n.Pairs[0].Value
		}
		if name, ok := strings.CutPrefix(key, "Fn::"); ok && !strings.Contains(name, "::") {
			return name, n.Pairs[0].Value
		}
	}
	return "", n
}

// shape follows what decides which value stands somewhere: nil where there is none.
func (t *template) shape(n *yamltree.Node) *yamltree.Node {
	for n != nil {
		name, argument := call(n)
		switch {
		case name == "If" && len(argument.Items) == 3:
			switch t.condition(argument.Items[0].Text) {
			case holds:
				n = argument.Items[1]
			case fails:
				n = argument.Items[2]
			default:
				return n
			}
		case name == "Ref" && argument.Text == "AWS::NoValue":
			return nil
		case name == "FindInMap":
			found := t.findInMap(argument)
			if found == nil {
				return n
			}
			return found
		default:
			if name == "" && n.Scalar() {
				return t.texts.node(n)
			}
			return n
		}
	}
	return nil
}

// condition says what is known of the condition of that name.
func (t *template) condition(name string) truth {
	if known, seen := t.decided[name]; seen {
		return known // undecided while it is being looked at: it refers to itself
	}
	t.decided[name] = undecided
	if t.conditions != nil {
		if n, _ := t.conditions.Child(name); n != nil {
			t.decided[name] = t.decide(n)
		}
	}
	return t.decided[name]
}

func (t *template) decide(n *yamltree.Node) truth {
	name, argument := call(n)
	switch name {
	case "Condition":
		return t.condition(argument.Text)
	case "Equals":
		return t.equals(argument)
	case "Not":
		if len(argument.Items) == 1 {
			return [...]truth{undecided, fails, holds}[t.decide(argument.Items[0])]
		}
	case "And":
		return t.all(argument.Items, holds)
	case "Or":
		return t.all(argument.Items, fails)
	}
	return undecided
}

// all returns same when all conditions are that, and its opposite when one is.
func (t *template) all(conditions []*yamltree.Node, same truth) truth {
	out := same
	for _, c := range conditions {
		switch got := t.decide(c); got {
		case same:
		case undecided:
			out = undecided
		default:
			return got
		}
	}
	return out
}

func (t *template) equals(argument *yamltree.Node) truth {
	if len(argument.Items) != 2 {
		return undecided
	}
	var sides [2]string
	for i, item := range argument.Items {
		text, ok := t.silently(item)
		if !ok {
			return undecided
		}
		sides[i] = text
	}
	if sides[0] == sides[1] {
		return holds
	}
	return fails
}

// silently returns the text of a node, when that is known, and reports nothing.
func (t *template) silently(n *yamltree.Node) (string, bool) {
	quiet := *t
	quiet.report = newReport(t.file)
	w, ok := quiet.words(n, place{}, "")
	if !ok || len(quiet.errors) > 0 {
		return "", false
	}
	return w.literal()
}

func (t *template) findInMap(argument *yamltree.Node) *yamltree.Node {
	if len(argument.Items) < 3 || t.mappings == nil {
		return nil
	}
	n := t.mappings
	for _, item := range argument.Items[:3] {
		key, ok := t.silently(item)
		if !ok || n.Kind != yamltree.Mapping {
			return nil
		}
		if n, _ = n.Child(key); n == nil {
			return nil
		}
	}
	return n
}

// words returns a text. Where own is not "", what cannot be told apart is a variable of
// that name; false after reporting that there is no text.
func (t *template) words(n *yamltree.Node, at place, own string) (words, bool) {
	n = t.shape(n)
	if n == nil || n.Kind == yamltree.Broken {
		return nil, false
	}
	name, argument := call(n)
	w, ok := t.called(name, argument, at, own)
	switch {
	case !ok && name != "":
		w = words{{variable: t.variable(own, "!"+name+" on line "+strconv.Itoa(n.At.Line), at)}}
	case !ok:
		t.fail(at, "is %s; expected text", n.Kind)
		return nil, false
	case w.size() > maxText:
		t.fail(at, "is a text of more than %d bytes; write a shorter one", maxText)
		return nil, false
	}
	return w, true
}

// called returns what an intrinsic function gives; false when that is not known, or when
// it is none that gives a text.
func (t *template) called(name string, argument *yamltree.Node, at place, own string) (words, bool) {
	switch name {
	case "":
		return t.texts.words(t.report, argument.Text, at), argument.Scalar() && argument.Kind != yamltree.Null
	case "Ref":
		return t.ref(argument.Text, at), argument.Text != ""
	case "Sub":
		return t.sub(argument, at, own)
	case "GetAtt":
		of := argument.Text
		if len(argument.Items) == 2 {
			of = argument.Items[0].Text + "." + argument.Items[1].Text
		}
		return t.attribute(of, at), of != ""
	case "Join":
		return t.join(argument, at, own)
	case "Select":
		return t.pick(argument, at, own)
	case "Base64":
		w, ok := t.words(argument, at, own)
		text, literal := w.literal()
		return known(base64.StdEncoding.EncodeToString([]byte(text))), ok && literal
	case "ImportValue":
		if text, ok := t.silently(argument); ok {
			return words{{variable: t.variable(text, "!ImportValue "+text, at)}}, true
		}
	}
	return nil, false
}

// ref returns what !Ref gives.
func (t *template) ref(name string, at place) words {
	switch name {
	case "AWS::Partition":
		return known("aws")
	case "AWS::URLSuffix":
		return known("amazonaws.com")
	}
	if p, ok := t.parameters[name]; ok && p.known {
		return known(p.text)
	}
	if function, ok := t.functions[name]; ok {
		return known(function)
	}
	if id, ok := strings.CutSuffix(name, ".Alias"); ok && t.functions[id] != "" {
		return known(t.functions[id] + ":live")
	}
	return words{{variable: t.variable(strings.ReplaceAll(name, "::", "_"), "!Ref "+name, at)}}
}

// attribute returns what !GetAtt gives.
func (t *template) attribute(of string, at place) words {
	if id, ok := strings.CutSuffix(of, ".Arn"); ok && t.functions[id] != "" {
		t.change(at, "the ARN of %s became its name in Teal, %s, which AWS's SDKs take for calls", id, t.functions[id])
		return known(t.functions[id])
	}
	return words{{variable: t.variable(of, "!GetAtt "+of, at)}}
}

var subReference = regexp.MustCompile(`\$\{([^}]*)\}`)

func (t *template) sub(argument *yamltree.Node, at place, own string) (words, bool) {
	text, values := argument, map[string]words{}
	if argument.Kind == yamltree.List && len(argument.Items) == 2 {
		text = argument.Items[0]
		for _, p := range argument.Items[1].Pairs {
			w, ok := t.words(p.Value, at, own)
			if !ok {
				return nil, true // it has been reported
			}
			values[p.Key] = w
		}
	}
	if !text.Scalar() || text.Kind == yamltree.Null {
		return nil, false
	}
	var out words
	rest := text.Text
	for {
		m := subReference.FindStringSubmatchIndex(rest)
		if m == nil || out.size() > maxText {
			return append(out, t.texts.words(t.report, rest, at)...), true
		}
		out = append(out, t.texts.words(t.report, rest[:m[0]], at)...)
		name := strings.TrimSpace(rest[m[2]:m[3]])
		switch value, has := values[name]; {
		case strings.HasPrefix(name, "!"):
			out = append(out, part{text: "${" + name[1:] + "}"})
		case strings.Contains(strings.ReplaceAll(name, "::", ""), ":"): // not CloudFormation's
			out = append(out, t.texts.words(t.report, rest[m[0]:m[1]], at)...)
		case has:
			out = append(out, value...)
		case strings.Contains(name, ".") && !strings.HasSuffix(name, ".Alias"):
			out = append(out, t.attribute(name, at)...)
		default:
			out = append(out, t.ref(name, at)...)
		}
		rest = rest[m[1]:]
	}
}

// list returns the texts of a list, or of what gives one.
func (t *template) list(n *yamltree.Node, at place, own string) ([]words, bool) {
	n = t.shape(n)
	if n == nil {
		return nil, false
	}
	name, argument := call(n)
	switch {
	case name == "Split" && len(argument.Items) == 2:
		by, okBy := t.silently(argument.Items[0])
		text, okText := t.silently(argument.Items[1])
		if !okBy || !okText || by == "" {
			return nil, false
		}
		var out []words
		for piece := range strings.SplitSeq(text, by) {
			out = append(out, known(piece))
		}
		return out, true
	case name == "Ref":
		text, ok := t.silently(n) // of a list parameter
		if !ok {
			return nil, false
		}
		var out []words
		for piece := range strings.SplitSeq(text, ",") {
			out = append(out, known(piece))
		}
		return out, true
	case name != "" || n.Kind != yamltree.List:
		return nil, false
	}
	var out []words
	for _, item := range n.Items {
		if item = t.shape(item); item == nil {
			continue
		}
		w, ok := t.words(item, at, own)
		if !ok {
			return nil, false
		}
		out = append(out, w)
	}
	return out, true
}

func (t *template) join(argument *yamltree.Node, at place, own string) (words, bool) {
	if len(argument.Items) != 2 {
		return nil, false
	}
	items, ok := t.list(argument.Items[1], at, own)
	if !ok {
		return nil, false
	}
	var out words
	for i, item := range items {
		if i > 0 {
			out = append(out, part{text: argument.Items[0].Text})
		}
		out = append(out, item...)
	}
	return out, true
}

func (t *template) pick(argument *yamltree.Node, at place, own string) (words, bool) {
	if len(argument.Items) != 2 {
		return nil, false
	}
	index, okIndex := t.silently(argument.Items[0])
	items, okItems := t.list(argument.Items[1], at, own)
	i, err := strconv.Atoi(index)
	if !okIndex || !okItems || err != nil || i < 0 || i >= len(items) {
		return nil, false
	}
	return slices.Clone(items[i]), true
}

// literal returns a text that has to be known here and now; false after reporting that
// it is not, or when there is none.
func (t *template) literal(n *yamltree.Node, at place) (string, bool) {
	if n = t.shape(n); n == nil || n.Kind == yamltree.Broken {
		return "", false
	}
	if name, _ := call(n); name == "" && (!n.Scalar() || n.Kind == yamltree.Null) {
		t.fail(at, "is %s; expected text", n.Kind)
		return "", false
	}
	text, ok := t.silently(n)
	if !ok {
		t.leave(at, "only a deploy of the stack knows its value (%s); write it into teal.yaml", describeCall(n))
		return "", false
	}
	return text, true
}

// describeCall names an intrinsic function for people.
func describeCall(n *yamltree.Node) string {
	name, argument := call(n)
	switch {
	case name == "":
		return n.Text
	case argument.Scalar():
		return "!" + name + " " + argument.Text
	}
	return "!" + name
}
