package control

import (
	"context"
	"fmt"

	"teal"
	"teal/internal/api"
)

// Secrets know which revisions the secrets of apps have.
type Secrets interface {
	// Bind returns the newest revisions of secrets, by name, and keeps them from being
	// removed until release is called.
	Bind(ctx context.Context, app string, refs []teal.SecretRef) (revisions map[string]int, release func(), err error)
}

// bind binds a deploy to the newest revisions of its secrets. Until release is called
// these are kept.
func (c *Control) bind(ctx context.Context, d api.Deploy) (bound api.Deploy, release func(), err error) {
	refs := append(d.Spec.SecretRefs(), d.Policy.SecretRefs()...)
	if len(refs) == 0 || c.cfg.Secrets == nil {
		return d, func() {}, nil
	}
	revisions, release, err := c.cfg.Secrets.Bind(ctx, d.Spec.App, refs)
	if err != nil {
		return d, nil, err
	}
	d.Spec, d.Policy = d.Spec.WithRevisions(revisions), d.Policy.WithRevisions(revisions)
	return d, release, nil
}

// olderSecrets says that a version which was found to have the content of a deploy is
// bound to older revisions of secrets; "" when it is not.
func olderSecrets(version teal.Version, spec teal.Spec) string {
	if version.Digest == spec.Digest() {
		return ""
	}
	return fmt.Sprintf("v%d keeps the secrets that it was deployed with, of which there are newer ones; `teal deploy --refresh-secrets` makes a version with these", version.Number)
}
