package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"teal/internal/store"
)

// RunReopen tests what is promised while a KV loses what is below it and gets it
// back, which lose does again and again. open is as in Run.
func RunReopen[T store.KV](t *testing.T, open func(t *testing.T) T, lose func(ctx context.Context, kv T) error) {
	tests := []struct {
		name string
		run  func(t *testing.T, kv store.KV, lose func(context.Context) error)
	}{
		{"KeepsRevisions", testReopenKeepsRevisions},
		{"WatchGoesOn", testReopenWatchGoesOn},
		{"WritersCount", testReopenWritersCount},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			kv := open(t)
			test.run(t, kv, func(ctx context.Context) error { return lose(ctx, kv) })
		})
	}
}

// A revision is as good after it as before, and none is used twice.
func testReopenKeepsRevisions(t *testing.T, kv store.KV, lose func(context.Context) error) {
	ctx := deadline(t)
	revision := create(t, kv, "k", "0")
	gone := create(t, kv, "gone", "")
	remove(t, kv, "gone", gone)
	for i := range 5 {
		if err := lose(ctx); err != nil {
			t.Fatal(err)
		}
		wantEntry(t, kv, "k", strconv.Itoa(i), revision)
		_, err := kv.Update(ctx, "gone", nil, gone)
		wantErr(t, err, store.ErrConflict)
		next, err := kv.Update(ctx, "k", []byte(strconv.Itoa(i+1)), revision)
		if err != nil || next <= revision {
			t.Fatalf("round %d: revision %d after %d, %v", i, next, revision, err)
		}
		_, err = kv.Update(ctx, "k", nil, revision)
		wantErr(t, err, store.ErrConflict)
		revision = next
	}
}

// A watch shows what was written before, while and after, in order and once; also
// one that nobody has asked meanwhile.
func testReopenWatchGoesOn(t *testing.T, kv store.KV, lose func(context.Context) error) {
	ctx := deadline(t)
	create(t, kv, "before", "")
	watch, err := kv.Watch(ctx, ">")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	var want []string
	for round := range 4 {
		for i := range 3 {
			key := fmt.Sprintf("k.%d.%d", round, i)
			create(t, kv, key, "")
			want = append(want, key)
			if i == 1 {
				if err := lose(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		if round == 2 {
			continue // nobody asks, twice in a row
		}
		for _, key := range want {
			if event, err := watch.Next(ctx); err != nil || event.Key != key || event.Deleted {
				t.Fatalf("round %d: got %+v, %v; want %s", round, event, err, key)
			}
		}
		want = nil
	}
}

// Writers that compare and swap lose no count, and what waits for a change gets
// the last one. A write whose outcome is not known is looked up.
func testReopenWritersCount(t *testing.T, kv store.KV, lose func(context.Context) error) {
	ctx := deadline(t)
	create(t, kv, "count", "0")
	watch, err := kv.Watch(ctx, "count")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	var writers sync.WaitGroup
	var unknown [4]int
	const each = 25
	for w := range unknown {
		writers.Go(func() {
			for range each {
				n, err := add(ctx, kv)
				unknown[w] += n
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 5 {
		if err := lose(ctx); err != nil {
			t.Error(err)
		}
	}
	writers.Wait()
	entry, err := kv.Get(ctx, "count")
	if err != nil {
		t.Fatal(err)
	}
	count, err := strconv.Atoi(string(entry.Value))
	slack := unknown[0] + unknown[1] + unknown[2] + unknown[3]
	if least := len(unknown)*each - slack; err != nil || count < least || count > len(unknown)*each+slack {
		t.Errorf("counted %s, %v; want %d, give or take %d of which it is not known", entry.Value, err, len(unknown)*each, slack)
	}
	for event := (store.Event{}); event.Revision != entry.Revision; {
		before := event.Revision
		if event, err = watch.Next(ctx); err != nil || event.Revision <= before || event.Revision > entry.Revision {
			t.Fatalf("watch: %+v, %v; the newest is %d", event, err, entry.Revision)
		}
	}
}

// add counts one up and returns of how many writes it is not known whether they
// happened.
func add(ctx context.Context, kv store.KV) (unknown int, err error) {
	for {
		entry, err := kv.Get(ctx, "count")
		if err != nil {
			return unknown, fmt.Errorf("get: %w", err)
		}
		count, err := strconv.Atoi(string(entry.Value))
		if err != nil {
			return unknown, err
		}
		_, err = kv.Update(ctx, "count", []byte(strconv.Itoa(count+1)), entry.Revision)
		switch {
		case err == nil:
			return unknown, nil
		case errors.Is(err, store.ErrOutcomeUnknown):
			unknown++
		case !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrReadOnly):
			return unknown, fmt.Errorf("update: %w", err)
		}
	}
}
