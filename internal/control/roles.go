package control

import (
	"teal"
	"teal/internal/store"
)

// Roles says what versions are to the users of their apps, and where releases are, from
// what is in memory. Safe for concurrent use; it does no I/O.
type Roles struct {
	known   KnownApps
	aliases LiveAliases
}

// KnownApps is what is in memory of apps and releases.
type KnownApps interface {
	App(name string) (teal.App, bool)
	Apps() []teal.App
	Release(id string) (teal.Release, bool)
	NewestRelease(app string) (teal.Release, bool)
}

// LiveAliases returns an alias; the zero one when there is none.
type LiveAliases interface {
	Alias(app, name string) store.Record[teal.Alias]
}

// NewRoles returns the roles of what is known.
func NewRoles(known KnownApps, aliases LiveAliases) *Roles { return &Roles{known, aliases} }

// Of returns the role of a version.
func (r *Roles) Of(app string, version teal.VersionRef) teal.VersionRole {
	number, ok := version.Number()
	if !ok {
		return teal.VersionOther // a draft, which no release is about
	}
	var active *teal.Release
	if record, ok := r.known.App(app); ok {
		if release, ok := r.known.Release(record.Active); ok {
			active = &release
		}
	}
	return teal.VersionRoleOf(number, r.aliases.Alias(app, teal.AliasLive).Value, active)
}

// Releases returns one of each app that has had any: the active one, else the newest.
func (r *Roles) Releases() []teal.Release {
	var list []teal.Release
	for _, app := range r.known.Apps() {
		release, ok := r.known.Release(app.Active)
		if !ok {
			release, ok = r.known.NewestRelease(app.Name)
		}
		if ok && !app.Deleting {
			list = append(list, release)
		}
	}
	return list
}
