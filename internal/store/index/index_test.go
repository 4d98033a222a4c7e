package index_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"teal"
	"teal/internal/store"
	"teal/internal/store/index"
	"teal/internal/store/memkv"
)

func spec(app string, functions ...string) teal.Spec {
	s := teal.Spec{App: app, Components: map[string]teal.Component{"web": {Service: &teal.Service{}}}}
	for _, name := range functions {
		s.Components[name] = teal.Component{Function: &teal.Function{Code: "code of " + name}}
	}
	return s
}

func pieces(s teal.Spec) (list []string) {
	for _, name := range index.FunctionsOf(s) {
		list = append(list, s.Components[name].Function.Code)
	}
	return list
}

func numbers(list []index.Version) (all []int) {
	for _, v := range list {
		all = append(all, v.Number)
	}
	return all
}

// What has been written through the index is in it when the write has returned;
// what was there before is in it once it is loaded; what was deleted is not.
//
// Seen red with a Store over the KV below the mirrors.
func TestTheIndexIsNeverBehind(t *testing.T) {
	t.Parallel()
	ctx, kv := t.Context(), memkv.New()
	if _, err := store.New(kv).Versions.Create(ctx, teal.Version{App: "old", Number: 3, Spec: spec("old", "f")}); err != nil {
		t.Fatal(err)
	}
	i := index.New(kv, pieces)
	if err := i.Load(ctx); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- i.Run(running) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	if v, ok := i.Version(store.VersionKey{App: "old", Number: 3}); !ok || !slices.Equal(v.Functions, []string{"f"}) || !slices.Equal(v.Pieces, []string{"code of f"}) {
		t.Errorf("what was there before: %+v, %v", v, ok)
	}
	if _, err := i.Store().Apps.Create(ctx, teal.App{Name: "new", LastVersion: 12}); err != nil {
		t.Fatal(err)
	}
	if app, ok := i.App("new"); !ok || app.LastVersion != 12 || len(i.Apps()) != 1 {
		t.Errorf("an app that was just written: %+v, %v", app, ok)
	}
	for n := 12; n > 0; n-- {
		before := i.Changes()
		record, err := i.Store().Versions.Create(ctx, teal.Version{App: "new", Number: n, Digest: fmt.Sprint(n), Spec: spec("new")})
		if err != nil {
			t.Fatal(err)
		}
		v, ok := i.Version(store.VersionKey{App: "new", Number: n})
		if content, err := v.Content(); !ok || err != nil || content.Digest != fmt.Sprint(n) || i.Changes() == before {
			t.Errorf("version %d, just written: %+v, %v", n, content, err)
		}
		if n%2 == 0 {
			continue
		}
		if err := i.Store().Versions.Delete(ctx, store.VersionKey{App: "new", Number: n}, record.Revision); err != nil {
			t.Fatal(err)
		}
	}
	if got := numbers(i.Versions()["new"]); !slices.Equal(got, []int{2, 4, 6, 8, 10, 12}) {
		t.Errorf("after half of them were deleted: %v", got)
	}
	if _, ok := i.App("none"); ok {
		t.Error("there is an app that nobody made")
	}
}

// Of an app's releases those that have not ended are kept, and the newest one,
// whichever it was loaded or written as. Seen red without trimFor in Mirror.Load, and
// without it in keep: the ended ones were kept; and when a newer release did not take
// the place of the newest.
func TestReleasesThatAreKept(t *testing.T) {
	t.Parallel()
	kv := memkv.New()
	ctx := t.Context()
	release := func(n int, phase teal.Phase) teal.Release {
		return teal.Release{ID: teal.ReleaseID("shop", n), App: "shop", Phase: phase}
	}
	s := store.New(kv)
	for n := 1; n <= 11; n++ {
		phase := teal.PhaseCompleted
		if n == 4 {
			phase = teal.PhaseShifting
		}
		if _, err := s.Releases.Create(ctx, release(n, phase)); err != nil {
			t.Fatal(err)
		}
	}
	i := index.New(kv, func(teal.Spec) []string { return nil })
	if err := i.Load(ctx); err != nil {
		t.Fatal(err)
	}
	want := func(when string, kept ...int) {
		t.Helper()
		for n := 1; n <= 14; n++ {
			if r, ok := i.Release(teal.ReleaseID("shop", n)); ok != slices.Contains(kept, n) || ok && r.ID != teal.ReleaseID("shop", n) {
				t.Errorf("%s: release %d is kept: %t", when, n, ok)
			}
		}
		newest := 0
		if r, ok := i.NewestRelease("shop"); ok {
			newest = teal.NumberOfRelease(r.ID)
		}
		if newest != slices.Max(append(kept, 0)) {
			t.Errorf("%s: the newest release is %d", when, newest)
		}
	}
	want("loaded", 4, 11)
	through := i.Store().Releases
	for _, n := range []int{12, 13} {
		if _, err := through.Create(ctx, release(n, teal.PhaseQueued)); err != nil {
			t.Fatal(err)
		}
	}
	want("two that wait", 4, 12, 13)
	for _, id := range []string{"shop-4", "shop-13", "shop-12"} {
		if _, err := through.Modify(ctx, id, func(r *teal.Release) error { r.Phase = teal.PhaseAborted; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	want("all ended", 13)
	last, err := through.Get(ctx, "shop-13")
	if err == nil {
		err = through.Delete(ctx, "shop-13", last.Revision)
	}
	if err != nil {
		t.Fatal(err)
	}
	want("the newest is deleted")
	if _, err := through.Create(ctx, release(14, teal.PhaseCompleted)); err != nil {
		t.Fatal(err)
	}
	want("the next one", 14)
}
