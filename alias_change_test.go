package teal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"teal"
)

// moved is an app whose aliases move, with a revision for each write.
type moved struct {
	app       teal.App
	aliases   map[string]teal.Alias
	revisions map[string]uint64
	now       time.Time
	revision  uint64
}

func newMoved() *moved {
	return &moved{
		app: teal.App{Name: "shop"}, aliases: map[string]teal.Alias{}, revisions: map[string]uint64{},
		now: time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC),
	}
}

func (m *moved) set(name string, version int) {
	m.now, m.revision = m.now.Add(time.Second), m.revision+1
	m.app.ForgetRemoval(name, m.revisions[name])
	alias := teal.Alias{App: "shop", Name: name, Targets: teal.Only(version), UpdatedAt: m.now, UpdatedBy: "ann"}
	m.aliases[name], m.revisions[name] = alias.Noted(m.aliases[name]), m.revision
}

func (m *moved) note(name string) {
	m.now = m.now.Add(time.Second)
	m.app.NoteRemoval(m.aliases[name], m.revisions[name], "bob", m.now)
}

func (m *moved) remove(name string) {
	m.note(name)
	delete(m.aliases, name)
	delete(m.revisions, name)
}

// list writes what is remembered.
func (m *moved) list(most int) string {
	var aliases []teal.Alias
	for _, a := range m.aliases {
		aliases = append(aliases, a)
	}
	var lines []string
	for _, c := range m.app.AliasChanges(aliases, func(name string) uint64 { return m.revisions[name] }, most) {
		lines = append(lines, fmt.Sprintf("%s %s>%s by %s", c.Alias, teal.FormatTargets(c.From), teal.FormatTargets(c.To), c.By))
	}
	return strings.ReplaceAll(strings.Join(lines, "; "), "no version", "-")
}

func (m *moved) want(t *testing.T, what, want string) {
	t.Helper()
	if got := m.list(100); got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// Every move is remembered once, also those of an alias that was deleted, and a deletion
// that did not take place is not. Seen red without the look at the revision in
// AliasChanges (the moves were there twice, and a deletion that was none), and without
// ForgetRemoval before a move (that deletion came up).
func TestMovesOfAliasesAreRemembered(t *testing.T) {
	t.Parallel()
	m := newMoved()
	m.set("a", 1)
	m.set("a", 1) // no move
	m.set("b", 1)
	m.set("a", 2)
	m.want(t, "moves", "a ->v1 by ann; b ->v1 by ann; a v1>v2 by ann")
	m.note("a") // and the server is killed
	m.want(t, "a deletion that did not take place", "a ->v1 by ann; b ->v1 by ann; a v1>v2 by ann")
	m.set("a", 3)
	m.want(t, "and a move after it", "a ->v1 by ann; b ->v1 by ann; a v1>v2 by ann; a v2>v3 by ann")
	m.note("a")
	m.remove("a") // once more, after a crash
	m.want(t, "a deletion", "a ->v1 by ann; b ->v1 by ann; a v1>v2 by ann; a v2>v3 by ann; a v3>- by bob")
	m.set("a", 1)
	m.want(t, "made anew", "a ->v1 by ann; b ->v1 by ann; a v1>v2 by ann; a v2>v3 by ann; a v3>- by bob; a ->v1 by ann")
}

// What is remembered is bounded, and the newest stays. Seen red without the bound in
// Noted, in NoteRemoval, and in AliasChanges.
func TestMovesOfAliasesAreBounded(t *testing.T) {
	t.Parallel()
	m := newMoved()
	for version := range 3 * teal.MaxAliasChanges {
		m.set("a", version+1)
	}
	if n := len(m.aliases["a"].Changes); n != teal.MaxAliasChanges {
		t.Errorf("%d changes of an alias", n)
	}
	for range 3 {
		m.remove("a")
		m.set("a", 1)
		m.set("a", 2)
	}
	if n := len(m.app.RemovedAliases); n != teal.MaxAliasChanges {
		t.Errorf("%d changes of deleted aliases", n)
	}
	if got, want := m.list(2), "a ->v1 by ann; a v1>v2 by ann"; got != want {
		t.Errorf("the newest two: %s, want %s", got, want)
	}
}
