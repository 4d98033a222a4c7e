package event

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"teal"
	"teal/internal/backoff"
	"teal/internal/doctor"
	"teal/internal/store"
)

// How many events are worked on at the same time, and when to look again although
// none is due.
const (
	atOnce            = 64
	atOncePerFunction = 8
	lookAgainAfter    = time.Minute
)

// Worker works on events.
type Worker interface {
	// Work does what is to be done next about an event, and returns the event as
	// it is then; done means that nothing is left. It blocks for as long as that
	// takes, and is called by many goroutines at once.
	Work(ctx context.Context, e Event) (next Event, done bool)
}

// Config is what a Queue needs.
type Config struct {
	KV     store.KV
	Limits Limits
	Logger *slog.Logger
	Alerts *doctor.Alerts // may be nil
}

// Queue keeps events until they are done: a record of each is in the store, so
// nothing that was accepted is lost. What is in memory is when to look at which,
// and how much there is; an event itself is read when it is worked on. It is safe
// for concurrent use.
type Queue struct {
	table  *store.Table[store.SideKey, Event]
	logger *slog.Logger
	alerts *doctor.Alerts // may be nil
	wake   chan struct{}
	loaded chan struct{} // closed when it is known what an earlier server has left

	mu        sync.Mutex
	scheduled scheduler
	backlog   backlog
	running   int
}

// New returns a queue on which nobody works yet; until Run has read what an earlier
// server has left, Add waits.
func New(cfg Config) *Queue {
	return &Queue{
		table: store.NewSide(cfg.KV, "lambda", "event", Event.key), logger: cfg.Logger, alerts: cfg.Alerts,
		wake: make(chan struct{}, 1), loaded: make(chan struct{}), scheduled: newScheduler(), backlog: newBacklog(cfg.Limits),
	}
}

// loadPatience is how long an event waits to be accepted while those of an earlier
// server are still being looked at.
const loadPatience = 5 * time.Second

// lostWriteAfter is how long after a write whose outcome is not known an event is
// looked for.
const lostWriteAfter = time.Minute

// Add accepts an event: when it returns, the event is durable. One that was
// accepted before is not accepted twice. It returns teal.CodeThrottled when the
// function has as much waiting as it may have. From when admitted is called on, the
// version that the event needs is kept; its error refuses the event.
func (q *Queue) Add(ctx context.Context, e Event, admitted func() error) error {
	if err := q.awaitLoaded(ctx); err != nil {
		return err
	}
	mine, err := q.admit(e)
	if err == nil && admitted != nil {
		err = admitted()
	}
	if err == nil {
		_, err = q.table.Create(ctx, e)
	}
	switch {
	case err == nil:
		q.schedule(e)
	case errors.Is(err, store.ErrOutcomeUnknown):
		e.NotBefore = time.Now().Add(lostWriteAfter)
		q.schedule(e)
	case errors.Is(err, store.ErrExists):
		if mine { // the store has it and nobody looks at it: a write came late, or it cannot be read
			q.schedule(e)
		}
		return nil
	case mine:
		q.drop(e.key())
	}
	return err
}

// admit counts an event in; mine is whether it was not known before.
func (q *Queue) admit(e Event) (mine bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, known := q.backlog.events[e.key()]; known {
		return false, nil
	}
	err = q.backlog.admit(e)
	return err == nil, err
}

func (q *Queue) drop(key store.SideKey) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.backlog.drop(key)
}

func (q *Queue) awaitLoaded(ctx context.Context) error {
	select {
	case <-q.loaded:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, loadPatience)
	defer cancel()
	select {
	case <-q.loaded:
		return nil
	case <-ctx.Done():
		return teal.Errorf(teal.CodeUnavailable, "the events that an earlier server has left are still being read; send this one again in a moment")
	}
}

// Leave has a version go, unless an event needs it or may need it: then ok is
// false. Until left is called no event is accepted for it.
func (q *Queue) Leave(version store.VersionKey) (left func(), ok bool) {
	select {
	case <-q.loaded:
	default:
		return nil, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	key := version.Environment()
	if q.backlog.needed[key] > 0 {
		return nil, false
	}
	q.backlog.deleting[key] = true
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.backlog.deleting, key)
	}, true
}

// Needs returns the numbers of the versions of an app that events need; a draft is
// kept for as long as its function.
func (q *Queue) Needs(app string) (numbers []int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key := range q.backlog.needed {
		if number, ok := key.Version.Number(); ok && key.App == app {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// schedule has the event looked at when it is due.
func (q *Queue) schedule(e Event) {
	q.mu.Lock()
	q.backlog.put(e.key(), footprintOf(e))
	q.scheduled.add(pending{key: e.key(), function: e.function(), since: e.AcceptedAt, due: e.NotBefore})
	q.mu.Unlock()
	q.wakeUp()
}

func (q *Queue) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Run takes up what an earlier server has left, and has the worker work until ctx
// ends. What is under way then is begun again by the next server. It may be called
// once.
func (q *Queue) Run(ctx context.Context, worker Worker) error {
	q.load(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	for ctx.Err() == nil {
		events, next := q.take(time.Now())
		for _, p := range events {
			tasks.Go(func() { q.attempt(ctx, worker, p) })
		}
		q.sleep(ctx, next)
	}
	return nil
}

// load finds what an earlier server has left, and tries until it can.
func (q *Queue) load(ctx context.Context) {
	const subject = "events"
	for failures := 1; ctx.Err() == nil; failures++ {
		err := q.table.Scan(ctx, "", q.found)
		if err == nil {
			q.alerts.Resolve(teal.AlertPartUnavailable, subject)
			close(q.loaded)
			return
		}
		if ctx.Err() == nil {
			q.alerts.Report(teal.Alert{
				Code: teal.AlertPartUnavailable, Subject: subject, Message: "events that wait for functions cannot be read: " + err.Error(),
				Remedy: "see what is wrong with the store; it is tried again by itself",
			})
		}
		q.sleep(ctx, time.Now().Add(backoff.After(failures)))
	}
}

// found takes an event that the store has.
func (q *Queue) found(_ string, record store.Record[Event], err error) error {
	if err != nil {
		return nil //nolint:nilerr // it stays for people, whom the table has told
	}
	q.mu.Lock()
	_, known := q.backlog.events[record.Value.key()]
	q.mu.Unlock()
	if !known {
		q.schedule(record.Value)
	}
	return nil
}

func (q *Queue) sleep(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-q.wake:
	case <-timer.C:
	}
}

// take returns the events whose turn it is, counted as running, and when to look
// again if nothing happens.
func (q *Queue) take(now time.Time) (events []pending, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.running < atOnce {
		p, found := q.scheduled.next(now)
		if !found {
			break
		}
		q.running++
		events = append(events, p)
	}
	return events, q.scheduled.wakeAt(now.Add(lookAgainAfter))
}

// attempt works on one event once.
func (q *Queue) attempt(ctx context.Context, worker Worker, p pending) {
	defer q.finished(p.function)
	record, err := q.table.Get(ctx, p.key)
	switch {
	case ctx.Err() != nil:
		return // the next server begins this again
	case errors.Is(err, store.ErrNotFound):
		q.drop(p.key)
		return
	case errors.Is(err, store.ErrUnreadable):
		q.drop(p.key) // it stays for people, whom the table has told
		return
	case err != nil:
		q.postpone(p, err)
		return
	}
	next, done := worker.Work(ctx, record.Value)
	if ctx.Err() != nil {
		return // likewise
	}
	if q.recordOutcome(ctx, record, next, done) {
		q.drop(p.key)
	} else {
		q.schedule(next)
	}
}

// postpone has an event that could not be read looked at later.
func (q *Queue) postpone(p pending, err error) {
	p.failures++
	wait := backoff.After(p.failures)
	q.logger.Error("an event cannot be read; it is tried again", "app", p.key.App, "request", p.key.Name, "in", wait, "error", err)
	p.due = time.Now().Add(wait)
	q.mu.Lock()
	q.scheduled.add(p)
	q.mu.Unlock()
	q.wakeUp()
}

// recordOutcome writes down what has become of an event, and tries until it can: an event
// that has been run is not to be run again because the store fails. It keeps the
// event's place meanwhile, so that no more than those are under way. gone means
// that there is no record any more.
func (q *Queue) recordOutcome(ctx context.Context, record store.Record[Event], next Event, done bool) (gone bool) {
	key, revision := next.key(), record.Revision
	writing := context.WithoutCancel(ctx) // the store outlives the server's end
	for failures := 1; ; failures++ {
		var err error
		if done {
			err = q.table.Delete(writing, key, revision)
		} else {
			_, err = q.table.Update(writing, next, revision)
		}
		if err == nil {
			return done
		}
		// Nobody else changes the record; a write of which no answer came may have,
		// and the app's deletion removes it.
		if now, getErr := q.table.Get(writing, key); errors.Is(getErr, store.ErrNotFound) {
			return true
		} else if getErr == nil && now.Revision != revision {
			revision = now.Revision
			continue
		}
		if ctx.Err() != nil {
			return done
		}
		q.logger.Error("what has become of an event cannot be written; it is tried again", "app", key.App, "request", key.Name, "in", backoff.After(failures), "error", err)
		wait := time.NewTimer(backoff.After(failures))
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
}

// finished gives a place free.
func (q *Queue) finished(function Function) {
	q.mu.Lock()
	q.running--
	q.scheduled.done(function)
	q.mu.Unlock()
	q.wakeUp()
}

// Forget drops the events of an app that is being deleted.
func (q *Queue) Forget(ctx context.Context, app string) error {
	return q.table.Scan(ctx, app, func(_ string, r store.Record[Event], err error) error {
		if err != nil {
			return nil //nolint:nilerr // its caller deletes all records
		}
		err = store.IgnoreMissing(q.table.Delete(ctx, r.Value.key(), r.Revision))
		if err == nil {
			q.drop(r.Value.key())
		}
		if errors.Is(err, store.ErrConflict) {
			return nil
		}
		return err
	})
}
