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
func (l *lambda) draftSpecs() []teal.Spec {
	l.mu.Lock()
	defer l.mu.Unlock()
	specs := make([]teal.Spec, 0, len(l.known))
	for _, d := range l.known {
		specs = append(specs, d.Value.Spec)
	}
	return specs
}

// Delete implements [awslambda.Functions]. It may be cut off anywhere and done
// again: what the function is found by goes last.
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
	if err := l.checkNoRelease(ctx, ref.App); err != nil {
		return err
	}
	_, err = l.graves.Upsert(ctx, store.SideKey{App: ref.App, Name: "app"}, func(t *tombstone, _ bool) error {
		*t = tombstone{App: ref.App, LastVersion: now.app.LastVersion, LastRelease: now.app.LastRelease}
		return nil
	})
	if err != nil {
		return err
	}
	if err := l.router.Forget(ctx, ref.App); err != nil {
		return err
	}
	specs, err := l.specsOf(ctx, ref.App)
	if err != nil {
		return err
	}
	if err := errors.Join(l.stopAll(ctx, ref.App), l.deleteRecords(ctx, ref)); err != nil {
		return err
	}
	l.garbage.drop(append(specs, now.spec)...)
	return nil
}

// specsOf returns what the versions of an app are made of.
func (l *lambda) specsOf(ctx context.Context, app string) ([]teal.Spec, error) {
	versions, err := l.store.Versions.List(ctx, app)
	var specs []teal.Spec
	for _, v := range versions {
		specs = append(specs, v.Value.Spec)
	}
	return specs, err
}

// stopAll lets every environment of an app finish what it has, and stops it.
func (l *lambda) stopAll(ctx context.Context, app string) error {
	for _, e := range l.manager.Running(app) {
		if err := l.manager.Retire(ctx, app, e.Version, teal.DefaultDrain.Std()); err != nil {
			return err
		}
	}
	l.router.Forgotten(app)
	return nil
}

func (l *lambda) deleteRecords(ctx context.Context, ref awslambda.Ref) error {
	releases, err := l.store.Releases.List(ctx, ref.App)
	if err != nil {
		return err
	}
	for _, r := range releases {
		if err := ignoreMissing(l.store.Releases.Delete(ctx, r.Value.ID, r.Revision)); err != nil {
			return err
		}
	}
	versions, err := l.store.Versions.List(ctx, ref.App)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if err := ignoreMissing(l.store.Versions.Delete(ctx, store.VersionKey{App: ref.App, Number: v.Value.Number}, v.Revision)); err != nil {
			return err
		}
	}
	if err := l.queue.forget(ctx, ref.App); err != nil {
		return err
	}
	if err := l.forgetExtras(ctx, ref); err != nil {
		return err
	}
	if err := l.forgetDraft(ctx, ref.App); err != nil {
		return err
	}
	app, err := l.store.Apps.Get(ctx, ref.App)
	if err != nil {
		return ignoreMissing(err)
	}
	return ignoreMissing(l.store.Apps.Delete(ctx, ref.App, app.Revision))
}

func (l *lambda) forgetDraft(ctx context.Context, app string) error {
	key := store.SideKey{App: app, Name: "app"}
	record, err := l.drafts.Get(ctx, key)
	if err == nil {
		err = l.drafts.Delete(ctx, key, record.Revision)
	}
	if err := ignoreMissing(err); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.known, app)
	l.drafted++
	return nil
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
	left, free := l.queue.leave(key)
	if !free {
		return teal.Errorf(teal.CodeVersionInUse, "version %d of %s has events waiting that it was chosen for; delete it when it has worked on them", number, ref.App)
	}
	defer left()
	if err := l.store.Versions.Delete(ctx, key, record.Revision); err != nil {
		return err
	}
	err = l.manager.Retire(ctx, ref.App, number, teal.DefaultDrain.Std())
	if err == nil && !l.manager.Runs(ref.App, number) {
		l.garbage.drop(record.Value.Spec)
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
	for _, alias := range l.router.stored(key.App) {
		if alias.Value.PointsTo(key.Number) {
			return inUse(key)
		}
	}
	return nil
}

func inUse(key store.VersionKey) error {
	return teal.Errorf(teal.CodeVersionInUse, "version %d of %s is used by an alias or a release; point it elsewhere first", key.Number, key.App)
}
