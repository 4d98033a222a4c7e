package exchange

import "strings"

// Head is the fields of a head as their carrier holds them, in the order in which
// they were sent. The texts are valid as long as the carrier's buffer.
type Head interface {
	// Len returns how many fields there are.
	Len() int
	// Field returns one of them. endToEnd reports whether it is meant for who is at the
	// other end; the others are about one connection, or frame the message.
	Field(i int) (name, value string, endToEnd bool)
}

// Request is a request as its carrier holds it; without anything before its head has
// been read.
type Request interface {
	Head
	// Line returns what is sent beside the fields.
	Line() Line
}

// Line is what a request says beside its fields, as sent.
type Line struct {
	Method, Host, Target string
	Path, RawQuery       string // of the target; the path is still percent-encoded
	Protocol             string // "HTTP/1.1"
}

// Get returns the value of the first field of that name, "" for none.
func Get(h Head, name string) string {
	for i := range h.Len() {
		if own, value, _ := h.Field(i); isName(own, name) {
			return value
		}
	}
	return ""
}

// isName reports whether two names are one: case does not matter.
func isName(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// hasPrefix reports whether a name begins like that.
func hasPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}
