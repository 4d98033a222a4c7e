// Package keylock is a mutex for each of many keys: what holds one key does not
// hold up whoever wants another.
package keylock

import "sync"

// Locks holds the mutexes. The zero value is ready. A key that nobody holds or
// waits for takes no memory. It must not be copied.
type Locks[K comparable] struct {
	mu   sync.Mutex
	held map[K]*held
}

type held struct {
	sync.Mutex
	users int // who hold it or wait for it; guarded by Locks.mu
}

// Lock blocks until nobody else holds the key. The caller must call unlock once.
func (l *Locks[K]) Lock(key K) (unlock func()) {
	own := l.enter(key)
	own.Lock()
	return func() {
		own.Unlock()
		l.leave(key, own)
	}
}

func (l *Locks[K]) enter(key K) *held {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.held[key]
	if own == nil {
		if l.held == nil {
			l.held = map[K]*held{}
		}
		own = &held{}
		l.held[key] = own
	}
	own.users++
	return own
}

func (l *Locks[K]) leave(key K, own *held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(l.held, key)
	}
}
