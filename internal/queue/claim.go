package queue

import (
	"context"
	"errors"
	"sync"

	"teal"
	"teal/internal/store"
)

// claim is a claim in memory: its messages say what its record is to say.
type claim struct {
	id      uint64
	version store.EnvironmentKey
	items   []*item

	saving   sync.Mutex // one write at a time
	revision uint64     // 0: it is in no record
}

// bind makes messages the version's that belong to none yet, and writes that down.
func (q *queue) bind(ctx context.Context, version store.EnvironmentKey, taken []*item) error {
	if version == (store.EnvironmentKey{}) {
		return nil // who is no version has nothing that is his alone
	}
	c, before, err := q.claimFor(version, taken)
	if c == nil || err != nil {
		return err
	}
	if err = q.save(ctx, c); err == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for n, i := range c.items {
		if i.claim == c {
			i.claim, i.version, i.unbound = before[n], store.EnvironmentKey{}, before[n] != nil
		}
	}
	q.unsaved = append(q.unsaved, unsaved{claim: c}) // it is removed, if it is there
	return err
}

// claimFor returns a new claim for those messages that are not the version's already,
// and the claims that they had; nil when there are none.
func (q *queue) claimFor(version store.EnvironmentKey, taken []*item) (c *claim, before []*claim, err error) {
	q.Broker.mu.Lock()
	deleting := q.deleting[version]
	q.Broker.mu.Unlock()
	if deleting {
		return nil, nil, teal.Errorf(teal.CodeUnknownVersion, "version %s of app %s is just being deleted", version.Version, version.App)
	}
	var fresh []*item
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, i := range taken {
		if i.claim == nil || i.version != version {
			fresh, before = append(fresh, i), append(before, i.claim)
		}
	}
	if len(fresh) == 0 {
		return nil, nil, nil
	}
	return q.newClaim(version, fresh), before, nil
}

// newClaim has messages belong to a version by a new claim; the caller holds the lock.
func (q *queue) newClaim(version store.EnvironmentKey, items []*item) *claim {
	c := &claim{id: q.nextID(), version: version, items: items}
	q.claims[c.id] = c
	for _, i := range items {
		i.claim, i.version, i.unbound = c, version, version == store.EnvironmentKey{}
		i.pack.claims[c] = true
	}
	return c
}

// recordOf returns what the record of a claim is to say; ok is false when there is
// nothing to say any more. The caller holds the lock.
func (q *queue) recordOf(c *claim) (record claimRecord, ok bool) {
	record = claimRecord{Queue: q.name, ID: formatID(c.id), App: c.version.App, Version: c.version.Version}
	own := c.items[:0]
	for _, i := range c.items {
		if i.claim != c || i.pack.over {
			continue // a newer claim says it, or its pack has gone
		}
		own = append(own, i)
		record.Messages = append(record.Messages, claimed{
			Pack: formatID(i.pack.id), Index: i.index, Failures: i.failures, Due: i.due, Reason: i.reason,
			Done: i.done, Unbound: i.unbound, Returned: i.returned,
		})
	}
	clear(c.items[len(own):])
	c.items = own
	return record, len(own) > 0
}

// save writes down what a claim is to say.
func (q *queue) save(ctx context.Context, c *claim) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	q.mu.Lock()
	record, ok := q.recordOf(c)
	if !ok {
		delete(q.claims, c.id)
	}
	q.mu.Unlock()
	key := store.SideKey{App: q.name, Name: formatID(c.id)}
	var written store.Record[claimRecord]
	var err error
	switch {
	case !ok && c.revision == 0:
		return nil
	case !ok:
		err = remove(ctx, q.tables.claims, key, c.revision)
	case c.revision == 0:
		written, err = q.tables.claims.Create(ctx, record)
	default:
		written, err = q.tables.claims.Update(ctx, record, c.revision)
	}
	if err == nil {
		c.revision = written.Revision
		return nil
	}
	// Nobody else writes the record: a write of which no answer came may have.
	if now, getErr := q.tables.claims.Get(ctx, key); getErr == nil {
		c.revision = now.Revision
	} else if errors.Is(getErr, store.ErrNotFound) {
		c.revision = 0
	}
	return err
}
