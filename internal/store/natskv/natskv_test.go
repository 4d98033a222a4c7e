package natskv_test

import (
	"context"
	"log/slog"
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

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.KV { return open(t, t.TempDir()) })
}
