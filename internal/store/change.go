package store

import (
	"context"

	"teal"
)

// Change is one record that has been written or deleted.
type Change struct {
	Kind   Kind
	App    string
	Number int    // of the version, the release, or the version that an environment runs; else 0
	Name   string // of the alias; else ""
	// Value is a teal.App, teal.Version, teal.Alias, teal.Environment or
	// teal.Release, by Kind; nil when Deleted.
	Value    any
	Revision uint64
	Deleted  bool
}

// Changes is a Watch of typed records; what that type says holds here.
type Changes struct {
	// Snapshot holds every record that was there and can be understood: by app,
	// then kind, then number or name.
	Snapshot []Change

	store *Store
	watch *Watch
}

// WatchApp returns the records of an app, or of all apps when app is "", and
// their changes from then on. It lives until ctx ends or Stop is called. An app
// that does not exist yet has an empty snapshot; its changes will come.
func (s *Store) WatchApp(ctx context.Context, app string) (*Changes, error) {
	pattern := "apps.>"
	if app != "" {
		if err := teal.CheckName("app", app); err != nil {
			return nil, err
		}
		pattern = "apps." + app + ".>"
	}
	watch, err := s.kv.Watch(ctx, pattern)
	if err != nil {
		return nil, err
	}
	c := &Changes{store: s, watch: watch, Snapshot: make([]Change, 0, len(watch.Snapshot))}
	for _, entry := range watch.Snapshot {
		if change, ok := s.toChange(Event{Entry: entry}); ok {
			c.Snapshot = append(c.Snapshot, change)
		}
	}
	watch.Snapshot = nil
	return c, nil
}

// Next returns the next change; it blocks and fails as Watch.Next does.
func (c *Changes) Next(ctx context.Context) (Change, error) {
	for {
		event, err := c.watch.Next(ctx)
		if err != nil {
			return Change{}, err
		}
		if change, ok := c.store.toChange(event); ok {
			return change, nil
		}
	}
}

// Stop ends the watch; see Watch.Stop.
func (c *Changes) Stop() { c.watch.Stop() }

// toChange reports false for keys that are no records of this version of Teal, and
// for records that cannot be understood.
func (s *Store) toChange(event Event) (Change, bool) {
	p, ok := parsePath(event.Key)
	if !ok {
		return Change{}, false
	}
	change := Change{Kind: p.kind, App: p.app, Number: p.number, Name: p.name, Revision: event.Revision, Deleted: event.Deleted}
	if event.Deleted {
		return change, true
	}
	var err error
	change.Value, err = s.decodeKind(p.kind, event.Entry)
	return change, err == nil
}

func (s *Store) decodeKind(kind Kind, entry Entry) (any, error) {
	switch kind {
	case KindApp:
		return decodeValue(s.Apps, entry)
	case KindVersion:
		return decodeValue(s.Versions, entry)
	case KindAlias:
		return decodeValue(s.Aliases, entry)
	case KindEnvironment:
		return decodeValue(s.Environments, entry)
	default:
		return decodeValue(s.Releases, entry)
	}
}

func decodeValue[K comparable, T any](t *Table[K, T], entry Entry) (any, error) {
	record, err := t.Decode(entry)
	return record.Value, err
}
