package event

import (
	"container/heap"
	"time"

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

// waitingRoom orders the events that wait: those that are not due yet by when
// they are, the others by function and age. What it does costs the logarithm of
// how many wait. It is not safe for concurrent use.
type waitingRoom struct {
	known map[store.SideKey]bool // what waits
	later *order[pending]
	lines map[Function]*line // functions with events that are due, or under way
	open  *order[*line]      // those with a due event and room for it
}

// line is the due events of one function.
type line struct {
	events *order[pending]
	busy   int  // events under way
	listed bool // in open
}

func newWaitingRoom() waitingRoom {
	return waitingRoom{
		known: map[store.SideKey]bool{}, lines: map[Function]*line{},
		later: &order[pending]{less: func(a, b pending) bool { return a.due.Before(b.due) }},
		open:  &order[*line]{less: func(a, b *line) bool { return a.events.items[0].since.Before(b.events.items[0].since) }},
	}
}

// add has an event wait; one that waits already does so once.
func (w *waitingRoom) add(p pending) {
	if !w.known[p.key] {
		w.known[p.key] = true
		heap.Push(w.later, p)
	}
}

// next takes the oldest event that is due and whose function has room.
func (w *waitingRoom) next(now time.Time) (p pending, ok bool) {
	for w.later.Len() > 0 && !w.later.items[0].due.After(now) {
		w.arrive(heap.Pop(w.later).(pending))
	}
	if w.open.Len() == 0 {
		return pending{}, false
	}
	l := heap.Pop(w.open).(*line)
	l.listed = false
	p = heap.Pop(l.events).(pending)
	delete(w.known, p.key)
	l.busy++
	w.list(l)
	return p, true
}

// arrive puts an event that is due into its function's line.
func (w *waitingRoom) arrive(p pending) {
	l := w.lines[p.function]
	if l == nil {
		l = &line{events: &order[pending]{less: func(a, b pending) bool { return a.since.Before(b.since) }}}
		w.lines[p.function] = l
	}
	heap.Push(l.events, p)
	switch {
	case !l.listed:
		w.list(l)
	case l.events.items[0].key == p.key: // the line has another head now
		heap.Init(w.open)
	}
}

func (w *waitingRoom) list(l *line) {
	if l.events.Len() > 0 && l.busy < atOncePerFunction {
		l.listed = true
		heap.Push(w.open, l)
	}
}

// done gives a place of a function free.
func (w *waitingRoom) done(function Function) {
	l := w.lines[function]
	l.busy--
	if !l.listed {
		w.list(l)
	}
	if l.busy == 0 && l.events.Len() == 0 {
		delete(w.lines, function)
	}
}

// wakeAt returns when the next event is due, at the latest as given.
func (w *waitingRoom) wakeAt(latest time.Time) time.Time {
	if w.later.Len() > 0 && w.later.items[0].due.Before(latest) {
		return w.later.items[0].due
	}
	return latest
}

// order is a heap.
type order[T any] struct {
	items []T
	less  func(a, b T) bool
}

func (o *order[T]) Len() int           { return len(o.items) }
func (o *order[T]) Less(i, j int) bool { return o.less(o.items[i], o.items[j]) }
func (o *order[T]) Swap(i, j int)      { o.items[i], o.items[j] = o.items[j], o.items[i] }

// Push implements [heap.Interface].
func (o *order[T]) Push(x any) { o.items = append(o.items, x.(T)) }

// Pop implements [heap.Interface].
func (o *order[T]) Pop() any {
	last := len(o.items) - 1
	item := o.items[last]
	var zero T
	o.items[last], o.items = zero, o.items[:last]
	return item
}
