package daemon

import (
	"context"
	"errors"
	"strconv"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/store"
)

// draftSpecs returns what drafts are made of.
func (b *lambda) draftSpecs() []teal.Spec {
	b.mu.Lock()
	defer b.mu.Unlock()
	specs := make([]teal.Spec, 0, len(b.known))
	for _, d := range b.known {
		specs = append(specs, d.Value.Spec)
	}
	return specs
}

// Delete implements [awslambda.Functions]. When it returns, nothing answers for the
// function any more; what is left of it is taken down in the background, see
// deletions.
func (b *lambda) Delete(ctx context.Context, ref awslambda.Ref) error {
	ctx = context.WithoutCancel(ctx)
	b.changing.Lock()
	defer b.changing.Unlock()
	now, err := b.current(ctx, ref.App)
	if err != nil {
		return err
	}
	if len(now.spec.Components) > 1 {
		return teal.Errorf(teal.CodeConflict, "%s is a part of the app %s, which is not deleted with it; deploy the app without it", ref.Component, ref.App)
	}
	return b.deletions.begin(ctx, ref.App)
}

// forgetApp drops what is held in memory of an app whose records are gone.
func (b *lambda) forgetApp(app string) {
	b.changing.Lock()
	defer b.changing.Unlock()
	refs := b.everyExtras()
	b.mu.Lock()
	delete(b.known, app)
	b.drafted++
	for key := range b.usedAt {
		if key.App == app {
			delete(b.usedAt, key)
		}
	}
	for ref := range refs {
		if ref.App == app {
			delete(b.extra, ref)
		}
	}
	b.mu.Unlock()
	for ref := range refs {
		if ref.App == app {
			b.limits.set(ref, nil)
			b.urls.set(awslambda.Extras{App: ref.App, Component: ref.Component})
		}
	}
}

// DeleteVersion implements [awslambda.Functions]. The record goes first: from
// then on nobody can start the version, and an alias is only ever given to one
// that runs. When one has been given to it all the same, the record comes back.
func (b *lambda) DeleteVersion(ctx context.Context, ref awslambda.Ref, number int) error {
	ctx = context.WithoutCancel(ctx)
	b.changing.Lock()
	defer b.changing.Unlock()
	key := store.VersionKey{App: ref.App, Number: number}
	record, err := b.store.Versions.Get(ctx, key)
	if err != nil {
		return err
	}
	if len(record.Value.Spec.Components) > 1 {
		return teal.Errorf(teal.CodeConflict, "version %d is one of the app %s, of which %s is a part; it is not deleted", number, ref.App, ref.Component)
	}
	if err := b.checkUnused(ctx, key); err != nil {
		return err
	}
	left, free := b.queue.leave(key)
	if !free {
		return teal.Errorf(teal.CodeVersionInUse, "version %d of %s has events waiting that it was chosen for; delete it when it has worked on them", number, ref.App)
	}
	defer left()
	if err := b.store.Versions.Delete(ctx, key, record.Revision); err != nil {
		return err
	}
	err = b.manager.Retire(ctx, ref.App, number, teal.DefaultDrain.Std())
	if err == nil && !b.manager.Runs(ref.App, number) {
		b.garbage.drop(record.Value.Spec)
		return b.forgetQualifier(ctx, ref, strconv.Itoa(number))
	}
	if _, again := b.store.Versions.Create(ctx, record.Value); again != nil {
		return errors.Join(again, err)
	}
	return inUse(key)
}

func (b *lambda) checkUnused(ctx context.Context, key store.VersionKey) error {
	use, err := b.router.Uses(ctx, key.App, key.Number)
	if err != nil {
		return err
	}
	if use.Live || use.Alias || use.Release {
		return inUse(key)
	}
	for _, alias := range b.router.stored(key.App) {
		if alias.Value.PointsTo(key.Number) {
			return inUse(key)
		}
	}
	return nil
}

func inUse(key store.VersionKey) error {
	return teal.Errorf(teal.CodeVersionInUse, "version %d of %s is used by an alias or a release; point it elsewhere first", key.Number, key.App)
}
