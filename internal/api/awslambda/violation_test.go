package awslambda

import (
	"strings"
	"testing"
)

// What is wrong with a request is counted and listed, the length of a text before its
// form, as AWS does.
//
// Seen red with a fault made of the first violation alone.
func TestViolationsAreCountedAndListed(t *testing.T) {
	t.Parallel()
	const name = "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?"
	long := strings.Repeat("a", 129)
	bad := strings.Repeat("!", 141)
	for _, c := range []struct {
		what string
		s    spelled
		want string // of ~ the rest of the form of a name
	}{
		{"a form", spelled{name: "*", rule: &namespacedName}, "1 validation error detected: Value '*' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " + name + `([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`},
		{"the form of who makes one", spelled{name: "a.b", rule: &plainName}, "1 validation error detected: Value 'a.b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " + name + `([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`},
		{"a length", spelled{name: "f", rule: &namespacedName, qualifier: long, qualifierRule: anyQualifier}, "1 validation error detected: Value '" + long + "' at 'qualifier' failed to satisfy constraint: Member must have length less than or equal to 128"},
		{"a length and a form", spelled{name: bad, rule: &plainName}, "2 validation errors detected: Value '" + bad + "' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 140; Value '" + bad + "' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: " + plainName.form},
		{"two values", spelled{name: "f", rule: &plainName, qualifier: "b!", qualifierRule: anyQualifier, furtherMistakes: required("n", nil, 1)}, `2 validation errors detected: Value null at 'n' failed to satisfy constraint: Member must not be null; Value 'b!' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`},
	} {
		_, err := here.parse(c.s)
		if f := asFault(err); f == nil || f.Code != codeValidation || f.Message != c.want {
			t.Errorf("%s: %v\nwant %s", c.what, err, c.want)
		}
	}
}
