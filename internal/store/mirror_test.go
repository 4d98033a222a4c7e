package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"teal/internal/store"
	"teal/internal/store/memkv"
)

func text(e store.Entry) (string, error) { return string(e.Value), nil }

// What was written through a mirror is there when the write has returned, what
// was deleted is not, and what others write arrives; with many writers at once,
// and after watches that break, the mirror ends up as the store is.
//
// Seen red without gone: a deleted key came back when the watch showed its
// creation. Seen red without the writes: what was created was not there yet.
func TestMirrorIsNeverBehindItsWrites(t *testing.T) {
	t.Parallel()
	kv := memkv.New()
	m := store.NewMirror(kv, "apps.*.app", text)
	ctx, cancel := context.WithCancel(t.Context())
	watch, err := m.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var followed sync.WaitGroup
	followed.Go(func() { _ = m.Follow(ctx, watch) })
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			key := fmt.Sprintf("apps.a%d.app", w)
			for n := range 300 {
				value := fmt.Sprint(n)
				revision, err := m.Create(ctx, key, []byte(value))
				if got, ok := m.Value(key); err != nil || !ok || got != value {
					t.Errorf("created %s: %q %v %v", value, got, ok, err)
				}
				if n%3 == 0 {
					value += "!"
					revision, err = m.Update(ctx, key, []byte(value), revision)
				}
				if got, ok := m.Value(key); err != nil || !ok || got != value {
					t.Errorf("updated %s: %q %v %v", value, got, ok, err)
				}
				if w == 0 && n%50 == 0 {
					kv.BreakWatches()
				}
				if w == 1 && n == 299 {
					return // what stays
				}
				err = m.Delete(ctx, key, revision)
				for range 3 {
					if got, ok := m.Value(key); err != nil || ok {
						t.Errorf("deleted %s: %q %v %v", value, got, ok, err)
					}
				}
			}
		})
	}
	writers.Wait()
	if _, err := kv.Create(ctx, "apps.other.app", []byte("of somebody else")); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Create(ctx, "apps.other.alias.live", nil); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		if got, ok := m.Value("apps.other.app"); ok && got == "of somebody else" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what somebody else wrote does not arrive")
		}
		time.Sleep(time.Millisecond)
	}
	count := 0
	m.Each(func(string) { count++ })
	if last, _ := m.Value("apps.a1.app"); count != 2 || last != "299" {
		t.Errorf("%d keys are kept, and %q", count, last)
	}
	cancel()
	followed.Wait()
	if _, err := m.Get(t.Context(), "apps.a1.app"); errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

// A store that cannot be read for a while does not end a mirror: what is in memory
// stays, and what has changed comes when it can be read again.
//
// Seen red when Follow returned the error of the first load that failed.
func TestMirrorOutlivesAStoreThatCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kv := memkv.New()
		m := store.NewMirror(kv, "apps.*.app", text)
		revision, err := m.Create(t.Context(), "apps.a.app", []byte("old"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		watch, err := m.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- m.Follow(ctx, watch) }()
		kv.Fail(memkv.Fault{Op: memkv.OpWatch, Times: memkv.Always})
		kv.BreakWatches()
		if _, err := kv.Update(ctx, "apps.a.app", []byte("new"), revision); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // of the test's own time
		if got, ok := m.Value("apps.a.app"); !ok || got != "old" {
			t.Errorf("meanwhile: %q, %v", got, ok)
		}
		kv.Heal()
		time.Sleep(time.Minute)
		if got, _ := m.Value("apps.a.app"); got != "new" {
			t.Errorf("afterwards: %q", got)
		}
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Follow: %v", err)
		}
	})
}
