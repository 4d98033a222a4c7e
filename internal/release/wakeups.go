package release

import "sync"

// Wakeups carry the news that something about an app has changed to whoever waits
// for it. They are made before the parts that tell and the engine that listens, so
// that none of them needs to know the other. Safe for concurrent use.
type Wakeups struct {
	mu      sync.Mutex
	workers map[*worker]bool
	changed chan struct{} // closed and replaced at every news
}

// NewWakeups returns wake-ups that nobody waits for.
func NewWakeups() *Wakeups {
	return &Wakeups{workers: map[*worker]bool{}, changed: make(chan struct{})}
}

// Wake makes the releases of an app, and everybody who awaits one, look at the
// world again. It does not block.
func (u *Wakeups) Wake(app string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.announceLocked()
	for w := range u.workers {
		if w.app != app {
			continue
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// announce wakes everybody who awaits a release, and no worker.
func (u *Wakeups) announce() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.announceLocked()
}

func (u *Wakeups) announceLocked() {
	close(u.changed)
	u.changed = make(chan struct{})
}

// next returns a channel that is closed at the next news of any app.
func (u *Wakeups) next() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.changed
}

func (u *Wakeups) add(w *worker) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.workers[w] = true
}

func (u *Wakeups) remove(w *worker) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.workers, w)
}
