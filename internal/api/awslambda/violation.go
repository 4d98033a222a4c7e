package awslambda

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// violations are what is wrong with the values of a request, in the words of AWS's
// front end, which lists all of it at once.
type violations []string

// add notes that a value breaks a constraint of the model; nil is a value that is
// not there.
func (v *violations) add(value any, member, constraint string) {
	shown := "null"
	if value != nil {
		shown = fmt.Sprintf("'%v'", value)
	}
	*v = append(*v, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", shown, member, constraint))
}

// fault returns the refusal, or nil when nothing is wrong.
func (v violations) fault() *Fault {
	if len(v) == 0 {
		return nil
	}
	errors := "errors"
	if len(v) == 1 {
		errors = "error"
	}
	return faultf(codeValidation, "%d validation %s detected: %s", len(v), errors, strings.Join(v, "; "))
}

// err is fault for those who return an error: nil when nothing is wrong.
func (v violations) err() error {
	if f := v.fault(); f != nil {
		return f
	}
	return nil
}

// invalid reports one value that breaks a constraint of the model.
func invalid(value any, member, constraint string) *Fault {
	var v violations
	v.add(value, member, constraint)
	return v.fault()
}

// textRule is what the model asks of a text.
type textRule struct {
	min, max int    // characters; 0: no bound
	form     string // a pattern, as the model writes it; "": any
	fits     *regexp.Regexp
	noDigits bool // the form refuses what is of digits alone, which fits cannot say
}

// newRule returns the rule of a form that regexp can read.
func newRule(least, most int, form string) textRule {
	return textRule{min: least, max: most, form: form, fits: regexp.MustCompile(`^(?:` + form + `)$`)}
}

// check notes what a text breaks: its length first, as AWS does.
func (r textRule) check(v *violations, member, text string) {
	switch n := utf8.RuneCountInString(text); {
	case r.max > 0 && n > r.max:
		v.add(text, member, fmt.Sprintf("Member must have length less than or equal to %d", r.max))
	case n < r.min:
		v.add(text, member, fmt.Sprintf("Member must have length greater than or equal to %d", r.min))
	}
	if r.fits != nil && !r.fits.MatchString(text) || r.noDigits && digitsPattern.MatchString(text) {
		v.add(text, member, "Member must satisfy regular expression pattern: "+r.form)
	}
}

// optional is check of a member that may be left out.
func (r textRule) optional(v *violations, member string, text *string) {
	if text != nil {
		r.check(v, member, *text)
	}
}

// checkRange notes a number that is out of its bounds; nil is none.
func checkRange(v *violations, member string, n *int, least, most int) {
	switch {
	case n == nil:
	case *n < least:
		v.add(*n, member, fmt.Sprintf("Member must have value greater than or equal to %d", least))
	case *n > most:
		v.add(*n, member, fmt.Sprintf("Member must have value less than or equal to %d", most))
	}
}

// checkEnum notes a word that is none of those there are; "" is one left out.
func checkEnum(v *violations, member, word string, of ...string) {
	if word != "" && !slices.Contains(of, word) {
		v.add(word, member, "Member must satisfy enum value set: ["+strings.Join(of, ", ")+"]")
	}
}
