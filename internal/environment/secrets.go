package environment

import (
	"context"
	"fmt"

	"teal"
	"teal/internal/secret"
)

// Secrets give programs what their variables refer to.
type Secrets interface {
	Open(ctx context.Context, app string, refs map[string]teal.SecretRef) (*secret.Given, error)
}

// secrets are what the programs of an environment got of them, by component, and what
// hides the values of all in what each of them says.
type secrets struct {
	given map[string]*secret.Given
	mask  *secret.Mask
}

// openSecrets gives the components their secrets, in the revisions that the version is
// bound to. They last until closeSecrets.
func (r *running) openSecrets(ctx context.Context) (opened secrets, err error) {
	opened.given = map[string]*secret.Given{}
	defer func() {
		if err != nil {
			opened.close(r)
		}
	}()
	var values []string
	for name, c := range r.version.Spec.Components {
		refs := c.Secrets()
		if len(refs) == 0 {
			continue
		}
		if r.manager.cfg.Secrets == nil {
			return opened, fmt.Errorf("%s refers to secrets, and this server keeps none", name)
		}
		given, err := r.manager.cfg.Secrets.Open(ctx, r.version.App, refs)
		if err != nil {
			return opened, teal.Errorf(teal.CodeOf(err), "%s: %s", name, teal.MessageOf(err))
		}
		opened.given[name] = given
		values = append(values, given.Values()...)
	}
	opened.mask = secret.NewMask(values)
	return opened, nil
}

// closeSecrets removes the files with secrets.
func (r *running) closeSecrets() {
	r.secrets.close(r)
	r.secrets = secrets{}
}

func (s secrets) close(r *running) {
	for _, given := range s.given {
		if err := given.Close(); err != nil {
			r.logger().Warn("the files of secrets could not be removed; the next start of the server will", "error", err)
		}
	}
}

// env returns the variables of a component that refer to secrets.
func (s secrets) env(component string) map[string]string {
	if given := s.given[component]; given != nil {
		return given.Env
	}
	return nil
}

// hide returns what hides the values in a text; nil when there are none.
func (s secrets) hide() func(text string) string {
	if s.mask == nil {
		return nil
	}
	return s.mask.String
}

// masks returns what hides the values in each stream of a process; nil when there are
// none.
func (s secrets) masks() func() func([]byte, bool) []byte {
	if s.mask == nil {
		return nil
	}
	return func() func([]byte, bool) []byte { return s.mask.Stream().Piece }
}
