package store

import (
	"cmp"
	"regexp"

	"teal"
)

// SideKey identifies a side record.
type SideKey struct{ App, Name string }

// AppKey is the key of the one side record of its kind that an app has.
func AppKey(app string) SideKey { return SideKey{App: app, Name: "app"} }

// sideName is what may stand in a key.
//
// The length is checked apart: a count in the pattern makes every start of the
// program, and so every command, a millisecond longer.
var sideName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

const maxSideName = 128

// SideOption is how a side table differs from others.
type SideOption func(*side)

type side struct{ number int }

// Schema says the number of the schema that the records have, from 1; left out it
// is 1. Raise it when an earlier Teal would lose something by writing a record that
// this one wrote: it then refuses the record instead.
func Schema(number int) SideOption { return func(s *side) { s.number = number } }

// NewSide returns a table of records that one interface keeps beside an app's
// own and that the rest of Teal does not know: what is the interface's name,
// such as "lambda", and sort says which of its tables it is. Watches of an app do
// not see them. key returns the app and a name within the table. Options say how
// it differs from other side tables.
func NewSide[T any](kv KV, what, sort string, key func(T) SideKey, options ...SideOption) *Table[SideKey, T] {
	var own side
	for _, option := range options {
		option(&own)
	}
	prefix := what + "." + sort + "."
	name := func(k SideKey) string { return what + " " + sort + " " + k.Name + " of app " + k.App }
	return newTable(kv, schema[SideKey, T]{
		kind:   Kind(what + " " + sort),
		number: own.number,
		key:    key,
		path: func(k SideKey) (string, error) {
			if err := teal.CheckName("app", k.App); err != nil {
				return "", err
			}
			if len(k.Name) > maxSideName || !sideName.MatchString(k.Name) {
				return "", teal.Errorf(teal.CodeInvalidInput, "%q cannot be the name of a %s %s", k.Name, what, sort)
			}
			return prefix + k.App + "." + k.Name, nil
		},
		name: name,
		missing: func(k SideKey) *teal.Error {
			return teal.Errorf(teal.CodeNotFound, "There is no %s.", name(k))
		},
		pattern: func(app string) string { return prefix + cmp.Or(app, "*") + ".*" },
	})
}
