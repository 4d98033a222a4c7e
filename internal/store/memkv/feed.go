package memkv

import (
	"bytes"
	"context"

	"teal/internal/store"
)

// feed holds the changes that a watch has not shown yet: at most one for each
// key, because a newer one takes the place of the older. That is all that
// natskv promises, so what is tested on memkv cannot come to rely on more.
type feed struct {
	kv      *KV
	pattern string
	wake    chan struct{} // holds one signal: look again

	// Guarded by kv.mu.
	queue  []store.Event
	newest map[string]uint64 // of each key in queue, the revision that counts
	broken bool
}

// pushLocked appends event; what it overtakes stays in the queue and is passed
// over later, or swept out when there is more of it than of the rest.
func (f *feed) pushLocked(event store.Event) {
	f.newest[event.Key] = event.Revision
	f.queue = append(f.queue, event)
	if len(f.queue) > 2*len(f.newest)+16 {
		kept := f.queue[:0]
		for _, e := range f.queue {
			if f.newest[e.Key] == e.Revision {
				kept = append(kept, e)
			}
		}
		clear(f.queue[len(kept):])
		f.queue = kept
	}
	f.signal()
}

func (f *feed) breakLocked() {
	f.broken = true
	f.signal()
}

func (f *feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Next implements store.Feed.
func (f *feed) Next(ctx context.Context) (store.Event, error) {
	for {
		event, ok, err := f.pop()
		if ok || err != nil {
			return event, err
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return store.Event{}, ctx.Err()
		}
	}
}

func (f *feed) pop() (event store.Event, ok bool, err error) {
	f.kv.mu.Lock()
	defer f.kv.mu.Unlock()
	if f.broken {
		return store.Event{}, false, store.ErrLagged
	}
	for len(f.queue) > 0 {
		event, f.queue = f.queue[0], f.queue[1:]
		if f.newest[event.Key] == event.Revision {
			delete(f.newest, event.Key)
			event.Value = bytes.Clone(event.Value)
			return event, true, nil
		}
	}
	f.queue = nil
	return store.Event{}, false, nil
}

// Close implements store.Feed.
func (f *feed) Close() {
	f.kv.mu.Lock()
	defer f.kv.mu.Unlock()
	delete(f.kv.feeds, f)
	f.queue, f.newest = nil, nil
}
