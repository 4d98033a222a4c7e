package api

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"teal"
)

// Bounds of a page.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// Page is the part of an input that says which part of a list is wanted. A list has
// an order that does not change: a name or a number, which no two entries share. A
// cursor is the last of these that has been shown, so what is added or deleted
// meanwhile moves nothing, and nothing is shown twice.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many entries at most"`
	Cursor string `query:"cursor" maxLength:"400" doc:"The next of the page before; left out: from the beginning"`
}

// cut returns the page of a list, whose entries are ordered by their keys here, and
// the cursor of the page after it; "" when there is none.
func cut[T any](list []T, page Page, key func(T) string) (entries []T, next string, err error) {
	after, err := page.after()
	if err != nil {
		return nil, "", err
	}
	sorted := slices.SortedFunc(slices.Values(list), func(a, b T) int { return strings.Compare(key(a), key(b)) })
	first, _ := slices.BinarySearchFunc(sorted, after, func(entry T, after string) int {
		if key(entry) <= after {
			return -1
		}
		return 1
	})
	sorted = sorted[first:]
	if len(sorted) <= page.Limit {
		return append([]T{}, sorted...), "", nil
	}
	sorted = sorted[:page.Limit]
	return sorted, base64.RawURLEncoding.EncodeToString([]byte(key(sorted[page.Limit-1]))), nil
}

// after returns the key that the page begins after.
func (p Page) after() (string, error) {
	key, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil {
		return "", teal.Errorf(teal.CodeInvalidInput, "%q is not a cursor; send the next of the page before, or none for the first page", p.Cursor)
	}
	return string(key), nil
}

// byNumber is the key of what is ordered by a number.
func byNumber(n int) string { return fmt.Sprintf("%09d", n) }
