package lambda

import (
	"context"
	"errors"
	"strconv"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/store"
)

// Delete implements [awslambda.Functions]. When it returns, nothing answers for the
// function any more; what is left of it is taken down in the background, see
// [Deletions].
func (b *Backend) Delete(ctx context.Context, ref awslambda.Ref) error {
	ctx = context.WithoutCancel(ctx)
	defer b.records.changing.Lock(ref.App)()
	now, err := b.drafts.current(ctx, ref.App)
	if err != nil {
		return err
	}
	if len(now.spec.Components) > 1 {
		return teal.Errorf(teal.CodeConflict, "%s is a part of the app %s, which is not deleted with it; deploy the app without it", ref.Component, ref.App)
	}
	return b.cfg.Deletions.Begin(ctx, ref.App, false)
}

// DeleteVersion implements [awslambda.Functions]. The record goes first: from
// then on nobody can start the version, and an alias is only ever given to one
// that runs. When one has been given to it all the same, the record comes back.
func (b *Backend) DeleteVersion(ctx context.Context, ref awslambda.Ref, number int) error {
	ctx = context.WithoutCancel(ctx)
	defer b.records.changing.Lock(ref.App)()
	key := store.VersionKey{App: ref.App, Number: number}
	record, err := b.cfg.Store.Versions.Get(ctx, key)
	if err != nil {
		return err
	}
	if len(record.Value.Spec.Components) > 1 {
		return teal.Errorf(teal.CodeConflict, "version %d is one of the app %s, of which %s is a part; it is not deleted", number, ref.App, ref.Component)
	}
	if err := b.checkUnused(ctx, key); err != nil {
		return err
	}
	left, free := b.cfg.Events.Leave(key)
	if !free {
		return teal.Errorf(teal.CodeVersionInUse, "version %d of %s has events waiting that it was chosen for; delete it when it has worked on them", number, ref.App)
	}
	defer left()
	if err := b.cfg.Store.Versions.Delete(ctx, key, record.Revision); err != nil {
		return err
	}
	running := teal.VersionRef(number)
	err = b.environments.Retire(ctx, ref.App, running, teal.DefaultDrain.Std())
	if err == nil && !b.environments.Runs(ref.App, running) {
		b.cfg.Code.Drop(record.Value.Spec)
		return b.forgetQualifier(ctx, ref, strconv.Itoa(number))
	}
	if _, again := b.cfg.Store.Versions.Create(ctx, record.Value); again != nil {
		return errors.Join(again, err)
	}
	return inUse(key)
}

func (b *Backend) checkUnused(ctx context.Context, key store.VersionKey) error {
	if used, err := b.cfg.Usage.InUse(ctx, key.App, teal.VersionRef(key.Number)); err != nil {
		return err
	} else if used {
		return inUse(key)
	}
	for _, alias := range b.aliases.Stored(key.App) {
		if alias.Value.PointsTo(key.Number) {
			return inUse(key)
		}
	}
	return nil
}

func inUse(key store.VersionKey) error {
	return teal.Errorf(teal.CodeVersionInUse, "version %d of %s is used by an alias or a release; point it elsewhere first", key.Number, key.App)
}
