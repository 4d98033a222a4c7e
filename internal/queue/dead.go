package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"teal"
	"teal/internal/store"
)

// deadLetter is what is known of a dead letter without its record.
type deadLetter struct {
	at    time.Time
	bytes int64
}

// bury makes dead letters of messages that have no tries left. Nobody else gets them
// meanwhile; what cannot be written is later.
func (q *queue) bury(ctx context.Context, items []*item) error {
	if len(items) == 0 {
		return nil
	}
	packs, err := q.readPacks(ctx, items)
	if err != nil {
		q.saveLater(unsaved{dead: items})
		return fmt.Errorf("queue %s: %w", q.name, err)
	}
	var buried, rest []*item
	for _, i := range items {
		messages := packs[i.pack].Messages
		if i.index < len(messages) {
			if err = q.writeDead(ctx, i, messages[i.index]); err != nil {
				rest = append(rest, i)
				continue
			}
		}
		buried = append(buried, i)
	}
	if len(rest) > 0 {
		q.saveLater(unsaved{dead: rest})
	}
	return errors.Join(err, q.settle(ctx, buried), q.dropOldDead(ctx))
}

// writeDead records a dead letter.
func (q *queue) writeDead(ctx context.Context, i *item, m Message) error {
	q.mu.Lock()
	letter := Dead{Queue: q.name, Message: m, Reason: i.reason, Failures: i.failures, App: i.version.App, Version: i.version.Version, At: time.Now()}
	if i.claim != nil && letter.App == "" {
		letter.App, letter.Version = i.claim.version.App, i.claim.version.Version
	}
	q.mu.Unlock()
	_, err := q.tables.dead.Create(ctx, letter)
	if err != nil && !errors.Is(err, store.ErrExists) {
		return err
	}
	q.logger.Warn("a message is dead", "queue", q.name, "message", m.ID, "app", letter.App, "version", letter.Version, "failures", letter.Failures, "reason", letter.Reason)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.addDead(letter)
	q.counts.total.Dead++
	return nil
}

// addDead knows a dead letter; the caller holds the lock.
func (q *queue) addDead(d Dead) {
	q.dropDead(d.Message.ID)
	q.dead[d.Message.ID] = deadLetter{d.At, d.Message.size()}
	q.counts.deadBytes += d.Message.size()
}

// dropDead forgets a dead letter; the caller holds the lock.
func (q *queue) dropDead(id string) {
	q.counts.deadBytes -= q.dead[id].bytes
	delete(q.dead, id)
}

// dropOldDead removes the oldest dead letters of too many.
func (q *queue) dropOldDead(ctx context.Context) error {
	q.mu.Lock()
	bytes, most := q.counts.deadBytes, int64(q.limits.Bytes)
	var over []string
	if len(q.dead) > q.limits.Dead || bytes > most {
		for n, id := range q.deadIDs() {
			if len(q.dead)-n <= q.limits.Dead && bytes <= most {
				break
			}
			over, bytes = append(over, id), bytes-q.dead[id].bytes
		}
	}
	q.mu.Unlock()
	for _, id := range over {
		q.logger.Warn("a dead letter is removed: there are too many", "queue", q.name, "message", id, "limit", q.limits.Dead)
		if err := q.removeDead(ctx, id); err != nil {
			return err
		}
		q.mu.Lock()
		q.counts.total.Dropped++
		q.mu.Unlock()
	}
	return nil
}

// deadIDs returns the dead letters, the oldest first; the caller holds the lock.
func (q *queue) deadIDs() []string {
	return slices.SortedFunc(maps.Keys(q.dead), func(a, b string) int {
		return cmp.Or(q.dead[a].at.Compare(q.dead[b].at), cmp.Compare(a, b))
	})
}

func (q *queue) removeDead(ctx context.Context, id string) error {
	key := store.SideKey{App: q.name, Name: id}
	record, err := q.tables.dead.Get(ctx, key)
	if err == nil {
		err = remove(ctx, q.tables.dead, key, record.Revision)
	}
	if err = store.IgnoreMissing(err); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropDead(id)
	return nil
}

// DeadLetters returns dead letters of a queue, the newest first, at most so many.
func (b *Broker) DeadLetters(ctx context.Context, name string, most int) ([]Dead, error) {
	q, err := b.find(ctx, name)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	ids := q.deadIDs()
	q.mu.Unlock()
	slices.Reverse(ids)
	var letters []Dead
	for _, id := range ids[:min(len(ids), most)] {
		record, err := q.tables.dead.Get(ctx, store.SideKey{App: name, Name: id})
		if store.IsLost(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		letters = append(letters, record.Value)
	}
	return letters, nil
}

// Redrive puts dead letters back into their queue, as if they had just been sent: those
// that are named, or all. It returns how many; an error says why the rest was not.
func (b *Broker) Redrive(ctx context.Context, name string, messages []string) (n int, err error) {
	q, err := b.find(ctx, name)
	if err != nil {
		return 0, err
	}
	q.mu.Lock()
	ids := q.deadIDs()
	for _, id := range messages {
		if _, ok := q.dead[id]; !ok {
			q.mu.Unlock()
			return 0, teal.Errorf(teal.CodeNotFound, "queue %s has no dead letter %q; `teal queue show %s` lists them", name, id, name)
		}
	}
	q.mu.Unlock()
	if len(messages) > 0 {
		ids = messages
	}
	for _, id := range ids {
		if err := q.redrive(ctx, id); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// redrive sends a dead letter again. Both its records exist for a moment: that of the
// message says that it is the newer one.
func (q *queue) redrive(ctx context.Context, id string) error {
	record, err := q.tables.dead.Get(ctx, store.SideKey{App: q.name, Name: id})
	if err != nil {
		return store.IgnoreMissing(err)
	}
	m := record.Value.Message
	m.SentAt, m.NotBefore, m.Deduplication = time.Now(), time.Time{}, ""
	m.Redriven++
	own := &sending{messages: []Message{m}, bytes: m.size(), lead: make(chan struct{}, 1), done: make(chan struct{})}
	q.mu.Lock()
	if err := q.admit(1, own.bytes); err != nil {
		q.mu.Unlock()
		return err
	}
	q.join(own)
	q.mu.Unlock()
	if q.write(ctx, own); own.err != nil {
		return own.err
	}
	return q.removeDead(ctx, id)
}

// Purge removes the messages of a queue that nobody works on, or, with dead, its dead
// letters. It returns how many.
func (b *Broker) Purge(ctx context.Context, name string, dead bool) (n int, err error) {
	q, err := b.find(ctx, name)
	if err != nil {
		return 0, err
	}
	if dead {
		q.mu.Lock()
		ids := q.deadIDs()
		q.mu.Unlock()
		for n, id := range ids {
			if err := q.removeDead(ctx, id); err != nil {
				return n, err
			}
		}
		return len(ids), nil
	}
	items := q.claimWaiting(func(*item) bool { return true })
	return len(items), q.settle(ctx, items)
}

// claimWaiting has nobody get those messages that wait and are chosen.
func (q *queue) claimWaiting(choose func(*item) bool) (items []*item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range q.packs {
		for _, i := range p.items {
			if i.flight == nil && !i.out() && choose(i) {
				i.done = true
				items = append(items, i)
			}
		}
	}
	return items
}

// expire makes dead letters of what is too old, and is not worked on.
func (q *queue) expire(ctx context.Context, now time.Time) {
	limit := now.Add(-q.limits.Age)
	items := q.claimWaiting(func(i *item) bool {
		if !i.sentAt.Before(limit) {
			return false
		}
		i.reason = "nobody has finished it within " + teal.Duration(q.limits.Age).String() + lastly(i.reason)
		return true
	})
	if err := q.bury(ctx, items); err != nil && ctx.Err() == nil {
		q.logger.Warn("messages that are too old cannot be made dead letters; it is tried again", "queue", q.name, "error", err)
	}
}

func lastly(reason string) string {
	if reason == "" {
		return ""
	}
	return "; at last: " + reason
}

// forgetDedup forgets deduplication IDs that do not count any more.
func (q *queue) forgetDedup(ctx context.Context, now time.Time) {
	limit := now.Add(-DedupWindow)
	var over []*packState
	q.mu.Lock()
	for id, k := range q.dedup {
		if k.by == nil && k.until.Before(now) {
			delete(q.dedup, id)
		}
	}
	for _, p := range q.packs {
		if p.over && p.sentAt.Before(limit) {
			over = append(over, p)
		}
	}
	q.mu.Unlock()
	for _, p := range over {
		if err := remove(ctx, q.tables.packs, store.SideKey{App: q.name, Name: formatID(p.id)}, p.revision); err != nil {
			return // it is tried again
		}
		q.mu.Lock()
		delete(q.packs, p.id)
		q.mu.Unlock()
	}
}
