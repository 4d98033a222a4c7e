package teal_test

import (
	"maps"
	"slices"
	"testing"

	"teal"
)

// A command has the variables of the components whose code it has, else those of all;
// what two set differently is nobody's, and what one masks is masked.
//
// Seen red when the last of two different values won, when the code was not looked at,
// when files that no program runs counted as code, and when the first masked name alone counted.
func TestCommandEnv(t *testing.T) {
	t.Parallel()
	spec := teal.Spec{Components: map[string]teal.Component{
		"web":  {Service: &teal.Service{Code: "sha256:web", Env: map[string]string{"DB": "d", "ROLE": "web", "SHARED": "s"}, Masked: []string{"DB"}}},
		"fn":   {Function: &teal.Function{Code: "sha256:fn", Env: map[string]string{"DB": "d", "ROLE": "fn", "SEED": "1"}, Masked: []string{"SEED", "GONE"}}},
		"old":  {Upstream: &teal.Upstream{URLs: []string{"http://x"}}},
		"site": {Static: &teal.Static{Code: "sha256:test"}},
	}}
	for code, want := range map[string]struct {
		env    map[string]string
		masked []string
	}{
		"sha256:web":  {map[string]string{"DB": "d", "ROLE": "web", "SHARED": "s"}, []string{"DB"}},
		"sha256:fn":   {map[string]string{"DB": "d", "ROLE": "fn", "SEED": "1"}, []string{"SEED"}},
		"sha256:test": {map[string]string{"DB": "d", "SHARED": "s", "SEED": "1"}, []string{"DB", "SEED"}},
		"":            {map[string]string{"DB": "d", "SHARED": "s", "SEED": "1"}, []string{"DB", "SEED"}},
	} {
		env, masked := spec.CommandEnv(code)
		if !maps.Equal(env, want.env) || !slices.Equal(masked, want.masked) {
			t.Errorf("code %q: %v masked %v, want %v masked %v", code, env, masked, want.env, want.masked)
		}
	}
	if env := spec.Components["web"].Service.Env; len(env) != 3 {
		t.Errorf("the version has changed: %v", env)
	}
}
