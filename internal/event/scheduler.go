package event

import (
	"time"

	"teal/internal/priority"
	"teal/internal/store"
)

// pending is an event that waits for its turn.
type pending struct {
	key      store.SideKey
	function Function
	since    time.Time // when it was accepted: the oldest one comes first
	due      time.Time
	// failures is how often in a row its record could not be read.
	failures int
}

// scheduler orders the events that wait: those that are not due yet by when
// they are, the others by function and age, so that a function which has no
// capacity keeps nobody else waiting. What it does costs the logarithm of how many
// wait. It is not safe for concurrent use.
type scheduler struct {
	known     map[store.SideKey]bool // what waits
	delayed   *priority.Queue[pending]
	functions map[Function]*functionQueue     // those with events that are due, or running
	runnable  *priority.Queue[*functionQueue] // those with a due event and capacity for it
}

// functionQueue is the due events of one function, the oldest first.
type functionQueue struct {
	due      *priority.Queue[pending]
	running  int  // events
	runnable bool // in scheduler.runnable
}

func newScheduler() scheduler {
	return scheduler{
		known: map[store.SideKey]bool{}, functions: map[Function]*functionQueue{},
		delayed:  priority.New(func(a, b pending) bool { return a.due.Before(b.due) }),
		runnable: priority.New(func(a, b *functionQueue) bool { return a.due.First().since.Before(b.due.First().since) }),
	}
}

// add has an event wait; one that waits already does so once.
func (s *scheduler) add(p pending) {
	if !s.known[p.key] {
		s.known[p.key] = true
		s.delayed.Push(p)
	}
}

// next takes the oldest event that is due and whose function has capacity.
func (s *scheduler) next(now time.Time) (p pending, ok bool) {
	for s.delayed.Len() > 0 && !s.delayed.First().due.After(now) {
		s.arrive(s.delayed.Pop())
	}
	if s.runnable.Len() == 0 {
		return pending{}, false
	}
	q := s.runnable.Pop()
	q.runnable = false
	p = q.due.Pop()
	delete(s.known, p.key)
	q.running++
	s.offer(q)
	return p, true
}

// arrive puts an event that is due into its function's queue.
func (s *scheduler) arrive(p pending) {
	q := s.functions[p.function]
	if q == nil {
		q = &functionQueue{due: priority.New(func(a, b pending) bool { return a.since.Before(b.since) })}
		s.functions[p.function] = q
	}
	q.due.Push(p)
	switch {
	case !q.runnable:
		s.offer(q)
	case q.due.First().key == p.key: // the queue has another head now, by which runnable is ordered
		s.runnable.Reorder()
	}
}

// offer makes a function runnable that has a due event and capacity for it.
func (s *scheduler) offer(q *functionQueue) {
	if q.due.Len() > 0 && q.running < atOncePerFunction {
		q.runnable = true
		s.runnable.Push(q)
	}
}

// done gives capacity of a function free.
func (s *scheduler) done(function Function) {
	q := s.functions[function]
	q.running--
	if !q.runnable {
		s.offer(q)
	}
	if q.running == 0 && q.due.Len() == 0 {
		delete(s.functions, function)
	}
}

// wakeAt returns when the next event is due, at the latest as given.
func (s *scheduler) wakeAt(latest time.Time) time.Time {
	if s.delayed.Len() > 0 && s.delayed.First().due.Before(latest) {
		return s.delayed.First().due
	}
	return latest
}
