package memkv_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"teal/internal/store"
	"teal/internal/store/memkv"
	"teal/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) store.KV { return memkv.New() })
}

func TestFaultModes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, test := range []struct {
		mode             memkv.Mode
		unknown, written bool
	}{
		{memkv.Refused, false, false},
		{memkv.RequestLost, true, false},
		{memkv.AnswerLost, true, true},
	} {
		kv := memkv.New()
		kv.Fail(memkv.Fault{Op: memkv.OpCreate, Mode: test.mode})
		revision, err := kv.Create(ctx, "k", []byte("x"))
		if revision != 0 || !errors.Is(err, memkv.ErrInjected) || errors.Is(err, store.ErrOutcomeUnknown) != test.unknown {
			t.Errorf("mode %d: got %d, %v", test.mode, revision, err)
		}
		if _, err := kv.Get(ctx, "k"); (err == nil) != test.written {
			t.Errorf("mode %d: get: %v, want written: %v", test.mode, err, test.written)
		}
		if _, err := kv.Create(ctx, "k2", nil); err != nil {
			t.Errorf("mode %d: the fault stayed: %v", test.mode, err)
		}
	}
}

func TestFaultCounts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	kv := memkv.New()
	kv.Fail(memkv.Fault{Op: memkv.OpAnyWrite, Key: "a.*", Skip: 1, Times: 2})
	var failed []bool
	for _, key := range []string{"a.1", "b.1", "a.2", "b.2", "a.3", "a.4"} {
		_, err := kv.Create(ctx, key, nil)
		failed = append(failed, err != nil)
	}
	want := []bool{false, false, true, false, true, false}
	for i := range want {
		if failed[i] != want[i] {
			t.Fatalf("failed: %v, want %v", failed, want)
		}
	}
	kv.Fail(memkv.Fault{Op: memkv.OpAny, Times: memkv.Always})
	for range 3 {
		_, getErr := kv.Get(ctx, "a.1")
		_, listErr := kv.List(ctx, ">")
		_, watchErr := kv.Watch(ctx, ">")
		for _, err := range []error{getErr, listErr, watchErr} {
			if !errors.Is(err, memkv.ErrInjected) || errors.Is(err, store.ErrOutcomeUnknown) {
				t.Errorf("got %v", err)
			}
		}
	}
	kv.Heal()
	if _, err := kv.Get(ctx, "a.1"); err != nil {
		t.Error(err)
	}
}

func TestBreakWatches(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	kv := memkv.New()
	watch, err := kv.Watch(ctx, ">")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	if _, err := kv.Create(ctx, "k", nil); err != nil {
		t.Fatal(err)
	}
	kv.BreakWatches()
	if _, err := watch.Next(ctx); !errors.Is(err, store.ErrLagged) {
		t.Errorf("got %v, want ErrLagged", err)
	}
}

// Waiting for a change is durably blocking, so time moves on in a bubble.
func TestInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		kv := memkv.New()
		watch, err := kv.Watch(ctx, ">")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			timer := time.NewTimer(time.Minute)
			<-timer.C
			_, _ = kv.Create(ctx, "k", nil)
		}()
		start := time.Now()
		if event, err := watch.Next(ctx); err != nil || event.Key != "k" || time.Since(start) != time.Minute {
			t.Errorf("got %+v, %v after %s", event, err, time.Since(start))
		}
		if _, err := watch.Next(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
	})
}

func TestQueueHoldsOneChangePerKey(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	kv := memkv.New()
	watch, err := kv.Watch(ctx, ">")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	revision, err := kv.Create(ctx, "k", nil)
	for range 1000 {
		if err == nil {
			revision, err = kv.Update(ctx, "k", nil, revision)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if event, err := watch.Next(ctx); err != nil || event.Revision != revision {
		t.Fatalf("got %+v, %v; want revision %d", event, err, revision)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if event, err := watch.Next(short); err == nil {
		t.Fatalf("got another change: %+v", event)
	}
}
