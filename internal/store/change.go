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
	// Snapshot holds every record that was there: by app, then kind, then number
	// or name.
	Snapshot []Change

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
	c := &Changes{watch: watch, Snapshot: make([]Change, 0, len(watch.Snapshot))}
	for _, entry := range watch.Snapshot {
		change, ok, err := toChange(Event{Entry: entry})
		if err != nil {
			watch.Stop()
			return nil, err
		}
		if ok {
			c.Snapshot = append(c.Snapshot, change)
		}
	}
	watch.Snapshot = nil
	return c, nil
}

// Next returns the next change; it blocks and fails as Watch.Next does. A record
// that cannot be decoded is an error as well, once; the watch goes on after it.
func (c *Changes) Next(ctx context.Context) (Change, error) {
	for {
		event, err := c.watch.Next(ctx)
		if err != nil {
			return Change{}, err
		}
		change, ok, err := toChange(event)
		if ok || err != nil {
			return change, err
		}
	}
}

// Stop ends the watch; see Watch.Stop.
func (c *Changes) Stop() { c.watch.Stop() }

// toChange reports false for keys that are no records of this version of Teal.
func toChange(event Event) (Change, bool, error) {
	p, ok := parsePath(event.Key)
	if !ok {
		return Change{}, false, nil
	}
	change := Change{Kind: p.kind, App: p.app, Number: p.number, Name: p.name, Revision: event.Revision, Deleted: event.Deleted}
	if event.Deleted {
		return change, true, nil
	}
	var err error
	change.Value, err = decodeKind(p.kind, event.Entry)
	return change, err == nil, err
}

func decodeKind(kind Kind, entry Entry) (any, error) {
	switch kind {
	case KindApp:
		return decodeValue[teal.App](entry)
	case KindVersion:
		return decodeValue[teal.Version](entry)
	case KindAlias:
		return decodeValue[teal.Alias](entry)
	case KindEnvironment:
		return decodeValue[teal.Environment](entry)
	default:
		return decodeValue[teal.Release](entry)
	}
}

func decodeValue[T any](entry Entry) (any, error) {
	record, err := decode[T](entry)
	return record.Value, err
}
