package routing

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"teal"
	"teal/internal/gateway"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// sharing writes the records of two apps whose second version has the same route; shop is
// the older one.
func sharing(t *testing.T, kv store.KV) {
	t.Helper()
	typed := store.New(kv)
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, app := range []string{"shop", "blog"} {
		if _, err := typed.Apps.Create(t.Context(), teal.App{Name: app, CreatedAt: made.AddDate(0, i, 0)}); err != nil {
			t.Fatal(err)
		}
		if _, err := typed.Aliases.Create(t.Context(), teal.Alias{App: app, Name: teal.AliasLive, Targets: teal.Only(2)}); err != nil {
			t.Fatal(err)
		}
	}
}

// owner returns the app that a request goes to; "" for none.
func (r *nodeRoles) owner(path string) string {
	claim, err := r.table.gateway.Claim(gateway.Head{Host: "any", Path: path}, 0)
	if err != nil {
		return ""
	}
	claim.Release()
	return claim.Env.App()
}

func (r *nodeRoles) withheldOf() (apps []string) {
	for _, alert := range r.alerts.List() {
		if alert.Code == teal.AlertRouteWithheld {
			apps = append(apps, alert.Subject)
		}
	}
	return apps
}

// Of two apps that have one route by their records the older has it, the other goes on
// with its other routes and is named; it gets the route when the older one gives it up.
//
// Seen red when the app that came second lost all its routes, and when nobody looked
// whether a route had become free.
func TestAnAppDoesWithoutTheRouteOfAnOlderOne(t *testing.T) {
	for _, first := range []string{"shop", "blog"} {
		kv := memkv.New()
		sharing(t, kv)
		r := newRouter(t, kv)
		r.table.follow(first) //nolint:errcheck // it is followed again by the role
		if owner := r.owner("/shared"); owner != "shop" {
			t.Errorf("%q has the route", owner)
		}
		if owner := r.owner("/blog"); owner != "blog" {
			t.Errorf("%q has the route of blog alone", owner)
		}
		if apps := r.withheldOf(); !slices.Equal(apps, []string{"blog"}) {
			t.Errorf("alerts name %q", apps)
		}
		if err := r.point(t, "blog", 2); err != nil {
			t.Errorf("an order that changes nothing of it: %v", err)
		}
		spec := teal.Spec{App: "blog", Routes: []teal.Route{{Path: "/sh%61red", To: "web"}}}
		if err := r.CheckRoutes(t.Context(), spec); !teal.IsCode(err, teal.CodeRouteTaken) {
			t.Errorf("the next deploy: %v", err)
		}
		if err := r.point(t, "shop", 1); err != nil {
			t.Fatal(err)
		}
		if owner := r.owner("/shared"); owner != "blog" {
			t.Errorf("the older one has given it up, and %q has it", owner)
		}
		if apps := r.withheldOf(); len(apps) != 0 {
			t.Errorf("alerts name %q", apps)
		}
		if err := r.point(t, "shop", 2); !teal.IsCode(err, teal.CodeRouteTaken) {
			t.Errorf("it comes back to a route that is another's now: %v", err)
		}
	}
}

// In whatever order nodes learn of apps that share routes, they find the same owners.
//
// Seen red when the app that came first kept the route.
func TestAllNodesFindTheSameOwners(t *testing.T) {
	apps := []string{"a", "b", "c", "d"}
	kv := memkv.New()
	typed := store.New(kv)
	for i, app := range apps {
		created := time.Date(2026, 1, 9-2*(i%3), 0, 0, 0, 0, time.UTC) // a and d on the same day, b and c before
		if _, err := typed.Apps.Create(t.Context(), teal.App{Name: app, CreatedAt: created}); err != nil {
			t.Fatal(err)
		}
		if _, err := typed.Aliases.Create(t.Context(), teal.Alias{App: app, Name: teal.AliasLive, Targets: teal.Only(2)}); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := newNode(t, "only", kv, memkv.New())
		if err := n.index.Load(t.Context()); err != nil {
			rt.Fatal(err)
		}
		n.table.gateway.Open()
		order := rapid.Permutation(apps).Draw(rt, "order")
		for _, app := range append(order, rapid.SampledFrom(apps).Draw(rt, "again")) {
			if _, err := n.table.follow(app); err != nil {
				rt.Fatal(err)
			}
		}
		if owner := n.owner("/shared"); owner != "c" {
			rt.Errorf("%q has the route", owner)
		}
		if withheld := n.withheldOf(); !slices.Equal(withheld, []string{"a", "b", "d"}) {
			rt.Errorf("alerts name %q", withheld)
		}
		for _, app := range apps {
			if owner := n.owner("/" + app); owner != app {
				rt.Errorf("%q has the route of %s", owner, app)
			}
		}
	})
}
