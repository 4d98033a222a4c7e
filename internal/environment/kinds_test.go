package environment

import (
	"testing"

	"teal"
)

// Seen red with the entry of upstreams missing.
func TestEveryKindOfComponentCanBeMade(t *testing.T) {
	t.Parallel()
	for _, kind := range teal.ComponentKinds() {
		if makers[kind] == nil {
			t.Errorf("nothing makes a %s", kind)
		}
	}
}
