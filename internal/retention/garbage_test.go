package retention

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"teal"
	"teal/internal/artifact"
	"teal/internal/await"
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
		Store: store.New(kv), Index: known, Unversioned: lambda.NewRecords(kv, store.New(kv), routing.NewJournal(store.New(kv)), 0), Environments: environment.New(environment.Config{Logger: slog.New(slog.DiscardHandler)}),
		Bundles: bundles, Reservations: NewReservations(), Tombstones: NewTombstones(kv), Logger: slog.New(slog.DiscardHandler),
	})
}

// The code of a policy is in no record until the release has begun; a deploy holds
// it meanwhile. Seen red without the reservations.
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
	one, two := g.cfg.Reservations.Hold([]string{digest}), g.cfg.Reservations.Hold([]string{digest})
	one()
	if !isThereAfterALook() {
		t.Error("the code went while a deploy held it")
	}
	two()
	if isThereAfterALook() {
		t.Error("the code stays when nobody holds it")
	}
}

// looking is a server on which something happens while code is looked at.
type looking struct {
	Unversioned
	meanwhile func()
}

func (l looking) DraftSpecs() []teal.Spec {
	l.meanwhile()
	return l.Unversioned.DraftSpecs()
}

// A deploy that comes while it is looked at who needs what waits for nothing, and
// keeps the code that it names.
//
// Seen red when Hold or Keep left the mark: the code of the deploy was removed; and
// with a lock held from the mark to the end: it never ended.
func TestADeployWinsAgainstALook(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(p *Reservations, piece string) func(){
		"by name":    func(p *Reservations, piece string) func() { return p.Hold([]string{piece}) },
		"everything": func(p *Reservations, _ string) func() { return p.Keep() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, digest, other := newGarbage(t), "sha256:"+strings.Repeat("5", 64), "sha256:"+strings.Repeat("6", 64)
			isThere := map[string]func() bool{}
			for _, piece := range []string{digest, other} {
				place := g.cfg.Bundles.Place(piece)
				if err := os.MkdirAll(filepath.Join(place, "code"), 0o755); err != nil {
					t.Fatal(err)
				}
				isThere[piece] = func() bool { _, err := os.Stat(place); return err == nil }
			}
			before := g.cfg.Unversioned
			g.cfg.Unversioned = looking{before, func() {
				done := make(chan struct{})
				go func() { defer close(done); hold(g.cfg.Reservations, digest)() }() // and its record is written
				select {
				case <-done:
				case <-time.After(await.Patience):
					t.Error("a deploy waits for the look")
				}
			}}
			g.DropPieces([]string{digest, other})
			if left, err := g.Collect(t.Context()); !left || err != nil || !isThere[digest]() {
				t.Errorf("left %v, %v; there: %v", left, err, isThere[digest]())
			}
			if name == "by name" && isThere[other]() {
				t.Error("what nobody named stays")
			}
			g.cfg.Unversioned = before
			if left, err := g.Collect(t.Context()); left || err != nil || isThere[digest]() || isThere[other]() {
				t.Errorf("when no record names it: left %v, %v; there: %v", left, err, isThere[digest]())
			}
		})
	}
}

// Who needs a piece that is being removed waits for that, and nobody else does.
//
// Seen red when Hold waited for every removal, and when it waited for none.
func TestARemovalIsWaitedForByWhoNeedsThePiece(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewReservations()
		goes := make(chan struct{})
		defer p.mark(map[string]bool{"a": true})()
		go func() {
			if removed, err := p.remove("a", func() error { <-goes; return nil }); !removed || err != nil {
				t.Errorf("removed %v, %v", removed, err)
			}
		}()
		synctest.Wait()
		begun := map[string]bool{}
		hold := func(name string, pieces ...string) {
			go func() { p.Hold(pieces)(); begun[name] = true }()
			synctest.Wait()
		}
		hold("another", "b")
		hold("this one", "b", "a")
		if !begun["another"] || begun["this one"] {
			t.Errorf("during the removal have begun: %v", begun)
		}
		close(goes)
		synctest.Wait()
		if !begun["this one"] {
			t.Error("it waits on")
		}
	})
}

// What is to be removed and is held is looked at again as soon as nobody holds it.
//
// Seen red with a remove that does not note what is refused, with a release that tells
// nobody or keeps its count at 0, and with a mark on what is held.
func TestWhatIsFreedIsLookedAt(t *testing.T) {
	t.Parallel()
	p := NewReservations()
	release := p.Hold([]string{"a"})
	unmark := p.mark(map[string]bool{"a": true})
	if removed, _ := p.remove("a", func() error { t.Error("it was removed"); return nil }); removed {
		t.Error("it says so")
	}
	unmark()
	release()
	select {
	case <-p.freed:
	default:
		t.Error("nobody was told")
	}
	if len(p.held)+len(p.marked)+len(p.removing) != 0 {
		t.Errorf("kept: %+v", p)
	}
}
