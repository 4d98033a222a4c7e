package trigger

import (
	"context"
	"slices"
	"strings"
	"time"

	"teal"
)

// Listed is the schedule of one trigger of what is live.
type Listed struct {
	App     string
	Version int // whose schedule it is
	Trigger teal.Trigger
	Next    []time.Time // the next times, in the schedule's time zone; none while Paused
	// Paused says why nothing is fired; "" when it is.
	Paused  string
	Firings []teal.Firing // oldest first
}

// Upcoming is how many times of a schedule are listed.
const Upcoming = 5

// List returns the schedules of what is live of an app, of all apps for "", sorted by app
// and name, with what they have fired.
func (s *Scheduler) List(ctx context.Context, app string, now time.Time) (list []Listed, err error) {
	for _, a := range s.cfg.Apps.Apps() {
		if a.Name == "" || a.Deleting || app != "" && a.Name != app {
			continue
		}
		of, err := s.listApp(ctx, a, now)
		if err != nil {
			return nil, err
		}
		list = append(list, of...)
	}
	slices.SortFunc(list, func(a, b Listed) int {
		return strings.Compare(a.App+"\x00"+a.Trigger.Name, b.App+"\x00"+b.Trigger.Name)
	})
	return list, nil
}

func (s *Scheduler) listApp(ctx context.Context, app teal.App, now time.Time) (list []Listed, err error) {
	number, ok := leading(s.cfg.Aliases.Alias(app.Name, teal.AliasLive).Value.Targets).Number()
	if !ok {
		return nil, nil
	}
	spec, err := s.cfg.Versions.Spec(ctx, app.Name, number)
	if err != nil {
		return nil, err
	}
	records, _, err := s.table.Readable(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	for _, t := range timetablesOf(spec) {
		l := Listed{App: app.Name, Version: number, Trigger: t.trigger}
		if app.Stopped != nil {
			l.Paused = "the app is stopped"
		} else {
			l.Next = t.nextTimes(now, Upcoming)
		}
		for _, r := range records {
			if r.Value.Name == t.trigger.Name {
				l.Firings = r.Value.Firings
			}
		}
		list = append(list, l)
	}
	return list, nil
}
