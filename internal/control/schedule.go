package control

import (
	"context"
	"time"

	"teal/internal/api"
	"teal/internal/trigger"
)

// Schedules are those of what is live.
type Schedules interface {
	// List returns those of an app, of all apps for "".
	List(ctx context.Context, app string, now time.Time) ([]trigger.Listed, error)
}

// Schedules implements [api.Catalog].
func (c *Control) Schedules(ctx context.Context, app string) ([]api.ScheduleView, error) {
	if app != "" {
		if _, err := c.cfg.Journal.App(ctx, app); err != nil {
			return nil, err
		}
	}
	list, err := c.cfg.Schedules.List(ctx, app, time.Now())
	views := make([]api.ScheduleView, len(list))
	for i, l := range list {
		views[i] = api.NewScheduleView(l.App, l.Version, l.Trigger)
		views[i].Next, views[i].Paused, views[i].Firings = append(views[i].Next, l.Next...), l.Paused, append(views[i].Firings, l.Firings...)
	}
	return views, err
}
