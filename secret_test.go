package teal_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teal"
)

func refs(pairs ...string) map[string]teal.SecretRef {
	m := map[string]teal.SecretRef{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = teal.SecretRef{Name: pairs[i+1]}
	}
	return m
}

func secretive() (teal.Spec, teal.Policy) {
	spec := teal.Spec{App: "shop", Components: map[string]teal.Component{
		"f": {Function: &teal.Function{Code: "a", Secrets: refs("DB", "db", "KEY", "key")}},
		"w": {Service: &teal.Service{Code: "b", Secrets: refs("DB", "db", "KEY", "other"), Env: map[string]string{"PLAIN": "x"}}},
		"u": {Upstream: &teal.Upstream{}},
	}}
	policy := teal.Policy{
		Checks: []teal.Check{{Name: "c", Secrets: refs("TOKEN", "token")}},
		Steps:  []teal.Step{{Checks: []teal.Check{{Name: "d", Secrets: refs("TOKEN", "step")}}}},
		Hooks:  []teal.Hook{{Name: "h", Secrets: refs("TOKEN", "hook")}},
	}
	return spec, policy
}

// Binding changes copies alone, of everything that refers to a secret; a spec that is
// bound to other revisions is another content, and without them the same. Seen red without
// the copy of a component, and without the steps in WithRevisions.
func TestSecretsAreBound(t *testing.T) {
	t.Parallel()
	spec, policy := secretive()
	plain := spec.Digest()
	newest := map[string]int{"db": 3, "key": 1, "other": 2, "token": 4, "step": 5, "hook": 6}
	bound, told := spec.WithRevisions(newest), policy.WithRevisions(newest)
	for _, ref := range append(bound.SecretRefs(), told.SecretRefs()...) {
		if ref.Revision != newest[ref.Name] {
			t.Errorf("%+v, want revision %d", ref, newest[ref.Name])
		}
	}
	if n, m := len(bound.SecretRefs()), len(told.SecretRefs()); n != 3 || m != 3 {
		t.Errorf("%d and %d references", n, m)
	}
	wantSpec, wantPolicy := secretive()
	if diff := cmp.Diff(wantSpec, spec) + cmp.Diff(wantPolicy, policy); diff != "" {
		t.Errorf("what was bound has changed: %s", diff)
	}
	newest["db"] = 4
	if a, b := bound.Digest(), spec.WithRevisions(newest).Digest(); a == plain || a == b {
		t.Errorf("digests %s, %s and %s", plain, a, b)
	}
	if got := bound.Unbound().Digest(); got != plain {
		t.Errorf("unbound it is %s, want %s", got, plain)
	}
	if (teal.Spec{}).SecretRefs() != nil || (teal.Policy{}).SecretRefs() != nil {
		t.Error("nothing refers to something")
	}
}

// A command takes over the secrets of the components with its code, but for those that
// two of them set differently. Seen red without odd in commandSecrets, and without the
// look at secrets in CommandEnv.
func TestCommandSecrets(t *testing.T) {
	t.Parallel()
	spec, _ := secretive()
	if diff := cmp.Diff(refs("DB", "db", "KEY", "key"), spec.CommandSecrets("a")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(refs("DB", "db"), spec.CommandSecrets("")); diff != "" {
		t.Error(diff)
	}
	spec.Components["w"].Service.Env["DB"] = "a value"
	delete(spec.Components["w"].Service.Secrets, "DB")
	if got := spec.CommandSecrets(""); len(got) > 0 {
		t.Errorf("%v", got)
	}
	if env, _ := spec.CommandEnv(""); len(env) != 1 || env["PLAIN"] != "x" {
		t.Errorf("%v", env)
	}
}

// Variables of secrets are variables. Seen red without each of the looks in secrets.
func TestVariablesOfSecretsAreChecked(t *testing.T) {
	t.Parallel()
	for variable, says := range map[string]string{
		"1X": "not the name", "PORT": "set by Teal", "TEAL_SECRETS": "set by Teal", "HOST": "arguments of commands", "TWICE": "has a value and refers", "BAD": "not a valid secret name",
	} {
		name := "db"
		if variable == "BAD" {
			name = "a secret"
		}
		s := teal.Service{Secrets: refs(variable, name), Env: map[string]string{"TWICE": "v"}}
		found := ""
		for _, p := range (teal.Spec{App: "shop", Components: map[string]teal.Component{"w": {Service: &s}}}).Check() {
			found += p.String() + "\n"
		}
		if !strings.Contains(found, "services.w.env."+variable) || !strings.Contains(found, says) {
			t.Errorf("%s: %s", variable, found)
		}
	}
}
