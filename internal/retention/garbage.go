package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
// when it is seen, while nobody can begin to need it, that no record names it and
// nothing runs on it. Records go first; what a crash keeps from being removed is
// removed after a later start.
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
	Named        Named
	Bundles      *artifact.Store
	Zips         Zips
	Pins         *Pins
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
	g.mu.Lock()
	for _, piece := range pieces {
		g.dropped[piece] = true
	}
	g.mu.Unlock()
	g.Nudge()
}

// DropLayer says the same of a version of a layer.
func (g *Garbage) DropLayer(l awslambda.Layer) { g.DropPieces(piecesOfLayer(l)) }

func piecesOfLayer(l awslambda.Layer) []string { return []string{l.Code, pieceOfZip(l.Zip())} }

// Keep keeps all code until the returned function is called, see [Pins.Keep].
func (g *Garbage) Keep() (release func()) { return g.cfg.Pins.Keep() }

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
	if len(g.cfg.Index.Apps()) > 0 || len(g.cfg.Named.Layers()) > 0 || g.IsBlind() {
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
// ending still runs on is left for another time; so is everything while there is a
// record that cannot be understood: it may name any piece.
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
	defer g.cfg.Pins.excludeAll()()
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
	var errs []error
	for piece := range dropped {
		switch {
		case needed[piece]:
		case running[piece]:
			left = true
			g.mu.Lock()
			g.dropped[piece] = true
			g.mu.Unlock()
		default:
			errs = append(errs, g.remove(piece))
		}
	}
	return left, errors.Join(errs...)
}

// IsBlind reports whether there is a record that cannot be understood: it may name
// any piece.
func (g *Garbage) IsBlind() bool {
	return slices.ContainsFunc(g.cfg.Alerts.List(), func(a teal.Alert) bool { return a.Code == teal.AlertRecordUnreadable })
}

func (g *Garbage) remove(piece string) error {
	if sum, ok := strings.CutPrefix(piece, zipPrefix); ok {
		return g.cfg.Zips.Remove(sum)
	}
	return errors.Join(g.cfg.Bundles.Remove(piece), g.cfg.Bundles.RemoveStack(piece))
}

// needed returns all code that a record names.
func (g *Garbage) needed(ctx context.Context) (map[string]bool, error) {
	needed := map[string]bool{}
	add := func(pieces []string) {
		for _, piece := range pieces {
			needed[piece] = true
		}
	}
	add(g.cfg.Pins.list())
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
	for _, spec := range g.cfg.Named.DraftSpecs() {
		add(Pieces(spec))
	}
	for _, layer := range g.cfg.Named.Layers() {
		add(piecesOfLayer(layer))
	}
	return needed, nil
}

// Pins are the pieces of code that a deploy needs before a record names them: the
// code of a policy is in none until the release has begun, which may take longer
// than anybody should hold a lock.
type Pins struct {
	// deploying is held for reading from the look for a piece of code until the
	// record that needs it is written, and for writing while code is removed.
	deploying sync.RWMutex

	mu     sync.Mutex
	counts map[string]int
}

// NewPins returns pins that hold nothing.
func NewPins() *Pins { return &Pins{counts: map[string]int{}} }

// Keep keeps all code until the returned function is called, once: whoever looks
// for a piece of code holds it until the record that needs the piece is written.
func (p *Pins) Keep() (release func()) {
	p.deploying.RLock()
	return p.deploying.RUnlock
}

// excludeAll waits until nobody is about to need code, and keeps everybody from it
// until the returned function is called.
func (p *Pins) excludeAll() (release func()) {
	p.deploying.Lock()
	return p.deploying.Unlock
}

// Hold keeps pieces until the returned function is called, once.
func (p *Pins) Hold(pieces []string) (release func()) {
	p.add(pieces, 1)
	return func() { p.add(pieces, -1) }
}

func (p *Pins) add(pieces []string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, piece := range pieces {
		if p.counts[piece] += n; p.counts[piece] == 0 {
			delete(p.counts, piece)
		}
	}
}

func (p *Pins) list() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.counts))
}
