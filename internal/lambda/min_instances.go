package lambda

import (
	"context"

	"teal"
	"teal/internal/api/awslambda"
)

// MinInstances says how many instances of a version are to stand ready, whatever its own
// content says: provisioned concurrency. It is safe for concurrent use.
type MinInstances struct {
	settings *settings
	aliases  Alias
}

// NewMinInstances returns the numbers that records ask for.
func NewMinInstances(r *Records, aliases Alias) *MinInstances {
	return &MinInstances{settings: r.settings, aliases: aliases}
}

// Of returns how many instances of a function of a version are to stand ready.
func (m *MinInstances) Of(app string, version teal.VersionRef, component string) int {
	most := 0
	for qualifier, p := range m.settings.of(awslambda.Ref{App: app, Component: component}).Provisioned {
		if m.leadsTo(app, qualifier) == version {
			most = max(most, p.Requested)
		}
	}
	return most
}

// leadsTo returns the version that a qualifier belongs to; 0 for none.
func (m *MinInstances) leadsTo(app, qualifier string) teal.VersionRef {
	if version, ok := teal.ParseVersionRef(qualifier); ok {
		return version
	}
	return m.aliases.Alias(app, qualifier).Value.Primary()
}

// keepsWarm reports whether a version is to stand ready for somebody.
func (m *MinInstances) keepsWarm(app string, version teal.VersionRef) bool {
	for ref := range m.settings.ofApp(app) {
		if m.Of(app, version, ref.Component) > 0 {
			return true
		}
	}
	return false
}

// Warm implements [awslambda.Settings].
func (b *Backend) Warm(_ context.Context, ref awslambda.Ref, qualifier string) (int, error) {
	return b.cfg.Instances.Instances(ref.App, b.cfg.MinInstances.leadsTo(ref.App, qualifier), ref.Component), nil
}

// warmUp starts the versions that are to stand ready, and tells those that run
// how many instances they keep.
func (b *Backend) warmUp(ctx context.Context, app string) {
	for _, x := range b.settings.ofApp(app) {
		for qualifier := range x.Provisioned {
			version := b.cfg.MinInstances.leadsTo(app, qualifier)
			if version == 0 || b.environments.Runs(app, version) {
				continue
			}
			if err := b.environments.ProvisionUnslotted(ctx, app, version); err != nil {
				b.logger.Warn("a version that is to stand ready cannot be started", "app", app, "version", version, "error", err)
			}
		}
	}
	b.cfg.Instances.Rewarm(app)
}
