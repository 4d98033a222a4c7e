package daemon

import (
	"context"
	"errors"

	"teal"
	"teal/internal/environment"
	"teal/internal/store"
)

// records keeps versions and environments in the store.
type records struct {
	store *store.Store
	draft func(ctx context.Context, app string) (teal.Version, error)
}

var _ environment.Records = records{}

func (r records) Version(ctx context.Context, app string, number int) (teal.Version, error) {
	if number == teal.Draft {
		return r.draft(ctx, app)
	}
	record, err := r.store.Versions.Get(ctx, store.VersionKey{App: app, Number: number})
	return record.Value, err
}

func (r records) Environments(ctx context.Context, app string) ([]teal.Environment, error) {
	list, _, err := r.store.Environments.Readable(ctx, app)
	return values(list), err
}

// Wish implements [environment.Records]. Nothing of an app is wanted any more once
// it is being deleted: the manager's lock, under which this is called, is also
// taken to stop what runs, so what is written here is stopped or was refused.
func (r records) Wish(ctx context.Context, e teal.Environment) error {
	app, err := r.store.Apps.Get(ctx, e.App)
	if app.Value.Deleting || errors.Is(err, store.ErrNotFound) {
		return unknownApp(e.App)
	}
	_, err = r.store.Environments.Replace(ctx, e)
	if errors.Is(err, store.ErrNewer) {
		return nil // the record of a newer Teal says that it is wanted, and stays
	}
	return err
}

func (r records) Note(ctx context.Context, app string, version int, note func(*teal.Environment)) error {
	_, err := r.store.Environments.Modify(ctx, store.VersionKey{App: app, Number: version},
		func(e *teal.Environment) error { note(e); return nil })
	return ignoreMissing(err)
}

func (r records) Forget(ctx context.Context, app string, version int) error {
	ctx = store.WithUrgency(ctx, store.Back) // it is small, and makes room
	key := store.VersionKey{App: app, Number: version}
	record, err := r.store.Environments.Get(ctx, key)
	if err == nil {
		err = r.store.Environments.Delete(ctx, key, record.Revision)
	}
	return ignoreMissing(err)
}

func ignoreMissing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func values[T any](list []store.Record[T]) []T {
	out := make([]T, len(list))
	for i, record := range list {
		out[i] = record.Value
	}
	return out
}
