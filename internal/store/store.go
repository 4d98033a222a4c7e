package store

import (
	"fmt"
	"slices"
	"strings"

	"teal"
)

// Kind names a kind of record.
type Kind string

// The kinds of record.
const (
	KindApp         Kind = "app"
	KindVersion     Kind = "version"
	KindAlias       Kind = "alias"
	KindEnvironment Kind = "environment"
	KindRelease     Kind = "release"
	KindToken       Kind = "token"
	KindSecret      Kind = "secret"
)

// Store is the typed view of a KV. It holds no state of its own: any number may
// be made of one KV.
type Store struct {
	Apps         *Table[string, teal.App] // by name
	Versions     *Table[VersionKey, teal.Version]
	Aliases      *Table[AliasKey, teal.Alias]
	Environments *Table[EnvironmentKey, teal.Environment]
	Releases     *Table[string, teal.Release] // by ID: "hello-3"
	Tokens       *Table[string, teal.Token]   // by name; they belong to no app
	Secrets      *Table[SecretKey, teal.Secret]

	kv KV
}

// New returns the typed view of kv.
func New(kv KV) *Store {
	return &Store{
		Apps:         newTable(kv, apps),
		Versions:     newTable(kv, versions),
		Aliases:      newTable(kv, aliases),
		Environments: newTable(kv, environments),
		Releases:     newTable(kv, releases),
		Tokens:       newTable(kv, tokens),
		Secrets:      newTable(kv, secrets),
		kv:           kv,
	}
}

var apps = schema[string, teal.App]{
	kind:   KindApp,
	number: 3,
	needs: func(v teal.App) int {
		if len(v.Policy.SecretRefs()) > 0 {
			return 3 // an earlier Teal would run checks and hooks without their secrets
		}
		if v.Stopped == nil && v.Frozen == nil && !v.KeepState {
			return firstSchema // what is left is history, which an earlier Teal may drop
		}
		return 2 // an earlier Teal would run it, release it, or delete what it has stored
	},
	key:  func(v teal.App) string { return v.Name },
	path: appPath,
	name: func(k string) string { return "app " + k },
	missing: func(k string) *teal.Error {
		return teal.Errorf(teal.CodeUnknownApp, "There is no app %s; `teal deploy` creates it.", k)
	},
}

var versions = schema[VersionKey, teal.Version]{
	kind:   KindVersion,
	number: 3,
	needs: func(v teal.Version) int {
		switch {
		case len(v.Spec.SecretRefs()) > 0, len(v.Spec.Triggers) > 0:
			return 3 // an earlier Teal would start it without its secrets, or its triggers
		case v.Spec.IsPlain():
			return firstSchema
		}
		return 2 // an earlier Teal would lead and ask otherwise
	},
	key:  func(v teal.Version) VersionKey { return VersionKey{App: v.App, Number: v.Number} },
	path: func(k VersionKey) (string, error) { return numberPath(KindVersion, k.App, k.Number) },
	name: versionName,
	valid: func(v teal.Version) error {
		for name, c := range v.Spec.Components {
			if c.Kind() == "" {
				return fmt.Errorf("the component %s is of no known kind", name)
			}
		}
		return nil
	},
	missing: func(k VersionKey) *teal.Error {
		return teal.Errorf(teal.CodeUnknownVersion, "There is no %s; `teal versions %s` lists those that exist.", versionName(k), k.App)
	},
}

var aliases = schema[AliasKey, teal.Alias]{
	kind:  KindAlias,
	key:   func(v teal.Alias) AliasKey { return AliasKey{App: v.App, Name: v.Name} },
	path:  aliasPath,
	valid: func(v teal.Alias) error { return teal.CheckTargets(v.Targets) },
	name:  func(k AliasKey) string { return "alias " + k.Name + " of app " + k.App },
	missing: func(k AliasKey) *teal.Error {
		return teal.Errorf(teal.CodeUnknownAlias, "There is no alias %[2]s of app %[1]s; `teal alias list %[1]s` lists those that exist, `teal alias set %[1]s %[2]s VERSION` creates it.", k.App, k.Name)
	},
}

var environments = schema[EnvironmentKey, teal.Environment]{
	kind: KindEnvironment,
	key:  func(v teal.Environment) EnvironmentKey { return EnvironmentKey{App: v.App, Version: v.Version} },
	path: func(k EnvironmentKey) (string, error) { return numberPath(KindEnvironment, k.App, int(k.Version)) },
	name: func(k EnvironmentKey) string { return "environment of " + contentName(k) },
	missing: func(k EnvironmentKey) *teal.Error {
		return teal.Errorf(teal.CodeVersionNotRunning, "The %s is not running; `teal status %s` shows which versions are.", contentName(k), k.App)
	},
}

var releases = schema[string, teal.Release]{
	kind:   KindRelease,
	number: 2,
	needs: func(v teal.Release) int {
		if len(v.Policy.SecretRefs()) > 0 && !v.Phase.Ended() {
			return 2 // an earlier Teal would run checks and hooks without their secrets
		}
		return firstSchema
	},
	key:  func(v teal.Release) string { return v.ID },
	path: releasePath,
	valid: func(v teal.Release) error {
		if !slices.Contains(teal.Phases, v.Phase) || v.App != teal.AppOfRelease(v.ID) {
			return fmt.Errorf("it has no known phase (%q), or is not one of app %q", v.Phase, v.App)
		}
		return nil
	},
	name: func(k string) string { return "release " + k },
	missing: func(k string) *teal.Error {
		return teal.Errorf(teal.CodeUnknownRelease, "There is no release %s; `teal history APP` lists an app's releases.", k)
	},
}

// TokenPattern matches the keys of all tokens.
const TokenPattern = "access.token.*"

var tokens = schema[string, teal.Token]{
	kind: KindToken,
	key:  func(v teal.Token) string { return v.Name },
	path: func(name string) (string, error) {
		return strings.TrimSuffix(TokenPattern, "*") + name, teal.CheckName("token", name)
	},
	name:    func(k string) string { return "token " + k },
	valid:   teal.Token.Validate,
	pattern: func(string) string { return TokenPattern },
	missing: func(k string) *teal.Error {
		return teal.Errorf(teal.CodeNotFound, "There is no token %s; `teal token list` lists those that exist.", k)
	},
}

func versionName(k VersionKey) string { return fmt.Sprintf("version %d of app %s", k.Number, k.App) }

func contentName(k EnvironmentKey) string {
	return fmt.Sprintf("version %s of app %s", k.Version, k.App)
}

func releasePath(id string) (string, error) {
	app, number, err := ParseReleaseID(id)
	if err != nil {
		return "", err
	}
	return numberPath(KindRelease, app, number)
}
