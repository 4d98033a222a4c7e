package store

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Subscription tells of the keys of a [Mirror] that have changed, whoever has written
// them. It holds no more than the keys: what there is now is the mirror's to say. So who
// takes slowly misses states in between, and never the last one.
type Subscription struct {
	changed chan struct{} // capacity 1: there is something to take

	foreign bool // only what others have written

	mu   sync.Mutex
	keys map[string]bool
	stop []func()
}

// NewForeign returns a subscription to nothing that is only told of what has not been
// written through the mirror, nor was there before; now and then it is also told of what
// has been.
func NewForeign() *Subscription {
	s := NewSubscription()
	s.foreign = true
	return s
}

// Tell has a subscription told of the changes of the mirror from now on; everything
// that is kept now is new to it. A subscription can be to several mirrors. It must be
// stopped.
func (m *Mirror[T]) Tell(s *Subscription) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subs[s] = true
	for key := range m.kept {
		if !s.foreign {
			s.add(key)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = append(s.stop, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.subs, s)
	})
}

// NewSubscription returns a subscription to nothing; see [Mirror.Tell].
func NewSubscription() *Subscription {
	return &Subscription{changed: make(chan struct{}, 1), keys: map[string]bool{}}
}

// Subscribe returns a subscription to this mirror; see [Mirror.Tell].
func (m *Mirror[T]) Subscribe() *Subscription {
	s := NewSubscription()
	m.Tell(s)
	return s
}

// Stop ends the subscription. It may be called more than once.
func (s *Subscription) Stop() {
	s.mu.Lock()
	stop := s.stop
	s.stop = nil
	s.mu.Unlock()
	for _, f := range stop {
		f()
	}
}

// Changed has a value when there may be something to take.
func (s *Subscription) Changed() <-chan struct{} { return s.changed }

// Take returns the keys that have changed since the last Take. It does not block.
func (s *Subscription) Take() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.keys
	s.keys = map[string]bool{}
	return taken
}

func (s *Subscription) add(key string) {
	s.mu.Lock()
	s.keys[key] = true
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// changed counts a change and tells of it. The caller holds the lock.
func (m *Mirror[T]) changed(key string) {
	m.change++
	for s := range m.subs {
		if !s.foreign || m.showing {
			s.add(key)
		}
	}
}

// replace keeps what has been loaded instead of what was kept, and tells of every
// difference. The caller holds the lock.
func (m *Mirror[T]) replace(kept map[string]mirrored[T]) {
	before := m.kept
	m.kept, m.groups = kept, map[string]map[string]bool{}
	m.change++
	m.showing = true
	defer func() { m.showing = false }()
	for key := range kept {
		m.join(key)
	}
	for key, value := range kept {
		if before[key].revision != value.revision {
			m.changed(key)
		}
	}
	for key := range before {
		if _, ok := kept[key]; !ok {
			m.changed(key)
		}
	}
}

// groupOf returns what keys have in common that belong together: their second token,
// which in Teal's records is the app, or "" where there is none.
func groupOf(key string) string {
	tokens := strings.SplitN(key, ".", 3)
	if len(tokens) < 3 {
		return ""
	}
	return tokens[1]
}

// join puts a key into its group. The caller holds the lock.
func (m *Mirror[T]) join(key string) {
	group := groupOf(key)
	if m.groups[group] == nil {
		m.groups[group] = map[string]bool{}
	}
	m.groups[group][key] = true
}

// leave takes a key out of its group. The caller holds the lock.
func (m *Mirror[T]) leave(key string) {
	group := groupOf(key)
	if delete(m.groups[group], key); len(m.groups[group]) == 0 {
		delete(m.groups, group)
	}
}

// Group returns what is kept of the keys whose second token is the one given, in no
// order.
func (m *Mirror[T]) Group(name string) []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]T, 0, len(m.groups[name]))
	for key := range m.groups[name] {
		list = append(list, m.kept[key].value)
	}
	return list
}

// Groups returns the second tokens of the keys that are kept, in no order.
func (m *Mirror[T]) Groups() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.groups))
}
