package teal

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// TokenRole says what the holder of a token may do. Each role may do what the roles
// before it may.
type TokenRole string

// The roles, from the one that may do least.
const (
	RoleViewer   TokenRole = "viewer"   // looks
	RoleOperator TokenRole = "operator" // also keeps things going: pauses, approves, rolls back, freezes, stops
	RoleDeployer TokenRole = "deployer" // also deploys, promotes, points aliases, calls functions, deletes apps
	RoleAdmin    TokenRole = "admin"    // everything, on every app, tokens among it
)

// Roles are all roles, from the one that may do least.
var Roles = []TokenRole{RoleViewer, RoleOperator, RoleDeployer, RoleAdmin}

// Permits reports whether the role may do what needs another one.
func (r TokenRole) Permits(needed TokenRole) bool {
	have := slices.Index(Roles, r)
	return have >= 0 && have >= slices.Index(Roles, needed)
}

// Token is what is known of a token: not the token itself, which only its holder
// has.
type Token struct {
	Name      string    `json:"name"`
	ID        string    `json:"id"`   // the part of the token that says which one it is
	Hash      string    `json:"hash"` // SHA-256 of the whole token, in hexadecimal
	Role      TokenRole `json:"role"`
	Apps      []string  `json:"apps,omitempty"`       // that it is for; none: every app
	AccessKey bool      `json:"access_key,omitempty"` // it is also an access key for AWS's tools
	ExpiresAt time.Time `json:"expires_at,omitzero"`  // zero: never
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
}

// MaxTokenApps bounds how many apps a token may name.
const MaxTokenApps = 100

// Validate returns a CodeInvalidInput that says what is wrong with a token.
func (t Token) Validate() error {
	if err := CheckName("token", t.Name); err != nil {
		return err
	}
	if !slices.Contains(Roles, t.Role) {
		return Errorf(CodeInvalidInput, "%q is no role; the roles are %s", t.Role, joinRoles())
	}
	if t.Role == RoleAdmin && len(t.Apps) > 0 {
		return Errorf(CodeInvalidInput, "an admin's token is for every app; leave the apps out, or choose another role")
	}
	if len(t.Apps) > MaxTokenApps {
		return Errorf(CodeInvalidInput, "a token may name at most %d apps; one that names none is for every app", MaxTokenApps)
	}
	for i, app := range t.Apps {
		if err := CheckName("app", app); err != nil {
			return err
		}
		if slices.Contains(t.Apps[:i], app) {
			return Errorf(CodeInvalidInput, "the app %q is named twice", app)
		}
	}
	return nil
}

func joinRoles() string {
	names := make([]string, len(Roles))
	for i, r := range Roles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

// Expired reports whether the token's time is over.
func (t Token) Expired(now time.Time) bool {
	return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt)
}

// Sees reports whether the token is for an app.
func (t Token) Sees(app string) bool {
	return len(t.Apps) == 0 || slices.Contains(t.Apps, app)
}

// Permit returns nil if the token may do what needs a role, on an app, or on the
// whole server when app is "". Otherwise it returns a CodeForbidden that says what is
// missing.
func (t Token) Permit(needed TokenRole, app string) error {
	switch {
	case !t.Role.Permits(needed):
		return Errorf(CodeForbidden, "the token %q has the role %s, and this needs %s; ask an admin for one (teal token create NAME --role %s)", t.Name, t.Role, article(needed), needed)
	case app == "" && len(t.Apps) > 0:
		return Errorf(CodeForbidden, "the token %q is for %s alone, and this is about the whole server", t.Name, strings.Join(t.Apps, ", "))
	case !t.Sees(app) && app != "":
		return Errorf(CodeForbidden, "the token %q is for %s alone, not for %s", t.Name, strings.Join(t.Apps, ", "), app)
	}
	return nil
}

func article(r TokenRole) string {
	if strings.ContainsRune("aeiou", rune(r[0])) {
		return fmt.Sprintf("an %s", r)
	}
	return fmt.Sprintf("a %s", r)
}
