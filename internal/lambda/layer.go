package lambda

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/keylock"
	"teal/internal/store"
)

var _ awslambda.Layers = (*Backend)(nil)

// layerCounter keeps the numbers of a layer's versions from being given out
// again.
type layerCounter struct {
	Layer string
	Last  int
}

// layers holds the versions of layers: records in the store, and a copy in memory
// that is never behind them, because nobody else writes them.
type layers struct {
	counters *store.Table[store.SideKey, layerCounter]
	versions *store.Table[store.SideKey, awslambda.Layer]

	changing keylock.Locks[string] // of a layer: one change at a time

	mu    sync.Mutex
	known map[store.SideKey]store.Record[awslambda.Layer]
}

func layerKey(name string, number int) store.SideKey {
	return store.SideKey{App: name, Name: strconv.Itoa(number)}
}

func newLayers(kv store.KV) *layers {
	return &layers{
		counters: store.NewSide(kv, "lambda", "layers", func(c layerCounter) store.SideKey { return store.SideKey{App: c.Layer, Name: "layer"} }),
		versions: store.NewSide(kv, "lambda", "layer", func(l awslambda.Layer) store.SideKey { return layerKey(l.Name, l.Number) }),
		known:    map[store.SideKey]store.Record[awslambda.Layer]{},
	}
}

func (l *layers) load(ctx context.Context) error {
	records, _, err := l.versions.Readable(ctx, "")
	if err != nil {
		return fmt.Errorf("lambda: load layers: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		l.known[layerKey(r.Value.Name, r.Value.Number)] = r
	}
	return nil
}

func (l *layers) put(r store.Record[awslambda.Layer]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known[layerKey(r.Value.Name, r.Value.Number)] = r
}

func (l *layers) get(name string, number int) (store.Record[awslambda.Layer], error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	record, ok := l.known[layerKey(name, number)]
	if !ok {
		return record, teal.Errorf(teal.CodeNotFound, "There is no version %d of the layer %s.", number, name)
	}
	return record, nil
}

// list returns the versions of a layer, or of all for "".
func (l *layers) list(name string) []awslambda.Layer {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []awslambda.Layer
	for key, r := range l.known {
		if name == "" || key.App == name {
			list = append(list, r.Value)
		}
	}
	slices.SortFunc(list, func(a, b awslambda.Layer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number))
	})
	return list
}

// PublishLayer implements [awslambda.Layers]. The number is taken before the
// version is recorded: cut off in between, it is a number that nobody gets.
func (b *Backend) PublishLayer(ctx context.Context, layer awslambda.Layer) (awslambda.Layer, error) {
	ctx = context.WithoutCancel(ctx) // half a write would leave the copy behind the store
	defer b.layers.changing.Lock(layer.Name)()
	counter, err := b.layers.counters.Upsert(ctx, store.SideKey{App: layer.Name, Name: "layer"}, func(c *layerCounter, _ bool) error {
		c.Layer, c.Last = layer.Name, c.Last+1
		return nil
	})
	if err != nil {
		return layer, err
	}
	layer.Number = counter.Value.Last
	record, err := b.layers.versions.Create(ctx, layer)
	if err == nil {
		b.layers.put(record)
	}
	return layer, err
}

// Layer implements [awslambda.Layers].
func (b *Backend) Layer(_ context.Context, name string, number int) (awslambda.Layer, error) {
	record, err := b.layers.get(name, number)
	return record.Value, err
}

// Layers implements [awslambda.Layers].
func (b *Backend) Layers(_ context.Context, name string) ([]awslambda.Layer, error) {
	return b.layers.list(name), nil
}

// DeleteLayer implements [awslambda.Layers].
func (b *Backend) DeleteLayer(ctx context.Context, name string, number int) error {
	ctx = context.WithoutCancel(ctx) // see PublishLayer
	defer b.layers.changing.Lock(name)()
	record, err := b.layers.get(name, number)
	if err != nil {
		return err
	}
	if err := store.IgnoreMissing(b.layers.versions.Delete(ctx, layerKey(name, number), record.Revision)); err != nil {
		return err
	}
	b.layers.mu.Lock()
	delete(b.layers.known, layerKey(name, number))
	b.layers.mu.Unlock()
	b.cfg.Code.DropLayer(record.Value)
	return nil
}

// ChangeLayerPolicy implements [awslambda.Layers].
func (b *Backend) ChangeLayerPolicy(ctx context.Context, name string, number int, change func(*awslambda.Policy) error) (awslambda.Layer, error) {
	ctx = context.WithoutCancel(ctx) // see PublishLayer
	defer b.layers.changing.Lock(name)()
	record, err := b.layers.get(name, number)
	if err != nil {
		return record.Value, err
	}
	next := record.Value
	if err := change(&next.Policy); err != nil {
		return next, err
	}
	record, err = b.layers.versions.Update(ctx, next, record.Revision)
	if err == nil {
		b.layers.put(record)
	}
	return next, err
}
