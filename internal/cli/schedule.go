package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teal"
	"teal/internal/api"
)

func (s *session) scheduleCommand() *cobra.Command {
	return group("schedule", "Show what schedules fire, and when", s.scheduleListCommand())
}

func (s *session) scheduleListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list [APP]",
		Short: "Show the schedules of what is live: the next five times and the last result",
		Long: "Shows the schedules of the live version of an app, or of all apps: when they come next, by the\n" +
			"clock of their own time zone, and what became of the last time. With --json also the times\n" +
			"before that.",
		Example: "  teal schedule list shop",
		Args:    arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.scheduleList(cmd.Context(), strings.Join(args, ""))
		},
	}
}

func (s *session) scheduleList(ctx context.Context, app string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	list, err := c.Schedules(ctx, app)
	if err != nil {
		return err
	}
	s.show(api.ScheduleList{Schedules: append([]api.ScheduleView{}, list...)}, func() {
		if len(list) == 0 {
			s.out.line("no schedules; they stand under triggers: in teal.yaml")
		}
		for _, v := range list {
			s.out.line("%s", s.scheduleText(v))
		}
	})
	return nil
}

// scheduleText tells a schedule in a line, and below it when it comes and what it did.
func (s *session) scheduleText(v api.ScheduleView) string {
	text := v.App + " " + v.Name + ": \"" + v.Cron + "\" " + v.TimeZone + ", " + runsText(v) + ", " + teal.VersionName(v.Version)
	if v.Paused != "" {
		text += "\n  paused: " + v.Paused
	}
	for i, at := range v.Next {
		label := "\n        "
		if i == 0 {
			label = "\n  next: "
		}
		text += label + wallClock(v, at)
	}
	if n := len(v.Firings); n > 0 {
		text += "\n  last: " + firingText(v, v.Firings[n-1])
	}
	return text
}

func runsText(v api.ScheduleView) string {
	switch {
	case len(v.Command) > 0:
		return "runs " + strings.Join(v.Command, " ") + " of " + v.To
	case v.Path != "":
		return "POST " + v.Path + " of " + v.To
	}
	return "invokes " + v.To
}

// wallClock tells a time by the clock of a schedule's time zone.
func wallClock(v api.ScheduleView, at time.Time) string {
	if zone, err := teal.ParseZone(v.TimeZone); err == nil { // else this machine does not know the zone
		at = at.In(zone)
	}
	return at.Format("Mon 2006-01-02 15:04 MST")
}

// firingText tells what became of a time.
func firingText(v api.ScheduleView, f teal.Firing) string {
	text := wallClock(v, f.At) + " " + string(f.State)
	if f.Version != 0 {
		text += ", " + teal.VersionName(f.Version)
	}
	if f.Started != nil && f.EndedAt != nil {
		text += ", after " + f.EndedAt.Sub(*f.Started).Round(time.Millisecond).String()
	}
	if f.Attempts > 1 {
		text += ", attempt " + strconv.Itoa(f.Attempts)
	}
	if f.Why != "" {
		text += ": " + f.Why
	}
	return text
}
