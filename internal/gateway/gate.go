package gateway

import "sync/atomic"

// Gate counts what is in flight and says when, after retirement, nothing is.
//
// Everything is one atomic word, so that "is it retired" and "count me in" are
// one step: a check followed by an add would let a request in after the count
// had been seen at zero. The word only ever goes through these states:
//
//	open, n ──retire──▶ retired, n ──release──▶ … ──▶ retired, drained, 0
//
// The drained bit is set by whoever takes the count of a retired gate to zero,
// in the same step, and never cleared; setting it is the right to close the
// channel, which is why the channel is closed once.
type Gate struct {
	state   atomic.Uint64
	drained chan struct{}
}

const (
	gateRetired uint64 = 1 << 63
	gateDrained uint64 = 1 << 62
	gateCount   uint64 = gateDrained - 1
)

// NewGate returns an open gate.
func NewGate() Gate { return Gate{drained: make(chan struct{})} }

// Acquire counts the caller in, unless the gate has been retired.
func (g *Gate) Acquire() bool {
	for {
		s := g.state.Load()
		if s&gateRetired != 0 {
			return false
		}
		if g.state.CompareAndSwap(s, s+1) {
			return true
		}
	}
}

// Enter counts the caller in, whatever the state. After draining it changes
// nothing but the count.
func (g *Gate) Enter() { g.state.Add(1) }

// Release counts the caller out. It reports whether that has drained the gate.
func (g *Gate) Release() bool {
	for {
		s := g.state.Load()
		if s&gateCount == 0 {
			panic("gateway: released more often than acquired")
		}
		next := s - 1
		if next == gateRetired {
			next |= gateDrained
		}
		if g.state.CompareAndSwap(s, next) {
			return g.closeWhenSet(s, next)
		}
	}
}

// Retire closes the gate for Acquire. It reports whether that has drained it.
func (g *Gate) Retire() bool {
	for {
		s := g.state.Load()
		if s&gateRetired != 0 {
			return false
		}
		next := s | gateRetired
		if next == gateRetired {
			next |= gateDrained
		}
		if g.state.CompareAndSwap(s, next) {
			return g.closeWhenSet(s, next)
		}
	}
}

func (g *Gate) closeWhenSet(before, after uint64) bool {
	if before&gateDrained != 0 || after&gateDrained == 0 {
		return false
	}
	close(g.drained)
	return true
}

// Count returns how many are in.
func (g *Gate) Count() int { return int(g.state.Load() & gateCount) }

// Drained returns the channel that is closed when a retired gate counts nothing.
func (g *Gate) Drained() <-chan struct{} { return g.drained }
