package store

import (
	"fmt"
	"strconv"
	"strings"

	"teal"
)

// VersionKey identifies a version.
type VersionKey struct {
	App    string
	Number int
}

// EnvironmentKey identifies the environment of a version or of a draft.
type EnvironmentKey struct {
	App     string
	Version teal.VersionRef
}

// Environment returns the key of the environment that runs the version.
func (k VersionKey) Environment() EnvironmentKey {
	return EnvironmentKey{App: k.App, Version: teal.VersionRef(k.Number)}
}

// AliasKey identifies an alias.
type AliasKey struct{ App, Name string }

// maxNumber is the largest number in a key, which holds six digits, so that the
// order of keys is that of the numbers. No version has it: it stands for the draft in
// the key of an environment.
const maxNumber = int(teal.Draft)

func highest(kind Kind) int {
	if kind == KindVersion {
		return teal.MaxVersion
	}
	return maxNumber
}

// ParseReleaseID splits what teal.ReleaseID put together. App names may hold dashes,
// so the last one counts. The error has teal.CodeInvalidInput.
func ParseReleaseID(id string) (app string, number int, err error) {
	if i := strings.LastIndexByte(id, '-'); i >= 0 {
		app = id[:i]
		number, err = strconv.Atoi(id[i+1:])
	}
	if err != nil || checkNumber(KindRelease, number) != nil || teal.CheckName("app", app) != nil || teal.ReleaseID(app, number) != id {
		return "", 0, teal.Errorf(teal.CodeInvalidInput, "%q is not the ID of a release; an ID is the app's name, a dash and a number, such as shop-3", id)
	}
	return app, number, nil
}

func checkNumber(kind Kind, n int) error {
	if n < 1 || n > highest(kind) {
		return teal.Errorf(teal.CodeInvalidInput, "%d is not a number of a version or a release; they go from 1 to %d", n, highest(kind))
	}
	return nil
}

func appPath(app string) (string, error) {
	if err := teal.CheckName("app", app); err != nil {
		return "", err
	}
	return "apps." + app + ".app", nil
}

func numberPath(kind Kind, app string, number int) (string, error) {
	if err := teal.CheckName("app", app); err != nil {
		return "", err
	}
	if err := checkNumber(kind, number); err != nil {
		return "", err
	}
	return fmt.Sprintf("apps.%s.%s.%06d", app, kind, number), nil
}

func aliasPath(k AliasKey) (string, error) {
	if err := teal.CheckName("app", k.App); err != nil {
		return "", err
	}
	if err := teal.CheckName("alias", k.Name); err != nil {
		return "", err
	}
	return "apps." + k.App + ".alias." + k.Name, nil
}

// path is a key taken apart. Number or name is set, by kind; neither for an app.
type path struct {
	kind   Kind
	app    string
	number int
	name   string
}

// parsePath reads a key of the typed level. It reports false for keys that this
// version of Teal does not know; a newer one may have written them.
func parsePath(key string) (path, bool) {
	tokens := strings.Split(key, ".")
	if len(tokens) < 3 || tokens[0] != "apps" {
		return path{}, false
	}
	p := path{kind: Kind(tokens[2]), app: tokens[1]}
	switch p.kind {
	case KindApp:
		return p, len(tokens) == 3
	case KindAlias:
		if len(tokens) == 4 {
			p.name = tokens[3]
		}
		return p, p.name != ""
	case KindVersion, KindEnvironment, KindRelease:
		if len(tokens) != 4 {
			return path{}, false
		}
		n, err := strconv.Atoi(tokens[3])
		p.number = n
		return p, err == nil && checkNumber(p.kind, n) == nil && fmt.Sprintf("%06d", n) == tokens[3]
	}
	return path{}, false
}
