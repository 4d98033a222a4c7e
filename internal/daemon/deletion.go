package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"teal"
	"teal/internal/artifact"
	"teal/internal/doctor"
	"teal/internal/environment"
	"teal/internal/logs"
	"teal/internal/meter"
	"teal/internal/store"
)

// deletions take down what belongs to deleted apps. An app is deleted by one write
// to its record, which says Deleting from then on; it is the record that a release
// claims, too, so a deletion and a deploy cannot both win. The record goes when
// everything else has gone: whatever ends the server in between, the next one goes
// on. Everything that is done about one app may be done again.
type deletions struct {
	kv         store.KV // through which the records are also mirrored
	store      *store.Store
	tombstones *store.Table[store.SideKey, tombstone]
	journal    journal
	router     *router
	manager    *environment.Manager
	logs       *logs.Store
	meter      *meter.Meter
	recordings *recordings
	garbage    *garbage
	lambda     *lambda
	alerts     *doctor.Alerts
	logger     *slog.Logger
	state      string // the folder with what components keep

	wake chan struct{} // capacity 1

	mu    sync.Mutex
	ended chan struct{} // closed and replaced when an app has gone
}

// tombstone keeps the numbers of an app that was deleted from being given out
// again.
type tombstone struct {
	App                      string
	LastVersion, LastRelease int
}

func tombstones(kv store.KV) *store.Table[store.SideKey, tombstone] {
	return store.NewSide(kv, "lambda", "grave", func(t tombstone) store.SideKey { return appKey(t.App) })
}

// appKey is the key of the one side record of its kind that an app has.
func appKey(app string) store.SideKey { return store.SideKey{App: app, Name: "app"} }

// createApp returns the record of an app, a new one if there is none. Its numbers
// go on from where a deleted app of the name has ended, or one whose record was lost.
func (c *control) createApp(ctx context.Context, name string, policy teal.Policy) (store.Record[teal.App], error) {
	before, err := c.tombstones.Get(ctx, appKey(name))
	if err != nil && !isOthersDamage(err) {
		return store.Record[teal.App]{}, err
	}
	last, err := c.lastRelease(ctx, name)
	if err != nil {
		return store.Record[teal.App]{}, err
	}
	return c.store.Apps.Upsert(ctx, name, func(a *teal.App, exists bool) error {
		switch {
		case !exists:
			a.Name, a.CreatedAt, a.Policy = name, time.Now(), policy
			a.LastVersion, a.LastRelease = before.Value.LastVersion, max(before.Value.LastRelease, last)
		case a.Deleting:
			return stillDeleting(name)
		}
		return nil
	})
}

// lastRelease returns the highest number of a release of an app that has no record;
// 0 of one that has.
func (c *control) lastRelease(ctx context.Context, app string) (last int, err error) {
	if _, err := c.store.Apps.Get(ctx, app); !errors.Is(err, store.ErrNotFound) {
		return 0, nil //nolint:nilerr // whoever reads it next says so
	}
	releases, unreadable, err := c.store.Releases.Readable(ctx, app)
	for _, r := range releases {
		if _, number, err := store.ParseReleaseID(r.Value.ID); err == nil {
			last = max(last, number)
		}
	}
	for _, r := range unreadable {
		last = max(last, r.Number)
	}
	return last, err
}

func stillDeleting(app string) error {
	return teal.Errorf(teal.CodeConflict, "the app %s has been deleted and still finishes what it was doing; try again in a moment", app)
}

// begin deletes an app: when it returns without an error, no alias leads to it,
// nothing of it takes a request, and the rest goes in the background.
func (d *deletions) begin(ctx context.Context, app string) error {
	ctx = store.WithUrgency(ctx, store.Running) // it makes room
	defer d.nudge()                             // also after an error: the answer to the write may be all that was lost
	if err := d.mark(ctx, app); err != nil {
		return err
	}
	if err := d.stop(ctx, app); err != nil {
		d.logger.Warn("an app that was deleted could not be stopped at once; it is tried again", "app", app, "error", err)
	}
	return nil
}

// mark records that an app is deleted, unless a release of it moves or waits. One
// that is claimed after the look has changed the record's revision.
func (d *deletions) mark(ctx context.Context, app string) error {
	for {
		record, err := d.journal.app(ctx, app)
		if err != nil {
			return err
		}
		if err := d.lambda.checkNoRelease(ctx, app); err != nil {
			return err
		}
		if len(record.Value.Queue) > 0 {
			return teal.Errorf(teal.CodeReleaseInProgress, "a release of %s is about to begin; end it with `teal abort %s`, or wait for it", app, app)
		}
		record.Value.Deleting, record.Value.Active = true, ""
		_, err = d.store.Apps.Update(ctx, record.Value, record.Revision)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (d *deletions) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// stop takes away the aliases of an app, and lets every environment of it finish
// what it has.
func (d *deletions) stop(ctx context.Context, app string) error {
	if err := d.router.Forget(ctx, app); err != nil {
		return err
	}
	var running []environment.Running
	_ = d.manager.WhileNothingStarts(func() error { // what was begun before the app was deleted is in sight then
		running = d.manager.Running(app)
		return nil
	})
	for _, e := range running {
		if err := d.manager.Retire(ctx, app, e.Version, teal.DefaultDrain.Std()); err != nil {
			return err
		}
	}
	return nil
}

// awaitDeletion is how long an order for an app waits until an app of the same name
// that was deleted has gone.
const awaitDeletion = 40 * time.Second

// await blocks while an app of that name is being deleted.
func (d *deletions) await(ctx context.Context, app string) error {
	ctx, cancel := context.WithTimeout(ctx, awaitDeletion)
	defer cancel()
	for {
		d.mu.Lock()
		ended := d.ended
		d.mu.Unlock()
		if !d.journal.isDeleting(ctx, app) {
			return nil
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return stillDeleting(app)
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
func (d *deletions) Run(ctx context.Context) error {
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
			d.nudge()
		case app := <-over:
			delete(begun, app)
			d.nudge() // it may have been created and deleted again
		case <-d.wake:
			apps, _, err := d.store.Apps.Readable(ctx, "")
			if err != nil && ctx.Err() == nil {
				d.logger.Warn("apps that were deleted could not be looked for; trying again", "error", err, "in", deletionMost)
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
func (d *deletions) finish(ctx context.Context, app string) {
	for pause := deletionFirst; ; pause = min(2*pause, deletionMost) {
		err := d.takeDown(ctx, app)
		if err == nil || ctx.Err() != nil {
			return
		}
		d.logger.Warn("what belongs to a deleted app could not be removed; trying again", "app", app, "error", err, "in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// takeDown tries once. An app that is not being deleted is left alone: an earlier
// try may have got further than it was told, and somebody has made the app anew.
func (d *deletions) takeDown(ctx context.Context, app string) error {
	ctx = store.WithUrgency(ctx, store.Running)
	switch record, err := d.store.Apps.Get(ctx, app); {
	case errors.Is(err, store.ErrNotFound), err == nil && !record.Value.Deleting:
		d.announce()
		return nil
	case err != nil:
		return err
	}
	if err := d.stop(ctx, app); err != nil {
		return err
	}
	if err := d.manager.AwaitStopped(ctx, app); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the store outlives the end of the server
	record, err := d.store.Apps.Get(ctx, app)
	if err != nil {
		return err
	}
	pieces, err := d.piecesOf(ctx, record.Value)
	if err != nil {
		return err
	}
	if err := d.removeKept(app, record.Value.LastRelease); err != nil {
		return err
	}
	if err := d.removeRecords(ctx, app); err != nil {
		return err
	}
	if err := d.removeApp(ctx, record); err != nil {
		return err
	}
	d.logger.Info("app deleted", "app", app)
	d.garbage.dropPieces(pieces)
	d.announce()
	return nil
}

// announce wakes those who wait for an app to be gone.
func (d *deletions) announce() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.ended)
	d.ended = make(chan struct{})
}

// piecesOf returns the code that the records of an app name.
func (d *deletions) piecesOf(ctx context.Context, app teal.App) ([]string, error) {
	pieces := app.Policy.Bundles()
	versions, _, err := d.store.Versions.Readable(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		pieces = append(pieces, piecesOf(v.Value.Spec)...)
	}
	releases, _, err := d.store.Releases.Readable(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	for _, r := range releases {
		pieces = append(pieces, r.Value.Policy.Bundles()...)
	}
	if draft, err := d.lambda.drafts.Get(ctx, appKey(app.Name)); err == nil {
		pieces = append(pieces, piecesOf(draft.Value.Spec)...)
	}
	return pieces, nil
}

// removeKept removes what is kept of an app beside its records.
func (d *deletions) removeKept(app string, lastRelease int) error {
	d.meter.ForgetApp(app)
	return errors.Join(d.logs.Remove(app, 0), d.recordings.forgetApp(app, lastRelease), artifact.RemoveTree(filepath.Join(d.state, app)))
}

// removeRecords deletes every record of an app but its own, those too that cannot
// be understood.
func (d *deletions) removeRecords(ctx context.Context, app string) error {
	if err := d.lambda.queue.forget(ctx, app); err != nil {
		return err
	}
	for _, kind := range []string{"lambda.event." + app, "lambda.function." + app, "lambda.draft." + app, "apps." + app + ".release", "apps." + app + ".alias", "apps." + app + ".version"} {
		if err := d.removeAll(ctx, kind+".*"); err != nil {
			return err
		}
	}
	// Whoever has drained an environment deletes its record under the same lock.
	err := d.manager.WhileNothingStarts(func() error { return d.removeAll(ctx, "apps."+app+".environment.*") })
	d.lambda.forgetApp(app)
	return err
}

func (d *deletions) removeAll(ctx context.Context, pattern string) error {
	entries, err := d.kv.List(ctx, pattern)
	if err != nil {
		return fmt.Errorf("list %s: %w", pattern, err)
	}
	for _, entry := range entries {
		if err := ignoreMissing(d.kv.Delete(ctx, entry.Key, entry.Revision)); err != nil {
			return fmt.Errorf("delete %s: %w", entry.Key, err)
		}
		d.alerts.Resolve(teal.AlertRecordUnreadable, entry.Key)
	}
	return nil
}

// removeApp deletes the record of an app, and keeps its numbers.
func (d *deletions) removeApp(ctx context.Context, app store.Record[teal.App]) error {
	_, err := d.tombstones.Replace(ctx, tombstone{App: app.Value.Name, LastVersion: app.Value.LastVersion, LastRelease: app.Value.LastRelease})
	if err != nil {
		return err
	}
	d.router.Forgotten(app.Value.Name)
	return ignoreMissing(d.store.Apps.Delete(ctx, app.Value.Name, app.Revision))
}
