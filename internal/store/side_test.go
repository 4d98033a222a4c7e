package store_test

import (
	"testing"

	"teal"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

type note struct{ App, Name, Text string }

func TestSideRecords(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	kv := memkv.New()
	key := func(n note) store.SideKey { return store.SideKey{App: n.App, Name: n.Name} }
	notes := store.NewSide(kv, "lambda", "notes", key)
	others := store.NewSide(kv, "lambda", "others", key)
	for _, n := range []note{{"shop", "a", "1"}, {"shop", "b", "2"}, {"Shop", "a", "3"}} {
		if _, err := notes.Create(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	for app, want := range map[string]int{"": 3, "shop": 2, "Shop": 1, "none": 0, "*": 0} {
		if list, err := notes.List(ctx, app); err != nil || len(list) != want {
			t.Errorf("%q: %d records, %v; want %d", app, len(list), err, want)
		}
	}
	if list, err := others.List(ctx, ""); err != nil || len(list) != 0 {
		t.Errorf("another table has %d, %v", len(list), err)
	}
	if got, err := notes.Get(ctx, store.SideKey{App: "shop", Name: "b"}); err != nil || got.Value.Text != "2" {
		t.Errorf("got %v, %v", got, err)
	}
	_, err := notes.Get(ctx, store.SideKey{App: "shop", Name: "c"})
	wantErr(t, err, store.ErrNotFound, teal.CodeNotFound)
	_, err = notes.Create(ctx, note{App: "shop", Name: "a.b"})
	wantErr(t, err, nil, teal.CodeInvalidInput)
	changes, err := store.New(kv).WatchApp(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	defer changes.Stop()
	if len(changes.Snapshot) != 0 {
		t.Errorf("a watch of the apps sees %v", changes.Snapshot)
	}
}
