package awslambda

import (
	"maps"
	"slices"
	"testing"

	"teal"
)

// A masked value that comes back as it was shown is not taken for a new one. Seen red
// when the variables were replaced by what was sent: the secret was "***".
func TestAMaskedValueThatComesBackStays(t *testing.T) {
	t.Parallel()
	f := teal.Function{Env: map[string]string{"KEY": "secret", "OLD": "secret", "GONE": "secret", "PLAIN": "a"}, Masked: []string{"GONE", "KEY", "OLD"}}
	env, masked := changedEnv(f, map[string]string{"KEY": teal.MaskedValue, "OLD": "new", "PLAIN": teal.MaskedValue})
	want := map[string]string{"KEY": "secret", "OLD": "new", "PLAIN": teal.MaskedValue}
	if !maps.Equal(env, want) || !slices.Equal(masked, []string{"KEY"}) {
		t.Errorf("%v, masked %v; want %v", env, masked, want)
	}
}
