package store

import (
	"fmt"

	"teal"
)

// SecretKey identifies a revision of a secret.
type SecretKey struct {
	App, Name string
	Revision  int
}

// SecretPattern matches the keys of all secrets of an app, or of all apps for "*".
func SecretPattern(app string) string { return "secret." + app + ".*.*" }

// maxSecretRevision is the highest revision that a secret can have: keys have six
// digits, so that their order is that of the revisions.
const maxSecretRevision = 999_999

var secrets = schema[SecretKey, teal.Secret]{
	kind: KindSecret,
	key:  func(v teal.Secret) SecretKey { return SecretKey{v.App, v.Name, v.Revision} },
	path: secretPath,
	name: secretName,
	pattern: func(app string) string {
		if app == "" {
			app = "*"
		}
		return SecretPattern(app)
	},
	missing: func(k SecretKey) *teal.Error {
		return teal.Errorf(teal.CodeUnknownSecret, "There is no %s; `teal secret list %s` lists those that exist.", secretName(k), k.App)
	},
}

func secretName(k SecretKey) string {
	return fmt.Sprintf("revision %d of the secret %s of app %s", k.Revision, k.Name, k.App)
}

func secretPath(k SecretKey) (string, error) {
	if err := teal.CheckName("app", k.App); err != nil {
		return "", err
	}
	if err := teal.CheckName("secret", k.Name); err != nil {
		return "", err
	}
	if k.Revision < 1 || k.Revision > maxSecretRevision {
		return "", teal.Errorf(teal.CodeInvalidInput, "%d is not a revision of a secret; they go from 1 to %d", k.Revision, maxSecretRevision)
	}
	return fmt.Sprintf("secret.%s.%s.%06d", k.App, k.Name, k.Revision), nil
}
