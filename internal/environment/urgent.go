package environment

import (
	"context"
	"time"

	"teal"
	"teal/internal/release"
	"teal/internal/store"
)

// ForReleases returns the manager as releases see it: what it records for a running
// release goes also to a disk that is full.
func (m *Manager) ForReleases() release.Runner { return urgent{m} }

type urgent struct{ *Manager }

var _ release.Runner = urgent{}

// Provision implements [release.Runner].
func (r urgent) Provision(ctx context.Context, app string, version int) error {
	return r.Manager.Provision(store.WithUrgency(ctx, store.Back), app, version)
}

// Retire implements [release.Runner].
func (r urgent) Retire(ctx context.Context, app string, version int, drain time.Duration) error {
	return r.Manager.Retire(store.WithUrgency(ctx, store.Back), app, teal.VersionRef(version), drain)
}

// Observe implements [release.Runner].
func (r urgent) Observe(ctx context.Context, app string, version int) (release.Health, error) {
	return r.Manager.Observe(ctx, app, teal.VersionRef(version))
}

// Recheck implements [release.Runner].
func (r urgent) Recheck(ctx context.Context, app string, version int) error {
	return r.Manager.Recheck(ctx, app, teal.VersionRef(version))
}

// Size implements [release.Runner].
func (r urgent) Size(ctx context.Context, app string, version, model int) error {
	return r.Manager.Size(store.WithUrgency(ctx, store.Back), app, version, model)
}
