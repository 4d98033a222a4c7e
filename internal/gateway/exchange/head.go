package exchange

import "strings"

// Head is the fields of a head as their carrier holds them, in the order in which
// they were sent. The texts are valid as long as the carrier's buffer.
type Head interface {
	// Len returns how many fields there are.
	Len() int
	// Field returns one of them.
	Field(i int) (name, value string)
	// EndToEnd reports whether a field is meant for who is at the other end. The
	// others are about one connection, or frame the message.
	EndToEnd(i int) bool
}

// Get returns the value of the first field of that name, "" for none.
func Get(h Head, name string) string {
	for i := range h.Len() {
		if own, value := h.Field(i); len(own) == len(name) && strings.EqualFold(own, name) {
			return value
		}
	}
	return ""
}
