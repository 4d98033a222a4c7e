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

// NewSide returns a table of records that one interface keeps beside an app's
// own and that the rest of Teal does not know: what is the interface's name,
// such as "lambda", and sort says which of its tables it is. Watches of an app do
// not see them. key returns the app and a name within the table.
func NewSide[T any](kv KV, what, sort string, key func(T) SideKey) *Table[SideKey, T] {
	prefix := what + "." + sort + "."
	name := func(k SideKey) string { return what + " " + sort + " " + k.Name + " of app " + k.App }
	return newTable(kv, schema[SideKey, T]{
		kind: Kind(what + " " + sort),
		key:  key,
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
