package retention

import (
	"slices"
	"sync"

	"teal"
)

// Pins are the pieces of code that somebody is about to need: from before the look
// for a piece until the record that needs it is written it is held, and what is held
// is not removed. Safe for concurrent use.
//
// A piece is removed in three steps. It is marked; then, without a lock, everything
// is looked at that may need it; then it is removed if it still has its mark. Whoever
// begins to hold a piece takes its mark away, so what was held and recorded during the
// look is not removed after it. Only who begins to hold a piece during the last step
// waits, for that one piece.
type Pins struct {
	freed chan struct{} // capacity 1: something is not held any more that was to be removed

	mu       sync.Mutex
	held     map[string]int // so often
	all      int            // so many hold everything
	marked   map[string]bool
	removing map[string]chan struct{} // closed when it is over
	refused  bool                     // something held was to be removed
}

// NewPins returns pins that hold nothing.
func NewPins() *Pins {
	return &Pins{freed: make(chan struct{}, 1), held: map[string]int{}, marked: map[string]bool{}, removing: map[string]chan struct{}{}}
}

// Hold keeps pieces until the returned function is called, once. It waits for those
// of them that are being removed.
func (p *Pins) Hold(pieces []string) (release func()) {
	p.mu.Lock()
	var wait []chan struct{}
	for _, piece := range pieces {
		p.held[piece]++
		delete(p.marked, piece)
		if gone := p.removing[piece]; gone != nil {
			wait = append(wait, gone)
		}
	}
	p.mu.Unlock()
	for _, gone := range wait {
		<-gone
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, piece := range pieces {
			if p.held[piece]--; p.held[piece] == 0 {
				delete(p.held, piece)
			}
		}
		p.tellFreed()
	}
}

// HoldFor holds the code of a version, and of how it is released.
func (p *Pins) HoldFor(spec teal.Spec, policy teal.Policy) (release func()) {
	return p.Hold(slices.Concat(Pieces(spec), policy.Bundles()))
}

// Keep keeps all code until the returned function is called, once, for who cannot
// say yet which pieces are needed. It waits for what is being removed: one piece.
func (p *Pins) Keep() (release func()) {
	p.mu.Lock()
	p.all++
	clear(p.marked)
	var wait []chan struct{}
	for _, gone := range p.removing {
		wait = append(wait, gone)
	}
	p.mu.Unlock()
	for _, gone := range wait {
		<-gone
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all--
		p.tellFreed()
	}
}

// tellFreed has pieces looked at again that were to be removed. The caller holds mu.
func (p *Pins) tellFreed() {
	if !p.refused {
		return
	}
	p.refused = false
	select {
	case p.freed <- struct{}{}:
	default:
	}
}

// mark marks those of the pieces that nobody holds, until the returned function is
// called.
func (p *Pins) mark(pieces map[string]bool) (unmark func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for piece := range pieces {
		if !p.isHeld(piece) {
			p.marked[piece] = true
		}
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		clear(p.marked)
	}
}

// isHeld reports whether somebody holds a piece. The caller holds mu.
func (p *Pins) isHeld(piece string) bool { return p.all > 0 || p.held[piece] > 0 }

// remove calls do if the piece has its mark, while those who begin to hold the piece
// wait.
func (p *Pins) remove(piece string, do func() error) (removed bool, err error) {
	p.mu.Lock()
	if !p.marked[piece] {
		p.refused = p.refused || p.isHeld(piece)
		p.mu.Unlock()
		return false, nil
	}
	delete(p.marked, piece)
	gone := make(chan struct{})
	p.removing[piece] = gone
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.removing, piece)
		p.mu.Unlock()
		close(gone)
	}()
	return true, do()
}
