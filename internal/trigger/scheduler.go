package trigger

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"time"

	"teal"
	"teal/internal/backoff"
	"teal/internal/event"
	"teal/internal/gateway"
	"teal/internal/store"
)

// lookEvery is how often the clock is looked at although no time has come: it may have
// been set, and what is live may have another schedule.
const lookEvery = time.Second

// maxHanded bounds what is remembered of firings that were handed over.
const maxHanded = 10_000

// Apps are the records of apps.
type Apps interface {
	// Apps returns all apps, those that are being deleted among them. It does no I/O.
	Apps() []teal.App
}

// Aliases are those of all apps.
type Aliases interface {
	// Alias returns an alias; the zero one when there is none. It does no I/O.
	Alias(app, name string) store.Record[teal.Alias]
}

// Versions are the contents of versions.
type Versions interface {
	// Spec returns what a version is made of.
	Spec(ctx context.Context, app string, version int) (teal.Spec, error)
}

// Events is the durable queue of what is to be run.
type Events interface {
	// Add accepts an event, once for its ID.
	Add(ctx context.Context, e event.Event, admitted func() error) error
}

// Config is what a Scheduler needs.
type Config struct {
	KV       store.KV
	Apps     Apps
	Aliases  Aliases
	Versions Versions
	Events   Events
	Logger   *slog.Logger
	// Boundary, where set, is called between the steps of a firing with a name for where
	// it is: a test dies there.
	Boundary func(name string)
}

// Scheduler fires the schedules of what is live. Safe for concurrent use.
type Scheduler struct {
	cfg   Config
	table *store.Table[store.SideKey, Record]
	wake  chan struct{} // capacity 1

	// What follows is Run's alone.

	looked  time.Time
	tables  map[contentKey][]timetable
	next    map[store.SideKey]upcoming
	pending map[store.SideKey]bool // records with firings that are to be handed over
	handed  map[string]bool        // IDs of firings whose event has been accepted; it spares asking again
}

type contentKey struct {
	app     string
	version teal.VersionRef
}

// upcoming is when a trigger is to be looked at again, and what by.
type upcoming struct {
	cron, zone string
	at         time.Time
}

// New returns a scheduler that fires nothing before Run.
func New(cfg Config) *Scheduler {
	if cfg.Boundary == nil {
		cfg.Boundary = func(string) {}
	}
	return &Scheduler{
		cfg: cfg, table: newTable(cfg.KV), wake: make(chan struct{}, 1),
		tables: map[contentKey][]timetable{}, next: map[store.SideKey]upcoming{},
		pending: map[store.SideKey]bool{}, handed: map[string]bool{},
	}
}

// Run fires what is due until ctx ends: first what an earlier server has written down
// and not handed over. It may be called once more after it has returned.
func (s *Scheduler) Run(ctx context.Context) error {
	s.load(ctx)
	for ctx.Err() == nil {
		s.sleep(ctx, s.look(ctx, time.Now()))
	}
	return nil
}

// load finds the firings that an earlier server has left, and tries until it can.
func (s *Scheduler) load(ctx context.Context) {
	clear(s.pending)
	clear(s.handed)
	clear(s.next)
	for failures := 1; ctx.Err() == nil; failures++ {
		err := s.table.Scan(ctx, "", func(_ string, r store.Record[Record], err error) error {
			if err == nil && len(r.Value.open()) > 0 {
				s.pending[r.Value.key()] = true
			}
			return nil //nolint:nilerr // one that cannot be read stays for people, whom the table has told
		})
		if err == nil {
			return
		}
		s.cfg.Logger.Error("what schedules have fired cannot be read; it is tried again", "in", backoff.After(failures), "error", err)
		s.sleep(ctx, time.Now().Add(backoff.After(failures)))
	}
}

func (s *Scheduler) sleep(ctx context.Context, until time.Time) {
	timer := time.NewTimer(min(time.Until(until), backoff.After(99)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-timer.C:
	}
}

// nudge has the scheduler look again: a worker has ended a firing, for which another one
// may wait. It does not block.
func (s *Scheduler) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// look fires what is due, and returns when to look again.
func (s *Scheduler) look(ctx context.Context, now time.Time) time.Time {
	wake := now.Add(lookEvery)
	if now.Before(s.looked) { // the clock has been put back
		clear(s.next)
	}
	s.looked = now
	for _, l := range s.live(ctx) {
		u, known := s.next[l.key()]
		if !known || !u.isOf(l.times) || !now.Before(u.at) {
			u, known = s.decide(ctx, l, now)
		}
		if known && u.at.Before(wake) {
			wake = u.at
		}
	}
	for key := range s.pending {
		s.handOver(ctx, key)
	}
	return wake
}

// live is a schedule that fires, and what may run it.
type live struct {
	app     string
	times   timetable
	targets []teal.Target // of the app's live alias
}

func (l live) key() store.SideKey { return store.SideKey{App: l.app, Name: l.times.trigger.Name} }

func (u upcoming) isOf(t timetable) bool {
	return u.cron == t.trigger.Schedule.Cron && u.zone == t.trigger.Schedule.TimeZone
}

// live returns the schedules of all apps that run.
func (s *Scheduler) live(ctx context.Context) (list []live) {
	for _, app := range s.cfg.Apps.Apps() {
		if app.Name == "" || app.Deleting || app.Stopped != nil {
			continue
		}
		targets := s.cfg.Aliases.Alias(app.Name, teal.AliasLive).Value.Targets
		for _, t := range s.timetables(ctx, app.Name, leading(targets)) {
			list = append(list, live{app.Name, t, targets})
		}
	}
	return list
}

// leading returns the version whose schedules count while an alias points to two: the one
// that has more of the traffic, of equals the first.
func leading(targets []teal.Target) teal.VersionRef {
	switch {
	case len(targets) == 0:
		return 0
	case len(targets) == 2 && targets[1].Weight > targets[0].Weight:
		return targets[1].Version
	}
	return targets[0].Version
}

// timetables returns the schedules of a version; none of one that cannot be read now.
func (s *Scheduler) timetables(ctx context.Context, app string, version teal.VersionRef) []timetable {
	number, ok := version.Number()
	if !ok {
		return nil
	}
	key := contentKey{app, version}
	if known, ok := s.tables[key]; ok {
		return known
	}
	spec, err := s.cfg.Versions.Spec(ctx, app, number)
	if err != nil {
		return nil // its record's alert says so; it is tried again
	}
	list := timetablesOf(spec)
	maps.DeleteFunc(s.tables, func(k contentKey, _ []timetable) bool { return k.app == app })
	s.tables[key] = list
	return list
}

func timetablesOf(spec teal.Spec) (list []timetable) {
	for _, t := range spec.Triggers {
		if table, ok := newTimetable(t); ok {
			list = append(list, table)
		}
	}
	return list
}

// decide writes down what is to be done about the times that have come; false when it
// cannot.
func (s *Scheduler) decide(ctx context.Context, l live, now time.Time) (upcoming, bool) {
	s.cfg.Boundary("schedule:due")
	record, err := s.table.Upsert(ctx, l.key(), func(r *Record, _ bool) error {
		r.App, r.Name = l.app, l.times.trigger.Name
		if !r.advance(l.times, now, now.Add(-lookEvery)) {
			return store.ErrUnchanged
		}
		for _, f := range r.open() {
			if f.Version == 0 {
				r.firing(f.ID).Version = s.pick(ctx, l, f.ID)
			}
		}
		return nil
	})
	s.cfg.Boundary("schedule:decided")
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, store.ErrUnreadable) { // of which an alert tells
			s.cfg.Logger.Error("what a schedule fires cannot be written down; it is tried again", "app", l.app, "trigger", l.times.trigger.Name, "error", err)
		}
		return upcoming{}, false
	}
	if len(record.Value.open()) > 0 {
		s.pending[l.key()] = true
	}
	u := upcoming{record.Value.Cron, record.Value.TimeZone, l.times.next(record.Value.Last)}
	s.next[l.key()] = u
	return u, true
}

// pick chooses the version that runs a firing, as the weights of live say: the same one
// whenever it is asked. A version without the trigger runs none of it.
func (s *Scheduler) pick(ctx context.Context, l live, id string) teal.VersionRef {
	picked, lead := gateway.Pick(l.targets, pointOf(id)), leading(l.targets)
	if number, ok := picked.Number(); ok && picked != lead {
		spec, err := s.cfg.Versions.Spec(ctx, l.app, number)
		if t, has := spec.Trigger(l.times.trigger.Name); err == nil && has && t.Schedule != nil {
			return picked
		}
	}
	return lead
}

// pointOf returns where a firing stands among those of all versions.
func pointOf(id string) teal.Weight {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return teal.Weight(h.Sum32() % uint32(teal.All))
}

// handOver has the firings of a record run that can be.
func (s *Scheduler) handOver(ctx context.Context, key store.SideKey) {
	record, err := s.table.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrUnreadable):
		delete(s.pending, key)
		return
	case err != nil:
		return // it is tried again
	}
	left := false
	for _, f := range record.Value.open() {
		left = left || f.State == teal.FiringWaiting && !s.handed[f.ID]
	}
	if !left {
		delete(s.pending, key)
		return
	}
	for _, f := range s.ready(ctx, record.Value) {
		if !s.handed[f.ID] {
			s.accept(ctx, record.Value, f)
		}
	}
}

// ready returns the firings of a record that can be run now.
func (s *Scheduler) ready(ctx context.Context, r Record) []teal.Firing {
	open := r.open()
	number, ok := open[0].Version.Number()
	if !ok {
		return open
	}
	spec, err := s.cfg.Versions.Spec(ctx, r.App, number)
	if t, has := spec.Trigger(r.Name); err == nil && has && t.Schedule != nil && t.Schedule.Overlap == teal.OverlapQueue {
		return open[:1]
	}
	return open
}

// accept hands a firing over to the queue of events, once.
func (s *Scheduler) accept(ctx context.Context, r Record, f teal.Firing) {
	s.cfg.Boundary("schedule:hand-over")
	e, err := s.event(ctx, r, f)
	if err == nil {
		err = s.cfg.Events.Add(ctx, e, func() error { _, err := s.event(ctx, r, f); return err })
	}
	s.cfg.Boundary("schedule:handed-over")
	switch {
	case err == nil:
		if len(s.handed) > maxHanded {
			clear(s.handed)
		}
		s.handed[f.ID] = true
	case ctx.Err() != nil:
	case teal.IsCode(err, teal.CodeUnknownVersion), teal.IsCode(err, teal.CodeNotFound):
		s.rechoose(ctx, r, f, teal.MessageOf(err))
	default:
		s.cfg.Logger.Error("a firing cannot be handed over; it is tried again", "app", r.App, "trigger", r.Name, "at", f.At, "error", err)
	}
}

// event returns the event of a firing, or why there can be none: its version is gone.
func (s *Scheduler) event(ctx context.Context, r Record, f teal.Firing) (event.Event, error) {
	number, _ := f.Version.Number()
	spec, err := s.cfg.Versions.Spec(ctx, r.App, number)
	if err != nil {
		return event.Event{}, err
	}
	t, ok := spec.Trigger(r.Name)
	if !ok {
		return event.Event{}, teal.Errorf(teal.CodeNotFound, "%s has no trigger %s", teal.VersionName(f.Version), r.Name)
	}
	return event.Event{
		App: r.App, ID: f.ID, Component: t.To, Name: teal.FunctionName(r.App, t.To), Qualifier: teal.AliasLive,
		Version: f.Version, Trigger: r.Name, Payload: payloadOf(t, f, r.App), AcceptedAt: time.Now(),
	}, nil
}

// rechoose has another version run a firing whose own one is gone before it was begun, or
// ends it where none has its trigger any more.
func (s *Scheduler) rechoose(ctx context.Context, r Record, f teal.Firing, why string) {
	lead := leading(s.cfg.Aliases.Alias(r.App, teal.AliasLive).Value.Targets)
	has := slices.ContainsFunc(s.timetables(ctx, r.App, lead), func(t timetable) bool { return t.trigger.Name == r.Name })
	_, err := s.table.Modify(ctx, r.key(), func(r *Record) error {
		if !has || lead == f.Version {
			return r.end(f.ID, teal.FiringFailed, why, time.Now())
		}
		if now := r.firing(f.ID); now != nil && !now.Ended() {
			now.Version = lead
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		s.cfg.Logger.Error("what becomes of a firing cannot be written down; it is tried again", "app", r.App, "trigger", r.Name, "error", err)
	}
}
