package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/doctor"
	"teal/internal/store"
)

// queued is an asynchronous invocation: from the moment it is accepted until it
// has been dealt with for good.
type queued struct {
	App           string
	ID            string // the request's
	Component     string
	Name          string // by which the function was called
	Qualifier     string
	Version       int // chosen when the event was accepted; retries stay on it
	Event         []byte
	ClientContext string `json:",omitempty"`
	TraceID       string `json:",omitempty"`

	AcceptedAt time.Time
	Attempts   int       // how often the function has failed at it
	Refusals   int       // how often it could not be run, or delivered, since
	NotBefore  time.Time // of the next attempt

	// Report is what the destination is to be told; then nothing but that is
	// left to do.
	Report      []byte `json:",omitempty"`
	Destination string `json:",omitempty"`
}

func (e queued) key() store.SideKey { return store.SideKey{App: e.App, Name: e.ID} }

func (e queued) ref() awslambda.Ref { return awslambda.Ref{App: e.App, Component: e.Component} }

// Limits on how many events are worked on at the same time.
const (
	eventsAtOnce        = 64
	eventsPerFunction   = 8
	eventLookAgainAfter = time.Minute // when nothing is due
)

// queue works on events: a record of each is in the store until it is done, so
// nothing that was accepted is lost. What is in memory is when to look at which,
// and how much there is; an event itself is read when it is worked on.
type queue struct {
	table *store.Table[store.SideKey, queued]
	// work does what is to be done next about an event, and returns the event as
	// it is then; done means that nothing is left.
	work   func(ctx context.Context, e queued) (next queued, done bool)
	logger *slog.Logger
	alerts *doctor.Alerts // may be nil
	wake   chan struct{}
	loaded chan struct{} // closed when it is known what an earlier server has left

	mu      sync.Mutex
	waiting waitingRoom
	backlog backlog
	running int
}

func newQueue(kv store.KV, work func(context.Context, queued) (queued, bool), logger *slog.Logger) *queue {
	return &queue{
		table: store.NewSide(kv, "lambda", "event", queued.key), work: work, logger: logger,
		wake: make(chan struct{}, 1), loaded: make(chan struct{}), waiting: newWaitingRoom(), backlog: newBacklog(EventLimits{}),
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
func (q *queue) Add(ctx context.Context, e queued, admitted func() error) error {
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
		q.await(e)
	case errors.Is(err, store.ErrOutcomeUnknown):
		e.NotBefore = time.Now().Add(lostWriteAfter)
		q.await(e)
	case errors.Is(err, store.ErrExists):
		return nil
	case mine:
		q.drop(e.key())
	}
	return err
}

// admit counts an event in; mine is whether it was not known before.
func (q *queue) admit(e queued) (mine bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, known := q.backlog.events[e.key()]; known {
		return false, nil
	}
	err = q.backlog.admit(e)
	return err == nil, err
}

func (q *queue) drop(key store.SideKey) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.backlog.drop(key)
}

func (q *queue) awaitLoaded(ctx context.Context) error {
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
func (q *queue) Leave(version store.VersionKey) (left func(), ok bool) {
	select {
	case <-q.loaded:
	default:
		return nil, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.backlog.needed[version] > 0 {
		return nil, false
	}
	q.backlog.leaving[version] = true
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.backlog.leaving, version)
	}, true
}

// Needs returns the versions of an app that events need.
func (q *queue) Needs(app string) (numbers []int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for version := range q.backlog.needed {
		if version.App == app {
			numbers = append(numbers, version.Number)
		}
	}
	return numbers
}

// await has the event looked at when it is due.
func (q *queue) await(e queued) {
	q.mu.Lock()
	q.backlog.put(e.key(), holdingOf(e))
	q.waiting.add(pending{key: e.key(), ref: e.ref(), since: e.AcceptedAt, due: e.NotBefore})
	q.mu.Unlock()
	q.nudge()
}

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Run takes up what an earlier server has left, and works until ctx ends. What is
// under way then is begun again by the next server.
func (q *queue) Run(ctx context.Context) error {
	q.load(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	for ctx.Err() == nil {
		events, next := q.take(time.Now())
		for _, p := range events {
			tasks.Go(func() { q.attempt(ctx, p) })
		}
		q.sleep(ctx, next)
	}
	return nil
}

// load finds what an earlier server has left, and tries until it can.
func (q *queue) load(ctx context.Context) {
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
		q.sleep(ctx, time.Now().Add(pause(failures)))
	}
}

// found takes an event that the store has.
func (q *queue) found(_ string, record store.Record[queued], err error) error {
	if err != nil {
		return nil //nolint:nilerr // it stays for people, whom the table has told
	}
	q.mu.Lock()
	_, known := q.backlog.events[record.Value.key()]
	q.mu.Unlock()
	if !known {
		q.await(record.Value)
	}
	return nil
}

func (q *queue) sleep(ctx context.Context, until time.Time) {
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
func (q *queue) take(now time.Time) (events []pending, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.running < eventsAtOnce {
		p, found := q.waiting.next(now)
		if !found {
			break
		}
		q.running++
		events = append(events, p)
	}
	return events, q.waiting.wakeAt(now.Add(eventLookAgainAfter))
}

// attempt works on one event once.
func (q *queue) attempt(ctx context.Context, p pending) {
	defer q.finished(p.ref)
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
		q.again(p, err)
		return
	}
	next, done := q.work(ctx, record.Value)
	if ctx.Err() != nil {
		return // likewise
	}
	if q.settle(ctx, record, next, done) {
		q.drop(p.key)
	} else {
		q.await(next)
	}
}

// again has an event that could not be read looked at later.
func (q *queue) again(p pending, err error) {
	p.failures++
	wait := pause(p.failures)
	q.logger.Error("an event cannot be read; it is tried again", "app", p.key.App, "request", p.key.Name, "in", wait, "error", err)
	p.due = time.Now().Add(wait)
	q.mu.Lock()
	q.waiting.add(p)
	q.mu.Unlock()
	q.nudge()
}

// settle writes down what has become of an event, and tries until it can: an event
// that has been run is not to be run again because the store fails. It keeps the
// event's place meanwhile, so that no more than those are under way. gone means
// that there is no record any more.
func (q *queue) settle(ctx context.Context, record store.Record[queued], next queued, done bool) (gone bool) {
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
		q.logger.Error("what has become of an event cannot be written; it is tried again", "app", key.App, "request", key.Name, "in", pause(failures), "error", err)
		wait := time.NewTimer(pause(failures))
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
}

// finished gives a place free.
func (q *queue) finished(ref awslambda.Ref) {
	q.mu.Lock()
	q.running--
	q.waiting.done(ref)
	q.mu.Unlock()
	q.nudge()
}

// Forget drops the events of an app that is being deleted.
func (q *queue) Forget(ctx context.Context, app string) error {
	return q.table.Scan(ctx, app, func(_ string, r store.Record[queued], err error) error {
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

// chooseTries bounds how often the version of an event is chosen: each further try
// means that one has been deleted in between.
const chooseTries = 3

// Enqueue implements [awslambda.Invoker].
func (l *lambda) Enqueue(ctx context.Context, event awslambda.Event) (int, error) {
	for try := 1; ; try++ {
		version, err := l.Choose(ctx, event.Ref, event.Qualifier)
		if err != nil {
			return 0, err
		}
		err = l.queue.Add(ctx, queued{
			App: event.Ref.App, ID: event.RequestID, Component: event.Ref.Component, Name: event.Name, Qualifier: event.Qualifier,
			Version: version, Event: event.Event, ClientContext: event.ClientContext, TraceID: event.TraceID, AcceptedAt: event.AcceptedAt,
		}, func() error { return l.checkVersion(event.Ref.App, version) })
		if teal.IsCode(err, teal.CodeUnknownVersion) && try < chooseTries {
			continue
		}
		return version, l.tooManyEvents(err)
	}
}

// checkVersion reports whether a version is still there.
func (l *lambda) checkVersion(app string, number int) error {
	if number != teal.Draft && !l.index.has(store.VersionKey{App: app, Number: number}) {
		return teal.Errorf(teal.CodeUnknownVersion, "There is no version %d of app %s any more.", number, app)
	}
	return nil
}

// tooManyEvents puts AWS's words into a refusal for want of room.
func (l *lambda) tooManyEvents(err error) error {
	if !isThrottle(err) {
		return err
	}
	return &awslambda.Fault{Code: "TooManyRequestsException", Message: teal.MessageOf(err), Reason: "CallerRateLimitExceeded"}
}

// isThrottle reports whether an error says that there was no room for a call.
func isThrottle(err error) bool { return teal.IsCode(err, teal.CodeThrottled) }
