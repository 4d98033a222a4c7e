package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/artifact"
	"teal/internal/doctor"
	"teal/internal/environment"
	"teal/internal/lambda"
	"teal/internal/store"
	"teal/internal/store/index"
)

// garbage removes code that nothing needs any more: bundles, stacks of layers, and
// zips as they were sent. All of it is shared by content, so a piece goes only
// when it is seen, while nobody can begin to need it, that no record names it and
// nothing runs on it. Records go first; what a crash keeps from being removed is
// removed after a later start.
type garbage struct {
	store   *store.Store
	index   *index.Index
	manager *environment.Manager
	records *lambda.Records
	bundles *artifact.Store
	zips    artifact.Zips
	data    string // the data directory, for alerts
	logger  *slog.Logger
	alerts  *doctor.Alerts
	// deploying is held for reading from the look for a piece of code until the
	// record that needs it is written, and for writing while code is removed.
	deploying *sync.RWMutex
	pinned    *pins
	// tombstones are of the apps that were deleted.
	tombstones *store.Table[store.SideKey, tombstone]

	wake chan struct{} // capacity 1

	mu      sync.Mutex
	dropped map[string]bool // pieces that perhaps nobody needs
}

const (
	// garbageAgain is how long after a look at pieces that are still in use they
	// are looked at again.
	garbageAgain = 10 * time.Second
	// orphanAge is how old unneeded code must be for the look at everything after
	// a start: what was just sent may be about to be deployed.
	orphanAge = time.Hour
	zipPrefix = "zip:"
)

// drop says that specs do not need their code any more. It does not block.
func (g *garbage) drop(specs ...teal.Spec) {
	for _, spec := range specs {
		g.dropPieces(piecesOf(spec))
	}
}

// dropPieces says the same of pieces of code.
func (g *garbage) dropPieces(pieces []string) {
	g.mu.Lock()
	for _, piece := range pieces {
		g.dropped[piece] = true
	}
	g.mu.Unlock()
	g.nudge()
}

// dropLayer says the same of a layer.
func (g *garbage) dropLayer(l awslambda.Layer) {
	g.mu.Lock()
	g.dropped[l.Code], g.dropped[zipPrefix+l.Zip()] = true, true
	g.mu.Unlock()
	g.nudge()
}

func (g *garbage) nudge() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// piecesOf returns the names of the code that a spec needs: digests of bundles,
// names of stacks, and hashes of zips.
func piecesOf(spec teal.Spec) []string {
	pieces := spec.Bundles()
	for _, c := range spec.Components {
		if c.Function == nil {
			continue
		}
		if stack := artifact.StackName(c.Function.Layers); stack != "" {
			pieces = append(pieces, stack)
		}
		if zip := awslambda.ZipOf(*c.Function); zip != "" {
			pieces = append(pieces, zipPrefix+zip)
		}
	}
	return pieces
}

// Run removes code until ctx ends: first what an earlier server has left, then
// what is dropped.
func (g *garbage) Run(ctx context.Context) error {
	if err := g.dropOrphans(ctx, time.Now().Add(-orphanAge)); err != nil {
		g.logger.Warn("code that an earlier server has left could not be looked for", "error", err)
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
		left, err := g.collect(ctx)
		if err != nil && ctx.Err() == nil {
			g.logger.Warn("code that nothing needs could not be removed; the next start of the server will try again", "error", err)
		}
		if left {
			timer.Reset(garbageAgain)
		}
	}
}

// dropOrphans drops all code on disk that is older than a time. A store that never
// had an app or a layer has taken the place of the one that names this code: all of
// it is kept, because that store may come back.
func (g *garbage) dropOrphans(ctx context.Context, before time.Time) error {
	pieces, err := g.olderThan(before)
	if err != nil || len(pieces) == 0 {
		return err
	}
	if unused, err := g.hasUnusedStore(ctx); err != nil {
		return err
	} else if unused {
		g.alerts.Report(storeWithoutApps(g.data))
		return nil
	}
	g.dropPieces(pieces)
	return nil
}

func storeWithoutApps(data string) teal.Alert {
	return teal.Alert{
		Code: teal.AlertFileUnreadable, Subject: filepath.Join(data, storeDir),
		Message: "The store is empty, and the data directory has code of apps that it does not name: the store was lost, moved away or replaced. No code is removed until the next start.",
		Remedy:  fmt.Sprintf("Stop the server and put the store back, in %s; or deploy the apps again.", filepath.Join(data, storeDir)),
	}
}

// hasUnusedStore reports whether the store has no app and no layer, and has never
// had an app that was deleted. It says no when there is a record that cannot be
// understood: collect waits for that.
func (g *garbage) hasUnusedStore(ctx context.Context) (bool, error) {
	if len(g.index.Apps()) > 0 || len(g.records.Layers()) > 0 || g.isBlind() {
		return false, nil
	}
	deleted, err := g.tombstones.List(ctx, "")
	return len(deleted) == 0, err
}

// olderThan returns all code on disk that is older than a time.
func (g *garbage) olderThan(before time.Time) (old []string, err error) {
	bundles, err := g.bundles.List()
	if err != nil {
		return nil, err
	}
	stacks, err := g.bundles.Stacks()
	if err != nil {
		return nil, err
	}
	zips, err := g.zips.List()
	if err != nil {
		return nil, err
	}
	add := func(piece, path string) {
		if info, err := os.Stat(path); err == nil && info.ModTime().Before(before) {
			old = append(old, piece)
		}
	}
	for _, piece := range append(bundles, stacks...) {
		add(piece, g.bundles.Place(piece))
	}
	for _, sum := range zips {
		add(zipPrefix+sum, g.zips.Path(sum))
	}
	return old, nil
}

// collect removes what was dropped and nobody needs. What only something that is
// ending still runs on is left for another time; so is everything while there is a
// record that cannot be understood: it may name any piece.
func (g *garbage) collect(ctx context.Context) (left bool, err error) {
	if g.isBlind() {
		return true, nil
	}
	g.mu.Lock()
	dropped := g.dropped
	g.dropped = map[string]bool{}
	g.mu.Unlock()
	if len(dropped) == 0 {
		return false, nil
	}
	g.deploying.Lock()
	defer g.deploying.Unlock()
	needed, err := g.needed(ctx)
	if err != nil {
		return false, err
	}
	running := map[string]bool{}
	for _, spec := range g.manager.Specs() {
		for _, piece := range piecesOf(spec) {
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

func (g *garbage) isBlind() bool {
	return slices.ContainsFunc(g.alerts.List(), func(a teal.Alert) bool { return a.Code == teal.AlertRecordUnreadable })
}

func (g *garbage) remove(piece string) error {
	if sum, ok := strings.CutPrefix(piece, zipPrefix); ok {
		return g.zips.Remove(sum)
	}
	return errors.Join(g.bundles.Remove(piece), g.bundles.RemoveStack(piece))
}

// needed returns all code that a record names.
func (g *garbage) needed(ctx context.Context) (map[string]bool, error) {
	needed := map[string]bool{}
	add := func(pieces []string) {
		for _, piece := range pieces {
			needed[piece] = true
		}
	}
	add(g.pinned.list())
	g.index.EachVersion(func(v index.Version) { add(v.Pieces) })
	for _, app := range g.index.Apps() {
		add(app.Policy.Bundles())
		if app.LastRelease == 0 {
			continue
		}
		releases, err := g.store.Releases.List(ctx, app.Name)
		if err != nil {
			return nil, err
		}
		for _, release := range releases {
			if !release.Value.Phase.Ended() {
				add(release.Value.Policy.Bundles())
			}
		}
	}
	for _, spec := range g.records.DraftSpecs() {
		add(piecesOf(spec))
	}
	for _, layer := range g.records.Layers() {
		add([]string{layer.Code, zipPrefix + layer.Zip()})
	}
	return needed, nil
}

// pins are the pieces of code that a deploy needs before a record names them: the
// code of a policy is in none until the release has begun, which may take longer
// than anybody should hold a lock.
type pins struct {
	mu     sync.Mutex
	counts map[string]int
}

// hold keeps pieces until the returned function is called, once.
func (p *pins) hold(pieces []string) (release func()) {
	p.add(pieces, 1)
	return func() { p.add(pieces, -1) }
}

func (p *pins) add(pieces []string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, piece := range pieces {
		if p.counts[piece] += n; p.counts[piece] == 0 {
			delete(p.counts, piece)
		}
	}
}

func (p *pins) list() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.counts))
}
