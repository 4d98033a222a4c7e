package api

import (
	"testing"

	"teal"
)

// Seen red with the runs joined by commas alone.
func TestWhichVersionsExist(t *testing.T) {
	t.Parallel()
	for want, numbers := range map[string][]int{
		"there is none yet":               nil,
		"there is only v4":                {4},
		"there are v1 to v3":              {1, 2, 3},
		"there are v1 and v3":             {1, 3},
		"there are v1, v4 to v6 and v9":   {1, 4, 5, 6, 9},
		"there are v1, v2, v998 and v999": {1, 2, 998, 999},
	} {
		var versions []teal.Version
		for _, n := range numbers {
			versions = append(versions, teal.Version{Number: n})
		}
		if got := whichExist(versions); got != want {
			t.Errorf("%v: %q, want %q", numbers, got, want)
		}
	}
}
