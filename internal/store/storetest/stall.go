package storetest

import (
	"context"
	"sync"

	"teal/internal/store"
)

// Stalled is a store on a disk that takes no writes of some keys for a while:
// they wait until it is let go, and then go on as ever.
type Stalled struct {
	store.KV

	mu      sync.Mutex
	pattern string        // of the keys; "" for none
	waits   chan struct{} // has a value when a write waits; capacity 1
	goes    chan struct{} // closed by LetGo
}

// Stall returns kv, whose writes of the keys that match the pattern wait; "" for
// none.
func Stall(kv store.KV, pattern string) *Stalled {
	s := &Stalled{KV: kv}
	s.Begin(pattern)
	return s
}

// Begin has the writes of the keys that match the pattern wait from now on.
func (s *Stalled) Begin(pattern string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pattern, s.waits, s.goes = pattern, make(chan struct{}, 1), make(chan struct{})
}

// Waits has a value once a write waits.
func (s *Stalled) Waits() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waits
}

// LetGo ends the stall.
func (s *Stalled) LetGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pattern != "" {
		s.pattern = ""
		close(s.goes)
	}
}

func (s *Stalled) wait(key string) {
	s.mu.Lock()
	matches, waits, goes := s.pattern != "" && store.Match(s.pattern, key), s.waits, s.goes
	s.mu.Unlock()
	if !matches {
		return
	}
	select {
	case waits <- struct{}{}:
	default:
	}
	<-goes
}

// Create implements [store.KV].
func (s *Stalled) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	s.wait(key)
	return s.KV.Create(ctx, key, value)
}

// Update implements [store.KV].
func (s *Stalled) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	s.wait(key)
	return s.KV.Update(ctx, key, value, revision)
}

// Delete implements [store.KV].
func (s *Stalled) Delete(ctx context.Context, key string, revision uint64) error {
	s.wait(key)
	return s.KV.Delete(ctx, key, revision)
}
