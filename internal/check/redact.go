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

// masked adds the values of the names that are masked, whatever they sound like.
func (h redactor) masked(values map[string]string, names []string) redactor {
	for _, name := range names {
		h = h.value(values[name])
	}
	return h
}

// value adds one secret, and of one of several lines each line: an output is looked at
// line by line. The longest comes first, so that no part of it is left where another
// one is a part of it.
func (h redactor) value(secret string) redactor {
	h = slices.Clip(h)
	for part := range strings.Lines(secret) {
		if part = strings.TrimSpace(part); len(part) >= minSecret && !slices.Contains(h, part) {
			h = append(h, part)
		}
	}
	slices.SortStableFunc(h, func(a, b string) int { return len(b) - len(a) })
	return h
}

// text returns a text without the secrets.
func (h redactor) text(text string) string {
	for _, secret := range h {
		text = strings.ReplaceAll(text, secret, "[hidden]")
	}
	return text
}
