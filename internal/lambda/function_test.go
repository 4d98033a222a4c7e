package lambda

import (
	"log/slog"
	"testing"
	"time"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/store/index"
	"teal/internal/store/memkv"
)

// An invocation by name finds its function without the store, which may wait for a
// disk; also when the name could be split in several ways.
//
// Seen red with a Find that reads the app's record, or the draft of a function that the
// index has: nobody is there to be asked; and with one that splits no name.
func TestAFunctionIsFoundWithoutTheStore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	kv := memkv.New()
	known := index.New(kv, func(teal.Spec) []string { return nil })
	if err := known.Load(ctx); err != nil {
		t.Fatal(err)
	}
	spec := func(app string) teal.Spec {
		return teal.Spec{App: app, Components: map[string]teal.Component{app: {Function: &teal.Function{}}}}
	}
	typed, records := known.Store(), NewRecords(kv, known.Store(), nil, 0)
	if _, err := typed.Apps.Create(ctx, teal.App{Name: "hello", LastVersion: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := typed.Versions.Create(ctx, teal.Version{App: "hello", Number: 1, Spec: spec("hello")}); err != nil {
		t.Fatal(err)
	}
	if _, err := typed.Apps.Create(ctx, teal.App{Name: "a-b"}); err != nil {
		t.Fatal(err)
	}
	if err := records.drafts.write(ctx, draft{App: "a-b", Spec: spec("a-b"), CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	without := New(Config{Records: records, Index: known, Logger: slog.New(slog.DiscardHandler)})
	for name, want := range map[string]awslambda.Ref{"hello": {App: "hello", Component: "hello"}, "a-b": {App: "a-b", Component: "a-b"}, "hello-hello": {App: "hello", Component: "hello"}, "none": {}} {
		ref, err := without.Find(ctx, name)
		if ref != want || (err == nil) != (want != awslambda.Ref{}) {
			t.Errorf("%s: %+v, %v", name, ref, err)
		}
	}
}
