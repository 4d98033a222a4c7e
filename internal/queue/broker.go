package queue

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"teal"
	"teal/internal/backoff"
	"teal/internal/doctor"
	"teal/internal/store"
)

// Config is what a Broker needs.
type Config struct {
	KV     store.KV
	Limits Limits
	Logger *slog.Logger
	Alerts *doctor.Alerts // may be nil
}

// Broker has the queues of a server. A record of each message is in the store, so
// nothing that was accepted is lost; what is in memory is which of them wait, and for
// whom. It is safe for concurrent use.
type Broker struct {
	tables recordTables
	limits Limits
	logger *slog.Logger
	alerts *doctor.Alerts
	loaded chan struct{} // closed when it is known what an earlier server has left

	mu       sync.Mutex
	queues   map[string]*queue
	making   sync.Mutex                    // of the record of a queue
	deleting map[store.EnvironmentKey]bool // versions, until their records are gone; under mu
}

// New returns a broker that gives nothing out yet; until Run has read what an earlier
// server has left, its methods wait.
func New(cfg Config) *Broker {
	return &Broker{
		tables: tablesOf(cfg.KV), limits: cfg.Limits.withDefaults(), logger: cfg.Logger, alerts: cfg.Alerts,
		loaded: make(chan struct{}), queues: map[string]*queue{}, deleting: map[store.EnvironmentKey]bool{},
	}
}

// queue is one queue.
type queue struct {
	*Broker
	name string

	mu      sync.Mutex
	since   time.Time // when it was made
	packs   map[uint64]*packState
	claims  map[uint64]*claim
	dead    map[string]deadLetter // by message
	dedup   map[string]*known
	doubts  map[uint64]*doubt
	pending []*sending // that wait for the disk
	writing bool       // somebody writes a pack
	lastID  uint64     // of a pack or a claim
	changed chan struct{}
	unsaved []unsaved // writes that have failed, to be made again

	schedule
	counts counts
	kept   keptPacks
}

func (b *Broker) newQueue(name string, since time.Time) *queue {
	return &queue{
		Broker: b, name: name, since: since, packs: map[uint64]*packState{}, claims: map[uint64]*claim{}, dead: map[string]deadLetter{},
		dedup: map[string]*known{}, doubts: map[uint64]*doubt{}, changed: make(chan struct{}), schedule: newSchedule(),
	}
}

// nextID returns a number above all that the queue has given out, whatever becomes of
// the clock; the caller holds the lock.
func (q *queue) nextID() uint64 {
	q.lastID = max(q.lastID+1, uint64(time.Now().UnixNano())) //nolint:gosec // after 1970
	return q.lastID
}

// wake tells who waits for messages that there may be some; the caller holds the lock.
func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func newReceipt() string { return uuid.NewString() }

// unknownQueue is the error of a queue that there is not.
func unknownQueue(name string) error {
	return teal.Errorf(teal.CodeUnknownQueue, "there is no queue %q; `teal queue list` shows those that exist, and the first message makes one", name)
}

// find returns a queue that there is.
func (b *Broker) find(ctx context.Context, name string) (*queue, error) {
	if err := b.awaitLoaded(ctx); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if q, ok := b.queues[name]; ok {
		return q, nil
	}
	return nil, unknownQueue(name)
}

// Ensure makes a queue where there is none.
func (b *Broker) Ensure(ctx context.Context, name string) error {
	_, err := b.open(ctx, name)
	return err
}

// open returns a queue, a new one if there is none.
func (b *Broker) open(ctx context.Context, name string) (*queue, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if q, err := b.find(ctx, name); !teal.IsCode(err, teal.CodeUnknownQueue) {
		return q, err
	}
	b.making.Lock()
	defer b.making.Unlock()
	if q, err := b.find(ctx, name); err == nil {
		return q, nil
	}
	if most := b.count(); most >= MaxQueues {
		return nil, teal.Errorf(teal.CodeQueueFull, "there are %d queues, which is the limit; use one of these", most)
	}
	record := settings{Queue: name, CreatedAt: time.Now()}
	if _, err := b.tables.settings.Create(ctx, record); err != nil && !errors.Is(err, store.ErrExists) {
		return nil, err
	}
	q := b.newQueue(name, record.CreatedAt)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues[name] = q
	return q, nil
}

func (b *Broker) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queues)
}

// all returns the queues by name.
func (b *Broker) all() []*queue {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]*queue, 0, len(b.queues))
	for _, name := range slices.Sorted(maps.Keys(b.queues)) {
		list = append(list, b.queues[name])
	}
	return list
}

// loadPatience is how long who asks waits for what an earlier server has left.
const loadPatience = 5 * time.Second

func (b *Broker) awaitLoaded(ctx context.Context) error {
	select {
	case <-b.loaded:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, loadPatience)
	defer cancel()
	select {
	case <-b.loaded:
		return nil
	case <-ctx.Done():
		return teal.Errorf(teal.CodeUnavailable, "the messages that an earlier server has left are still being read; try again in a moment")
	}
}

// sweepEvery is how often what has failed is tried again, and what is too old looked for.
const sweepEvery = time.Second

// Run takes up what an earlier server has left, and looks after the queues until ctx
// ends. It may be called once.
func (b *Broker) Run(ctx context.Context) error {
	b.load(ctx)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			for _, q := range b.all() {
				q.sweep(ctx, time.Now())
			}
		}
	}
}

// load finds what an earlier server has left, and tries until it can.
func (b *Broker) load(ctx context.Context) {
	const subject = "queues"
	for failures := 1; ctx.Err() == nil; failures++ {
		queues, err := b.read(ctx)
		if err == nil {
			b.alerts.Resolve(teal.AlertPartUnavailable, subject)
			b.mu.Lock()
			b.queues = queues
			b.mu.Unlock()
			close(b.loaded)
			return
		}
		if ctx.Err() == nil {
			b.alerts.Report(teal.Alert{
				Code: teal.AlertPartUnavailable, Subject: subject, Message: "the messages of queues cannot be read: " + err.Error(),
				Remedy: "see what is wrong with the store; it is tried again by itself",
			})
		}
		pause := time.NewTimer(backoff.After(failures))
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// sweep does what nobody waits for.
func (q *queue) sweep(ctx context.Context, now time.Time) {
	for _, d := range q.listDoubts() {
		_ = q.settleDoubt(ctx, d) // it is tried again
	}
	q.saveAgain(ctx)
	q.expire(ctx, now)
	q.forgetDedup(ctx, now)
}
