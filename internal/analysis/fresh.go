package analysis

import (
	"strings"

	"teal"
)

// fresh is what is remembered of errors that green has and live never had.
type fresh struct {
	Count int64             `json:"count,omitempty"`
	First []teal.ErrorGroup `json:"first,omitempty"`
}

const (
	freshKept    = 3 // error groups that are remembered
	freshMessage = 200
	freshStack   = 1500 // of the first group; the others are remembered without
)

func (f *fresh) note(groups []teal.ErrorGroup) {
	for _, g := range groups {
		if f.knows(g.Fingerprint) {
			continue
		}
		f.Count++
		if len(f.First) == freshKept {
			continue
		}
		if g = brief(g); len(f.First) > 0 {
			g.Stack = ""
		}
		f.First = append(f.First, g)
	}
}

// brief returns as much of an error as is remembered.
func brief(g teal.ErrorGroup) teal.ErrorGroup {
	return teal.ErrorGroup{
		Type: cut(g.Type, freshMessage), Message: cut(g.Message, freshMessage), Stack: cut(g.Stack, freshStack),
		Component: cut(g.Component, freshMessage), Fingerprint: cut(g.Fingerprint, freshMessage),
	}
}

func (f *fresh) knows(fingerprint string) bool {
	for _, g := range f.First {
		if g.Fingerprint == cut(fingerprint, freshMessage) {
			return true
		}
	}
	return false
}

// seen describes the new errors in a sentence's worth of words.
func (f *fresh) seen() string {
	if f.Count == 0 {
		return "none"
	}
	var names []string
	for _, g := range f.First {
		name := g.Type + " in " + g.Component
		if g.Message != "" {
			name += ": " + strings.Join(strings.Fields(g.Message), " ")
		}
		names = append(names, name)
	}
	text := strings.Join(names, "; ")
	if more := f.Count - int64(len(f.First)); more > 0 {
		text += "; and " + number(more) + " more"
	}
	return text
}

// cut shortens s to at most n bytes, at the border of a character, and makes
// it text that survives being stored.
func cut(s string, n int) string {
	if s = strings.ToValidUTF8(s, "?"); len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}
