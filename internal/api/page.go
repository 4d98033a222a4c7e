package api

import (
	"encoding/base64"
	"fmt"
	"regexp"
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

// ordering is the order of a list.
type ordering[T any] struct {
	key   func(T) string         // sorts an entry, and is what a cursor holds
	could func(key string) error // why a key can be that of no entry, whether there is one or not
}

// byName orders entries that have names of a sort.
func byName[T any](sort string, name func(T) string) ordering[T] {
	return ordering[T]{name, func(key string) error { return teal.CheckName(sort, key) }}
}

var numberKey = regexp.MustCompile(`^[0-9]{9}$`)

// byNumber orders entries that have numbers.
func byNumber[T any](number func(T) int) ordering[T] {
	return ordering[T]{
		func(entry T) string { return fmt.Sprintf("%09d", number(entry)) },
		func(key string) error {
			if !numberKey.MatchString(key) {
				return fmt.Errorf("%q is not the key of a number", key)
			}
			return nil
		},
	}
}

// cut returns the page of a list and the cursor of the page after it; "" when there
// is none.
func cut[T any](list []T, page Page, order ordering[T]) (entries []T, next string, err error) {
	after, err := page.after(order.could)
	if err != nil {
		return nil, "", err
	}
	type keyed struct {
		key   string
		entry T
	}
	var rest []keyed
	for _, entry := range list {
		if key := order.key(entry); key > after {
			rest = append(rest, keyed{key, entry})
		}
	}
	slices.SortFunc(rest, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	if len(rest) > page.Limit {
		rest = rest[:page.Limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(rest[page.Limit-1].key))
	}
	entries = make([]T, len(rest))
	for i, k := range rest {
		entries[i] = k.entry
	}
	return entries, next, nil
}

// after returns the key that the page begins after; "" for the first page. A cursor
// stands also when its entry is gone by now; one that no page can have given is
// refused.
func (p Page) after(could func(key string) error) (string, error) {
	if p.Cursor == "" {
		return "", nil
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(p.Cursor)
	if err == nil {
		err = could(string(key))
	}
	if err != nil {
		return "", teal.Errorf(teal.CodeInvalidInput, "%q is not a cursor of this list; send the next of the page before, or none for the first page", p.Cursor)
	}
	return string(key), nil
}
