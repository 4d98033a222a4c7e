package routing

import (
	"testing"

	"teal"
	"teal/internal/store/memkv"
)

// BenchmarkSet is a switch without the disk: order, write in memory, table,
// acknowledgement.
func BenchmarkSet(b *testing.B) {
	r := newNodeWith(b, "only", memkv.New(), memkv.New(), newTwoRun())
	r.start(b)
	for n := 0; b.Loop(); n++ {
		if err := r.Set(b.Context(), teal.Alias{App: "shop", Name: teal.AliasLive, Targets: teal.Only(1 + n%2)}, r.Alias("shop", teal.AliasLive).Revision); err != nil {
			b.Fatal(err)
		}
		if route, err := r.Observe(b.Context(), "shop", teal.AliasLive); err != nil || !route.Holds {
			b.Fatal(route, err)
		}
	}
}
