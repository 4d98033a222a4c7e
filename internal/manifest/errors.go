package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"teal"
	"teal/internal/yamltree"
)

// Error is one thing that is wrong with a manifest.
type Error struct {
	File    string
	Line    int      // from 1
	Column  int      // from 1, in characters
	Path    []string // the keys that lead to the place; none for the file as such
	Message string   // what is wrong; what was expected
}

// Error returns "file:line:column: path: message".
func (e *Error) Error() string {
	if len(e.Path) == 0 {
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.File, e.Line, e.Column, joinPath(e.Path), e.Message)
}

// joinPath quotes keys that would be hard to read, or would break the line.
func joinPath(path []string) string {
	keys := slices.Clone(path)
	for i, key := range keys {
		if key == "" || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c == '.' || !unicode.IsPrint(c) }) {
			keys[i] = strconv.Quote(key)
		}
	}
	return strings.Join(keys, ".")
}

// Unwrap gives the error the code CodeInvalidManifest.
func (e *Error) Unwrap() error { return teal.Errorf(teal.CodeInvalidManifest, "%s", e.Error()) }

// Errors is everything that is wrong with a manifest, sorted by position. It has
// at least one element.
type Errors []*Error

// Error returns one line for each error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the errors the code CodeInvalidManifest and a message with all of
// them.
func (e Errors) Unwrap() error { return teal.Errorf(teal.CodeInvalidManifest, "%s", e.Error()) }

// findings collects errors while a file is read.
type findings struct {
	file   string
	errors Errors
}

// maxErrors is how many errors are kept: more help nobody.
const maxErrors = 200

func (f *findings) addf(at yamltree.Position, path []string, format string, args ...any) {
	if len(f.errors) >= maxErrors {
		return
	}
	f.errors = append(f.errors, &Error{
		File: f.file, Line: max(at.Line, 1), Column: max(at.Column, 1),
		Path: slices.Clone(path), Message: fmt.Sprintf(format, args...),
	})
}

// covers reports whether an error was found on the way to path, at it, or, when
// a list is there, in one of its items. Such a place has no sound value, and what
// else may be said of it would only confuse.
func (f *findings) covers(path []string) bool {
	return slices.ContainsFunc(f.errors, func(e *Error) bool {
		n := len(e.Path)
		if n == len(path)+1 && isIndex(e.Path[n-1]) {
			n--
		}
		return n > 0 && n <= len(path) && slices.Equal(e.Path[:n], path[:n])
	})
}

func isIndex(key string) bool {
	_, err := strconv.Atoi(key)
	return err == nil
}

// sorted returns the findings by position.
func (f *findings) sorted() Errors {
	slices.SortStableFunc(f.errors, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return f.errors
}
