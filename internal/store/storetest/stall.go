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
	pattern string
	waits   chan struct{} // closed when a write waits
	waiting sync.Once
	goes    chan struct{} // closed by LetGo
	letGo   sync.Once
}

// Stall returns kv whose writes of the keys that match a pattern wait.
func Stall(kv store.KV, pattern string) *Stalled {
	return &Stalled{KV: kv, pattern: pattern, waits: make(chan struct{}), goes: make(chan struct{})}
}

// Waits is closed once a write waits.
func (s *Stalled) Waits() <-chan struct{} { return s.waits }

// LetGo ends the stall.
func (s *Stalled) LetGo() { s.letGo.Do(func() { close(s.goes) }) }

func (s *Stalled) wait(key string) {
	if !store.Match(s.pattern, key) {
		return
	}
	s.waiting.Do(func() { close(s.waits) })
	<-s.goes
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
