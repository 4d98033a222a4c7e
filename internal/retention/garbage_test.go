package retention

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal/internal/artifact"
	"teal/internal/environment"
	"teal/internal/lambda"
	"teal/internal/routing"
	"teal/internal/store"
	"teal/internal/store/index"
	"teal/internal/store/memkv"
)

func newGarbage(t *testing.T) *Garbage {
	t.Helper()
	bundles, err := artifact.Open(t.TempDir(), artifact.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	kv := memkv.New()
	known := index.New(kv, Pieces)
	return NewGarbage(GarbageConfig{
		Store: store.New(kv), Index: known, Named: lambda.NewRecords(kv, store.New(kv), routing.NewJournal(store.New(kv))), Environments: environment.New(environment.Config{Logger: slog.New(slog.DiscardHandler)}),
		Bundles: bundles, Pins: NewPins(), Tombstones: NewTombstones(kv), Logger: slog.New(slog.DiscardHandler),
	})
}

// The code of a policy is in no record until the release has begun; a deploy holds
// it meanwhile. Seen red without the pins.
func TestADeployHoldsTheCodeOfItsPolicy(t *testing.T) {
	t.Parallel()
	g, digest := newGarbage(t), "sha256:"+strings.Repeat("5", 64)
	place := g.cfg.Bundles.Place(digest)
	isThereAfterALook := func() bool {
		t.Helper()
		g.DropPieces([]string{digest})
		if _, err := g.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(place)
		return err == nil
	}
	if err := os.MkdirAll(filepath.Join(place, "code"), 0o755); err != nil {
		t.Fatal(err)
	}
	one, two := g.cfg.Pins.Hold([]string{digest}), g.cfg.Pins.Hold([]string{digest})
	one()
	if !isThereAfterALook() {
		t.Error("the code went while a deploy held it")
	}
	two()
	if isThereAfterALook() {
		t.Error("the code stays when nobody holds it")
	}
}
