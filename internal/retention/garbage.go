package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/artifact"
	"teal/internal/doctor"
	"teal/internal/store"
	"teal/internal/store/index"
)

// Garbage removes code that nothing needs any more: bundles, stacks of layers, and
// zips as they were sent. All of it is shared by content, so a piece goes only
// when it is seen, and nobody has begun to need it meanwhile, that no record names it
// and nothing runs on it; see [Reservations]. Records go first; what a crash keeps
// from being removed is removed after a later start.
type Garbage struct {
	cfg  GarbageConfig
	wake chan struct{} // capacity 1

	mu      sync.Mutex
	dropped map[string]bool // pieces that perhaps nobody needs
}

// GarbageConfig is what Garbage needs.
type GarbageConfig struct {
	Store        *store.Store
	Index        *index.Index
	Environments Environments
	Unversioned  Unversioned
	Bundles      *artifact.Store
	Zips         Zips
	Reservations *Reservations
	Tombstones   *Tombstones
	StoreDir     string // for alerts
	Logger       *slog.Logger
	Alerts       *doctor.Alerts
}

// NewGarbage returns what removes code. It starts nothing.
func NewGarbage(cfg GarbageConfig) *Garbage {
	return &Garbage{cfg: cfg, wake: make(chan struct{}, 1), dropped: map[string]bool{}}
}

const (
	// garbageAgain is how long after a look at pieces that are still in use they
	// are looked at again.
	garbageAgain = 10 * time.Second
	// orphanAge is how old unneeded code must be for the look at everything after
	// a start: what was just sent may be about to be deployed.
	orphanAge = time.Hour
)

// Drop says that specs do not need their code any more. It does not block.
func (g *Garbage) Drop(specs ...teal.Spec) {
	for _, spec := range specs {
		g.DropPieces(Pieces(spec))
	}
}

// DropPieces says the same of pieces of code.
func (g *Garbage) DropPieces(pieces []string) {
	g.drop(pieces)
	g.Nudge()
}

func (g *Garbage) drop(pieces []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, piece := range pieces {
		g.dropped[piece] = true
	}
}

// DropLayer says the same of a version of a layer.
func (g *Garbage) DropLayer(l awslambda.Layer) { g.DropPieces(piecesOfLayer(l)) }

func piecesOfLayer(l awslambda.Layer) []string { return []string{l.Code, pieceOfZip(l.Zip())} }

// Keep keeps all code until the returned function is called, see [Reservations.Keep].
func (g *Garbage) Keep() (release func()) { return g.cfg.Reservations.Keep() }

// Nudge has it look again at what was dropped. It does not block.
func (g *Garbage) Nudge() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Pieces returns the names of the code that a spec needs: digests of bundles,
// names of stacks, and hashes of zips.
func Pieces(spec teal.Spec) []string {
	pieces := spec.Bundles()
	for _, c := range spec.Components {
		if c.Function == nil {
			continue
		}
		if stack := artifact.StackName(c.Function.Layers); stack != "" {
			pieces = append(pieces, stack)
		}
		if zip := awslambda.ZipOf(*c.Function); zip != "" {
			pieces = append(pieces, pieceOfZip(zip))
		}
	}
	return pieces
}

// zipPrefix tells the hashes of zips from the names of other pieces.
const zipPrefix = "zip:"

// pieceOfZip returns the name of a zip among pieces of code, by its SHA-256.
func pieceOfZip(sum string) string { return zipPrefix + sum }

// Run removes code until ctx ends: first what an earlier server has left, then
// what is dropped.
func (g *Garbage) Run(ctx context.Context) error {
	if err := g.dropOrphans(ctx, time.Now().Add(-orphanAge)); err != nil {
		g.cfg.Logger.Warn("code that an earlier server has left could not be looked for", "error", err)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.wake:
		case <-g.cfg.Reservations.freed:
		case <-timer.C:
		}
		left, err := g.Collect(ctx)
		if err != nil && ctx.Err() == nil {
			g.cfg.Logger.Warn("code that nothing needs could not be removed; the next start of the server will try again", "error", err)
		}
		if left {
			timer.Reset(garbageAgain)
		}
	}
}

// dropOrphans drops all code on disk that is older than a time. A store that never
// had an app or a layer has taken the place of the one that names this code: all of
// it is kept, because that store may come back.
func (g *Garbage) dropOrphans(ctx context.Context, before time.Time) error {
	pieces, err := g.olderThan(before)
	if err != nil || len(pieces) == 0 {
		return err
	}
	if unused, err := g.hasUnusedStore(ctx); err != nil {
		return err
	} else if unused {
		g.cfg.Alerts.Report(storeWithoutApps(g.cfg.StoreDir))
		return nil
	}
	g.DropPieces(pieces)
	return nil
}

func storeWithoutApps(dir string) teal.Alert {
	return teal.Alert{
		Code: teal.AlertFileUnreadable, Subject: dir,
		Message: "The store is empty, and the data directory has code of apps that it does not name: the store was lost, moved away or replaced. No code is removed until the next start.",
		Remedy:  fmt.Sprintf("Stop the server and put the store back, in %s; or deploy the apps again.", dir),
	}
}

// hasUnusedStore reports whether the store has no app and no layer, and has never
// had an app that was deleted. It says no when there is a record that cannot be
// understood: collect waits for that.
func (g *Garbage) hasUnusedStore(ctx context.Context) (bool, error) {
	if len(g.cfg.Index.Apps()) > 0 || len(g.cfg.Unversioned.Layers()) > 0 || g.IsBlind() {
		return false, nil
	}
	deleted, err := g.cfg.Tombstones.any(ctx)
	return !deleted, err
}

// olderThan returns all code on disk that is older than a time.
func (g *Garbage) olderThan(before time.Time) (old []string, err error) {
	bundles, err := g.cfg.Bundles.List()
	if err != nil {
		return nil, err
	}
	stacks, err := g.cfg.Bundles.Stacks()
	if err != nil {
		return nil, err
	}
	zips, err := g.cfg.Zips.List()
	if err != nil {
		return nil, err
	}
	add := func(piece, path string) {
		if info, err := os.Stat(path); err == nil && info.ModTime().Before(before) {
			old = append(old, piece)
		}
	}
	for _, piece := range append(bundles, stacks...) {
		add(piece, g.cfg.Bundles.Place(piece))
	}
	for _, sum := range zips {
		add(pieceOfZip(sum), g.cfg.Zips.Path(sum))
	}
	return old, nil
}

// Collect removes what was dropped and nobody needs. What only something that is
// ending still runs on, or somebody is about to need, is left for another time; so is
// everything while there is a record that cannot be understood: it may name any
// piece. It holds nobody up but who begins to need a piece at the very moment at
// which that is removed.
func (g *Garbage) Collect(ctx context.Context) (left bool, err error) {
	if g.IsBlind() {
		return true, nil
	}
	g.mu.Lock()
	dropped := g.dropped
	g.dropped = map[string]bool{}
	g.mu.Unlock()
	if len(dropped) == 0 {
		return false, nil
	}
	defer g.cfg.Reservations.mark(dropped)()
	needed, err := g.needed(ctx)
	if err != nil {
		return false, err
	}
	running := map[string]bool{}
	for _, spec := range g.cfg.Environments.Specs() {
		for _, piece := range Pieces(spec) {
			running[piece] = true
		}
	}
	var again []string
	var errs []error
	for piece := range dropped {
		if needed[piece] {
			continue
		}
		removed, err := false, error(nil)
		if !running[piece] {
			removed, err = g.remove(piece)
			errs = append(errs, err)
		}
		if !removed && err == nil {
			again = append(again, piece)
		}
	}
	g.drop(again)
	return len(again) > 0, errors.Join(errs...)
}

// IsBlind reports whether there is a record that cannot be understood: it may name
// any piece.
func (g *Garbage) IsBlind() bool {
	return slices.ContainsFunc(g.cfg.Alerts.List(), func(a teal.Alert) bool { return a.Code == teal.AlertRecordUnreadable })
}

// remove deletes a piece unless somebody has begun to need it. Who begins now waits
// until it is not there any more, not until its space is free.
func (g *Garbage) remove(piece string) (removed bool, err error) {
	discard := func() error { return nil }
	removed, err = g.cfg.Reservations.remove(piece, func() (err error) {
		if sum, ok := strings.CutPrefix(piece, zipPrefix); ok {
			return g.cfg.Zips.Remove(sum)
		}
		discard, err = g.cfg.Bundles.Detach(piece)
		return err
	})
	return removed, errors.Join(err, discard())
}

// needed returns all code that a record names.
func (g *Garbage) needed(ctx context.Context) (map[string]bool, error) {
	needed := map[string]bool{}
	add := func(pieces []string) {
		for _, piece := range pieces {
			needed[piece] = true
		}
	}
	g.cfg.Index.EachVersion(func(v index.Version) { add(v.Pieces) })
	for _, app := range g.cfg.Index.Apps() {
		add(app.Policy.Bundles())
		if app.LastRelease == 0 {
			continue
		}
		releases, err := g.cfg.Store.Releases.List(ctx, app.Name)
		if err != nil {
			return nil, err
		}
		for _, release := range releases {
			if !release.Value.Phase.Ended() {
				add(release.Value.Policy.Bundles())
			}
		}
	}
	for _, spec := range g.cfg.Unversioned.DraftSpecs() {
		add(Pieces(spec))
	}
	for _, layer := range g.cfg.Unversioned.Layers() {
		add(piecesOfLayer(layer))
	}
	return needed, nil
}
