package retention

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal"
	"teal/internal/artifact"
	"teal/internal/environment"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// nothing is a server on which nothing runs and no record names code.
type nothing struct{}

func (nothing) Apps() []teal.App                               { return nil }
func (nothing) EachPieces(func([]string))                      {}
func (nothing) DraftPieces() []string                          { return nil }
func (nothing) LayerPieces() []string                          { return nil }
func (nothing) PiecesOfDraft(context.Context, string) []string { return nil }
func (nothing) ForgetApp(string)                               {}

func newGarbage(t *testing.T) *Garbage {
	t.Helper()
	bundles, err := artifact.Open(t.TempDir(), artifact.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	kv := memkv.New()
	return NewGarbage(GarbageConfig{
		Store: store.New(kv), Index: nothing{}, Named: nothing{}, Environments: environment.New(environment.Config{Logger: slog.New(slog.DiscardHandler)}),
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
