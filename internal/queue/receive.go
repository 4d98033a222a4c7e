package queue

import (
	"context"
	"errors"
	"slices"
	"time"

	"teal"
	"teal/internal/store"
)

// Bounds of what is received.
const (
	MaxReceive        = 1000 // messages at once
	MaxWait           = 20 * time.Second
	MaxVisibility     = 12 * time.Hour
	DefaultVisibility = 30 * time.Second
	DefaultRetries    = 3
	MaxRetries        = 100
	// maxReceiveBytes bounds the messages that are given out together: a function takes
	// no larger event.
	maxReceiveBytes = 4 * int64(teal.MiB)
)

// Receive says who wants messages, and which.
type Receive struct {
	Queue string
	// Version is who works on them: they belong to it from then on. Zero is somebody
	// who is no version of an app; those have no bound messages to themselves.
	Version store.EnvironmentKey
	Most    int           // at least 1
	Wait    time.Duration // for the first one; 0: not at all
	// Visibility is how long they are this receiver's alone. Held ones are his until he
	// says what became of them, for a receiver that ends with the server: what he has
	// failed at is given out again when Visibility is over.
	Visibility time.Duration
	Held       bool
	Retries    int // tries after the first one, before a message is dead
	// Takes says of messages that belong to no version which ones this one takes, by
	// where they stand among an alias's weights; nil is all.
	Takes func(teal.Weight) bool
}

// Delivery is a message that was given out.
type Delivery struct {
	Message
	Sequence uint64 // grows from message to message of a queue
	Receipt  string // proves this delivery, and no other one of the message
	Failures int    // at the version, before
}

// Receive gives out messages that wait, and blocks until there is one, for Wait at most;
// then it returns none. That they are this version's is durable when it returns. Who has
// got them says what became of them with [Broker.Finish].
func (b *Broker) Receive(ctx context.Context, r Receive) ([]Delivery, error) {
	q, err := b.find(ctx, r.Queue)
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(r.Wait)
	for {
		now := time.Now()
		taken, spent, next, changed := q.take(now, r)
		_ = q.bury(ctx, spent) // what cannot be written now is later
		if len(taken) > 0 {
			return q.deliver(ctx, r, taken)
		}
		if !now.Before(until) {
			return nil, nil
		}
		timer := time.NewTimer(time.Until(slices.MinFunc([]time.Time{next, until}, time.Time.Compare)))
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// take returns what is given out, what is not because it has no tries left, and when
// something may be, unless changed is closed before.
func (q *queue) take(now time.Time, r Receive) (taken, spent []*item, next time.Time, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.look(now)
	taken, spent = q.schedule.take(now, request{
		version: r.Version, most: r.Most, bytes: maxReceiveBytes, visibility: r.Visibility, held: r.Held, retries: r.Retries, takes: r.Takes, receipt: newReceipt,
	})
	return taken, spent, q.wakeAt(now.Add(MaxWait)), q.changed
}

// look moves on what is due, or was not finished in time; the caller holds the lock.
func (q *queue) look(now time.Time) {
	for _, i := range q.advance(now) {
		q.counts.total.TimedOut++
		if i.claim != nil {
			q.unsaved = append(q.unsaved, unsaved{claim: i.claim})
		}
	}
}

// deliver binds messages to the version and returns them with their bodies.
func (q *queue) deliver(ctx context.Context, r Receive, taken []*item) ([]Delivery, error) {
	if err := q.bind(ctx, r.Version, taken); err != nil {
		q.putBack(taken, time.Now().Add(time.Second))
		return nil, err
	}
	packs, err := q.readPacks(ctx, taken)
	if err != nil {
		q.putBack(taken, time.Now().Add(time.Second))
		return nil, err
	}
	var deliveries []Delivery
	var lost []*item
	q.mu.Lock()
	for _, i := range taken {
		p := packs[i.pack]
		if i.index >= len(p.Messages) { // its record cannot be read
			lost = append(lost, i)
			continue
		}
		deliveries = append(deliveries, Delivery{p.Messages[i.index], i.sequence(), i.receipt, i.failures})
	}
	q.counts.delivered(len(deliveries))
	q.drop(lost)
	q.mu.Unlock()
	if len(deliveries) == 0 {
		return nil, teal.Errorf(teal.CodeInternal, "messages of queue %s cannot be read; `teal doctor` says more", q.name)
	}
	return deliveries, nil
}

// putBack has messages that were taken in vain wait again.
func (q *queue) putBack(taken []*item, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, i := range taken {
		q.again(i, due)
	}
	q.wake()
}

// drop forgets messages whose record is gone or cannot be read: it stays for people,
// whom its table has told. The caller holds the lock.
func (q *queue) drop(lost []*item) {
	for _, i := range lost {
		q.remove(i)
	}
}

// remove counts a message out, for good; the caller holds the lock.
func (q *queue) remove(i *item) {
	if i.gone {
		return
	}
	i.gone = true
	i.pack.live--
	q.counts.messages--
	q.counts.bytes -= i.bytes
	delete(q.receipts, i.receipt)
	if i.flight != nil {
		q.landed(i)
	}
}

// readPacks returns the packs of messages; an empty one for a pack that cannot be read.
func (q *queue) readPacks(ctx context.Context, items []*item) (map[*packState]pack, error) {
	found := map[*packState]pack{}
	for _, i := range items {
		p := i.pack
		if _, ok := found[p]; ok {
			continue
		}
		q.mu.Lock()
		kept, ok := q.kept.get(p)
		q.mu.Unlock()
		if ok {
			found[p] = kept
			continue
		}
		record, err := q.tables.packs.Get(ctx, store.SideKey{App: q.name, Name: formatID(p.id)})
		if err != nil && !store.IsLost(err) && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		found[p] = record.Value
		q.mu.Lock()
		q.kept.put(p, record.Value)
		q.mu.Unlock()
	}
	return found, nil
}

// keptBytes bounds the packs of a queue that are kept in memory.
const keptBytes = 8 * int64(teal.MiB)

// keptPacks are the last packs that were written or read. It is not safe for concurrent
// use.
type keptPacks struct {
	order []*packState
	bytes int64
}

func (k *keptPacks) put(p *packState, record pack) {
	if p.record.ID != "" || len(p.items) == 0 {
		return
	}
	p.record = record
	k.order = append(k.order, p)
	for _, m := range record.Messages {
		k.bytes += m.size()
	}
	for k.bytes > keptBytes && len(k.order) > 1 {
		k.forget()
	}
}

func (k *keptPacks) forget() {
	oldest := k.order[0]
	k.order = k.order[1:]
	for _, m := range oldest.record.Messages {
		k.bytes -= m.size()
	}
	oldest.record = pack{}
}

func (*keptPacks) get(p *packState) (pack, bool) { return p.record, p.record.ID != "" }

// Extend has messages stay their receiver's alone for longer: for so long from now.
func (b *Broker) Extend(ctx context.Context, name string, receipts []string, visibility time.Duration) error {
	q, err := b.find(ctx, name)
	if err != nil {
		return err
	}
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.look(now)
	for _, receipt := range receipts {
		i, ok := q.receipts[receipt]
		if !ok || i.flight == nil {
			return staleReceipt(receipt)
		}
		i.flight.until = now.Add(visibility)
		q.expiring.Push(expiry{i.flight.until, i, i.flight})
	}
	return nil
}

func staleReceipt(receipt string) error {
	return teal.Errorf(teal.CodeConflict, "the receipt %s is of no message that is being worked on: the message is finished, or was given out again because its visibility was over", receipt)
}
