package store_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"teal/internal/await"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// Whoever follows a subscription and looks into the mirror ends up with what the store
// has, whoever wrote it, through watches that break.
//
// Seen red without the news of what replace finds (a watch that had broken took changes
// with it), of deletes, and of writes through the mirror.
func TestASubscriptionMissesNoLastState(t *testing.T) {
	t.Parallel()
	kv := memkv.New()
	m := store.NewMirror(kv, "apps.*.alias.*", text)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	watch, err := m.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	running.Go(func() { _ = m.Follow(ctx, watch) })
	s := m.Subscribe()
	defer s.Stop()
	var mu sync.Mutex
	seen := map[string]string{}
	running.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-s.Changed():
			case <-ctx.Done():
			}
			mu.Lock()
			for key := range s.Take() {
				if value, ok := m.Value(key); ok {
					seen[key] = value
				} else {
					delete(seen, key)
				}
			}
			mu.Unlock()
		}
	})
	var writers sync.WaitGroup
	for n, through := range []store.KV{m, kv, m, kv} {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			for i := range 400 {
				key := fmt.Sprintf("apps.a%d.alias.x%d", n, random.IntN(5))
				entry, err := through.Get(ctx, key)
				switch {
				case err != nil:
					_, _ = through.Create(ctx, key, fmt.Append(nil, i))
				case random.IntN(2) == 0:
					_ = through.Delete(ctx, key, entry.Revision)
				default:
					_, _ = through.Update(ctx, key, fmt.Append(nil, i), entry.Revision)
				}
				if random.IntN(40) == 0 {
					kv.BreakWatches()
				}
			}
		})
	}
	writers.Wait()
	list, err := kv.List(ctx, "apps.*.alias.*")
	if err != nil {
		t.Fatal(err)
	}
	want, groups := map[string]string{}, map[string]int{}
	for _, entry := range list {
		want[entry.Key] = string(entry.Value)
		groups[entry.Key[5:7]]++
	}
	groups[list[0].Key[5:7]]-- // see below
	isSeen := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return maps.Equal(seen, want)
	}
	await.True(t, "the subscription to have told of everything", isSeen)
	last := list[0]
	if err := m.Delete(ctx, last.Key, last.Revision); err != nil {
		t.Fatal(err)
	}
	delete(want, last.Key)
	await.True(t, "the subscription to have told of the last delete", isSeen)
	for app, count := range groups {
		if got := len(m.Group(app)); got != count {
			t.Errorf("%d keys of %s, want %d", got, app, count)
		}
	}
	if got := len(m.Groups()); got != len(groups) {
		t.Errorf("%d groups, want %d", got, len(groups))
	}
}

// Refresh learns what no watch shows: what others have written and deleted.
//
// Seen red without either half.
func TestRefreshNeedsNoWatch(t *testing.T) {
	t.Parallel()
	ctx, kv := t.Context(), memkv.New()
	m := store.NewMirror(kv, "a.*", text)
	watch, err := m.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop() // which nobody follows
	for _, key := range []string{"a.goes", "a.stays"} {
		if _, err := m.Create(ctx, key, []byte("old")); err != nil {
			t.Fatal(err)
		}
	}
	if err := kv.Delete(ctx, "a.goes", m.Revision("a.goes")); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Update(ctx, "a.stays", []byte("new"), m.Revision("a.stays")); err != nil {
		t.Fatal(err)
	}
	if err := m.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	if _, has := m.Value("a.goes"); has {
		t.Error("what was deleted is still there")
	}
	if got, _ := m.Value("a.stays"); got != "new" {
		t.Errorf("a value that was written: %q", got)
	}
}

// A foreign subscription is told of what others have written, however the mirror learns
// it, and not of what is written through it.
//
// Seen red with every change told, and when what Get had found was not: the watch tells
// nothing of what is known already.
func TestAForeignSubscriptionIsToldOfOthers(t *testing.T) {
	t.Parallel()
	ctx, kv := t.Context(), memkv.New()
	m := store.NewMirror(kv, "a.*", text)
	watch, err := m.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop() // which nobody follows
	s := store.NewForeign()
	m.Tell(s)
	defer s.Stop()
	told := func(want int, what string) {
		t.Helper()
		if got := s.Take(); len(got) != want {
			t.Errorf("%s: told of %v", what, got)
		}
	}
	own, err := m.Create(ctx, "a.own", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Delete(ctx, "a.own", own); err != nil {
		t.Fatal(err)
	}
	told(0, "what was written through the mirror")
	for _, learn := range []func() error{
		func() error { _, err := m.Get(ctx, "a.other"); return err },
		func() error { return m.Refresh(ctx) },
	} {
		if _, err := kv.Create(ctx, "a.other", nil); err != nil {
			t.Fatal(err)
		}
		if err := learn(); err != nil {
			t.Fatal(err)
		}
		told(1, "what somebody else has written")
		if err := kv.Delete(ctx, "a.other", m.Revision("a.other")); err != nil {
			t.Fatal(err)
		}
		_ = learn()
		told(1, "what somebody else has deleted")
	}
}
