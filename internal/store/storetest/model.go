package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"teal/internal/store"
)

// testModel does random operations on a KV and on a plain map, one after the
// other, and compares all that can be seen.
//
// Seen to fail when memkv's Delete left the key there, and when its watches left
// out deletes.
func testModel(t *testing.T, kv store.KV) {
	var run atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(t, kv, fmt.Sprintf("run%d.", run.Add(1)))
		defer m.watch.Stop()
		rt.Repeat(m.actions())
		m.finish(rt)
	})
}

// model is what a KV should hold under a prefix of its own.
type model struct {
	t      *testing.T
	kv     store.KV
	prefix string
	values map[string]store.Entry
	last   uint64 // the highest revision seen
	past   []uint64
	watch  *store.Watch
}

func newModel(t *testing.T, kv store.KV, prefix string) *model {
	m := &model{t: t, kv: kv, prefix: prefix, values: map[string]store.Entry{}, past: []uint64{0}}
	m.watch = openWatch(t, kv, prefix+">")
	return m
}

func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"get":    m.get,
		"create": m.create,
		"update": m.update,
		"delete": m.delete,
		"list":   m.list,
	}
}

func (m *model) key(rt *rapid.T) string {
	return m.prefix + rapid.SampledFrom([]string{"a", "b", "a.a", "a.b", "b.a.c"}).Draw(rt, "key")
}

// revision is mostly the newest of key, else any that was ever seen.
func (m *model) revision(rt *rapid.T, key string) uint64 {
	if rapid.IntRange(0, 3).Draw(rt, "stale") > 0 {
		return m.values[key].Revision
	}
	return rapid.SampledFrom(m.past).Draw(rt, "revision")
}

func (m *model) get(rt *rapid.T) {
	key := m.key(rt)
	want, ok := m.values[key]
	got, err := m.kv.Get(deadline(m.t), key)
	if !ok && errors.Is(err, store.ErrNotFound) {
		return
	}
	if err != nil || !sameEntry(got, want) {
		rt.Fatalf("get %s: got %+v, %v; want %+v", key, got, err, want)
	}
}

func (m *model) create(rt *rapid.T) {
	key, value := m.key(rt), rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(rt, "value")
	_, exists := m.values[key]
	revision, err := m.kv.Create(deadline(m.t), key, value)
	if exists {
		m.refused(rt, err, store.ErrExists)
		return
	}
	m.wrote(rt, key, value, revision, err)
}

func (m *model) update(rt *rapid.T) {
	key, value := m.key(rt), rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(rt, "value")
	expected := m.revision(rt, key)
	entry, exists := m.values[key]
	revision, err := m.kv.Update(deadline(m.t), key, value, expected)
	if !exists || entry.Revision != expected {
		m.refused(rt, err, store.ErrConflict)
		return
	}
	m.wrote(rt, key, value, revision, err)
}

func (m *model) delete(rt *rapid.T) {
	key := m.key(rt)
	expected := m.revision(rt, key)
	entry, exists := m.values[key]
	err := m.kv.Delete(deadline(m.t), key, expected)
	if !exists || entry.Revision != expected {
		m.refused(rt, err, store.ErrConflict)
		return
	}
	if err != nil {
		rt.Fatalf("delete %s at %d: %v", key, expected, err)
	}
	delete(m.values, key)
}

func (m *model) list(rt *rapid.T) {
	pattern := m.prefix + rapid.SampledFrom([]string{">", "*", "a.*", "a.>", "*.a", "*.*.*", "b"}).Draw(rt, "pattern")
	got, err := m.kv.List(deadline(m.t), pattern)
	if err != nil {
		rt.Fatalf("list %s: %v", pattern, err)
	}
	var want []string
	for key := range m.values {
		if store.Match(pattern, key) {
			want = append(want, key)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, keys(got)); diff != "" {
		rt.Fatalf("list %s (-want +got):\n%s", pattern, diff)
	}
	for _, entry := range got {
		if !sameEntry(entry, m.values[entry.Key]) {
			rt.Fatalf("list %s: got %+v, want %+v", pattern, entry, m.values[entry.Key])
		}
	}
}

func (m *model) refused(rt *rapid.T, err, want error) {
	if !errors.Is(err, want) {
		rt.Fatalf("got error %v, want %v", err, want)
	}
}

func (m *model) wrote(rt *rapid.T, key string, value []byte, revision uint64, err error) {
	if err != nil {
		rt.Fatalf("write %s: %v", key, err)
	}
	if revision <= m.last {
		rt.Fatalf("revision %d came after %d", revision, m.last)
	}
	m.last = revision
	m.past = append(m.past, revision)
	m.values[key] = store.Entry{Key: key, Value: value, Revision: revision}
}

// finish checks that the watch that was there all the time has shown the state
// that there is now.
func (m *model) finish(rt *rapid.T) {
	end := m.prefix + "end"
	create(m.t, m.kv, end, "")
	shown := fold(m.t, m.watch, end)
	delete(shown, end)
	if diff := cmp.Diff(m.values, shown, cmp.Comparer(sameEntry)); diff != "" {
		rt.Fatalf("the watch has shown something else (-want +got):\n%s", diff)
	}
}
