package gateway

import (
	"hash/maphash"
	"maps"
)

// shardCount makes a shard of the largest table we measure (10 000 apps, a few
// places each) about 20 entries, and the array of shards 8 KiB: an edit copies
// one of each.
const shardCount = 1024

// shardSeed is the same for all tables of the process, because they share
// shards, and different in every process, so that nobody outside can choose
// hosts and paths that meet in one shard.
var shardSeed = maphash.MakeSeed()

// shards is an immutable hash map. A changed copy shares every shard that the
// change did not touch. The zero value is empty.
type shards[K comparable, V any] struct {
	array *[shardCount]map[K]V
}

func shardOf[K comparable](key K) uint64 { return maphash.Comparable(shardSeed, key) % shardCount }

func (s shards[K, V]) get(key K) (V, bool) {
	if s.array == nil {
		var none V
		return none, false
	}
	v, ok := s.array[shardOf(key)][key]
	return v, ok
}

// each calls visit with every value, in no order.
func (s shards[K, V]) each(visit func(V)) {
	if s.array == nil {
		return
	}
	for _, shard := range s.array {
		for _, v := range shard {
			visit(v)
		}
	}
}

// edit starts a changed copy. The map itself stays as it is.
func (s shards[K, V]) edit() *shardsEdit[K, V] {
	e := &shardsEdit[K, V]{array: new([shardCount]map[K]V), own: map[uint64]struct{}{}}
	if s.array != nil {
		*e.array = *s.array
	}
	return e
}

// shardsEdit is a copy under construction, for one goroutine.
type shardsEdit[K comparable, V any] struct {
	array *[shardCount]map[K]V
	own   map[uint64]struct{} // the shards that are no longer shared
}

func (e *shardsEdit[K, V]) get(key K) (V, bool) {
	v, ok := e.array[shardOf(key)][key]
	return v, ok
}

func (e *shardsEdit[K, V]) set(key K, v V) { e.writable(key)[key] = v }

func (e *shardsEdit[K, V]) delete(key K) { delete(e.writable(key), key) }

func (e *shardsEdit[K, V]) writable(key K) map[K]V {
	i := shardOf(key)
	if _, ok := e.own[i]; ok {
		return e.array[i]
	}
	shard := maps.Clone(e.array[i])
	if shard == nil {
		shard = map[K]V{}
	}
	e.array[i], e.own[i] = shard, struct{}{}
	return shard
}

// done ends the edit and returns the copy.
func (e *shardsEdit[K, V]) done() shards[K, V] {
	s := shards[K, V]{array: e.array}
	e.array, e.own = nil, nil
	return s
}
