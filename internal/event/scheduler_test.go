package event

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"teal/internal/store"
	"teal/internal/store/memkv"
)

func event(function string, n int, since, due time.Time) Event {
	return Event{App: function, Component: function, ID: fmt.Sprintf("e%d", n), AcceptedAt: since, NotBefore: due}
}

// What is due comes out, the oldest first, as far as its function has room; one
// function that has none does not keep the others waiting.
func TestEventsComeInTheirOrder(t *testing.T) {
	t.Parallel()
	q := quietQueue(memkv.New())
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	for n := range 10 {
		q.schedule(event("busy", n, at(-100+n), at(0)))
		q.schedule(event("busy", n, at(-100+n), at(0))) // twice is once
	}
	q.schedule(event("young", 0, at(-10), at(0)))
	q.schedule(event("old", 0, at(-1000), at(0)))
	q.schedule(event("old", 1, at(-2000), at(30)))
	names := func(events []pending) (list string) {
		for _, p := range events {
			list += p.key.App + "/" + p.key.Name + " "
		}
		return list
	}
	events, next := q.take(at(0))
	if got := names(events); got != "old/e0 busy/e0 busy/e1 busy/e2 busy/e3 busy/e4 busy/e5 busy/e6 busy/e7 young/e0 " || !next.Equal(at(30)) {
		t.Errorf("first: %s, then at %s", got, next.Sub(start))
	}
	q.finished(Function{App: "busy", Component: "busy"})
	if events, _ := q.take(at(1)); names(events) != "busy/e8 " {
		t.Errorf("with one place free: %s", names(events))
	}
	q.schedule(event("busy", 0, at(-100), at(2))) // failed, and comes back
	q.finished(Function{App: "busy", Component: "busy"})
	q.finished(Function{App: "busy", Component: "busy"})
	if events, _ := q.take(at(2)); names(events) != "busy/e0 busy/e9 " {
		t.Errorf("with two more places free: %s", names(events))
	}
	if events, next := q.take(at(30)); names(events) != "old/e1 " || !next.Equal(at(30).Add(lookAgainAfter)) {
		t.Errorf("half a minute later: %s, then at %s", names(events), next.Sub(start))
	}
}

// 10 000 events that wait, for their time or for room, cost the others nothing
// that could be noticed. The middle one of many wakes is looked at, each beside one
// without waiting events: what else the machine does slows some of them down, not
// most.
//
// Seen red with a next that looks at every event that waits (20 to 50 times as long; it is twice as long).
func TestManyWaitingEventsAreCheap(t *testing.T) {
	t.Parallel()
	now := time.Now()
	few, many := quietQueue(memkv.New()), quietQueue(memkv.New())
	for n := range 5000 {
		many.schedule(event("later", n, now, now.Add(time.Hour+time.Duration(n))))
		many.schedule(event("stuck", n, now.Add(-time.Hour), now))
	}
	many.take(now)
	wake := func(q *Queue, n int) time.Duration {
		start := time.Now()
		q.schedule(event(fmt.Sprintf("f%d", n%100), n, now, now))
		events, _ := q.take(now)
		if len(events) != 1 || events[0].key != (store.SideKey{App: fmt.Sprintf("f%d", n%100), Name: fmt.Sprintf("e%d", n)}) {
			t.Fatalf("event %d: %v", n, events)
		}
		q.finished(events[0].function)
		return time.Since(start)
	}
	var alone, beside []time.Duration
	for n := range 2001 {
		alone, beside = append(alone, wake(few, n)), append(beside, wake(many, n))
	}
	slices.Sort(alone)
	slices.Sort(beside)
	if base, got := alone[1000], beside[1000]; got > 10*base {
		t.Errorf("a wake beside 10 000 waiting events took %s, one without them %s", got, base)
	}
}
