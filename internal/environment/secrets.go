package environment

import (
	"context"
	"fmt"
	"maps"

	"teal"
	"teal/internal/secret"
)

// Secrets give programs what their variables refer to.
type Secrets interface {
	Open(ctx context.Context, app string, refs map[string]teal.SecretRef) (*secret.Given, error)
}

// addSecrets gives a component its secrets, in the revisions that the version is bound to,
// for as long as the environment runs.
func (r *running) addSecrets(ctx context.Context, b blueprint) error {
	refs := b.component.Secrets()
	if len(refs) == 0 {
		return nil
	}
	if r.manager.cfg.Secrets == nil {
		return fmt.Errorf("%s refers to secrets, and this server keeps none", b.name)
	}
	given, err := r.manager.cfg.Secrets.Open(ctx, r.version.App, refs)
	if err != nil {
		return teal.Errorf(teal.CodeOf(err), "%s: %s", b.name, teal.MessageOf(err))
	}
	r.secrets = append(r.secrets, given)
	maps.Copy(b.env, given.Env)
	return nil
}

// removeSecrets removes the files with secrets.
func (r *running) removeSecrets() {
	for _, given := range r.secrets {
		if err := given.Close(); err != nil {
			r.logger().Warn("the files of secrets could not be removed; the next start of the server will", "error", err)
		}
	}
	r.secrets = nil
}
