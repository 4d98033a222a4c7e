package payload

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// writer appends a JSON object. An event is made for every request to a
// function, and encoding/json would need several times as long for it.
type writer struct {
	buf   []byte
	first bool // nothing stands yet in the innermost object or list
}

// newWriter returns a writer with room for the values of a request.
func newWriter(r Request) *writer {
	const usual = 1536 // the fixed part, and the headers of a browser
	return &writer{buf: make([]byte, 0, usual+len(r.Body)+len(r.Body)/2), first: true}
}

func (w *writer) key(name string) {
	w.separate()
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, name...) // ours: nothing to escape
	w.buf = append(w.buf, '"', ':')
}

func (w *writer) separate() {
	if !w.first {
		w.buf = append(w.buf, ',')
	}
	w.first = false
}

// open begins an object or a list; name is "" inside of a list and at the top.
func (w *writer) open(name string, bracket byte) {
	if name != "" {
		w.key(name)
	}
	w.buf = append(w.buf, bracket)
	w.first = true
}

func (w *writer) close(bracket byte) {
	w.buf = append(w.buf, bracket)
	w.first = false
}

func (w *writer) text(name, value string) {
	w.key(name)
	w.buf = appendText(w.buf, value)
}

func (w *writer) element(value string) {
	w.separate()
	w.buf = appendText(w.buf, value)
}

func (w *writer) number(name string, value int64) {
	w.key(name)
	w.buf = strconv.AppendInt(w.buf, value, 10)
}

func (w *writer) flag(name string, value bool) {
	w.key(name)
	w.buf = strconv.AppendBool(w.buf, value)
}

func (w *writer) null(names ...string) {
	for _, name := range names {
		w.key(name)
		w.buf = append(w.buf, "null"...)
	}
}

// fields writes an object with one text for each name.
func (w *writer) fields(name string, list []field, text func(values []string) string) {
	w.open(name, '{')
	for _, f := range list {
		w.separate()
		w.buf = append(appendText(w.buf, f.name), ':')
		w.buf = appendText(w.buf, text(f.values))
	}
	w.close('}')
}

// lists writes an object with all values of each name.
func (w *writer) lists(name string, list []field) {
	w.open(name, '{')
	for _, f := range list {
		w.separate()
		w.buf = append(appendText(w.buf, f.name), ':', '[')
		w.first = true
		for _, value := range f.values {
			w.element(value)
		}
		w.close(']')
	}
	w.close('}')
}

// appendText appends s as a JSON string. What is not UTF-8 becomes U+FFFD, as
// encoding/json has it.
func appendText(b []byte, s string) []byte {
	b = append(slices.Grow(b, len(s)+2), '"')
	plain := 0 // s[plain:i] needs nothing
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == '"' || c == '\\' {
				b = appendEscape(append(b, s[plain:i]...), c)
				plain = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[plain:i]...), "\ufffd"...)
			plain = i + size
		}
		i += size
	}
	return append(append(b, s[plain:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

// membersOf returns the members of an object as they are written, the last of
// each name; nil for another value. The text must be valid JSON. It does for one
// level what encoding/json would do at several times the cost.
func membersOf(text []byte) map[string]json.RawMessage {
	if text[0] != '{' {
		return nil
	}
	members := make(map[string]json.RawMessage, 8)
	for rest := skipSpace(text[1:]); rest[0] != '}'; {
		name := rest[:valueEnd(rest)]
		rest = skipSpace(rest[len(name):])
		rest = skipSpace(rest[1:]) // the colon
		value := rest[:valueEnd(rest)]
		members[string(textOf(name))] = value
		if rest = skipSpace(rest[len(value):]); rest[0] == ',' {
			rest = skipSpace(rest[1:])
		}
	}
	return members
}

func skipSpace(text []byte) []byte { return bytes.TrimLeft(text, " \t\r\n") }

// valueEnd returns the length of the value that the text begins with.
func valueEnd(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringEnd(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i // of what the value stands in
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue // in the middle of a number or a word
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(text)
}

// stringEnd returns the length of the string that the text begins with.
func stringEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
