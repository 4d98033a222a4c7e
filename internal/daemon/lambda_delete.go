package daemon

import (
	"context"
	"errors"
	"strconv"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/retention"
	"teal/internal/store"
)

// DraftPieces implements [retention.Named].
func (l *lambda) DraftPieces() (pieces []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.known {
		pieces = append(pieces, retention.Pieces(d.Value.Spec)...)
	}
	return pieces
}

// PiecesOfDraft implements [retention.Named].
func (l *lambda) PiecesOfDraft(ctx context.Context, app string) []string {
	draft, err := l.drafts.Get(ctx, store.AppKey(app))
	if err != nil {
		return nil
	}
	return retention.Pieces(draft.Value.Spec)
}

// LayerPieces implements [retention.Named].
func (l *lambda) LayerPieces() (pieces []string) {
	for _, layer := range l.layers.list("") {
		pieces = append(pieces, piecesOfLayer(layer)...)
	}
	return pieces
}

func piecesOfLayer(l awslambda.Layer) []string {
	return []string{l.Code, retention.PieceOfZip(l.Zip())}
}

// Delete implements [awslambda.Functions]. When it returns, nothing answers for the
// function any more; what is left of it is taken down in the background, see
// deletions.
func (l *lambda) Delete(ctx context.Context, ref awslambda.Ref) error {
	ctx = context.WithoutCancel(ctx)
	l.changing.Lock()
	defer l.changing.Unlock()
	now, err := l.current(ctx, ref.App)
	if err != nil {
		return err
	}
	if len(now.spec.Components) > 1 {
		return teal.Errorf(teal.CodeConflict, "%s is a part of the app %s, which is not deleted with it; deploy the app without it", ref.Component, ref.App)
	}
	return l.deletions.Begin(ctx, ref.App)
}

// ForgetApp drops what is held in memory of an app whose records are gone.
func (l *lambda) ForgetApp(app string) {
	l.changing.Lock()
	defer l.changing.Unlock()
	refs := l.everyExtras()
	l.mu.Lock()
	delete(l.known, app)
	l.drafted++
	for key := range l.usedAt {
		if key.App == app {
			delete(l.usedAt, key)
		}
	}
	for ref := range refs {
		if ref.App == app {
			delete(l.extra, ref)
		}
	}
	l.mu.Unlock()
	for ref := range refs {
		if ref.App == app {
			l.limits.set(ref, nil)
			l.urls.set(awslambda.Extras{App: ref.App, Component: ref.Component})
		}
	}
}

// DeleteVersion implements [awslambda.Functions]. The record goes first: from
// then on nobody can start the version, and an alias is only ever given to one
// that runs. When one has been given to it all the same, the record comes back.
func (l *lambda) DeleteVersion(ctx context.Context, ref awslambda.Ref, number int) error {
	ctx = context.WithoutCancel(ctx)
	l.changing.Lock()
	defer l.changing.Unlock()
	key := store.VersionKey{App: ref.App, Number: number}
	record, err := l.store.Versions.Get(ctx, key)
	if err != nil {
		return err
	}
	if len(record.Value.Spec.Components) > 1 {
		return teal.Errorf(teal.CodeConflict, "version %d is one of the app %s, of which %s is a part; it is not deleted", number, ref.App, ref.Component)
	}
	if err := l.checkUnused(ctx, key); err != nil {
		return err
	}
	left, free := l.queue.Leave(key)
	if !free {
		return teal.Errorf(teal.CodeVersionInUse, "version %d of %s has events waiting that it was chosen for; delete it when it has worked on them", number, ref.App)
	}
	defer left()
	if err := l.store.Versions.Delete(ctx, key, record.Revision); err != nil {
		return err
	}
	err = l.manager.Retire(ctx, ref.App, number, teal.DefaultDrain.Std())
	if err == nil && !l.manager.Runs(ref.App, number) {
		l.garbage.Drop(record.Value.Spec)
		return l.forgetQualifier(ctx, ref, strconv.Itoa(number))
	}
	if _, again := l.store.Versions.Create(ctx, record.Value); again != nil {
		return errors.Join(again, err)
	}
	return inUse(key)
}

func (l *lambda) checkUnused(ctx context.Context, key store.VersionKey) error {
	use, err := l.router.Uses(ctx, key.App, key.Number)
	if err != nil {
		return err
	}
	if use.Live || use.Alias || use.Release {
		return inUse(key)
	}
	for _, alias := range l.router.Stored(key.App) {
		if alias.Value.PointsTo(key.Number) {
			return inUse(key)
		}
	}
	return nil
}

func inUse(key store.VersionKey) error {
	return teal.Errorf(teal.CodeVersionInUse, "version %d of %s is used by an alias or a release; point it elsewhere first", key.Number, key.App)
}
