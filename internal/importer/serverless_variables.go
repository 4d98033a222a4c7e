package importer

import (
	"regexp"
	"strings"

	"teal/internal/yamltree"
)

// selfVariables is what ${…} stands for in a serverless.yml.
type selfVariables struct {
	root *yamltree.Node
}

// maxSelf bounds how far one variable may lead to the next.
const maxSelf = 20

// node follows a text that is one variable and nothing else to what it names in the
// file; that may be a mapping.
func (v *selfVariables) node(n *yamltree.Node) *yamltree.Node {
	for range maxSelf {
		inner, ok := wholeVariable(n.Text)
		if !ok || !n.Scalar() || n.Tag != "" {
			return n
		}
		found := v.find(inner)
		if found == nil {
			return n
		}
		n = found
	}
	return n
}

// wholeVariable returns what is inside a text that is one ${…} and nothing else.
func wholeVariable(text string) (inner string, ok bool) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "${") {
		return "", false
	}
	inner, rest, ok := cutVariable(text[2:])
	return inner, ok && rest == ""
}

// cutVariable returns what stands before the brace that closes a variable, which may hold
// others, and what follows it.
func cutVariable(text string) (inner, rest string, ok bool) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "${"):
			depth++
		case text[i] == '}' && depth > 0:
			depth--
		case text[i] == '}':
			return text[:i], text[i+1:], true
		}
	}
	return "", "", false
}

// find returns the first of a variable's alternatives that is in the file, or nil.
func (v *selfVariables) find(inner string) *yamltree.Node {
	for _, one := range alternatives(inner) {
		address, ok := strings.CutPrefix(one, "self:")
		if !ok || strings.Contains(address, "${") {
			return nil // what stands for it is not the file's
		}
		if n := v.at(address); n != nil {
			return n
		}
	}
	return nil
}

// at returns the value at an address such as custom.tables.orders, or nil.
func (v *selfVariables) at(address string) *yamltree.Node {
	n := v.root
	for key := range strings.SplitSeq(address, ".") {
		if n, _ = n.Child(key); n == nil {
			return nil
		}
	}
	if address == "service" && n.Kind == yamltree.Mapping {
		n, _ = n.Child("name")
	}
	return n
}

// alternatives splits a variable at the commas that are not inside quotes or other
// variables.
func alternatives(inner string) []string {
	var out []string
	depth, begin, quote := 0, 0, byte(0)
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case strings.HasPrefix(inner[i:], "${"), c == '(':
			depth++
		case c == '}' || c == ')':
			depth--
		case c == ',' && depth == 0:
			out = append(out, strings.TrimSpace(inner[begin:i]))
			begin = i + 1
		}
	}
	return append(out, strings.TrimSpace(inner[begin:]))
}

func (v *selfVariables) words(r *report, text string, at place) words {
	return v.expand(r, text, at, maxSelf)
}

// expand returns a text with its variables replaced, as far as they are in the file.
func (v *selfVariables) expand(r *report, text string, at place, depth int) words {
	var out words
	for {
		before, rest, found := strings.Cut(text, "${")
		inner, after, closed := cutVariable(rest)
		if !found || !closed || out.size() > maxText {
			return append(out, r.plainText(text, at)...)
		}
		if before != "" {
			out = append(out, r.plainText(before, at)...)
		}
		out = append(out, v.variable(r, inner, at, depth)...)
		text = after
	}
}

// variable returns what one ${…} stands for.
func (v *selfVariables) variable(r *report, inner string, at place, depth int) words {
	if depth == 0 {
		r.fail(at, "${%s} refers to itself, or to too many others", inner)
		return nil
	}
	if strings.HasPrefix(inner, "AWS::") {
		return words{{variable: r.variable(strings.ReplaceAll(inner, "::", "_"), "${"+inner+"}", at)}}
	}
	var out words
	for i, one := range alternatives(inner) {
		got, known := v.alternative(r, one, at, depth-1)
		switch {
		case !known:
		case i == 0 || len(out) == 0:
			return got
		default:
			return withFallback(out, got)
		}
		if len(out) == 0 {
			out = got
		}
	}
	if len(out) > 0 {
		return out
	}
	if option, ok := strings.CutPrefix(inner, "opt:"); ok && (option == "stage" || option == "region") {
		if got, known := v.self(r, "provider."+option, at, depth-1); known {
			return got
		}
	}
	return words{{variable: r.variable(inner, "${"+inner+"}", at)}}
}

// withFallback gives a variable a default, where that can be written.
func withFallback(variable, fallback words) words {
	text, ok := fallback.literal()
	if len(variable) != 1 || !ok || strings.ContainsAny(text, "}$") {
		return variable
	}
	return words{{variable: variable[0].variable, text: text, optional: true}}
}

var (
	quotedText = regexp.MustCompile(`^(?:'([^']*)'|"([^"]*)")$`)
	bareText   = regexp.MustCompile(`^(?:true|false|null|-?[0-9.]+)$`)
)

// alternative returns what one alternative of a variable stands for. One that only a
// deploy knows is not known, with the variable that it will come from, if it has one of
// its own.
func (v *selfVariables) alternative(r *report, one string, at place, depth int) (w words, known bool) {
	if strings.Contains(one, "${") {
		text, literal := v.expand(r, one, at, depth).literal()
		if !literal {
			return words{{variable: r.variable(one, "${"+one+"}", at)}}, false
		}
		one = text
	}
	if m := quotedText.FindStringSubmatch(one); m != nil {
		return words{{text: m[1] + m[2]}}, true
	}
	if bareText.MatchString(one) {
		return words{{text: one}}, true
	}
	source, address, _ := strings.Cut(one, ":")
	switch source {
	case "self":
		return v.self(r, address, at, depth)
	case "sls", "opt":
		if source == "opt" || address != "stage" {
			return nil, false // nobody has given an option
		}
		return v.self(r, "provider.stage", at, depth)
	case "aws":
		if address == "region" {
			return v.self(r, "provider.region", at, depth)
		}
	case "env":
		return words{{variable: r.variable(address, "${env:"+address+"}", at)}}, false
	case "param":
		if v.at("params.default."+address) != nil {
			return v.self(r, "params.default."+address, at, depth)
		}
	}
	if !strings.Contains(one, ":") { // a name of CloudFormation's
		return words{{variable: r.variable(one, "${"+one+"}", at)}}, false
	}
	return words{{variable: r.variable(address, "${"+one+"}", at)}}, false
}

// self returns the text at an address of the file.
func (v *selfVariables) self(r *report, address string, at place, depth int) (words, bool) {
	n := v.at(address)
	if n != nil && strings.HasPrefix(address, "provider.") && n.Text == "${opt:"+strings.TrimPrefix(address, "provider.")+"}" {
		n = nil
	}
	switch {
	case n == nil && address == "provider.stage":
		return words{{text: "dev"}}, true
	case n == nil && address == "provider.region":
		return words{{text: "us-east-1"}}, true
	case n == nil || n.Kind == yamltree.Null:
		return nil, false
	case !n.Scalar() || n.Tag != "":
		return nil, false
	}
	if depth <= 0 {
		r.fail(at, "${self:%s} refers to itself, or to too many others", address)
		return nil, true
	}
	w := v.expand(r, n.Text, at, depth)
	_, literal := w.literal()
	return w, literal || !allVariable(w)
}

// allVariable reports whether words are one variable and nothing else.
func allVariable(w words) bool { return len(w) == 1 && w[0].variable != "" }
