package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"teal"
	"teal/internal/doctor"
	"teal/internal/environment"
	"teal/internal/removal"
	"teal/internal/routing"
	"teal/internal/store"
)

// Apps takes down what belongs to deleted apps. An app is deleted by one write
// to its record, which says Deleting from then on; it is the record that a release
// claims, too, so a deletion and a deploy cannot both win. The record goes when
// everything else has gone: whatever ends the server in between, the next one goes
// on. Everything that is done about one app may be done again.
type Apps struct {
	cfg  AppsConfig
	wake chan struct{} // capacity 1

	mu    sync.Mutex
	ended chan struct{} // closed and replaced when an app has gone
}

// AppsConfig is what Apps needs.
type AppsConfig struct {
	KV           store.KV // through which the records are also mirrored
	Store        *store.Store
	Journal      routing.Journal
	Aliases      Aliases
	Environments Environments
	Events       Events
	Unversioned  Unversioned
	Garbage      *Garbage
	Tombstones   *Tombstones
	Logs         Logs
	Meter        Meter
	Recordings   Recordings
	Secrets      Secrets // nil: there are none
	Alerts       *doctor.Alerts
	Logger       *slog.Logger
	StateDir     string // has the folder that the components of an app keep their state in; "" is none
	// Boundary, where set, is called between the steps of a deletion with a name for
	// where it is: a test dies there.
	Boundary func(name string)
}

// NewApps returns what takes down deleted apps. It starts nothing.
func NewApps(cfg AppsConfig) *Apps {
	if cfg.Boundary == nil {
		cfg.Boundary = func(string) {}
	}
	return &Apps{cfg: cfg, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// tombstone keeps the numbers of an app that was deleted from being given out
// again.
type tombstone struct {
	App                      string
	LastVersion, LastRelease int
}

// Tombstones are the records of apps that were deleted.
type Tombstones struct {
	table *store.Table[store.SideKey, tombstone]
}

// NewTombstones returns the tombstones in a store. Their keys have another word for them:
// that of the records that there are.
func NewTombstones(kv store.KV) *Tombstones {
	return &Tombstones{store.NewSide(kv, "lambda", "grave", func(t tombstone) store.SideKey { return store.AppKey(t.App) })}
}

// Numbers returns the last numbers that a deleted app has given out; zeros where no
// app of the name was deleted, or what was written of that is lost.
func (t *Tombstones) Numbers(ctx context.Context, app string) (version, release int, err error) {
	before, err := t.table.Get(ctx, store.AppKey(app))
	if err != nil && !store.IsLost(err) {
		return 0, 0, err
	}
	return before.Value.LastVersion, before.Value.LastRelease, nil
}

func (t *Tombstones) put(ctx context.Context, app teal.App) error {
	_, err := t.table.Replace(ctx, tombstone{App: app.Name, LastVersion: app.LastVersion, LastRelease: app.LastRelease})
	return err
}

// any reports whether an app was ever deleted.
func (t *Tombstones) any(ctx context.Context) (bool, error) {
	deleted, err := t.table.List(ctx, "")
	return len(deleted) > 0, err
}

// Begin deletes an app: when it returns without an error, no alias leads to it,
// nothing of it takes a request, and the rest goes in the background; what its
// components have stored goes only without keepState. An app that is being deleted
// is deleted once more: who wants its state to go, too, may still say so.
func (d *Apps) Begin(ctx context.Context, app string, keepState bool) error {
	ctx = store.WithUrgency(ctx, store.Running) // it makes room
	defer d.Nudge()                             // also after an error: the answer to the write may be all that was lost
	if err := d.mark(ctx, app, keepState); err != nil {
		return err
	}
	err := d.stop(ctx, app)
	d.cfg.Boundary("delete:stopped")
	if err != nil {
		d.cfg.Logger.Warn("an app that was deleted could not be stopped at once; it is tried again", "app", app, "error", err)
	}
	return nil
}

// mark records that an app is deleted, unless a release of it moves or waits. One
// that is claimed after the look has changed the record's revision.
func (d *Apps) mark(ctx context.Context, app string, keepState bool) error {
	for {
		record, err := d.cfg.Store.Apps.Get(ctx, app)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return store.UnknownApp(app)
		case err != nil:
			return err
		case record.Value.Deleting && (keepState || !record.Value.KeepState):
			return nil
		case !record.Value.Deleting:
			if err := d.cfg.Journal.CheckSettled(ctx, record.Value); err != nil {
				return err
			}
		}
		record.Value.Deleting, record.Value.Active, record.Value.KeepState = true, "", keepState
		d.cfg.Boundary("delete:decided")
		_, err = d.cfg.Store.Apps.Update(ctx, record.Value, record.Revision)
		d.cfg.Boundary("delete:recorded")
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// Nudge has it look for apps to take down. It does not block.
func (d *Apps) Nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// stop takes away the aliases of an app, and lets every environment of it finish
// what it has.
func (d *Apps) stop(ctx context.Context, app string) error {
	if err := d.cfg.Aliases.Forget(ctx, app); err != nil {
		return err
	}
	var running []environment.Running
	_ = d.cfg.Environments.WhileNothingStarts(app, func() error { // what was begun before the app was deleted is in sight then
		running = d.cfg.Environments.Running(app)
		return nil
	})
	for _, e := range running {
		if err := d.cfg.Environments.Retire(ctx, app, e.Version, teal.DefaultDrain.Std()); err != nil {
			return err
		}
	}
	return nil
}

// awaitDeletion is how long an order for an app waits until an app of the same name
// that was deleted has gone.
const awaitDeletion = 40 * time.Second

// Await blocks while an app of that name is being deleted.
func (d *Apps) Await(ctx context.Context, app string) error {
	ctx, cancel := context.WithTimeout(ctx, awaitDeletion)
	defer cancel()
	for {
		d.mu.Lock()
		ended := d.ended
		d.mu.Unlock()
		if !d.cfg.Journal.IsDeleting(ctx, app) {
			return nil
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return store.StillDeleting(app)
		}
	}
}

// The pauses between two tries to take down what belongs to an app.
const (
	deletionFirst = time.Second
	deletionMost  = time.Minute
)

// Run takes down what belongs to deleted apps, each by itself, until ctx ends:
// first those that an earlier server has left.
func (d *Apps) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	begun := map[string]bool{}
	over := make(chan string)
	again := time.NewTimer(0) // at once
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
			d.Nudge()
		case app := <-over:
			delete(begun, app)
			d.Nudge() // it may have been created and deleted again
		case <-d.wake:
			apps, _, err := d.cfg.Store.Apps.Readable(ctx, "")
			if err != nil && ctx.Err() == nil {
				d.cfg.Logger.Warn("apps that were deleted could not be looked for; trying again", "error", err, "in", deletionMost)
				again.Reset(deletionMost)
			}
			for _, app := range apps {
				name := app.Value.Name
				if !app.Value.Deleting || begun[name] {
					continue
				}
				begun[name] = true
				tasks.Go(func() {
					d.finish(ctx, name)
					select {
					case over <- name:
					case <-ctx.Done():
					}
				})
			}
		}
	}
}

// finish takes down an app until nothing is left of it, or ctx ends.
func (d *Apps) finish(ctx context.Context, app string) {
	for pause := deletionFirst; ; pause = min(2*pause, deletionMost) {
		err := d.TakeDown(ctx, app)
		if err == nil || ctx.Err() != nil {
			return
		}
		d.cfg.Logger.Warn("what belongs to a deleted app could not be removed; trying again", "app", app, "error", err, "in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// TakeDown tries once. An app that is not being deleted is left alone: an earlier
// try may have got further than it was told, and somebody has made the app anew.
func (d *Apps) TakeDown(ctx context.Context, app string) error {
	ctx = store.WithUrgency(ctx, store.Running)
	switch record, err := d.cfg.Store.Apps.Get(ctx, app); {
	case errors.Is(err, store.ErrNotFound), err == nil && !record.Value.Deleting:
		d.announce()
		return nil
	case err != nil:
		return err
	}
	if err := d.stop(ctx, app); err != nil {
		return err
	}
	if err := d.cfg.Environments.AwaitStopped(ctx, app); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the store outlives the end of the server
	record, err := d.cfg.Store.Apps.Get(ctx, app)
	if err != nil {
		return err
	}
	pieces, err := d.piecesOf(ctx, record.Value)
	if err != nil {
		return err
	}
	d.cfg.Boundary("delete:drained")
	if err := d.removeKept(record.Value); err != nil {
		return err
	}
	d.cfg.Boundary("delete:files")
	if err := d.removeRecords(ctx, app); err != nil {
		return err
	}
	d.cfg.Boundary("delete:records")
	if err := d.removeApp(ctx, record); err != nil {
		return err
	}
	d.cfg.Logger.Info("app deleted", "app", app)
	d.cfg.Garbage.DropPieces(pieces)
	d.announce()
	return nil
}

// announce wakes those who wait for an app to be gone.
func (d *Apps) announce() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.ended)
	d.ended = make(chan struct{})
}

// piecesOf returns the code that the records of an app name.
func (d *Apps) piecesOf(ctx context.Context, app teal.App) ([]string, error) {
	pieces := app.Policy.Bundles()
	versions, _, err := d.cfg.Store.Versions.Readable(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		pieces = append(pieces, Pieces(v.Value.Spec)...)
	}
	releases, _, err := d.cfg.Store.Releases.Readable(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	for _, r := range releases {
		pieces = append(pieces, r.Value.Policy.Bundles()...)
	}
	if draft, ok := d.cfg.Unversioned.StoredDraft(ctx, app.Name); ok {
		pieces = append(pieces, Pieces(draft)...)
	}
	return pieces, nil
}

// removeKept removes what is kept of an app beside its records.
func (d *Apps) removeKept(app teal.App) error {
	d.cfg.Meter.ForgetApp(app.Name)
	err := errors.Join(d.cfg.Logs.Remove(app.Name, 0), d.cfg.Recordings.ForgetApp(app.Name, app.LastRelease))
	if d.cfg.StateDir != "" && !app.KeepState {
		err = errors.Join(err, removal.Tree(filepath.Join(d.cfg.StateDir, app.Name)))
	}
	return err
}

// State returns the folder in which the components of an app keep what they store;
// "" when they have stored nothing.
func (d *Apps) State(app string) string {
	dir := filepath.Join(d.cfg.StateDir, app)
	if _, err := os.Stat(dir); d.cfg.StateDir == "" || err != nil {
		return ""
	}
	return dir
}

// RemoveState removes what the components of an app have stored that was deleted, and
// reports whether there was something. An app that is there, or is being made anew, keeps
// it.
func (d *Apps) RemoveState(ctx context.Context, app string) (removed bool, err error) {
	err = d.cfg.Environments.WhileNothingStarts(app, func() error {
		_, err := d.cfg.Store.Apps.Get(ctx, app)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		dir := d.State(app)
		if dir == "" {
			return nil
		}
		removed = true
		return removal.Tree(dir)
	})
	return removed, err
}

// removeRecords deletes every record of an app but its own, those too that cannot
// be understood.
func (d *Apps) removeRecords(ctx context.Context, app string) error {
	if err := d.cfg.Events.Forget(ctx, app); err != nil {
		return err
	}
	err := d.cfg.Unversioned.WhileUnchanged(app, func() error { // what was begun before the app was deleted is written then
		for _, kind := range []string{"lambda.event." + app, "lambda.function." + app, "lambda.draft." + app, "trigger.schedule." + app, "apps." + app + ".release", "apps." + app + ".alias", "apps." + app + ".version"} {
			if err := d.removeAll(ctx, kind+".*"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if d.cfg.Secrets != nil {
		if err := d.cfg.Secrets.Forget(ctx, app); err != nil {
			return err
		}
	}
	// Whoever has drained an environment deletes its record under the same lock.
	err = d.cfg.Environments.WhileNothingStarts(app, func() error { return d.removeAll(ctx, "apps."+app+".environment.*") })
	d.cfg.Unversioned.ForgetApp(app)
	return err
}

func (d *Apps) removeAll(ctx context.Context, pattern string) error {
	entries, err := d.cfg.KV.List(ctx, pattern)
	if err != nil {
		return fmt.Errorf("list %s: %w", pattern, err)
	}
	for _, entry := range entries {
		if err := store.IgnoreMissing(d.cfg.KV.Delete(ctx, entry.Key, entry.Revision)); err != nil {
			return fmt.Errorf("delete %s: %w", entry.Key, err)
		}
		d.cfg.Alerts.Resolve(teal.AlertRecordUnreadable, entry.Key)
	}
	return nil
}

// removeApp deletes the record of an app, and keeps its numbers.
func (d *Apps) removeApp(ctx context.Context, app store.Record[teal.App]) error {
	if err := d.cfg.Tombstones.put(ctx, app.Value); err != nil {
		return err
	}
	return store.IgnoreMissing(d.cfg.Store.Apps.Delete(ctx, app.Value.Name, app.Revision))
}
