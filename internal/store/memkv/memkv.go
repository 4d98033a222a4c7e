// Package memkv is a store.KV in memory that can be told to fail. It starts no
// goroutine and waits only on channels of its own, so a KV made inside a
// testing/synctest bubble works there.
package memkv

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"

	"teal/internal/store"
)

// KV is a store.KV in memory. The zero value is not usable; see New.
type KV struct {
	mu       sync.Mutex
	revision uint64
	entries  map[string]store.Entry
	feeds    map[*feed]struct{}
	faults   []*Fault
}

var _ store.KV = (*KV)(nil)

// New returns an empty KV that fails at nothing.
func New() *KV {
	return &KV{entries: map[string]store.Entry{}, feeds: map[*feed]struct{}{}}
}

// Get implements store.KV.
func (kv *KV) Get(ctx context.Context, key string) (store.Entry, error) {
	var found store.Entry
	err := kv.do(ctx, OpGet, key, func() error {
		entry, ok := kv.entries[key]
		if !ok {
			return store.ErrNotFound
		}
		found = clone(entry)
		return nil
	})
	return found, err
}

// Create implements store.KV.
func (kv *KV) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	var revision uint64
	err := kv.doWrite(ctx, OpCreate, key, value, func() error {
		if _, ok := kv.entries[key]; ok {
			return store.ErrExists
		}
		revision = kv.putLocked(key, value)
		return nil
	})
	return zeroOn(err, revision)
}

// Update implements store.KV.
func (kv *KV) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	var written uint64
	err := kv.doWrite(ctx, OpUpdate, key, value, func() error {
		if entry, ok := kv.entries[key]; !ok || entry.Revision != revision {
			return store.ErrConflict
		}
		written = kv.putLocked(key, value)
		return nil
	})
	return zeroOn(err, written)
}

// Delete implements store.KV.
func (kv *KV) Delete(ctx context.Context, key string, revision uint64) error {
	return kv.doWrite(ctx, OpDelete, key, nil, func() error {
		if entry, ok := kv.entries[key]; !ok || entry.Revision != revision {
			return store.ErrConflict
		}
		delete(kv.entries, key)
		kv.revision++
		kv.publishLocked(store.Event{Entry: store.Entry{Key: key, Revision: kv.revision}, Deleted: true})
		return nil
	})
}

// List implements store.KV.
func (kv *KV) List(ctx context.Context, pattern string) ([]store.Entry, error) {
	var list []store.Entry
	err := kv.doPattern(ctx, OpList, pattern, func() { list = kv.listLocked(pattern) })
	return list, err
}

// Scan implements store.KV. It fails when a list would.
func (kv *KV) Scan(ctx context.Context, pattern string, visit func(store.Entry) error) error {
	list, err := kv.List(ctx, pattern)
	if err != nil {
		return err
	}
	for _, entry := range list {
		if err := visit(entry); err != nil {
			return err
		}
	}
	return nil
}

// Watch implements store.KV.
func (kv *KV) Watch(ctx context.Context, pattern string) (*store.Watch, error) {
	var snapshot []store.Entry
	f := &feed{kv: kv, pattern: pattern, newest: map[string]uint64{}, wake: make(chan struct{}, 1)}
	err := kv.doPattern(ctx, OpWatch, pattern, func() {
		snapshot = kv.listLocked(pattern)
		kv.feeds[f] = struct{}{}
	})
	if err != nil {
		return nil, err
	}
	return store.NewWatch(ctx, snapshot, f), nil
}

func (kv *KV) putLocked(key string, value []byte) uint64 {
	kv.revision++
	entry := store.Entry{Key: key, Value: append([]byte{}, value...), Revision: kv.revision}
	kv.entries[key] = entry
	kv.publishLocked(store.Event{Entry: entry})
	return kv.revision
}

func (kv *KV) publishLocked(event store.Event) {
	for f := range kv.feeds {
		if store.Match(f.pattern, event.Key) {
			f.pushLocked(event)
		}
	}
}

func (kv *KV) listLocked(pattern string) []store.Entry {
	list := []store.Entry{}
	for _, key := range slices.Sorted(maps.Keys(kv.entries)) {
		if store.Match(pattern, key) {
			list = append(list, clone(kv.entries[key]))
		}
	}
	return list
}

func clone(e store.Entry) store.Entry {
	e.Value = bytes.Clone(e.Value)
	return e
}

func zeroOn(err error, revision uint64) (uint64, error) {
	if err != nil {
		return 0, err
	}
	return revision, nil
}
