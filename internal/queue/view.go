package queue

import (
	"context"
	"time"
)

// Totals count since the server has started.
type Totals struct {
	Sent, Delivered, Done, Failed, TimedOut, Dead, Dropped uint64
}

// Stats is what is known of a queue.
type Stats struct {
	Name      string
	CreatedAt time.Time
	Waiting   int // that could be given out
	Delayed   int // that are not due yet
	InFlight  int // that are worked on
	Dead      int
	Bytes     int64         // of all but the dead letters
	Oldest    time.Duration // how long the oldest message that is not done has been there
	// SentRate and DoneRate are per second, over the last minute.
	SentRate, DoneRate float64
	Totals             Totals
}

// counts is how much there is, and how much there was.
type counts struct {
	messages  int
	bytes     int64
	deadBytes int64
	total     Totals
	sends     rate
	dones     rate
}

func (c *counts) sent(n int, now time.Time) {
	c.total.Sent += uint64(n) //nolint:gosec // not negative
	c.sends.add(n, now)
}

func (c *counts) delivered(n int) { c.total.Delivered += uint64(n) } //nolint:gosec // not negative

func (c *counts) done(n int, now time.Time) {
	c.total.Done += uint64(n) //nolint:gosec // not negative
	c.dones.add(n, now)
}

// rate counts over the last minute.
type rate struct {
	seconds [60]int
	at      int64 // the newest second
}

func (r *rate) add(n int, now time.Time) {
	r.move(now)
	r.seconds[r.at%60] += n
}

func (r *rate) move(now time.Time) {
	second := now.Unix()
	if second-r.at >= 60 {
		r.seconds, r.at = [60]int{}, second
	}
	for r.at < second {
		r.at++
		r.seconds[r.at%60] = 0
	}
}

func (r *rate) perSecond(now time.Time) float64 {
	r.move(now)
	all := 0
	for _, n := range r.seconds {
		all += n
	}
	return float64(all) / 60
}

// List returns what is known of all queues, by name.
func (b *Broker) List(ctx context.Context) ([]Stats, error) {
	if err := b.awaitLoaded(ctx); err != nil {
		return nil, err
	}
	return b.Loaded(), nil
}

// Loaded is List of the queues that are known already; it does not block.
func (b *Broker) Loaded() []Stats {
	now := time.Now()
	queues := b.all()
	list := make([]Stats, len(queues))
	for n, q := range queues {
		list[n] = q.stats(now)
	}
	return list
}

// Show returns what is known of a queue.
func (b *Broker) Show(ctx context.Context, name string) (Stats, error) {
	q, err := b.find(ctx, name)
	if err != nil {
		return Stats{}, err
	}
	return q.stats(time.Now()), nil
}

func (q *queue) stats(now time.Time) Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.look(now)
	s := Stats{Name: q.name, CreatedAt: q.since, Dead: len(q.dead), Bytes: q.counts.bytes, Totals: q.counts.total}
	s.SentRate, s.DoneRate = q.counts.sends.perSecond(now), q.counts.dones.perSecond(now)
	for _, p := range q.packs {
		for _, i := range p.items {
			if i.gone {
				continue
			}
			switch {
			case i.flight != nil || i.done:
				s.InFlight++
			case i.due.After(now):
				s.Delayed++
			default:
				s.Waiting++
			}
			s.Oldest = max(s.Oldest, now.Sub(i.sentAt))
		}
	}
	return s
}
