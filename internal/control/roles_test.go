package control

import (
	"fmt"
	"slices"
	"testing"

	"teal"
	"teal/internal/api"
	"teal/internal/store/index"
	"teal/internal/store/memkv"
)

// Roles follow the active release, from memory; a release that has ended gives none, and
// an app that is being deleted is told of no more. Seen red without the active release, and
// with the release of the deleted app.
func TestRoles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	kv := &counted{KV: memkv.New()}
	c, s := newCatalog(t, kv, 3)
	if _, err := s.Releases.Create(ctx, teal.Release{ID: "app-0001-4", App: "app-0001", From: 2, To: 1, Phase: teal.PhaseProvisioning}); err != nil {
		t.Fatal(err)
	}
	for app, change := range map[string]func(*teal.App) error{
		"app-0001": func(a *teal.App) error { a.Active = "app-0001-4"; return nil },
		"app-0002": func(a *teal.App) error { a.Deleting = true; return nil },
	} {
		if _, err := s.Apps.Modify(ctx, app, change); err != nil {
			t.Fatal(err)
		}
	}
	kv.reads.Store(0)
	roles := NewRoles(c.cfg.Known.(*index.Index), c.cfg.Router)
	var got []string
	for _, app := range []string{"app-0000", "app-0001", "nope"} {
		for _, version := range []teal.VersionRef{1, 2, 3, teal.Draft} {
			got = append(got, fmt.Sprintf("%s %s %s", app, version, roles.Of(app, version)))
		}
	}
	want := []string{
		"app-0000 1 ", "app-0000 2 current", "app-0000 3 ", "app-0000 $LATEST ",
		"app-0001 1 new", "app-0001 2 current", "app-0001 3 ", "app-0001 $LATEST ",
		"nope 1 ", "nope 2 ", "nope 3 ", "nope $LATEST ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	got = nil
	for _, r := range roles.Releases() {
		got = append(got, r.ID)
	}
	slices.Sort(got)
	if want := []string{"app-0000-3", "app-0001-4"}; !slices.Equal(got, want) {
		t.Errorf("releases %q, want %q", got, want)
	}
	if reads := kv.reads.Load(); reads > 0 {
		t.Errorf("%d reads of the store", reads)
	}
}

// measuredAs is the same traffic for every app.
type measuredAs struct{ teal.AppTraffic }

func (m measuredAs) Lately(string, []teal.VersionRef) teal.AppTraffic { return m.AppTraffic }

// The list has the figures of each app and version, and none of their components, which
// only a single app's status has room for. Seen red with nothing asked.
func TestAppsHaveTheirTraffic(t *testing.T) {
	t.Parallel()
	c, _ := newCatalog(t, memkv.New(), 2)
	v2 := teal.VersionTraffic{Traffic: teal.Traffic{Window: teal.TrafficWindow, Requests: 120, Errors: 120}}
	c.cfg.Traffic = measuredAs{teal.AppTraffic{Traffic: v2.Traffic, Versions: map[teal.VersionRef]teal.VersionTraffic{2: v2}}}
	apps, err := c.Apps(t.Context())
	if err != nil || len(apps) != 2 {
		t.Fatal(apps, err)
	}
	for _, status := range apps {
		env := status.Environments[1]
		if status.Traffic == nil || env.Traffic == nil || status.Environments[0].Traffic == nil {
			t.Fatalf("%+v", status)
		}
		if status.Traffic.RequestsPerSecond != 2 || env.Failing == "" || env.State != api.StateServing || env.Traffic.Errors != 120 || env.Components != nil {
			t.Errorf("%+v", status)
		}
		if before := status.Environments[0]; before.Failing != "" || before.Traffic.Requests != 0 {
			t.Errorf("%+v", before)
		}
	}
}
