package retention

import (
	"slices"
	"sync"

	"teal"
)

// Reservations are the pieces of code that somebody is about to need: from before the look
// for a piece until the record that needs it is written it is held, and what is held
// is not removed. Safe for concurrent use.
//
// A piece is removed in three steps. It is marked; then, without a lock, everything
// is looked at that may need it; then it is removed if it still has its mark. Whoever
// begins to hold a piece takes its mark away, so what was held and recorded during the
// look is not removed after it. Only who begins to hold a piece during the last step
// waits, for that one piece.
type Reservations struct {
	freed chan struct{} // capacity 1: something is not held any more that was to be removed

	mu       sync.Mutex
	held     map[string]int // so often
	all      int            // so many hold everything
	marked   map[string]bool
	removing map[string]chan struct{} // closed when it is over
	refused  bool                     // something held was to be removed
}

// NewReservations returns reservations that hold nothing.
func NewReservations() *Reservations {
	return &Reservations{freed: make(chan struct{}, 1), held: map[string]int{}, marked: map[string]bool{}, removing: map[string]chan struct{}{}}
}

// Hold keeps pieces until the returned function is called, once. It waits for those
// of them that are being removed.
func (r *Reservations) Hold(pieces []string) (release func()) {
	r.mu.Lock()
	var wait []chan struct{}
	for _, piece := range pieces {
		r.held[piece]++
		delete(r.marked, piece)
		if gone := r.removing[piece]; gone != nil {
			wait = append(wait, gone)
		}
	}
	r.mu.Unlock()
	for _, gone := range wait {
		<-gone
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, piece := range pieces {
			if r.held[piece]--; r.held[piece] == 0 {
				delete(r.held, piece)
			}
		}
		r.tellFreed()
	}
}

// HoldFor holds the code of a version, and of how it is released.
func (r *Reservations) HoldFor(spec teal.Spec, policy teal.Policy) (release func()) {
	return r.Hold(slices.Concat(Pieces(spec), policy.Bundles()))
}

// Keep keeps all code until the returned function is called, once, for who cannot
// say yet which pieces are needed. It waits for what is being removed: one piece.
func (r *Reservations) Keep() (release func()) {
	r.mu.Lock()
	r.all++
	clear(r.marked)
	var wait []chan struct{}
	for _, gone := range r.removing {
		wait = append(wait, gone)
	}
	r.mu.Unlock()
	for _, gone := range wait {
		<-gone
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all--
		r.tellFreed()
	}
}

// tellFreed has pieces looked at again that were to be removed. The caller holds mu.
func (r *Reservations) tellFreed() {
	if !r.refused {
		return
	}
	r.refused = false
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// mark marks those of the pieces that nobody holds, until the returned function is
// called.
func (r *Reservations) mark(pieces map[string]bool) (unmark func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for piece := range pieces {
		if !r.isHeld(piece) {
			r.marked[piece] = true
		}
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		clear(r.marked)
	}
}

// isHeld reports whether somebody holds a piece. The caller holds mu.
func (r *Reservations) isHeld(piece string) bool { return r.all > 0 || r.held[piece] > 0 }

// remove calls do if the piece has its mark, while those who begin to hold the piece
// wait.
func (r *Reservations) remove(piece string, do func() error) (removed bool, err error) {
	r.mu.Lock()
	if !r.marked[piece] {
		r.refused = r.refused || r.isHeld(piece)
		r.mu.Unlock()
		return false, nil
	}
	delete(r.marked, piece)
	gone := make(chan struct{})
	r.removing[piece] = gone
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.removing, piece)
		r.mu.Unlock()
		close(gone)
	}()
	return true, do()
}
