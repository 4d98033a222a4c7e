package importer

import (
	"regexp"
	"strings"
)

// words is a text of which parts are known only when it is deployed.
type words []part

// part is a text that is known, or the variable that it will come from; its text is then
// what it is where the variable is not set, if optional says that it may be so.
type part struct {
	text, variable string
	optional       bool
}

func known(text string) words { return words{{text: text}} }

// literal returns the text, when all of it is known.
func (w words) literal() (string, bool) {
	var b strings.Builder
	for _, p := range w {
		if p.variable != "" {
			return "", false
		}
		b.WriteString(p.text)
	}
	return b.String(), true
}

// size is about how long the text is.
func (w words) size() int {
	n := 0
	for _, p := range w {
		n += len(p.text) + len(p.variable) + 1
	}
	return n
}

// reference writes the text as an env of a manifest has it: ${NAME} is a variable, and
// $${ is ${ itself. False when a dollar sign stands before a variable, for which that
// has no spelling.
func (w words) reference() (string, bool) {
	var b strings.Builder
	text := ""
	flush := func() {
		b.WriteString(strings.ReplaceAll(text, "${", "$${"))
		text = ""
	}
	for _, p := range w {
		if p.variable == "" {
			text += p.text
			continue
		}
		if strings.HasSuffix(text, "$") {
			return "", false
		}
		flush()
		if p.optional {
			p.variable += ":-" + p.text
		}
		b.WriteString("${" + p.variable + "}")
	}
	flush()
	return b.String(), true
}

// dynamic finds what CloudFormation looks up when it deploys.
var (
	dynamic       = regexp.MustCompile(`\{\{resolve:([^}]*)\}\}`)
	versionBehind = regexp.MustCompile(`:[0-9]*$`)
)

// plainText returns the words of a text without intrinsic functions.
func (r *report) plainText(text string, at place) words {
	var w words
	for {
		m := dynamic.FindStringSubmatchIndex(text)
		if m == nil {
			return append(w, part{text: text})
		}
		_, what, _ := strings.Cut(text[m[2]:m[3]], ":")
		what = versionBehind.ReplaceAllString(what, "")
		w = append(w, part{text: text[:m[0]]}, part{variable: r.variable(what, text[m[0]:m[1]], at)})
		text = text[m[1]:]
	}
}
