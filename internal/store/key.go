package store

import (
	"fmt"
	"strconv"
	"strings"

	"teal"
)

// VersionKey identifies a version, or the environment that runs it.
type VersionKey struct {
	App    string
	Number int
}

// AliasKey identifies an alias.
type AliasKey struct{ App, Name string }

// maxNumber is the largest number of a version or release: keys hold six digits,
// so that their order is that of the numbers.
const maxNumber = 999_999

// ParseReleaseID splits what teal.ReleaseID put together. App names may hold dashes,
// so the last one counts. The error has teal.CodeInvalidInput.
func ParseReleaseID(id string) (app string, number int, err error) {
	if i := strings.LastIndexByte(id, '-'); i >= 0 {
		app = id[:i]
		number, err = strconv.Atoi(id[i+1:])
	}
	if err != nil || checkNumber(number) != nil || teal.CheckName("app", app) != nil || teal.ReleaseID(app, number) != id {
		return "", 0, teal.Errorf(teal.CodeInvalidInput, "%q is not the ID of a release; an ID is the app's name, a dash and a number, such as shop-3", id)
	}
	return app, number, nil
}

func checkNumber(n int) error {
	if n < 1 || n > maxNumber {
		return teal.Errorf(teal.CodeInvalidInput, "%d is not a number of a version or a release; they go from 1 to %d", n, maxNumber)
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
	if err := checkNumber(number); err != nil {
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
		return p, err == nil && checkNumber(n) == nil && fmt.Sprintf("%06d", n) == tokens[3]
	}
	return path{}, false
}
