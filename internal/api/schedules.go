package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"teal"
	"teal/internal/access"
)

// ScheduleView is a schedule of what is live, when it comes next, and what it has fired.
type ScheduleView struct {
	App      string        `json:"app"`
	Name     string        `json:"name"`
	To       string        `json:"to" doc:"The component"`
	Version  int           `json:"version" doc:"The version whose schedule it is"`
	Cron     string        `json:"cron"`
	TimeZone string        `json:"time_zone"`
	Path     string        `json:"path,omitempty" doc:"Where a service gets its POST"`
	Command  []string      `json:"command,omitempty" doc:"The program that runs in the component's code"`
	Overlap  teal.Overlap  `json:"overlap"`
	Missed   teal.Missed   `json:"missed"`
	Next     []time.Time   `json:"next" doc:"The next five times, in the schedule's time zone; none while it is paused"`
	Paused   string        `json:"paused,omitempty" doc:"Why nothing is fired"`
	Firings  []teal.Firing `json:"firings" doc:"The last ones, oldest first: 20 that have ended, and those that have not"`
}

// NewScheduleView returns what a trigger says of its schedule.
func NewScheduleView(app string, version int, t teal.Trigger) ScheduleView {
	s := *t.Schedule
	return ScheduleView{
		App: app, Name: t.Name, To: t.To, Version: version, Cron: s.Cron, TimeZone: s.TimeZone, Path: s.Path, Command: s.Command,
		Overlap: cmp.Or(s.Overlap, teal.OverlapSkip), Missed: cmp.Or(s.Missed, teal.MissedSkip), Next: []time.Time{}, Firings: []teal.Firing{},
	}
}

// ScheduleList is the answer of GET /v1/schedules and of GET /v1/apps/{app}/schedules.
type ScheduleList struct {
	Schedules []ScheduleView `json:"schedules"`
	Next      string         `json:"next,omitempty" doc:"Cursor of the next page; left out on the last one"`
}

// bySchedule orders schedules by app and name.
var bySchedule = ordering[ScheduleView]{
	func(v ScheduleView) string { return v.App + "/" + v.Name },
	func(key string) error {
		app, name, _ := strings.Cut(key, "/")
		return errors.Join(teal.CheckName("app", app), teal.CheckName("trigger", name))
	},
}

func (s *Server) registerSchedules() {
	register(s, huma.Operation{
		OperationID: "list-schedules", Method: http.MethodGet, Path: "/v1/apps/{app}/schedules",
		Summary: "The schedules of what is live of an app, when they come next and what they have fired", Tags: []string{"schedules"},
	}, func(ctx context.Context, in *inList) (*body[ScheduleList], error) {
		return s.schedules(ctx, in.App, in.Page)
	})
	register(s, huma.Operation{
		OperationID: "list-all-schedules", Method: http.MethodGet, Path: "/v1/schedules",
		Summary: "The schedules of what is live of all apps, by app and name", Tags: []string{"schedules"},
	}, func(ctx context.Context, in *Page) (*body[ScheduleList], error) { return s.schedules(ctx, "", *in) })
}

func (s *Server) schedules(ctx context.Context, app string, page Page) (*body[ScheduleList], error) {
	list, err := s.cfg.Control.Schedules(ctx, app)
	if err != nil {
		return nil, err // translated by register
	}
	list = slices.DeleteFunc(list, func(v ScheduleView) bool { return !access.CallerOf(ctx).Sees(v.App) })
	entries, next, err := cut(list, page, bySchedule)
	return &body[ScheduleList]{ScheduleList{Schedules: entries, Next: next}}, err
}
