package event

import (
	"fmt"
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
// that could be noticed: a look at all of them at every wake takes some hundred times
// as long as a wake without them. Both are measured in turns, and each by its fastest
// turn: what else the machine does is in neither.
//
// Seen red with a next that looks at every event that waits: 500 times as long.
func TestManyWaitingEventsAreCheap(t *testing.T) {
	t.Parallel()
	now := time.Now()
	alone, beside := quietQueue(memkv.New()), quietQueue(memkv.New())
	for n := range 5000 {
		beside.schedule(event("later", n, now, now.Add(time.Hour+time.Duration(n))))
		beside.schedule(event("stuck", n, now.Add(-time.Hour), now))
	}
	beside.take(now)
	wakes := func(q *Queue, turn int) time.Duration {
		begin := time.Now()
		for n := range 100 {
			q.schedule(event(fmt.Sprintf("f%d", n), turn, now, now))
			events, _ := q.take(now)
			if len(events) != 1 || events[0].key != (store.SideKey{App: fmt.Sprintf("f%d", n), Name: fmt.Sprintf("e%d", turn)}) {
				t.Fatalf("event %d: %v", n, events)
			}
			q.finished(events[0].function)
		}
		return time.Since(begin)
	}
	without, with := wakes(alone, 0), wakes(beside, 0)
	for turn := range 50 {
		without, with = min(without, wakes(alone, turn+1)), min(with, wakes(beside, turn+1))
	}
	if with > 20*without {
		t.Errorf("100 wakes beside 10 000 waiting events took %s, and %s without them", with, without)
	}
	t.Logf("100 wakes: %s beside 10 000 waiting events, %s without them", with, without)
}
