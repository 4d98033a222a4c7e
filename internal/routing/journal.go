package routing

import (
	"context"
	"errors"

	"teal"
	"teal/internal/release"
	"teal/internal/store"
)

// Journal keeps releases in the store. Its writes do not end with their caller: a
// release or an order that is stored while nobody knows would not be acted on.
// The store bounds how long each takes. Those of a release that runs, and more
// so of one that goes back, are urgent: they are made also on a full disk.
type Journal struct{ store *store.Store }

var _ release.Journal = Journal{}

// NewJournal returns the journal in a store.
func NewJournal(s *store.Store) Journal { return Journal{s} }

// App returns the record of an app; teal.CodeUnknownApp for one that is being
// deleted, too.
func (j Journal) App(ctx context.Context, name string) (store.Record[teal.App], error) {
	record, err := j.store.Apps.Get(ctx, name)
	if err == nil && record.Value.Deleting {
		return store.Record[teal.App]{}, store.UnknownApp(name)
	}
	return record, err
}

// IsDeleting reports whether the app is known to be on its way out.
func (j Journal) IsDeleting(ctx context.Context, name string) bool {
	record, err := j.store.Apps.Get(ctx, name)
	return err == nil && record.Value.Deleting
}

// IsIdle reports whether the app is known to run nothing: it is stopped, or on its
// way out.
func (j Journal) IsIdle(ctx context.Context, name string) bool {
	record, err := j.store.Apps.Get(ctx, name)
	return err == nil && (record.Value.Deleting || record.Value.Stopped != nil)
}

// CheckStarted refuses, with its sentence, to begin something for an app that is
// stopped or being deleted. An app without a record is neither.
func (j Journal) CheckStarted(ctx context.Context, name string) error {
	record, err := j.store.Apps.Get(ctx, name)
	switch {
	case err != nil:
		return nil //nolint:nilerr // whoever needs the record says so
	case record.Value.Deleting:
		return store.UnknownApp(name)
	}
	return store.CheckStarted(record.Value)
}

// Load implements [release.Journal].
func (j Journal) Load(ctx context.Context, id string) (teal.Release, uint64, error) {
	record, err := j.store.Releases.Get(ctx, id)
	return record.Value, record.Revision, err
}

// Save implements [release.Journal].
func (j Journal) Save(ctx context.Context, r teal.Release, revision uint64) (uint64, error) {
	ctx = store.WithUrgency(context.WithoutCancel(ctx), urgencyOf(r))
	if revision == 0 {
		record, err := j.store.Releases.Create(ctx, r)
		return record.Revision, err
	}
	record, err := j.store.Releases.Update(ctx, r, revision)
	return record.Revision, err
}

// beginning is the context in which a release is recorded for the first time.
func beginning(ctx context.Context, r teal.Release) context.Context {
	ctx = context.WithoutCancel(ctx)
	if r.Back {
		return store.WithUrgency(ctx, store.Back)
	}
	return ctx
}

// urgencyOf is how urgent the record of a release is that there is already.
func urgencyOf(r teal.Release) store.Urgency {
	if r.Back || r.Commands.Rollback != nil || r.Phase == teal.PhaseRollingBack || r.Phase.Ended() {
		return store.Back
	}
	return store.Running
}

// Claim implements [release.Journal]. It first takes the app's one place for an active release, then records it:
// a crash in between leaves a place taken by a release that does not exist,
// which counts as free.
func (j Journal) Claim(ctx context.Context, r teal.Release, previous string) (teal.Release, error) {
	ctx = beginning(ctx, r)
	app, err := j.App(ctx, r.App)
	if err != nil {
		return teal.Release{}, err
	}
	if err := store.CheckStarted(app.Value); err != nil {
		return teal.Release{}, err
	}
	if app.Value.Active != previous {
		return teal.Release{}, store.ErrConflict
	}
	app.Value.LastRelease++
	r.ID = teal.ReleaseID(r.App, app.Value.LastRelease)
	app.Value.Active = r.ID
	if _, err := j.store.Apps.Update(ctx, app.Value, app.Revision); err != nil {
		return teal.Release{}, err
	}
	record, err := j.store.Releases.Create(ctx, r)
	return record.Value, err
}

// Active implements [release.Journal].
func (j Journal) Active(ctx context.Context, app string) (string, error) {
	record, err := j.App(ctx, app)
	return record.Value.Active, err
}

// Unclaim implements [release.Journal]: the app's one place goes to the release that
// waits for it first.
func (j Journal) Unclaim(ctx context.Context, app, id string) (next string, err error) {
	// Whoever asks for a release may go away while the place passes to another one,
	// which must be begun then.
	ctx = store.WithUrgency(context.WithoutCancel(ctx), store.Back)
	_, err = j.store.Apps.Modify(ctx, app, func(a *teal.App) error {
		if next = a.Active; a.Active != id {
			return store.ErrUnchanged
		}
		if a.Active = ""; len(a.Queue) > 0 {
			a.Active, a.Queue = a.Queue[0], a.Queue[1:]
		}
		next = a.Active
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return "", nil // with its app, everything is gone that could wait
	}
	return next, err
}

// Enqueue implements [release.Journal]. Like Claim, it gives the place first and
// records the release then.
func (j Journal) Enqueue(ctx context.Context, r teal.Release) (queued teal.Release, active bool, err error) {
	ctx = beginning(ctx, r)
	_, err = j.store.Apps.Modify(ctx, r.App, func(a *teal.App) error {
		if a.Deleting {
			return store.UnknownApp(r.App)
		}
		if err := store.CheckStarted(*a); err != nil {
			return err
		}
		if len(a.Queue) >= teal.MaxQueue {
			return teal.Errorf(teal.CodeReleaseInProgress, "%d releases of %s wait already; let some of them end first", len(a.Queue), r.App)
		}
		a.LastRelease++
		r.ID = teal.ReleaseID(r.App, a.LastRelease)
		if active = a.Active == ""; active {
			a.Active = r.ID
		} else {
			a.Queue = append(a.Queue, r.ID)
		}
		return nil
	})
	if err != nil {
		return teal.Release{}, false, err
	}
	record, err := j.store.Releases.Create(ctx, r)
	return record.Value, active, err
}

// Standing implements [release.Journal].
func (j Journal) Standing(ctx context.Context, app string) (release.Standing, error) {
	record, err := j.App(ctx, app)
	return release.Standing{Waiting: len(record.Value.Queue) > 0, Frozen: record.Value.Frozen}, err
}

// Unfinished implements [release.Journal].
func (j Journal) Unfinished(ctx context.Context) ([]string, error) {
	apps, _, err := j.store.Apps.Readable(ctx, "")
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, app := range apps {
		if app.Value.Active != "" {
			ids = append(ids, app.Value.Active)
		}
	}
	return ids, nil
}

// Conflict implements [release.Journal].
func (j Journal) Conflict(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrExists)
}

// Moving returns the app's release that has not ended, or nil.
func (j Journal) Moving(ctx context.Context, app string) (*teal.Release, error) {
	id, err := j.Active(ctx, app)
	if err != nil || id == "" {
		return nil, err
	}
	r, _, err := j.Load(ctx, id)
	switch {
	case teal.IsCode(err, teal.CodeUnknownRelease):
		return nil, nil
	case err != nil:
		return nil, err
	case r.Phase.Ended():
		return nil, nil
	}
	return &r, nil
}

// CheckSettled refuses to take an app down while a release of it has not ended, or
// waits to begin.
func (j Journal) CheckSettled(ctx context.Context, app teal.App) error {
	moving, err := j.Moving(ctx, app.Name)
	switch {
	case err != nil:
		return err
	case moving != nil && moving.Phase == teal.PhaseWatching:
		return teal.Errorf(teal.CodeReleaseInProgress, "release %s still monitors v%d of %s; wait until it has completed, or end it first with `teal abort %s`, which goes back to v%d", moving.ID, moving.To, app.Name, app.Name, moving.From)
	case moving != nil:
		return teal.Errorf(teal.CodeReleaseInProgress, "release %s of %s is %s; end it first with `teal abort %s`, or wait for it", moving.ID, app.Name, moving.Phase, app.Name)
	case len(app.Queue) > 0:
		return teal.Errorf(teal.CodeReleaseInProgress, "a release of %s is about to begin; end it first with `teal abort %s`, or wait for it", app.Name, app.Name)
	}
	return nil
}

// CheckNoRelease returns teal.CodeReleaseInProgress while a release of the app has
// not ended: what only that release may change is nobody else's.
func (j Journal) CheckNoRelease(ctx context.Context, app string) error {
	moving, err := j.Moving(ctx, app)
	if err != nil || moving == nil {
		return err
	}
	return teal.Errorf(teal.CodeReleaseInProgress,
		"release %s of %s is %s; only that release changes live. End it with `teal rollback %s`, or wait for it", moving.ID, app, moving.Phase, app)
}
