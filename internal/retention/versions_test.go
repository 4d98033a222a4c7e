package retention

import (
	"slices"
	"testing"

	"teal"
	"teal/internal/store"
)

func TestOutdated(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		versions int
		used     []int
		keep     int
		want     []int
	}{
		{"few", 3, []int{3}, 10, nil},
		{"those in use do not count", 5, []int{1, 5}, 2, []int{2}},
		{"the newest stays, used or not", 3, nil, 1, []int{1}},
		{"what is in use stays, however old", 6, []int{1, 2, 6}, 1, []int{3, 4}},
	}
	for _, c := range cases {
		var versions []store.Record[teal.Version]
		for n := range c.versions {
			versions = append(versions, store.Record[teal.Version]{Value: teal.Version{Number: n + 1}})
		}
		used := map[int]bool{}
		for _, n := range c.used {
			used[n] = true
		}
		var got []int
		for _, v := range outdated(versions, used, c.keep) {
			got = append(got, v.Value.Number)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
