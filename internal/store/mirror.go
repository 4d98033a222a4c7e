package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// Mirror is a KV that also keeps in memory, as T, what matches a pattern. What is
// written through it is in memory when the write returns; what somebody else
// writes, or a write whose outcome was not known, comes with the watch. Reads of
// the KV itself go to the KV below.
type Mirror[T any] struct {
	KV
	pattern string
	read    func(Entry) (T, error)
	trim    Trim[T] // nil: everything is kept

	mu     sync.Mutex
	seen   uint64 // what the watch has shown: older writes are in it already
	kept   map[string]mirrored[T]
	gone   map[string]uint64 // what was deleted here and the watch may still show
	change uint64
	groups map[string]map[string]bool // the keys that are kept, by groupOf
	subs   map[*Subscription]bool
	// showing: what changes now has been written by somebody else.
	showing bool
}

// mirrored is an entry as it was read, and the revision that wrote it.
type mirrored[T any] struct {
	value    T
	revision uint64
}

// NewMirror returns a mirror of what matches the pattern; read must not keep the
// entry's value. It is empty until it is loaded.
func NewMirror[T any](kv KV, pattern string, read func(Entry) (T, error)) *Mirror[T] {
	return NewTrimmedMirror(kv, pattern, read, nil)
}

// Trim returns the keys whose values need not be kept any more now that key has a
// value; have returns what is kept. Of these the mirror keeps the zero value. It is
// called under the mirror's lock.
type Trim[T any] func(key string, value T, have func(key string) (T, bool)) (needless []string)

// NewTrimmedMirror is NewMirror of records of which only some are worth their memory.
func NewTrimmedMirror[T any](kv KV, pattern string, read func(Entry) (T, error), trim Trim[T]) *Mirror[T] {
	return &Mirror[T]{
		KV: kv, pattern: pattern, read: read, trim: trim,
		kept: map[string]mirrored[T]{}, gone: map[string]uint64{}, groups: map[string]map[string]bool{}, subs: map[*Subscription]bool{},
	}
}

// keep keeps a value. The caller holds the lock.
func (m *Mirror[T]) keep(key string, value mirrored[T]) {
	m.kept[key] = value
	m.join(key)
	m.changed(key)
	m.trimFor(key)
}

// drop lets go of a key. The caller holds the lock.
func (m *Mirror[T]) drop(key string) {
	delete(m.kept, key)
	m.leave(key)
	m.changed(key)
}

// trimFor lets go what is needless since key has its value. The caller holds the lock.
func (m *Mirror[T]) trimFor(key string) {
	if m.trim == nil {
		return
	}
	for _, needless := range m.trim(key, m.kept[key].value, m.have) {
		m.kept[needless] = mirrored[T]{revision: m.kept[needless].revision}
	}
}

// have returns what is kept of a key. The caller holds the lock.
func (m *Mirror[T]) have(key string) (value T, ok bool) {
	have, ok := m.kept[key]
	return have.value, ok
}

// Load reads what there is. The watch that it returns is what Follow needs.
func (m *Mirror[T]) Load(ctx context.Context) (*Watch, error) {
	watch, err := m.Watch(ctx, m.pattern)
	if err != nil {
		return nil, err
	}
	kept := make(map[string]mirrored[T], len(watch.Snapshot))
	var seen uint64
	for _, entry := range watch.Snapshot {
		value, err := m.read(entry)
		if err != nil {
			watch.Stop()
			return nil, err
		}
		kept[entry.Key] = mirrored[T]{value, entry.Revision}
		seen = max(seen, entry.Revision)
	}
	watch.Snapshot = nil // only the values are needed from here on
	m.mu.Lock()
	defer m.mu.Unlock()
	// A write that returned while the snapshot was taken may be newer.
	for key, have := range m.kept {
		if have.revision > max(seen, kept[key].revision) {
			kept[key] = have
		}
	}
	for key, revision := range m.gone {
		if have, ok := kept[key]; ok && have.revision <= revision {
			delete(kept, key)
		}
	}
	m.replace(kept)
	m.seen = max(m.seen, seen)
	for _, key := range slices.Sorted(maps.Keys(kept)) {
		m.trimFor(key)
	}
	return watch, nil
}

// reloadPause is how soon a mirror that could not be loaded is loaded again.
const reloadPause = time.Second

// Follow keeps the mirror current until ctx ends or the store is closed. A watch
// that breaks is opened anew, as often as it takes: a store that cannot be read
// for a while is no reason to give up what is in memory.
func (m *Mirror[T]) Follow(ctx context.Context, watch *Watch) error {
	defer func() { watch.Stop() }()
	for {
		event, err := watch.Next(ctx)
		if err == nil {
			err = m.show(event)
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return ctx.Err()
		}
		again, err := m.Load(ctx)
		for err != nil {
			if ctxErr := sleep(ctx, reloadPause); ctxErr != nil || errors.Is(err, ErrClosed) {
				return ctxErr
			}
			again, err = m.Load(ctx)
		}
		watch.Stop()
		watch = again
	}
}

// show takes a change that the watch tells of.
func (m *Mirror[T]) show(event Event) error {
	var value T
	if !event.Deleted && !m.hasAt(event.Key, event.Revision) {
		var err error
		if value, err = m.read(event.Entry); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = max(m.seen, event.Revision)
	m.showing = true
	defer func() { m.showing = false }()
	have, ok := m.kept[event.Key]
	switch {
	case ok && have.revision >= event.Revision: // newer, or the same
	case event.Deleted && ok:
		m.drop(event.Key)
	case event.Deleted:
	case event.Revision > m.gone[event.Key]:
		m.keep(event.Key, mirrored[T]{value, event.Revision})
	}
	maps.DeleteFunc(m.gone, func(_ string, revision uint64) bool { return revision < m.seen })
	return nil
}

// wrote takes a write that has been done through the mirror.
func (m *Mirror[T]) wrote(key string, value []byte, revision uint64) {
	m.learn(Entry{Key: key, Value: value, Revision: revision}, false)
}

// learn takes a value that the store has, or had a moment ago; shown is that nobody has
// written it through the mirror.
func (m *Mirror[T]) learn(e Entry, shown bool) {
	key, revision := e.Key, e.Revision
	if !Match(m.pattern, key) || m.hasAt(key, revision) {
		return
	}
	read, err := m.read(e)
	if err != nil {
		return // whoever wrote this reads it, too, and says so
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if revision <= m.seen || revision <= m.gone[key] || revision <= m.kept[key].revision {
		return
	}
	m.showing = shown
	defer func() { m.showing = false }()
	m.keep(key, mirrored[T]{read, revision})
}

// hasAt reports whether the value of a key is known at a revision or a later one: then
// there is no need to read it.
func (m *Mirror[T]) hasAt(key string, revision uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[key].revision >= revision || m.gone[key] >= revision
}

// Get implements [KV]. What it finds is in memory afterwards: who asks because a write
// had no answer need not wait for the watch.
func (m *Mirror[T]) Get(ctx context.Context, key string) (Entry, error) {
	before := m.Revision(key)
	entry, err := m.KV.Get(ctx, key)
	switch {
	case err == nil:
		m.learn(entry, true)
	case before != 0 && errors.Is(err, ErrNotFound):
		m.deleted(key, before, true)
	}
	return entry, err
}

// Revision returns the revision of what is kept of a key; 0 when there is nothing.
func (m *Mirror[T]) Revision(key string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[key].revision
}

// Refresh reads from the store what matches the pattern: what is in memory afterwards is
// not older than the call, whatever has become of the watch.
func (m *Mirror[T]) Refresh(ctx context.Context) error {
	m.mu.Lock()
	gone := make(map[string]uint64, len(m.kept))
	for key, have := range m.kept {
		gone[key] = have.revision
	}
	m.mu.Unlock()
	list, err := m.List(ctx, m.pattern)
	if err != nil {
		return err
	}
	for _, entry := range list {
		delete(gone, entry.Key)
		m.learn(entry, true)
	}
	for key, revision := range gone {
		m.deleted(key, revision, true)
	}
	return nil
}

// Create implements [KV].
func (m *Mirror[T]) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	revision, err := m.KV.Create(ctx, key, value)
	if err == nil {
		m.wrote(key, value, revision)
	}
	return revision, err
}

// Update implements [KV].
func (m *Mirror[T]) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	written, err := m.KV.Update(ctx, key, value, revision)
	if err == nil {
		m.wrote(key, value, written)
	}
	return written, err
}

// Delete implements [KV].
func (m *Mirror[T]) Delete(ctx context.Context, key string, revision uint64) error {
	err := m.KV.Delete(ctx, key, revision)
	if err == nil && Match(m.pattern, key) {
		m.deleted(key, revision, false)
	}
	return err
}

// deleted takes that what a revision wrote is there no more; shown as in learn.
func (m *Mirror[T]) deleted(key string, revision uint64, shown bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.showing = shown
	defer func() { m.showing = false }()
	if have, ok := m.kept[key]; ok && have.revision <= revision {
		m.drop(key)
	}
	m.gone[key] = max(m.gone[key], revision) // until the watch has shown something newer
}

// Value returns what is kept of a key.
func (m *Mirror[T]) Value(key string) (value T, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.have(key)
}

// View calls look once with what returns what is kept of a key, all of it of one
// moment, under the lock under which Trim is called. Writes wait for it.
func (m *Mirror[T]) View(look func(have func(key string) (T, bool))) {
	m.mu.Lock()
	defer m.mu.Unlock()
	look(m.have)
}

// Changes returns a number that is another one whenever something has changed.
func (m *Mirror[T]) Changes() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.change
}

// Each calls visit with everything that is kept, in no order. Writes wait for it.
func (m *Mirror[T]) Each(visit func(T)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, have := range m.kept {
		visit(have.value)
	}
}
