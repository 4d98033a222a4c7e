package control

import (
	"context"
	"strconv"

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
	return c.status(ctx, record.Value)
}

func (c *Control) status(ctx context.Context, app teal.App) (api.Status, error) {
	records := api.Records{App: app.Name, Revisions: map[string]uint64{}}
	for _, alias := range c.cfg.Router.Aliases(app.Name) {
		records.Aliases = append(records.Aliases, alias.Value)
		records.Revisions[alias.Value.Name] = alias.Revision
	}
	environments, _, err := c.cfg.Store.Environments.Readable(ctx, app.Name)
	if err != nil {
		return api.Status{}, err
	}
	for _, e := range environments {
		if e.Value.Version != teal.Draft { // which is no version, and runs only for those who invoke it
			records.Environments = append(records.Environments, e.Value)
		}
	}
	if records.Active, err = c.cfg.Journal.Moving(ctx, app.Name); err != nil && !store.IsLost(err) {
		return api.Status{}, err
	}
	if records.Active != nil {
		records.Judgement = c.cfg.Engine.Judgement(records.Active.ID)
	}
	if app.LastRelease > 0 {
		last, err := c.cfg.Store.Releases.Get(ctx, teal.ReleaseID(app.Name, app.LastRelease))
		if err == nil {
			records.Last = &last.Value
		}
	}
	return api.NewStatus(records), nil
}

// Apps implements [api.Catalog].
func (c *Control) Apps(ctx context.Context) ([]api.Status, error) {
	apps, _, err := c.cfg.Store.Apps.Readable(ctx, "")
	if err != nil {
		return nil, err
	}
	list := make([]api.Status, 0, len(apps))
	for _, app := range apps {
		if app.Value.Deleting {
			continue
		}
		status, err := c.status(ctx, app.Value)
		if err != nil {
			return nil, err
		}
		list = append(list, status)
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
