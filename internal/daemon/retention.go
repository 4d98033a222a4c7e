package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"teal"
	"teal/internal/environment"
	"teal/internal/logs"
	"teal/internal/meter"
	"teal/internal/store"
)

// retention forgets old versions of apps, with their code and logs, when a
// release has ended. What anything uses, or may go back to, stays.
type retention struct {
	store      *store.Store
	router     *router
	manager    *environment.Manager
	bundles    bundles
	logs       *logs.Store
	meter      *meter.Meter
	recordings *recordings
	logger     *slog.Logger
	// references returns digests of code that something else than a version
	// needs.
	references []func(ctx context.Context) ([]string, error)
	// deploying is held for reading from the look for a bundle until the version
	// that needs it is recorded, and for writing while code is removed.
	deploying *sync.RWMutex

	ended chan string // apps; a full one is looked at after their next release
}

// bundles is the code that retention removes.
type bundles interface {
	Remove(digest string) error
}

// released takes the news about a release. It does not block.
func (r *retention) released(release teal.Release) {
	if !release.Phase.Ended() {
		return
	}
	select {
	case r.ended <- release.App:
	default:
	}
}

// Run forgets what is old, one app after the other, until ctx ends.
func (r *retention) Run(ctx context.Context) error {
	for {
		select {
		case app := <-r.ended:
			if err := r.prune(ctx, app); err != nil && ctx.Err() == nil {
				r.logger.Warn("old versions could not be forgotten; the next release will try again", "app", app, "error", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// prune forgets the versions of an app that are too many.
func (r *retention) prune(ctx context.Context, app string) error {
	record, err := r.store.Apps.Get(ctx, app)
	if err != nil || record.Value.Policy.Keep == 0 {
		return err
	}
	versions, err := r.store.Versions.List(ctx, app)
	if err != nil {
		return err
	}
	used, err := r.used(ctx, record.Value)
	if err != nil {
		return err
	}
	for _, v := range outdated(versions, used, record.Value.Policy.Keep) {
		if err := r.forget(ctx, record.Value, v); err != nil {
			return err
		}
	}
	return r.pruneRecordings(ctx, app)
}

// outdated returns the versions that are too many, oldest first: of those that
// nothing uses, all but the newest. The newest version of all always stays, so
// that no number is given out twice.
func outdated(versions []store.Record[teal.Version], used map[int]bool, keep int) []store.Record[teal.Version] {
	var unused []store.Record[teal.Version]
	for i, v := range versions {
		if !used[v.Value.Number] && i < len(versions)-1 {
			unused = append(unused, v)
		}
	}
	if len(unused) <= keep {
		return nil
	}
	return unused[:len(unused)-keep]
}

// used returns the versions that an alias points to, that run, that a release
// moves from or to, or that a rollback would lead to.
func (r *retention) used(ctx context.Context, app teal.App) (map[int]bool, error) {
	used := map[int]bool{}
	for _, alias := range r.router.Aliases(app.Name) {
		for _, t := range alias.Value.Targets {
			used[t.Version] = true
		}
	}
	environments, err := r.store.Environments.List(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	for _, e := range environments {
		used[e.Value.Version] = true
	}
	releases, err := r.store.Releases.List(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	for _, release := range releases {
		if !release.Value.Phase.Ended() {
			used[release.Value.From], used[release.Value.To] = true, true
		}
	}
	if last := lastMove(values(releases)); last != nil {
		used[last.From], used[last.To] = true, true
	}
	return used, nil
}

// forget deletes a version that is still unused: its record first, so that nobody
// finds half of it.
func (r *retention) forget(ctx context.Context, app teal.App, v store.Record[teal.Version]) error {
	key := store.VersionKey{App: v.Value.App, Number: v.Value.Number}
	gone := false
	err := r.manager.WhileNothingStarts(func() error {
		used, err := r.used(ctx, app)
		if gone = err == nil && !used[key.Number]; !gone {
			return err
		}
		return ignoreMissing(r.store.Versions.Delete(ctx, key, v.Revision))
	})
	if err != nil || !gone {
		return err
	}
	r.logger.Info("old version forgotten", "app", key.App, "version", key.Number, "keep", app.Policy.Keep)
	r.meter.Forget(key.App, key.Number)
	return errors.Join(r.logs.Remove(key.App, key.Number), r.forgetCode(ctx, v.Value))
}

// forgetCode deletes the code that nothing needs any more.
func (r *retention) forgetCode(ctx context.Context, v teal.Version) error {
	r.deploying.Lock()
	defer r.deploying.Unlock()
	needed, err := r.needed(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, digest := range v.Spec.Bundles() {
		if !needed[digest] {
			errs = append(errs, r.bundles.Remove(digest))
		}
	}
	return errors.Join(errs...)
}

// needed returns the digests of all code that anything needs.
func (r *retention) needed(ctx context.Context) (map[string]bool, error) {
	needed := map[string]bool{}
	add := func(digests []string) {
		for _, digest := range digests {
			needed[digest] = true
		}
	}
	versions, err := r.store.Versions.List(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		add(v.Value.Spec.Bundles())
	}
	apps, err := r.store.Apps.List(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, app := range apps {
		add(app.Value.Policy.Bundles())
		releases, err := r.store.Releases.List(ctx, app.Value.Name)
		if err != nil {
			return nil, err
		}
		for _, release := range releases {
			if !release.Value.Phase.Ended() {
				add(release.Value.Policy.Bundles())
			}
		}
	}
	for _, more := range r.references {
		digests, err := more(ctx)
		if err != nil {
			return nil, err
		}
		add(digests)
	}
	return needed, nil
}

// keptRecordings is of how many releases of an app the measurements are kept.
const keptRecordings = 50

func (r *retention) pruneRecordings(ctx context.Context, app string) error {
	releases, err := r.store.Releases.List(ctx, app)
	if err != nil {
		return err
	}
	for i := range max(0, len(releases)-keptRecordings) {
		if err := r.recordings.forget(releases[i].Value.ID); err != nil {
			return err
		}
	}
	return nil
}
