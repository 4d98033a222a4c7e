package queue

import (
	"context"
	"time"

	"teal/internal/store"
)

// read returns the queues that the store has.
func (b *Broker) read(ctx context.Context) (map[string]*queue, error) {
	l := loading{Broker: b, queues: map[string]*queue{}}
	err := b.tables.settings.Scan(ctx, "", func(_ string, r store.Record[settings], err error) error {
		if err == nil { // else it stays for people, whom the table has told
			l.queues[r.Value.Queue] = b.newQueue(r.Value.Queue, r.Value.CreatedAt)
		}
		return nil
	})
	if err == nil {
		err = b.tables.packs.Scan(ctx, "", l.pack)
	}
	if err == nil {
		err = b.tables.claims.Scan(ctx, "", l.claim)
	}
	if err == nil {
		err = b.tables.dead.Scan(ctx, "", l.letter)
	}
	if err != nil {
		return nil, err
	}
	l.compare()
	for _, q := range l.queues {
		q.begin()
	}
	return l.queues, nil
}

// loading is what is being read. Nobody else has the queues yet.
type loading struct {
	*Broker
	queues  map[string]*queue
	letters []Dead
}

// of returns a queue, also one whose own record is lost.
func (l *loading) of(name string) *queue {
	q := l.queues[name]
	if q == nil {
		q = l.newQueue(name, time.Now())
		l.queues[name] = q
	}
	return q
}

func (l *loading) pack(_ string, r store.Record[pack], err error) error {
	if err != nil {
		return nil //nolint:nilerr // it stays for people, whom the table has told
	}
	id, err := parseID(r.Value.ID)
	if err != nil {
		return nil //nolint:nilerr // not one of ours
	}
	q := l.of(r.Value.Queue)
	if q.packs[id] != nil {
		return nil // a scan may show one twice
	}
	p := q.addPack(r.Value, id, r.Revision)
	for _, i := range p.items {
		q.counts.messages++
		q.counts.bytes += i.bytes
	}
	return nil
}

func (l *loading) claim(_ string, r store.Record[claimRecord], err error) error {
	if err != nil {
		return nil //nolint:nilerr // likewise
	}
	id, err := parseID(r.Value.ID)
	if err != nil {
		return nil //nolint:nilerr // likewise
	}
	q := l.of(r.Value.Queue)
	q.lastID = max(q.lastID, id)
	c := &claim{id: id, version: store.EnvironmentKey{App: r.Value.App, Version: r.Value.Version}, revision: r.Revision}
	q.claims[id] = c
	for _, said := range r.Value.Messages {
		q.apply(c, said)
	}
	return nil
}

// apply learns from a claim about one of its messages, unless a newer one says more.
func (q *queue) apply(c *claim, said claimed) {
	id, err := parseID(said.Pack)
	p := q.packs[id]
	if err != nil || p == nil || said.Index < 0 || said.Index >= len(p.items) {
		return
	}
	i := p.items[said.Index]
	p.claims[c] = true
	if i.claim != nil && i.claim.id > c.id {
		return
	}
	c.items = append(c.items, i)
	i.claim, i.failures, i.reason, i.returned = c, said.Failures, said.Reason, said.Returned
	i.unbound, i.done = said.Unbound, said.Done
	i.version = c.version
	if said.Unbound {
		i.version = store.EnvironmentKey{}
	}
	if said.Due.After(i.due) {
		i.due = said.Due
	}
}

func (l *loading) letter(_ string, r store.Record[Dead], err error) error {
	if err == nil {
		q := l.of(r.Value.Queue)
		q.addDead(r.Value)
		l.letters = append(l.letters, r.Value)
	}
	return nil
}

// compare takes what has two records: a server may have ended while a message died, or
// was put back.
func (l *loading) compare() {
	items := map[string]*item{}
	if len(l.letters) > 0 {
		for _, q := range l.queues {
			for _, p := range q.packs {
				for _, i := range p.items {
					items[q.name+"/"+i.id] = i
				}
			}
		}
	}
	for _, d := range l.letters {
		switch i := items[d.Queue+"/"+d.Message.ID]; {
		case i == nil:
		case i.redriven > d.Message.Redriven:
			q := l.queues[d.Queue]
			q.unsaved = append(q.unsaved, unsaved{leftover: []string{d.Message.ID}})
		default:
			i.done = true
		}
	}
}

// begin has what was found wait, and what is done go.
func (q *queue) begin() {
	var done []*item
	for _, p := range q.packs {
		for _, i := range p.items {
			if i.done {
				done = append(done, i)
				continue
			}
			q.wait(i)
		}
	}
	for _, g := range q.groups {
		q.offer(g)
	}
	if len(done) > 0 {
		q.unsaved = append(q.unsaved, unsaved{done: done})
	}
	for _, c := range q.claims {
		if _, ok := q.recordOf(c); !ok {
			q.unsaved = append(q.unsaved, unsaved{claim: c})
		}
	}
}
