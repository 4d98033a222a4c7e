package natskv_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"teal/internal/store"
	"teal/internal/store/natskv"
	"teal/internal/store/storetest"
)

func open(t testing.TB, dir string) *natskv.DB {
	t.Helper()
	db, err := natskv.Open(context.Background(), natskv.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
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

// tended opens a store and has it tended to.
func tended(t *testing.T, dir string) *natskv.DB {
	t.Helper()
	db, _ := tendedUntil(t, dir)
	return db
}

// tendedUntil is tended until stop is called.
func tendedUntil(t *testing.T, dir string) (db *natskv.DB, stop func()) {
	t.Helper()
	db = open(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- db.Run(ctx, func(natskv.Health) {}) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return db, stop
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.KV { return open(t, t.TempDir()) })
}

// Seen to fail when a feed took the end of its connection for the end of the
// watch, when it went on one change too late, and when Get did not try again on the
// next session. WritersCount was red with -race, in one of six runs of -count=3, when the
// mark's check did not lock.
func TestContractOfReopening(t *testing.T) {
	t.Parallel()
	losses := map[string]func(context.Context, *natskv.DB) error{
		"Failed":       func(ctx context.Context, db *natskv.DB) error { return db.Fail(ctx) },
		"Disconnected": func(ctx context.Context, db *natskv.DB) error { return db.Disconnect(ctx) },
		"Stopped":      func(_ context.Context, db *natskv.DB) error { db.StopServer(); return nil },
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			storetest.RunReopen(t, func(t *testing.T) *natskv.DB { return tended(t, t.TempDir()) }, lose)
		})
	}
}
