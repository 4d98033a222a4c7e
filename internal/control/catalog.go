package control

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/store"
)

// Status implements [api.Catalog].
func (c *Control) Status(ctx context.Context, app string) (api.Status, error) {
	record, err := c.cfg.Journal.App(ctx, app)
	if err != nil {
		return api.Status{}, err
	}
	records := c.records(record.Value, c.cfg.Known.EnvironmentsOf(app))
	if c.cfg.Manager != nil {
		records.Running = c.cfg.Manager.RunningOf(app)
	}
	return api.NewStatus(records), nil
}

// records returns what the status of an app is made of, from what is in memory.
func (c *Control) records(app teal.App, environments []teal.Environment) api.Records {
	records := api.Records{
		App: app.Name, Revisions: map[string]uint64{},
		Stopped: app.Stopped, Frozen: app.FrozenAt(time.Now()), Orders: app.Orders,
	}
	for _, alias := range c.cfg.Router.Aliases(app.Name) {
		records.Aliases = append(records.Aliases, alias.Value)
		records.Revisions[alias.Value.Name] = alias.Revision
	}
	for _, e := range environments {
		if e.Version != teal.Draft { // which is no version, and runs only for those who invoke it
			records.Environments = append(records.Environments, e)
		}
	}
	if active, ok := c.cfg.Known.Release(app.Active); ok && !active.Phase.Ended() {
		records.Active, records.Judgement = &active, c.cfg.Engine.Judgement(active.ID)
	}
	if last, ok := c.cfg.Known.NewestRelease(app.Name); ok {
		records.Last = &last
	}
	if c.cfg.Traffic != nil {
		traffic := c.cfg.Traffic.Lately(app.Name, versionsOf(records.Environments))
		records.Traffic = &traffic
	}
	return records
}

func versionsOf(environments []teal.Environment) []teal.VersionRef {
	list := make([]teal.VersionRef, len(environments))
	for i, e := range environments {
		list[i] = e.Version
	}
	return list
}

// Apps implements [api.Catalog]. It reads nothing from the store: who shows all apps
// asks again and again.
func (c *Control) Apps(context.Context) ([]api.Status, error) {
	apps := slices.DeleteFunc(c.cfg.Known.Apps(), func(app teal.App) bool {
		return app.Deleting || app.Name == "" // which cannot be understood
	})
	slices.SortFunc(apps, func(a, b teal.App) int { return strings.Compare(a.Name, b.Name) })
	environments := c.cfg.Known.Environments()
	list := make([]api.Status, 0, len(apps))
	for _, app := range apps {
		list = append(list, api.NewStatus(c.records(app, environments[app.Name])))
	}
	return list, nil
}

// Versions implements [api.Catalog].
func (c *Control) Versions(ctx context.Context, app string) ([]teal.Version, error) {
	if _, err := c.cfg.Journal.App(ctx, app); err != nil {
		return nil, err
	}
	list, _, err := c.cfg.Store.Versions.Readable(ctx, app)
	return store.Values(list), err
}

// Releases implements [api.Catalog].
func (c *Control) Releases(ctx context.Context, app string) ([]teal.Release, error) {
	if _, err := c.cfg.Journal.App(ctx, app); err != nil {
		return nil, err
	}
	list, _, err := c.cfg.Store.Releases.Readable(ctx, app)
	return store.Values(list), err
}

// Release implements [api.Catalog].
func (c *Control) Release(ctx context.Context, id string) (teal.Release, error) {
	record, err := c.cfg.Store.Releases.Get(ctx, id)
	return record.Value, err
}

// Watch implements [api.Watcher].
func (c *Control) Watch(ctx context.Context, app string) (<-chan api.Event, error) {
	if app != "" {
		if _, err := c.cfg.Journal.App(ctx, app); err != nil {
			return nil, err
		}
	}
	changes, err := c.cfg.Store.WatchApp(ctx, app)
	if err != nil {
		return nil, err
	}
	events := make(chan api.Event)
	go func() {
		defer close(events)
		defer changes.Stop()
		for _, change := range changes.Snapshot {
			if !send(ctx, events, change) {
				return
			}
		}
		for {
			change, err := changes.Next(ctx)
			if err != nil || !send(ctx, events, change) {
				return
			}
		}
	}()
	return events, nil
}

func send(ctx context.Context, events chan<- api.Event, change store.Change) bool {
	select {
	case events <- toEvent(change):
		return true
	case <-ctx.Done():
		return false
	}
}

func toEvent(change store.Change) api.Event {
	name := change.Name
	switch {
	case change.Kind == store.KindRelease:
		name = teal.ReleaseID(change.App, change.Number)
	case change.Kind == store.KindEnvironment:
		name = teal.VersionRef(change.Number).String()
	case change.Number != 0:
		name = strconv.Itoa(change.Number)
	}
	return api.Event{
		Revision: change.Revision, Kind: api.EventKind(change.Kind), App: change.App,
		Name: name, Deleted: change.Deleted, Value: change.Value,
	}
}
