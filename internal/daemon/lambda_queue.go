package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"teal"
	"teal/internal/api/awslambda"
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
// nothing that was accepted is lost. What is in memory is when to look at which.
type queue struct {
	table *store.Table[store.SideKey, queued]
	// work does what is to be done next about an event, and returns the event as
	// it is then; done means that nothing is left.
	work   func(ctx context.Context, e queued) (next queued, done bool)
	logger *slog.Logger
	wake   chan struct{}

	mu      sync.Mutex
	waiting waitingRoom
	running int
}

func newQueue(kv store.KV, work func(context.Context, queued) (queued, bool), logger *slog.Logger) *queue {
	return &queue{
		table: store.NewSide(kv, "lambda", "event", queued.key), work: work, logger: logger,
		wake: make(chan struct{}, 1), waiting: newWaitingRoom(),
	}
}

// Add accepts an event: when it returns, the event is durable. One that was
// accepted before is not accepted twice.
func (q *queue) Add(ctx context.Context, e queued) error {
	_, err := q.table.Create(ctx, e)
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	if err != nil {
		return err
	}
	q.await(e)
	return nil
}

// await has the event looked at when it is due.
func (q *queue) await(e queued) {
	q.mu.Lock()
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
	records, _, err := q.table.Readable(ctx, "") // one that cannot be understood stays for people
	if err != nil {
		return fmt.Errorf("lambda: load events: %w", err)
	}
	for _, r := range records {
		q.await(r.Value)
	}
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
	key := p.key
	record, err := q.table.Get(ctx, key)
	if err != nil {
		if !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
			q.logger.Error("an event cannot be read; it is tried again after a restart", "app", key.App, "request", key.Name, "error", err)
		}
		return
	}
	next, done := q.work(ctx, record.Value)
	if ctx.Err() != nil {
		return // the next server begins this again
	}
	// The store outlives the server's end.
	ctx = context.WithoutCancel(ctx)
	if done {
		if err := ignoreMissing(q.table.Delete(ctx, key, record.Revision)); err != nil {
			q.logger.Error("an event that is done cannot be deleted; it is done again after a restart", "app", key.App, "request", key.Name, "error", err)
		}
		return
	}
	if _, err := q.table.Update(ctx, next, record.Revision); err != nil {
		q.logger.Error("an event cannot be updated", "app", key.App, "request", key.Name, "error", err)
		next = record.Value
		next.NotBefore = time.Now().Add(time.Second)
	}
	q.await(next)
}

// finished gives a place free.
func (q *queue) finished(ref awslambda.Ref) {
	q.mu.Lock()
	q.running--
	q.waiting.done(ref)
	q.mu.Unlock()
	q.nudge()
}

// Enqueue implements [awslambda.Invoker].
func (l *lambda) Enqueue(ctx context.Context, event awslambda.Event) (int, error) {
	version, err := l.Choose(ctx, event.Ref, event.Qualifier)
	if err != nil {
		return 0, err
	}
	return version, l.queue.Add(ctx, queued{
		App: event.Ref.App, ID: event.RequestID, Component: event.Ref.Component, Name: event.Name, Qualifier: event.Qualifier,
		Version: version, Event: event.Event, ClientContext: event.ClientContext, TraceID: event.TraceID, AcceptedAt: event.AcceptedAt,
	})
}

// isThrottle reports whether an error says that there was no room for a call.
func isThrottle(err error) bool { return teal.IsCode(err, teal.CodeThrottled) }
