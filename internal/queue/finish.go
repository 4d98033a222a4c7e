package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"teal/internal/store"
)

// Outcome is what became of a message that was given out.
type Outcome int

// The outcomes.
const (
	// Done: nothing is left to do about it.
	Done Outcome = iota
	// Failed: it is tried again when its visibility is over, by the same version, or is
	// dead when it has no tries left.
	Failed
	// Untried: nobody could work on it, which is not its fault. It counts as no try.
	Untried
)

// Result is what became of one delivery.
type Result struct {
	Receipt string
	Outcome Outcome
	Reason  string        // of what failed, for people
	After   time.Duration // how soon it is tried again; 0: what is said at Outcome
}

// Finish says what became of messages that were given out. When it returns without an
// error, what it says is durable. Of a receipt that is none any more it returns
// teal.CodeConflict, after the others have been dealt with.
func (b *Broker) Finish(ctx context.Context, name string, results []Result) error {
	q, err := b.find(ctx, name)
	if err != nil {
		return err
	}
	f := q.sort(results, time.Now())
	return errors.Join(q.bury(ctx, f.dead), q.settle(ctx, f.done), q.saveAll(ctx, f.failed), f.stale)
}

// finished is what is to be done about the messages of a Finish.
type finished struct {
	done, dead, failed []*item
	stale              error
}

// sort looks up what results are about. What is done or dead stays where nobody else
// gets it until that is written down.
func (q *queue) sort(results []Result, now time.Time) (f finished) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range results {
		i, ok := q.receipts[r.Receipt]
		if !ok || i.done || i.dying || i.flight == nil && r.Outcome != Done {
			f.stale = staleReceipt(r.Receipt)
			continue
		}
		switch r.Outcome {
		case Done:
			i.done = true
			f.done = append(f.done, i)
		case Failed:
			if i.flight.void {
				q.again(i, now)
				continue
			}
			i.failures++
			i.reason = r.Reason
			q.counts.total.Failed++
			if i.failures > i.flight.retries {
				i.dying = true
				f.dead = append(f.dead, i)
				continue
			}
			f.failed = append(f.failed, i)
			q.again(i, dueAfter(r, i.flight, now))
		case Untried:
			q.again(i, now.Add(r.After))
		}
	}
	q.counts.done(len(f.done), now)
	q.wake()
	return f
}

func dueAfter(r Result, f *flight, now time.Time) time.Time {
	due := f.since.Add(f.visibility)
	if r.After > 0 {
		due = now.Add(r.After)
	}
	if due.Before(now) {
		return now
	}
	return due
}

// settle writes down that nothing is left to do about messages, and forgets them. While
// that cannot be written, it is tried again, and nobody else gets them.
func (q *queue) settle(ctx context.Context, items []*item) error {
	if len(items) == 0 {
		return nil
	}
	packs, claims := q.leave(items)
	var err error
	for _, p := range packs {
		err = errors.Join(err, q.removePack(ctx, p))
	}
	for _, c := range claims {
		err = errors.Join(err, q.save(ctx, c))
	}
	if err != nil {
		q.saveLater(unsaved{done: items})
		return fmt.Errorf("queue %s: %w", q.name, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, i := range items {
		q.remove(i)
	}
	q.wake()
	return nil
}

// leave marks messages as done, and returns the packs with nothing left in them and the
// claims that say so of the others.
func (q *queue) leave(items []*item) (packs []*packState, claims []*claim) {
	q.mu.Lock()
	defer q.mu.Unlock()
	touched := map[*packState]bool{}
	var fresh []*item
	for _, i := range items {
		i.done = true
		touched[i.pack] = true
	}
	dirty := map[*claim]bool{}
	for p := range touched {
		if p.over {
			continue
		}
		if isOver(p) {
			packs = append(packs, p)
			for c := range p.claims {
				dirty[c] = true
			}
		}
	}
	for _, i := range items {
		switch {
		case i.pack.over, isOver(i.pack):
		case i.claim == nil:
			fresh = append(fresh, i)
		default:
			dirty[i.claim] = true
		}
	}
	if len(fresh) > 0 {
		dirty[q.newClaim(store.EnvironmentKey{}, fresh)] = true
	}
	for c := range dirty {
		claims = append(claims, c)
	}
	return packs, claims
}

// isOver reports whether nothing is left to do about a pack.
func isOver(p *packState) bool {
	for _, i := range p.items {
		if !i.done {
			return false
		}
	}
	return true
}

// removePack removes the record of a pack, or, while deduplication IDs of it count, what
// is in it.
func (q *queue) removePack(ctx context.Context, p *packState) error {
	p.saving.Lock()
	defer p.saving.Unlock()
	if p.over {
		return nil
	}
	key := store.SideKey{App: q.name, Name: formatID(p.id)}
	keep := len(p.dedup) > 0 && time.Since(p.sentAt) < DedupWindow
	err := q.empty(ctx, p, key, keep)
	if err != nil {
		// Nobody else writes the record: a write of which no answer came may have.
		if now, getErr := q.tables.packs.Get(ctx, key); getErr == nil {
			p.revision = now.Revision
		}
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	p.over, p.items = true, nil
	if !keep {
		delete(q.packs, p.id)
	}
	return nil
}

// empty removes a pack's messages from the store.
func (q *queue) empty(ctx context.Context, p *packState, key store.SideKey, keep bool) error {
	if !keep {
		return remove(ctx, q.tables.packs, key, p.revision)
	}
	packs, err := q.readPacks(ctx, p.items[:1])
	if err != nil {
		return err
	}
	written, err := q.tables.packs.Update(ctx, stripped(packs[p]), p.revision)
	if err == nil {
		p.revision = written.Revision
	}
	return err
}

// stripped is what stays of a pack for its deduplication IDs.
func stripped(p pack) pack {
	rest := pack{Queue: p.Queue, ID: p.ID, Done: true}
	for _, m := range p.Messages {
		if m.Deduplication != "" {
			rest.Messages = append(rest.Messages, Message{ID: m.ID, Deduplication: m.Deduplication, SentAt: m.SentAt})
		}
	}
	return rest
}

// saveAll writes down how often messages have failed. What cannot be written now is
// later: a server that ends before counts a failure less.
func (q *queue) saveAll(ctx context.Context, items []*item) (err error) {
	for c := range q.claimsOf(items) {
		if saveErr := q.save(ctx, c); saveErr != nil {
			q.saveLater(unsaved{claim: c})
			err = fmt.Errorf("queue %s: %w", q.name, saveErr)
		}
	}
	return err
}

// claimsOf returns the claims of messages; those that have none get one of no version.
func (q *queue) claimsOf(items []*item) map[*claim]bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	claims := map[*claim]bool{}
	var fresh []*item
	for _, i := range items {
		switch {
		case i.out() || i.pack.over:
		case i.claim == nil:
			fresh = append(fresh, i)
		default:
			claims[i.claim] = true
		}
	}
	if len(fresh) > 0 {
		claims[q.newClaim(store.EnvironmentKey{}, fresh)] = true
	}
	return claims
}

// unsaved is a write that has to be made again.
type unsaved struct {
	done  []*item
	dead  []*item
	claim *claim
	// leftover are dead letters that had been put back when an earlier server ended.
	leftover []string
}

func (q *queue) saveLater(u unsaved) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unsaved = append(q.unsaved, u)
}

// saveAgain makes the writes that have failed.
func (q *queue) saveAgain(ctx context.Context) {
	q.mu.Lock()
	again := q.unsaved
	q.unsaved = nil
	q.mu.Unlock()
	for _, u := range again {
		err := errors.Join(q.settle(ctx, u.done), q.bury(ctx, u.dead))
		for _, id := range u.leftover {
			if leftErr := q.removeDead(ctx, id); leftErr != nil {
				q.saveLater(unsaved{leftover: []string{id}})
				err = errors.Join(err, leftErr)
			}
		}
		if u.claim != nil {
			if saveErr := q.save(ctx, u.claim); saveErr != nil {
				q.saveLater(unsaved{claim: u.claim})
				err = errors.Join(err, saveErr)
			}
		}
		if err != nil && ctx.Err() == nil {
			q.logger.Warn("what has become of messages cannot be written; it is tried again", "queue", q.name, "error", err)
		}
	}
}
