package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"teal"
	"teal/internal/store"
)

// Sent is what became of a message that was sent.
type Sent struct {
	ID        string
	Duplicate bool // one with its deduplication ID was sent before: ID is that one's
}

// known is a deduplication ID that was used.
type known struct {
	id    string
	until time.Time
	by    *sending // while it is not known whether it is in the store; nil: it is
}

// sending is a producer's messages on their way to the disk.
type sending struct {
	messages []Message
	bytes    int64
	lead     chan struct{} // capacity 1: it is the turn of this producer to write for all
	done     chan struct{} // closed when it is known what has become of them
	err      error         // valid then
	doubt    *doubt        // likewise; set when that is not known
}

// doubt is a pack of which nobody knows whether it was written.
type doubt struct {
	settling sync.Mutex
	pack     pack
	id       uint64
	settled  bool
}

// Send accepts messages: when it returns, all of them are durable, or none is. One
// whose deduplication ID was sent within DedupWindow is not accepted again. It makes the
// queue where there is none, and returns teal.CodeQueueFull while the queue has as much
// as it may have.
func (b *Broker) Send(ctx context.Context, name string, messages []Outgoing) ([]Sent, error) {
	if err := check(messages); err != nil {
		return nil, err
	}
	q, err := b.open(ctx, name)
	if err != nil {
		return nil, err
	}
	return q.send(ctx, messages)
}

func (q *queue) send(ctx context.Context, messages []Outgoing) ([]Sent, error) {
	for {
		sent, own, waits, err := q.enqueue(messages)
		if err != nil {
			return nil, err
		}
		if len(waits) > 0 { // somebody is sending the same messages
			if err := q.await(ctx, waits); err != nil {
				return nil, err
			}
			continue
		}
		if own == nil {
			return sent, nil
		}
		q.write(ctx, own)
		if own.err != nil {
			return nil, refusal(q.name, own.err)
		}
		return sent, nil
	}
}

// refusal says what an error of a write means to a producer.
func refusal(name string, err error) error {
	if errors.Is(err, store.ErrOutcomeUnknown) {
		return teal.Errorf(teal.CodeTimeout, "it is not known whether queue %s has the messages; send them again, with the same deduplication IDs if they must not be there twice: %w", name, err)
	}
	return err
}

// enqueue takes messages in, without those that were accepted before. It does nothing
// while it is not known whether some of them were, and returns by whom.
func (q *queue) enqueue(messages []Outgoing) (sent []Sent, own *sending, waits []*sending, err error) {
	now := time.Now()
	own = &sending{lead: make(chan struct{}, 1), done: make(chan struct{})}
	sent = make([]Sent, len(messages))
	q.mu.Lock()
	defer q.mu.Unlock()
	fresh := map[string]string{}
	for i, m := range messages {
		if id := m.Deduplication; id != "" {
			before, ok := q.dedup[id]
			switch {
			case ok && before.by != nil:
				waits = append(waits, before.by)
				continue
			case ok && now.Before(before.until):
				sent[i] = Sent{before.id, true}
				continue
			case fresh[id] != "":
				sent[i] = Sent{fresh[id], true}
				continue
			}
		}
		made := Message{ID: uuid.NewString(), Body: m.Body, Attributes: m.Attributes, Group: m.Group, Deduplication: m.Deduplication, SentAt: now}
		if m.Delay > 0 {
			made.NotBefore = now.Add(m.Delay)
		}
		own.messages, own.bytes = append(own.messages, made), own.bytes+made.size()
		sent[i].ID = made.ID
		if m.Deduplication != "" {
			fresh[m.Deduplication] = made.ID
		}
	}
	if len(waits) > 0 || len(own.messages) == 0 {
		return sent, nil, waits, nil
	}
	if err := q.admit(len(own.messages), own.bytes); err != nil {
		return nil, nil, nil, err
	}
	for key, id := range fresh {
		q.dedup[key] = &known{id: id, until: now.Add(DedupWindow), by: own}
	}
	q.join(own)
	return sent, own, nil, nil
}

// join has messages wait for the disk; the caller holds the lock.
func (q *queue) join(s *sending) {
	q.pending = append(q.pending, s)
	if !q.writing {
		q.writing = true
		s.lead <- struct{}{}
	}
}

// knownPerMessage is how many deduplication IDs are known for each message that a queue
// may have.
const knownPerMessage = 10

// admit counts messages in, or refuses them because the queue has too many; the caller
// holds the lock.
func (q *queue) admit(n int, bytes int64) error {
	have := &q.counts
	switch {
	case len(q.dedup) >= knownPerMessage*q.limits.Messages:
		return teal.Errorf(teal.CodeQueueFull, "queue %s has been sent %d deduplication IDs within %s, which is the limit; send fewer, or raise --limit %s", q.name, len(q.dedup), DedupWindow, limitMessages)
	case have.messages+n > q.limits.Messages:
		return teal.Errorf(teal.CodeQueueFull, "queue %s has %d messages and may have %d; send more when some have been worked on, or raise --limit %s", q.name, have.messages, q.limits.Messages, limitMessages)
	case have.bytes+bytes > int64(q.limits.Bytes):
		return teal.Errorf(teal.CodeQueueFull, "queue %s has messages of %s and may have %s; send more when some have been worked on, or raise --limit %s", q.name, teal.Bytes(have.bytes), q.limits.Bytes, limitBytes)
	}
	have.messages += n
	have.bytes += bytes
	return nil
}

// await blocks until it is known what became of messages of others.
func (q *queue) await(ctx context.Context, others []*sending) error {
	for _, s := range others {
		select {
		case <-s.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if s.doubt != nil {
			if err := q.settleDoubt(ctx, s.doubt); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTimeout bounds how long one write waits for the disk.
const writeTimeout = 30 * time.Second

// write blocks until messages have been written: by this producer, together with those
// of others that wait, or by another one.
func (q *queue) write(ctx context.Context, own *sending) {
	select {
	case <-own.done:
		return
	case <-own.lead:
	}
	q.mu.Lock()
	group, record, id := q.gather()
	q.mu.Unlock()
	// The messages of others do not end with this producer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	written, err := q.tables.packs.Create(ctx, record)
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case err == nil:
		q.install(record, id, written.Revision)
	case errors.Is(err, store.ErrOutcomeUnknown):
		d := &doubt{pack: record, id: id}
		q.doubts[id] = d
		for _, s := range group {
			s.doubt = d
		}
	default:
		q.withdraw(record)
	}
	for _, s := range group {
		s.err = err
		close(s.done)
	}
	if q.writing = len(q.pending) > 0; q.writing {
		q.pending[0].lead <- struct{}{}
	}
}

// gather takes what waits for the disk, as much as goes into one pack; the caller holds
// the lock.
func (q *queue) gather() (group []*sending, record pack, id uint64) {
	id = q.nextID()
	record = pack{Queue: q.name, ID: formatID(id)}
	var bytes int64
	for len(q.pending) > 0 {
		s := q.pending[0]
		if len(group) > 0 && (len(record.Messages)+len(s.messages) > MaxBatch || bytes+s.bytes > int64(MaxBatchBytes)) {
			break
		}
		q.pending = q.pending[1:]
		group, bytes = append(group, s), bytes+s.bytes
		record.Messages = append(record.Messages, s.messages...)
	}
	q.lastID = max(q.lastID, id+uint64(len(record.Messages)))
	return group, record, id
}

// install has the messages of a pack wait for who works on them; they are counted in
// already. The caller holds the lock.
func (q *queue) install(record pack, id, revision uint64) {
	p := q.addPack(record, id, revision)
	for _, i := range p.items {
		q.wait(i)
	}
	q.counts.sent(len(p.items), time.Now())
	q.kept.put(p, record)
	q.wake()
}

// addPack knows a pack; the caller holds the lock.
func (q *queue) addPack(record pack, id, revision uint64) *packState {
	p := &packState{id: id, revision: revision, claims: map[*claim]bool{}, over: record.Done}
	for n, m := range record.Messages {
		if m.Deduplication != "" {
			p.dedup = append(p.dedup, m.Deduplication)
			q.dedup[m.Deduplication] = &known{id: m.ID, until: m.SentAt.Add(DedupWindow)}
		}
		p.sentAt = m.SentAt
		if record.Done {
			continue
		}
		p.items = append(p.items, &item{
			pack: p, index: n, id: m.ID, group: q.groupOf(m.Group), point: pointOf(m.Group, m.ID),
			bytes: m.size(), sentAt: m.SentAt, due: m.NotBefore, redriven: m.Redriven,
		})
	}
	p.live = len(p.items)
	q.packs[id] = p
	q.lastID = max(q.lastID, id+uint64(len(record.Messages)))
	return p
}

// withdraw forgets messages that were not written; the caller holds the lock.
func (q *queue) withdraw(record pack) {
	for _, m := range record.Messages {
		q.counts.messages--
		q.counts.bytes -= m.size()
		if before, ok := q.dedup[m.Deduplication]; ok && before.id == m.ID {
			delete(q.dedup, m.Deduplication)
		}
	}
}

func (q *queue) listDoubts() []*doubt {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := make([]*doubt, 0, len(q.doubts))
	for _, d := range q.doubts {
		list = append(list, d)
	}
	return list
}

// settleDoubt finds out whether a pack was written. Where it was not, an empty one is
// written in its place: a write that comes late cannot succeed any more.
func (q *queue) settleDoubt(ctx context.Context, d *doubt) error {
	d.settling.Lock()
	defer d.settling.Unlock()
	if d.settled {
		return nil
	}
	fence := pack{Queue: q.name, ID: d.pack.ID, Done: true}
	made, err := q.tables.packs.Create(ctx, fence)
	written := errors.Is(err, store.ErrExists)
	var found store.Record[pack]
	if written {
		found, err = q.tables.packs.Get(ctx, store.SideKey{App: q.name, Name: d.pack.ID})
	}
	if err != nil {
		return err
	}
	d.settled = true
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.doubts, d.id)
	if written && !found.Value.Done {
		q.install(found.Value, d.id, found.Revision)
		return nil
	}
	q.withdraw(d.pack)
	revision := found.Revision
	if !written {
		revision = made.Revision
	}
	fenced := q.addPack(fence, d.id, revision)
	fenced.sentAt = time.Now() // it goes when no write can come any more
	return nil
}
