package control

import (
	"context"
	"errors"
	"time"

	"teal"
	"teal/internal/store"
)

// CreateApp returns the record of an app, a new one if there is none. Its numbers
// go on from where a deleted app of the name has ended, or one whose record was lost.
func (c *Control) CreateApp(ctx context.Context, name string, policy teal.Policy) (store.Record[teal.App], error) {
	lastVersion, lastRelease, err := c.cfg.Numbers.Numbers(ctx, name)
	if err != nil {
		return store.Record[teal.App]{}, err
	}
	last, err := c.lastRelease(ctx, name)
	if err != nil {
		return store.Record[teal.App]{}, err
	}
	return c.cfg.Store.Apps.Upsert(ctx, name, func(a *teal.App, exists bool) error {
		switch {
		case !exists:
			a.Name, a.CreatedAt, a.Policy = name, time.Now(), policy
			a.LastVersion, a.LastRelease = lastVersion, max(lastRelease, last)
		case a.Deleting:
			return store.StillDeleting(name)
		}
		return nil
	})
}

// lastRelease returns the highest number of a release of an app that has no record;
// 0 of one that has.
func (c *Control) lastRelease(ctx context.Context, app string) (last int, err error) {
	if _, err := c.cfg.Store.Apps.Get(ctx, app); !errors.Is(err, store.ErrNotFound) {
		return 0, nil //nolint:nilerr // whoever reads it next says so
	}
	releases, unreadable, err := c.cfg.Store.Releases.Readable(ctx, app)
	for _, r := range releases {
		if _, number, err := store.ParseReleaseID(r.Value.ID); err == nil {
			last = max(last, number)
		}
	}
	for _, r := range unreadable {
		last = max(last, r.Number)
	}
	return last, err
}
