package natskv

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"teal/internal/store"
)

func openInternal(t testing.TB, cfg Config) *DB {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	db, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func mustCreate(t testing.TB, db *DB, key string) uint64 {
	t.Helper()
	revision, err := db.Create(t.Context(), key, []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// Seen to fail when a snapshot was taken to be complete as soon as the server
// said "no messages".
func TestSnapshotReadsToTheEnd(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := openInternal(t, Config{})
	for i := range 300 {
		mustCreate(t, db, fmt.Sprintf("k.%d", i))
	}
	f := &feed{db: db, session: db.now.Load(), subject: db.subject("k.*"), lastCall: wallClock()}
	defer f.Close()
	if err := f.subscribe(ctx, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy}); err != nil {
		t.Fatal(err)
	}
	wantCaughtUp := func(want bool) {
		t.Helper()
		if got, err := f.caughtUp(ctx); err != nil || got != want {
			t.Fatalf("caught up: got %v, %v; want %v", got, err, want)
		}
	}
	wantCaughtUp(false)
	entries := 0
	err := f.catchUp(ctx, func(store.Event) error { entries++; return nil })
	if err != nil || entries != 300 {
		t.Fatalf("got %d entries, %v; want 300", entries, err)
	}
	wantCaughtUp(true)
	mustCreate(t, db, "elsewhere")
	wantCaughtUp(true)
	mustCreate(t, db, "k.new")
	wantCaughtUp(false)
}

// Seen to fail when resume started after the newest message of the stream instead
// of after the last one shown.
func TestWatchOutlivesItsConsumer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	db := openInternal(t, Config{})
	mustCreate(t, db, "before")
	f, _, err := db.openFeed(ctx, ">")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for round := range 3 {
		// Also without a message in between: the pull is open, or was never made.
		if round > 0 {
			want := mustCreate(t, db, fmt.Sprintf("seen.%d", round))
			if event, err := f.Next(ctx); err != nil || event.Revision != want {
				t.Fatalf("got %+v, %v; want revision %d", event, err, want)
			}
		}
		if err := db.now.Load().stream.DeleteConsumer(ctx, f.consumer); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			key := fmt.Sprintf("after.%d.%d", round, i)
			want := mustCreate(t, db, key)
			if event, err := f.Next(ctx); err != nil || event.Key != key || event.Revision != want {
				t.Fatalf("got %+v, %v; want %s at %d", event, err, key, want)
			}
		}
	}
}

// Seen to fail when Next did not look at how long ago it was called.
func TestWatchThatDidNotLookFailsLoudly(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	db := openInternal(t, Config{})
	f, _, err := db.openFeed(ctx, ">")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mustCreate(t, db, "k")
	if _, err := f.Next(ctx); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, db, "unseen")
	f.lastCall = f.lastCall.Add(-db.markerTTL)
	if _, err := f.Next(ctx); !errors.Is(err, store.ErrLagged) {
		t.Fatalf("got %v, want ErrLagged", err)
	}
}

// Markers go away by themselves, and what they guarded stays guarded, also after
// a restart that follows the removal of the newest message.
//
// Seen to fail when deletes were written without a TTL.
func TestMarkersExpire(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := t.TempDir()
	db := openInternal(t, Config{Dir: dir, MarkerTTL: time.Second})
	mustCreate(t, db, "stays")
	first := mustCreate(t, db, "k")
	if err := db.Delete(ctx, "k", first); err != nil {
		t.Fatal(err)
	}
	marker, deleted, err := db.last(ctx, "k")
	if err != nil || !deleted {
		t.Fatalf("got %+v, %v, %v; want a marker", marker, deleted, err)
	}
	for deadline := time.Now().Add(20 * time.Second); !errors.Is(err, store.ErrNotFound); _, _, err = db.last(ctx, "k") {
		if time.Now().After(deadline) {
			t.Fatalf("the marker is still there: %v", err)
		}
		pause(t, 20*time.Millisecond)
	}
	for range 2 {
		for _, stale := range []uint64{0, first, marker.Revision} {
			if _, err := db.Update(ctx, "k", nil, stale); !errors.Is(err, store.ErrConflict) {
				t.Errorf("update at %d: got %v, want a conflict", stale, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = openInternal(t, Config{Dir: dir, MarkerTTL: time.Second})
	}
	if again := mustCreate(t, db, "k"); again <= marker.Revision {
		t.Errorf("created at %d, after a delete at %d", again, marker.Revision)
	}
}

func pause(t *testing.T, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
