package function

import (
	"slices"
	"testing"

	"teal"
)

func TestProcessorsFollowTheMemory(t *testing.T) {
	for _, c := range []struct {
		memory teal.Bytes
		cpus   int
		want   int
	}{
		{128 * teal.MiB, 8, 1},
		{1769 * teal.MiB, 8, 1},
		{1770 * teal.MiB, 8, 2},
		{10 * teal.GiB, 8, 6},
		{10 * teal.GiB, 2, 2},
	} {
		if got := processors(c.memory, c.cpus); got != c.want {
			t.Errorf("%s on %d CPUs: %d, want %d", c.memory, c.cpus, got, c.want)
		}
	}
}

func TestGoFunctionsGetTheirProcessorsUnlessTheySayHowMany(t *testing.T) {
	cfg := Config{Function: teal.Function{Runtime: "provided.al2023", Memory: 128 * teal.MiB}}
	if env := cfg.environ(place{}, ""); !slices.Contains(env, "GOMAXPROCS=1") {
		t.Errorf("GOMAXPROCS=1 is not in %q", env)
	}
	cfg.Function.Env = map[string]string{"GOMAXPROCS": "7"}
	if env := cfg.environ(place{}, ""); !slices.Contains(env, "GOMAXPROCS=7") {
		t.Errorf("GOMAXPROCS=7 is not in %q", env)
	}
}
