// Package storetest holds the tests that every store.KV must pass.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teal/internal/store"
)

// timeout bounds every wait of a test; one that reaches it has failed. It is for what
// hangs: what only takes long, on a machine that is busy with other things, does not
// reach it.
const timeout = 2 * time.Minute

// Run tests the contract of store.KV. open returns an empty KV; it is called once
// for each test, and closes what it opened with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) store.KV) {
	tests := []struct {
		name string
		run  func(t *testing.T, kv store.KV)
	}{
		{"Basics", testBasics},
		{"CreateExists", testCreateExists},
		{"UpdateConflicts", testUpdateConflicts},
		{"DeleteConflicts", testDeleteConflicts},
		{"Recreate", testRecreate},
		{"Revisions", testRevisions},
		{"Values", testValues},
		{"Copies", testCopies},
		{"InvalidKeys", testInvalidKeys},
		{"Patterns", testPatterns},
		{"EndedContext", testEndedContext},
		{"OneCreatorWins", testOneCreatorWins},
		{"OneUpdaterWins", testOneUpdaterWins},
		{"OneDeleterWins", testOneDeleterWins},
		{"NoUpdateLost", testNoUpdateLost},
		{"Watch", testWatch},
		{"WatchPattern", testWatchPattern},
		{"WatchEnds", testWatchEnds},
		{"WatchSlow", testWatchSlow},
		{"WatchNoGap", testWatchNoGap},
		{"ListComplete", testListComplete},
		{"Scan", testScan},
		{"Model", testModel},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// Scan visits what List returns, ends with the visitor's error, and refuses what
// List refuses.
//
// Seen to fail with an error that goes on.
func testScan(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	want := map[string]string{}
	for i := range 600 { // more than one batch
		key := fmt.Sprintf("e.%03d", i)
		revision := create(t, kv, key, key)
		switch i % 3 {
		case 0:
			remove(t, kv, key, revision)
		case 1:
			if _, err := kv.Update(ctx, key, []byte("new"), revision); err != nil {
				t.Fatal(err)
			}
			want[key] = "new"
		default:
			want[key] = key
		}
	}
	create(t, kv, "other.key", "x")
	got := map[string]string{}
	err := kv.Scan(ctx, "e.*", func(e store.Entry) error {
		got[e.Key] = string(e.Value)
		return nil
	})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	enough, visits := errors.New("enough"), 0
	if err := kv.Scan(ctx, ">", func(store.Entry) error { visits++; return enough }); err != enough || visits != 1 { //nolint:errorlint // as it is
		t.Errorf("%v after %d visits", err, visits)
	}
	wantErr(t, kv.Scan(ctx, "a..b", func(store.Entry) error { return nil }), store.ErrInvalidKey)
}

func testBasics(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	_, err := kv.Get(ctx, "a.b")
	wantErr(t, err, store.ErrNotFound)
	created := create(t, kv, "a.b", "one")
	wantEntry(t, kv, "a.b", "one", created)
	updated, err := kv.Update(ctx, "a.b", []byte("two"), created)
	if err != nil {
		t.Fatal(err)
	}
	if updated <= created {
		t.Errorf("the update has revision %d, after %d", updated, created)
	}
	wantEntry(t, kv, "a.b", "two", updated)
	remove(t, kv, "a.b", updated)
	_, err = kv.Get(ctx, "a.b")
	wantErr(t, err, store.ErrNotFound)
	wantList(t, kv, ">")
}

func testCreateExists(t *testing.T, kv store.KV) {
	revision := create(t, kv, "k", "one")
	_, err := kv.Create(deadline(t), "k", []byte("two"))
	wantErr(t, err, store.ErrExists)
	wantEntry(t, kv, "k", "one", revision)
}

func testUpdateConflicts(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	_, err := kv.Update(ctx, "k", []byte("x"), 0)
	wantErr(t, err, store.ErrConflict)
	_, err = kv.Update(ctx, "k", []byte("x"), 1)
	wantErr(t, err, store.ErrConflict)
	first := create(t, kv, "k", "one")
	second, err := kv.Update(ctx, "k", []byte("two"), first)
	if err != nil {
		t.Fatal(err)
	}
	for _, stale := range []uint64{0, first, second + 1} {
		_, err = kv.Update(ctx, "k", []byte("x"), stale)
		wantErr(t, err, store.ErrConflict)
	}
	wantEntry(t, kv, "k", "two", second)
	other := create(t, kv, "other", "x")
	_, err = kv.Update(ctx, "k", []byte("x"), other)
	wantErr(t, err, store.ErrConflict)
}

func testDeleteConflicts(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	wantErr(t, kv.Delete(ctx, "k", 0), store.ErrConflict)
	wantErr(t, kv.Delete(ctx, "k", 1), store.ErrConflict)
	revision := create(t, kv, "k", "one")
	for _, stale := range []uint64{0, revision - 1, revision + 1} {
		wantErr(t, kv.Delete(ctx, "k", stale), store.ErrConflict)
	}
	wantEntry(t, kv, "k", "one", revision)
	remove(t, kv, "k", revision)
	wantErr(t, kv.Delete(ctx, "k", revision), store.ErrConflict)
}

// Seen to fail when natskv's Update did not look whether the revision that it
// was given is that of a delete.
func testRecreate(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	watch := openWatch(t, kv, "k")
	first := create(t, kv, "k", "one")
	wantPut(t, watch, "k", "one", first)
	remove(t, kv, "k", first)
	deleted := wantDelete(t, watch, "k")
	for _, revision := range []uint64{0, first, deleted} {
		_, err := kv.Update(ctx, "k", []byte("x"), revision)
		wantErr(t, err, store.ErrConflict)
		wantErr(t, kv.Delete(ctx, "k", revision), store.ErrConflict)
	}
	second := create(t, kv, "k", "two")
	if second <= deleted {
		t.Errorf("created again at revision %d, deleted at %d", second, deleted)
	}
	wantPut(t, watch, "k", "two", second)
	_, err := kv.Update(ctx, "k", []byte("x"), first)
	wantErr(t, err, store.ErrConflict)
	wantEntry(t, kv, "k", "two", second)
}

func testRevisions(t *testing.T, kv store.KV) {
	last := uint64(0)
	for i := range 20 {
		key := fmt.Sprintf("k.%d", i%3)
		revision := create(t, kv, key, "x")
		if revision <= last {
			t.Fatalf("revision %d came after %d", revision, last)
		}
		last = revision
		remove(t, kv, key, revision)
	}
}

func testValues(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	big := bytes.Repeat([]byte("x"), store.MaxValue)
	for key, value := range map[string][]byte{"nil": nil, "empty": {}, "binary": {0, 255, '\r', '\n'}, "big": big} {
		if _, err := kv.Create(ctx, key, value); err != nil {
			t.Fatalf("create %s: %v", key, err)
		}
		entry, err := kv.Get(ctx, key)
		if err != nil || !bytes.Equal(entry.Value, value) {
			t.Errorf("%s: got %d bytes, %v; want %d", key, len(entry.Value), err, len(value))
		}
	}
	_, err := kv.Create(ctx, "huge", append(big, 'x'))
	wantErr(t, err, store.ErrTooLarge)
	_, err = kv.Get(ctx, "huge")
	wantErr(t, err, store.ErrNotFound)
	list, err := kv.List(ctx, ">")
	if err != nil || len(list) != 4 {
		t.Errorf("list: %d entries, %v; want 4", len(list), err)
	}
}

func testCopies(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	mine := []byte("one")
	revision, err := kv.Create(ctx, "k", mine)
	if err != nil {
		t.Fatal(err)
	}
	watch := openWatch(t, kv, ">")
	mine[0] = 'X'
	for range 2 {
		entry, err := kv.Get(ctx, "k")
		if err != nil || string(entry.Value) != "one" {
			t.Fatalf("get: %q, %v", entry.Value, err)
		}
		entry.Value[0] = 'X'
		list, err := kv.List(ctx, ">")
		if err != nil || len(list) != 1 || string(list[0].Value) != "one" {
			t.Fatalf("list: %+v, %v", list, err)
		}
		list[0].Value[0] = 'X'
	}
	watch.Snapshot[0].Value[0] = 'X'
	wantEntry(t, kv, "k", "one", revision)
}

func testInvalidKeys(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	for _, key := range []string{"", ".", "a.", ".a", "a..b", "a b", "a/b", "a=b", "ä", "*", ">", "a.*", "a.>", "a\n"} {
		_, err := kv.Get(ctx, key)
		wantErr(t, err, store.ErrInvalidKey)
		_, err = kv.Create(ctx, key, nil)
		wantErr(t, err, store.ErrInvalidKey)
		_, err = kv.Update(ctx, key, nil, 1)
		wantErr(t, err, store.ErrInvalidKey)
		wantErr(t, kv.Delete(ctx, key, 1), store.ErrInvalidKey)
	}
	for _, pattern := range []string{"", ".", "a.", "a..b", "a.>.b", ">.a", "a*", "**", "a.>>", ".>", "a b"} {
		_, err := kv.List(ctx, pattern)
		wantErr(t, err, store.ErrInvalidKey)
		_, err = kv.Watch(ctx, pattern)
		wantErr(t, err, store.ErrInvalidKey)
	}
}

func testPatterns(t *testing.T, kv store.KV) {
	for _, key := range []string{"b", "a", "a.b", "a.c", "a.b.c", "b.b", "a.b-c", "A.b", "a.b_c"} {
		create(t, kv, key, key)
	}
	remove(t, kv, "a.c", mustGet(t, kv, "a.c").Revision)
	for pattern, want := range map[string][]string{
		">":     {"A.b", "a", "a.b", "a.b-c", "a.b.c", "a.b_c", "b", "b.b"},
		"*":     {"a", "b"},
		"a":     {"a"},
		"a.*":   {"a.b", "a.b-c", "a.b_c"},
		"a.>":   {"a.b", "a.b-c", "a.b.c", "a.b_c"},
		"*.b":   {"A.b", "a.b", "b.b"},
		"*.*":   {"A.b", "a.b", "a.b-c", "a.b_c", "b.b"},
		"*.b.>": {"a.b.c"},
		"a.c":   {},
		"c.>":   {},
	} {
		wantList(t, kv, pattern, want...)
		watch := openWatch(t, kv, pattern)
		if got := keys(watch.Snapshot); !slices.Equal(got, want) {
			t.Errorf("snapshot of %s: got %v, want %v", pattern, got, want)
		}
	}
}

func testEndedContext(t *testing.T, kv store.KV) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	revision := create(t, kv, "k", "one")
	_, err := kv.Get(ended, "k")
	wantErr(t, err, context.Canceled)
	_, err = kv.List(ended, ">")
	wantErr(t, err, context.Canceled)
	_, err = kv.Watch(ended, ">")
	wantErr(t, err, context.Canceled)
	_, err = kv.Create(ended, "new", nil)
	wantRefused(t, err)
	_, err = kv.Update(ended, "k", nil, revision)
	wantRefused(t, err)
	wantRefused(t, kv.Delete(ended, "k", revision))
	wantList(t, kv, ">", "k")
	wantEntry(t, kv, "k", "one", revision)
}

// wantRefused checks the error of a write with a context that had ended before:
// it is certain that nothing was written.
func wantRefused(t *testing.T, err error) {
	t.Helper()
	wantErr(t, err, context.Canceled)
	if errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("the outcome is said to be unknown: %v", err)
	}
}

// contend runs n writers at the same time and returns how many succeeded; the
// others must fail with lost.
func contend(t *testing.T, n int, lost error, write func(i int) error) int {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = write(i)
		})
	}
	close(start)
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantErr(t, err, lost)
		}
	}
	return won
}

// Seen to fail when natskv's Create wrote without an expected revision.
func testOneCreatorWins(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	for round := range 10 {
		won := contend(t, 8, store.ErrExists, func(i int) error {
			_, err := kv.Create(ctx, "k", fmt.Appendf(nil, "%d", i))
			return err
		})
		if won != 1 {
			t.Fatalf("round %d: %d creators won", round, won)
		}
		remove(t, kv, "k", mustGet(t, kv, "k").Revision)
	}
}

// Seen to fail when memkv's Update did not compare the revision.
func testOneUpdaterWins(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	revision := create(t, kv, "k", "")
	for round := range 10 {
		won := contend(t, 8, store.ErrConflict, func(i int) error {
			_, err := kv.Update(ctx, "k", fmt.Appendf(nil, "%d", i), revision)
			return err
		})
		if won != 1 {
			t.Fatalf("round %d: %d updaters won", round, won)
		}
		revision = mustGet(t, kv, "k").Revision
	}
}

func testOneDeleterWins(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	for round := range 10 {
		revision := create(t, kv, "k", "")
		won := contend(t, 8, store.ErrConflict, func(i int) error {
			if i%2 == 0 {
				_, err := kv.Update(ctx, "k", nil, revision)
				return err
			}
			return kv.Delete(ctx, "k", revision)
		})
		if won != 1 {
			t.Fatalf("round %d: %d writers won", round, won)
		}
		if entry, err := kv.Get(ctx, "k"); err == nil {
			remove(t, kv, "k", entry.Revision)
		}
	}
}

func testNoUpdateLost(t *testing.T, kv store.KV) {
	ctx := deadline(t)
	const writers, each = 4, 15
	create(t, kv, "k", "")
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < each; {
				entry, err := kv.Get(ctx, "k")
				if err == nil {
					_, err = kv.Update(ctx, "k", append(entry.Value, '+'), entry.Revision)
				}
				switch {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := len(mustGet(t, kv, "k").Value); got != writers*each {
		t.Errorf("%d of %d updates are left", got, writers*each)
	}
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	return ctx
}

func create(t testing.TB, kv store.KV, key, value string) uint64 {
	t.Helper()
	revision, err := kv.Create(deadline(t), key, []byte(value))
	if err != nil {
		t.Fatalf("create %s: %v", key, err)
	}
	return revision
}

func remove(t testing.TB, kv store.KV, key string, revision uint64) {
	t.Helper()
	if err := kv.Delete(deadline(t), key, revision); err != nil {
		t.Fatalf("delete %s at %d: %v", key, revision, err)
	}
}

func mustGet(t testing.TB, kv store.KV, key string) store.Entry {
	t.Helper()
	entry, err := kv.Get(deadline(t), key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return entry
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

func wantEntry(t testing.TB, kv store.KV, key, value string, revision uint64) {
	t.Helper()
	want := store.Entry{Key: key, Value: []byte(value), Revision: revision}
	if diff := cmp.Diff(want, mustGet(t, kv, key)); diff != "" {
		t.Errorf("get %s (-want +got):\n%s", key, diff)
	}
}

func wantList(t testing.TB, kv store.KV, pattern string, want ...string) {
	t.Helper()
	list, err := kv.List(deadline(t), pattern)
	if err != nil {
		t.Fatalf("list %s: %v", pattern, err)
	}
	if got := keys(list); !slices.Equal(got, want) {
		t.Errorf("list %s: got %v, want %v", pattern, got, want)
	}
}

func keys(entries []store.Entry) []string {
	var keys []string
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	if !slices.IsSortedFunc(entries, func(a, b store.Entry) int { return strings.Compare(a.Key, b.Key) }) {
		return append(keys, "(not sorted)")
	}
	return keys
}
