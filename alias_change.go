package teal

import (
	"slices"
	"time"
)

// MaxAliasChanges is how many moves are remembered of an alias, and, together, of the
// aliases of an app that were deleted.
const MaxAliasChanges = 20

// AliasChange is one move of an alias that somebody made, and no release.
type AliasChange struct {
	Alias string    `json:"alias"`
	At    time.Time `json:"at"`
	By    string    `json:"by"`
	From  []Target  `json:"from,omitempty"` // empty: the alias was made
	To    []Target  `json:"to,omitempty"`   // empty: it was deleted
}

// RemovedAliasChange is a change of an alias that was deleted. It is written before the
// alias goes: as long as an alias of the name has the revision, the deletion has not
// taken place, and the alias itself has the change.
type RemovedAliasChange struct {
	AliasChange
	Revision uint64 `json:"revision"`
}

// Noted returns the alias with the changes of the one that it takes the place of, the
// zero alias for none, and with the move between them, if it is one.
func (a Alias) Noted(before Alias) Alias {
	a.Changes = before.Changes
	if slices.Equal(a.Targets, before.Targets) {
		return a
	}
	a.Changes = append(slices.Clip(a.Changes), AliasChange{Alias: a.Name, At: a.UpdatedAt, By: a.UpdatedBy, From: before.Targets, To: a.Targets})
	a.Changes = newest(a.Changes, MaxAliasChanges)
	return a
}

// NoteRemoval notes that an alias, which is at a revision, is about to be deleted, with
// the changes that it had.
func (a *App) NoteRemoval(alias Alias, revision uint64, by string, at time.Time) {
	a.ForgetRemoval(alias.Name, revision) // of a deletion that was begun before and did not take place
	changes := append(slices.Clip(alias.Changes), AliasChange{Alias: alias.Name, At: at, By: by, From: alias.Targets})
	for _, c := range changes {
		a.RemovedAliases = append(a.RemovedAliases, RemovedAliasChange{AliasChange: c, Revision: revision})
	}
	a.RemovedAliases = newest(a.RemovedAliases, MaxAliasChanges)
}

// ForgetRemoval forgets the deletion of an alias that is still at the revision: it has
// not taken place. It reports whether there was one.
func (a *App) ForgetRemoval(alias string, revision uint64) bool {
	before := len(a.RemovedAliases)
	a.RemovedAliases = slices.DeleteFunc(slices.Clone(a.RemovedAliases), func(c RemovedAliasChange) bool {
		return c.Alias == alias && c.Revision == revision
	})
	return len(a.RemovedAliases) < before
}

// AliasChanges returns the moves of an app's aliases that are remembered, oldest first,
// at most so many of the newest. Revision returns that of an alias by name, 0 for one
// that is not there.
func (a App) AliasChanges(aliases []Alias, revision func(name string) uint64, most int) []AliasChange {
	all := []AliasChange{}
	for _, alias := range aliases {
		all = append(all, alias.Changes...)
	}
	for _, c := range a.RemovedAliases {
		if c.Revision != revision(c.Alias) {
			all = append(all, c.AliasChange)
		}
	}
	slices.SortStableFunc(all, func(a, b AliasChange) int { return a.At.Compare(b.At) })
	return newest(all, most)
}

func newest[T any](list []T, most int) []T { return list[max(0, len(list)-most):] }
