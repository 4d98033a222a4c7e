package routing

import (
	"log/slog"
	"testing"

	"teal"
	"teal/internal/gateway"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// BenchmarkSet is a switch without the disk: order, write in memory, table,
// acknowledgement.
func BenchmarkSet(b *testing.B) {
	typed := store.New(memkv.New())
	r := New(Config{Gateway: gateway.New(), Aliases: typed.Aliases, Journal: NewJournal(typed), Fleet: newTwoRun(), Logger: slog.New(slog.DiscardHandler)})
	if err := r.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		if err := r.Set(b.Context(), teal.Alias{App: "shop", Name: teal.AliasLive, Targets: teal.Only(1 + n%2)}, r.Alias("shop", teal.AliasLive).Revision); err != nil {
			b.Fatal(err)
		}
		if route, err := r.Observe(b.Context(), "shop", teal.AliasLive); err != nil || !route.Holds {
			b.Fatal(route, err)
		}
	}
}
