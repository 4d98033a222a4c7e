package environment

import (
	"context"
	"errors"

	"teal"
	"teal/internal/store"
)

// Stored keeps versions and environments in the store.
type Stored struct {
	store  *store.Store
	drafts Drafts
}

// Drafts knows the drafts of apps.
type Drafts interface {
	// DraftVersion returns the draft as a version that can run.
	DraftVersion(ctx context.Context, app string) (teal.Version, error)
}

// NewStored returns the records in a store, and the drafts beside them.
func NewStored(s *store.Store, drafts Drafts) Stored { return Stored{s, drafts} }

var _ Records = Stored{}

// Version implements [Records].
func (r Stored) Version(ctx context.Context, app string, version teal.VersionRef) (teal.Version, error) {
	number, ok := version.Number()
	if !ok {
		return r.drafts.DraftVersion(ctx, app)
	}
	record, err := r.store.Versions.Get(ctx, store.VersionKey{App: app, Number: number})
	return record.Value, err
}

// Environments implements [Records].
func (r Stored) Environments(ctx context.Context, app string) ([]teal.Environment, error) {
	list, _, err := r.store.Environments.Readable(ctx, app)
	return store.Values(list), err
}

// SetDesired implements [Records]. Nothing of an app is wanted any more once
// it is stopped or being deleted: the manager's lock, under which this is called, is also
// taken to stop what runs, so what is written here is stopped or was refused.
func (r Stored) SetDesired(ctx context.Context, e teal.Environment) error {
	app, err := r.store.Apps.Get(ctx, e.App)
	if app.Value.Deleting || errors.Is(err, store.ErrNotFound) {
		return store.UnknownApp(e.App)
	}
	if err := store.CheckStarted(app.Value); err != nil {
		return err
	}
	_, err = r.store.Environments.Replace(ctx, e)
	if errors.Is(err, store.ErrNewer) {
		return nil // the record of a newer Teal says that it is wanted, and stays
	}
	return err
}

// Note implements [Records].
func (r Stored) Note(ctx context.Context, app string, version teal.VersionRef, note func(*teal.Environment)) error {
	_, err := r.store.Environments.Modify(ctx, store.EnvironmentKey{App: app, Version: version},
		func(e *teal.Environment) error { note(e); return nil })
	return store.IgnoreMissing(err)
}

// Forget implements [Records].
func (r Stored) Forget(ctx context.Context, app string, version teal.VersionRef) error {
	ctx = store.WithUrgency(ctx, store.Back) // it is small, and makes room
	key := store.EnvironmentKey{App: app, Version: version}
	record, err := r.store.Environments.Get(ctx, key)
	if err == nil {
		err = r.store.Environments.Delete(ctx, key, record.Revision)
	}
	return store.IgnoreMissing(err)
}
