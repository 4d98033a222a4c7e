package control

import (
	"testing"

	"teal"
	"teal/internal/api"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// An app that is deleted while a version of it is recorded keeps none. Seen red
// without the look at Deleting in recordOnce.
func TestADeletedAppTakesNoVersion(t *testing.T) {
	t.Parallel()
	c := New(Config{Store: store.New(memkv.New())})
	if _, err := c.cfg.Store.Apps.Create(t.Context(), teal.App{Name: "hello", Deleting: true}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.recordOnce(t.Context(), api.Deploy{Spec: teal.Spec{App: "hello", Components: map[string]teal.Component{}}}, 2); !teal.IsCode(err, teal.CodeUnknownApp) {
		t.Errorf("recorded: %v", err)
	}
	if list, err := c.cfg.Store.Versions.List(t.Context(), "hello"); err != nil || len(list) > 0 {
		t.Errorf("%d versions are left, %v", len(list), err)
	}
}
