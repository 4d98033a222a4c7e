package check

import (
	"slices"
	"strings"
)

// redactor hides secrets that an answer may repeat.
type redactor []string

// secretWords occur in the names of headers and variables that hold a secret.
var secretWords = []string{"auth", "cookie", "token", "key", "secret", "passw", "credential", "session"}

// minSecret is the shortest text that is hidden: a shorter one would hide half
// of every answer, and is no secret.
const minSecret = 6

// named adds the values whose names sound secret, of headers or variables.
func (h redactor) named(values map[string]string) redactor {
	for name, value := range values {
		name = strings.ToLower(name)
		if slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) }) {
			h = h.value(value)
			// "Bearer SECRET" is repeated without its first word too.
			if _, secret, found := strings.Cut(value, " "); found {
				h = h.value(secret)
			}
		}
	}
	return h
}

// value adds one secret.
func (h redactor) value(secret string) redactor {
	if len(secret) < minSecret {
		return h
	}
	return append(slices.Clip(h), secret)
}

// text returns a text without the secrets.
func (h redactor) text(text string) string {
	for _, secret := range h {
		text = strings.ReplaceAll(text, secret, "[hidden]")
	}
	return text
}
