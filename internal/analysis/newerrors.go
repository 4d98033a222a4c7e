package analysis

import (
	"strings"

	"teal"
)

// newErrors is what is remembered of errors that green has and live never had.
type newErrors struct {
	Count int64             `json:"count,omitempty"`
	First []teal.ErrorGroup `json:"first,omitempty"`
}

const (
	maxNewErrors    = 3 // error groups that are remembered
	maxErrorMessage = 200
	maxErrorStack   = 1500 // of the first group; the others are remembered without
)

func (f *newErrors) note(groups []teal.ErrorGroup) {
	for _, g := range groups {
		if f.knows(g.Fingerprint) {
			continue
		}
		f.Count++
		if len(f.First) == maxNewErrors {
			continue
		}
		if g = truncated(g); len(f.First) > 0 {
			g.Stack = ""
		}
		f.First = append(f.First, g)
	}
}

// truncated returns as much of an error as is remembered.
func truncated(g teal.ErrorGroup) teal.ErrorGroup {
	return teal.ErrorGroup{
		Type: truncate(g.Type, maxErrorMessage), Message: truncate(g.Message, maxErrorMessage), Stack: truncate(g.Stack, maxErrorStack),
		Component: truncate(g.Component, maxErrorMessage), Fingerprint: truncate(g.Fingerprint, maxErrorMessage),
	}
}

func (f *newErrors) knows(fingerprint string) bool {
	for _, g := range f.First {
		if g.Fingerprint == truncate(fingerprint, maxErrorMessage) {
			return true
		}
	}
	return false
}

// seen describes the new errors in a sentence's worth of words.
func (f *newErrors) seen() string {
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

// truncate shortens s to at most n bytes, at the border of a character, and makes
// it text that survives being stored.
func truncate(s string, n int) string {
	if s = strings.ToValidUTF8(s, "?"); len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}
