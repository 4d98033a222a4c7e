package daemon

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"teal/internal/store"
)

// onlyNumbered is a store that takes no record without the number of its schema, whoever
// writes it. Every server of these tests writes through it, so no kind of record can be
// forgotten.
//
// Seen red with Table.Create and Table.Update writing none.
type onlyNumbered struct {
	store.KV
	t *testing.T
}

func (kv onlyNumbered) check(key string, value []byte) {
	if strings.HasPrefix(key, store.AsidePrefix) {
		return // a copy of what cannot be understood
	}
	if !bytes.HasPrefix(value, []byte(`{"schema":`)) {
		kv.t.Errorf("the record %s has no number of its schema: %.80s", key, value)
	}
}

func (kv onlyNumbered) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	kv.check(key, value)
	return kv.KV.Create(ctx, key, value)
}

func (kv onlyNumbered) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	kv.check(key, value)
	return kv.KV.Update(ctx, key, value, revision)
}
