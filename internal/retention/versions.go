package retention

import (
	"context"
	"errors"
	"log/slog"

	"teal"
	"teal/internal/routing"
	"teal/internal/store"
)

// Ended carries which apps had a release end, from who runs releases to [Versions].
// It is made before both.
type Ended struct {
	apps chan string // a full one: it is looked at after its next release
}

// NewEnded returns an Ended that carries nothing yet.
func NewEnded() *Ended { return &Ended{apps: make(chan string, 100)} }

// Released takes the news about a release. It does not block.
func (e *Ended) Released(release teal.Release) {
	if !release.Phase.Ended() {
		return
	}
	select {
	case e.apps <- release.App:
	default:
	}
}

// Versions forgets old versions of apps, with their code and logs, when a release
// has ended. What anything uses, or may go back to, stays.
type Versions struct{ cfg VersionsConfig }

// VersionsConfig is what Versions needs.
type VersionsConfig struct {
	Ended        *Ended
	Store        *store.Store
	Journal      routing.Journal
	Aliases      Aliases
	Environments Environments
	Events       Events
	Logs         Logs
	Meter        Meter
	Recordings   Recordings
	Secrets      Secrets // nil: there are none
	Logger       *slog.Logger
	// Forgotten is told which version was forgotten, so that what belongs to it can
	// go.
	Forgotten func(ctx context.Context, v teal.Version) error
}

// NewVersions returns what forgets old versions. It starts nothing.
func NewVersions(cfg VersionsConfig) *Versions {
	return &Versions{cfg: cfg}
}

// Run forgets what is old, one app after the other, until ctx ends.
func (r *Versions) Run(ctx context.Context) error {
	for {
		select {
		case app := <-r.cfg.Ended.apps:
			if err := errors.Join(r.prune(ctx, app), r.sweep(ctx, app)); err != nil && ctx.Err() == nil {
				r.cfg.Logger.Warn("old versions could not be forgotten; the next release will try again", "app", app, "error", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// sweep removes the revisions of secrets that only forgotten versions were bound to.
func (r *Versions) sweep(ctx context.Context, app string) error {
	if r.cfg.Secrets == nil {
		return nil
	}
	return r.cfg.Secrets.Sweep(ctx, app)
}

// prune forgets the versions of an app that are too many.
func (r *Versions) prune(ctx context.Context, app string) error {
	record, err := r.cfg.Journal.App(ctx, app)
	if err != nil {
		return err
	}
	if err := r.pruneReleases(ctx, app); err != nil || record.Value.Policy.Keep == 0 {
		return err
	}
	versions, err := r.cfg.Store.Versions.List(ctx, app)
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
	return nil
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

// used returns the versions that an alias points to, that run, that an event needs,
// that a release moves from or to, or that a rollback would lead to.
func (r *Versions) used(ctx context.Context, app teal.App) (map[int]bool, error) {
	used := map[int]bool{}
	for _, alias := range r.cfg.Aliases.Aliases(app.Name) {
		for _, t := range alias.Value.Targets {
			number, _ := t.Version.Number()
			used[number] = true
		}
	}
	for _, number := range r.cfg.Events.Needs(app.Name) {
		used[number] = true
	}
	environments, err := r.cfg.Store.Environments.List(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	for _, e := range environments {
		number, _ := e.Value.Version.Number()
		used[number] = true
	}
	releases, err := r.cfg.Store.Releases.List(ctx, app.Name)
	if err != nil {
		return nil, err
	}
	for _, release := range releases {
		if !release.Value.Phase.Ended() {
			used[release.Value.From], used[release.Value.To] = true, true
		}
	}
	if last := teal.LastMove(store.Values(releases)); last != nil {
		used[last.From], used[last.To] = true, true
	}
	return used, nil
}

// forget deletes a version that is still unused: its record first, so that nobody
// finds half of it.
func (r *Versions) forget(ctx context.Context, app teal.App, v store.Record[teal.Version]) error {
	key := store.VersionKey{App: v.Value.App, Number: v.Value.Number}
	gone := false
	err := r.cfg.Environments.WhileNothingStarts(key.App, func() error {
		used, err := r.used(ctx, app)
		if err != nil || used[key.Number] {
			return err
		}
		left, free := r.cfg.Events.Leave(key)
		if !free {
			return nil
		}
		defer left()
		gone = true
		return store.IgnoreMissing(r.cfg.Store.Versions.Delete(ctx, key, v.Revision))
	})
	if err != nil || !gone {
		return err
	}
	r.cfg.Logger.Info("old version forgotten", "app", key.App, "version", key.Number, "keep", app.Policy.Keep)
	r.cfg.Meter.Forget(key.App, key.Number)
	return errors.Join(r.cfg.Logs.Remove(key.App, v.Value.Ref()), r.cfg.Forgotten(ctx, v.Value))
}

// keptReleases is of how many releases of an app the records and measurements are
// kept.
const keptReleases = 100

func (r *Versions) pruneReleases(ctx context.Context, app string) error {
	releases, err := r.cfg.Store.Releases.List(ctx, app)
	if err != nil {
		return err
	}
	for _, old := range releases[:max(0, len(releases)-keptReleases)] {
		if !old.Value.Phase.Ended() {
			continue
		}
		if err := r.cfg.Recordings.Forget(old.Value.ID); err != nil {
			return err
		}
		if err := store.IgnoreMissing(r.cfg.Store.Releases.Delete(ctx, old.Value.ID, old.Revision)); err != nil {
			return err
		}
	}
	return nil
}
