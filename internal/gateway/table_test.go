package gateway

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"teal"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustWith(t testing.TB, table *Table, apps ...App) *Table {
	t.Helper()
	for _, app := range apps {
		next, err := table.With(app)
		if err != nil {
			t.Fatal(err)
		}
		table = next
	}
	return table
}

func gatewayWith(t testing.TB, apps ...App) *Gateway {
	t.Helper()
	g := New()
	if err := g.Update(func(table *Table) (*Table, error) { return mustWith(t, table, apps...), nil }); err != nil {
		t.Fatal(err)
	}
	return g
}

func liveApp(name string, targets []teal.Target, envs ...*Environment) App {
	app := App{Name: name, Aliases: map[string][]teal.Target{teal.AliasLive: targets}, Environments: map[teal.VersionRef]*Environment{}}
	for _, env := range envs {
		app.Environments[env.Version()] = env
	}
	return app
}

func route(host, path, to string) teal.Route { return teal.Route{Host: host, Path: path, To: to} }

// The naive model: a list of (host, prefix, what) and a scan.

type modelRoute struct {
	host, path, what string
}

func modelFind(list []modelRoute, host, path string) string {
	for _, wanted := range []string{host, ""} {
		best, what := -1, ""
		for _, r := range list {
			inside := r.path == "/" || path == r.path || strings.HasPrefix(path, r.path+"/")
			if r.host == wanted && inside && len(r.path) > best {
				best, what = len(r.path), r.what
			}
		}
		if best >= 0 {
			return what
		}
	}
	return ""
}

var (
	someHosts = rapid.SampledFrom([]string{"", "a.example", "b.example"})
	somePaths = rapid.SampledFrom([]string{"/", "/a", "/a/b", "/a/b/c", "/ab", "/b", "/b/a", "/a/b/c/d/e"})
	someAsked = rapid.SampledFrom([]string{"/", "/a", "/a/", "/a/b", "/a/bc", "/a/b/c/x", "/abc", "/ab/c", "//a", "/b/a/x", "/a/b/c/d/e/f", "/a//b", "/zzz"})
)

// drawApps draws apps of one live version each whose places do not collide,
// and the same as a model.
func drawApps(t *rapid.T) ([]App, []modelRoute) {
	taken := map[place]bool{}
	var apps []App
	var model []modelRoute
	for i := range rapid.IntRange(1, 5).Draw(t, "apps") {
		name := fmt.Sprintf("app-%d", i)
		var list []teal.Route
		for j := range rapid.IntRange(0, 5).Draw(t, "routes") {
			r := route(someHosts.Draw(t, "host"), somePaths.Draw(t, "path"), fmt.Sprintf("%s-c%d", name, j))
			if taken[placeOf(r)] {
				continue
			}
			taken[placeOf(r)] = true
			list = append(list, r)
			model = append(model, modelRoute{r.Host, r.Path, r.To})
		}
		apps = append(apps, liveApp(name, teal.Only(1), testEnvironment(name, 1, list...)))
	}
	return apps, model
}

func TestLookupEqualsANaiveScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		apps, model := drawApps(t)
		table := &Table{}
		for _, app := range apps {
			var err error
			if table, err = table.With(app); err != nil {
				t.Fatal(err)
			}
		}
		g := New()
		g.table.Store(table)
		for range 10 {
			host, path := someHosts.Draw(t, "asked host"), someAsked.Draw(t, "asked path")
			want := modelFind(model, host, path)
			claim, err := g.Claim(Head{Host: host, Path: path}, 0)
			if want == "" {
				if !teal.IsCode(err, teal.CodeNoRoute) {
					t.Fatalf("%s%s: got %v, %v; want no route", host, path, claim.Component, err)
				}
				continue
			}
			// An app may have the longest route for any host and another for this
			// host: the component is then chosen among the app's own, host first,
			// as the scan does.
			if err != nil || claim.Component.Name != want {
				t.Fatalf("%s%s: got %+v, %v; want %s", host, path, claim.Component, err, want)
			}
			claim.Release()
		}
	})
}

// dump writes a table in full, so that two can be compared.
func dump(t *Table) map[string]string {
	all := map[string]string{}
	each(t.nodes, func(at place, n node) {
		all["node "+at.String()] = fmt.Sprintf("live %q hidden %q below %d", n.live, slices.Clone(n.hidden), n.below)
	})
	each(t.apps, func(name string, r *record) {
		all["app "+name] = fmt.Sprintf("%v %v", slices.Sorted(maps.Keys(r.Environments)), r.Aliases)
	})
	return all
}

func each[K comparable, V any](s shards[K, V], f func(K, V)) {
	if s.array == nil {
		return
	}
	for _, shard := range s.array {
		for k, v := range shard {
			f(k, v)
		}
	}
}

func drawVersions(t *rapid.T, name string) App {
	app := liveApp(name, nil)
	for version := 1; version <= 3; version++ {
		var list []teal.Route
		for range rapid.IntRange(0, 3).Draw(t, "routes") {
			list = append(list, route(someHosts.Draw(t, "host"), somePaths.Draw(t, "path"), "c"))
		}
		switch rapid.IntRange(0, 2).Draw(t, "state") {
		case 0:
			app.Environments[teal.VersionRef(version)] = testEnvironment(name, version, list...)
		case 1:
			app.Starting = map[teal.VersionRef][]teal.Route{teal.VersionRef(version): list}
		}
	}
	primary := rapid.IntRange(1, 3).Draw(t, "primary")
	w := teal.Weight(rapid.SampledFrom([]int{0, 1000, 10000}).Draw(t, "weight"))
	app.Aliases[teal.AliasLive] = []teal.Target{{Version: teal.VersionRef(primary), Weight: teal.All - w}, {Version: teal.VersionRef(primary%3 + 1), Weight: w}}
	return app
}

// However a table came about, it equals the one built afresh from its apps; and
// the tables that it was made from have not changed.
func TestEditsEqualARebuild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, current := &Table{}, map[string]App{}
		for range rapid.IntRange(1, 12).Draw(t, "edits") {
			before, beforeDump := table, dump(table)
			name := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "app")
			if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
				table = table.Without(name)
				delete(current, name)
			} else {
				app := drawVersions(t, name)
				next, err := table.With(app)
				switch {
				case err == nil:
					table, current[name] = next, app
				case !teal.IsCode(err, teal.CodeRouteTaken):
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(beforeDump, dump(before)); diff != "" {
				t.Fatalf("an edit changed the table it was made from: %s", diff)
			}
		}
		fresh := &Table{}
		for _, name := range slices.Sorted(maps.Keys(current)) {
			var err error
			if fresh, err = fresh.With(current[name]); err != nil {
				t.Fatalf("the same apps afresh: %v", err)
			}
		}
		if diff := cmp.Diff(dump(fresh), dump(table)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestWithRefusesAnotherAppsRoute(t *testing.T) {
	table := mustWith(t, &Table{}, liveApp("shop", teal.Only(1), testEnvironment("shop", 1, route("a.example", "/x", "web"))))
	_, err := table.With(liveApp("blog", teal.Only(1), testEnvironment("blog", 1, route("A.example", "/x", "web"))))
	if !teal.IsCode(err, teal.CodeRouteTaken) || !strings.Contains(err.Error(), `"shop"`) || !strings.Contains(err.Error(), "a.example/x") {
		t.Fatalf("err = %v", err)
	}
	// A version that live gives nothing does not claim the route yet.
	blog := liveApp("blog", []teal.Target{{Version: 1, Weight: teal.All}, {Version: 2}},
		testEnvironment("blog", 1, route("b.example", "/", "web")), testEnvironment("blog", 2, route("a.example", "/x", "web")))
	mustWith(t, table, blog)
}

func TestOverridesReachPreviewRoutesAndNothingElseDoes(t *testing.T) {
	shop := liveApp("shop", teal.Only(1),
		testEnvironment("shop", 1, route("", "/", "web")),
		testEnvironment("shop", 2, route("", "/", "web"), route("", "/new", "new")))
	shop.Aliases[teal.AliasPreview] = teal.Only(2)
	shop.Aliases["gone"] = teal.Only(9)
	blog := liveApp("blog", teal.Only(7), testEnvironment("blog", 7, route("blog.example", "/", "blog")),
		testEnvironment("blog", 8, route("", "/new/blog", "hidden")))
	g := gatewayWith(t, shop, blog)

	tests := []struct {
		name      string
		head      Head
		version   teal.VersionRef
		component string
		code      teal.Code
	}{
		{"live", Head{Host: "x", Path: "/new/1"}, 1, "web", ""},
		{"by version", Head{Host: "x", Path: "/new/1", Version: "2"}, 2, "new", ""},
		{"by alias", Head{Host: "x", Path: "/new/1", Alias: "preview"}, 2, "new", ""},
		{"another app's version", Head{Host: "x", Path: "/new/blog", Version: "8"}, 8, "hidden", ""},
		{"not captured by another app's preview", Head{Host: "x", Path: "/new/blog", Version: "2"}, 2, "new", ""},
		{"host, port and dot", Head{Host: "BLOG.example.:8080", Path: "/new"}, 7, "blog", ""},
		{"not running", Head{Host: "x", Path: "/", Version: "3"}, 0, "", teal.CodeVersionNotRunning},
		{"alias to a version not running", Head{Host: "x", Path: "/", Alias: "gone"}, 0, "", teal.CodeVersionNotRunning},
		{"unknown alias", Head{Host: "x", Path: "/", Alias: "nope"}, 0, "", teal.CodeUnknownAlias},
		{"not a number", Head{Host: "x", Path: "/", Version: "two"}, 0, "", teal.CodeInvalidInput},
		{"zero", Head{Host: "x", Path: "/", Version: "0"}, 0, "", teal.CodeInvalidInput},
		{"both", Head{Host: "x", Path: "/", Version: "1", Alias: "live"}, 0, "", teal.CodeInvalidInput},
		{"asterisk", Head{Host: "x", Path: "*"}, 0, "", teal.CodeNoRoute},
		{"the version has no such route", Head{Host: "blog.example", Path: "/", Version: "8"}, 8, "", teal.CodeNoRoute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			claim, err := g.Claim(tt.head, 0)
			if teal.CodeOf(err) != tt.code || claim.Version != tt.version {
				t.Fatalf("got version %d, %v; want %d, code %q", claim.Version, err, tt.version, tt.code)
			}
			if err == nil {
				defer claim.Release()
				if claim.Component.Name != tt.component {
					t.Fatalf("component = %s, want %s", claim.Component.Name, tt.component)
				}
			}
		})
	}
}

func TestALiveVersionThatIsStarting(t *testing.T) {
	app := liveApp("shop", teal.Only(1))
	app.Starting = map[teal.VersionRef][]teal.Route{1: {route("", "/shop", "web")}}
	g := gatewayWith(t, app)
	claim, err := g.Claim(Head{Host: "x", Path: "/shop/1"}, 0)
	if !teal.IsCode(err, teal.CodeUnavailable) || claim.Version != 1 {
		t.Fatalf("got %d, %v", claim.Version, err)
	}
	if _, err := g.ClaimQualifier("shop", "", "", 0); !teal.IsCode(err, teal.CodeUnavailable) {
		t.Fatalf("err = %v", err)
	}
}

// A table that names a retired environment is a defect of the writer; a claim
// says so instead of looking for ever.
func TestATableOfRetiredEnvironments(t *testing.T) {
	env := testEnvironment("shop", 1, route("", "/", "web"))
	g := gatewayWith(t, liveApp("shop", teal.Only(1), env))
	env.Retire()
	if _, err := g.Claim(Head{Path: "/"}, 0); !teal.IsCode(err, teal.CodeUnavailable) {
		t.Fatalf("err = %v", err)
	}
}

type nothing struct{ Function }

// Seen red with $LATEST taken for an alias, with 999999 taken for the draft, with the
// live targets in the place of an unknown alias's, with every version that does not run
// said to be starting, with the wrong side of the point, and without the alias's name.
func TestClaimQualifier(t *testing.T) {
	env := func(version int, functions ...string) *Environment {
		components := map[string]*Component{"web": {Name: "web"}}
		for _, name := range functions {
			components[name] = &Component{Name: name, Function: nothing{}}
		}
		return NewEnvironment(EnvironmentConfig{App: "shop", Version: teal.VersionRef(version), Components: components})
	}
	app := liveApp("shop", []teal.Target{{Version: 1, Weight: 9000}, {Version: 2, Weight: 1000}}, env(1, "hello"), env(2, "hello"), env(3, "hello", "bye"), env(int(teal.Draft), "hello"))
	g := gatewayWith(t, app)
	tests := []struct {
		app, qualifier, component string
		point                     teal.Weight
		version                   teal.VersionRef
		alias                     string
		code                      teal.Code
	}{
		{"shop", "", "", 5000, 1, "live", ""},
		{"shop", "live", "hello", 999, 2, "live", ""},
		{"shop", "3", "bye", 0, 3, "", ""},
		{"shop", "3", "", 0, 3, "", teal.CodeUnknownComponent},
		{"shop", "1", "web", 0, 1, "", teal.CodeUnknownComponent},
		{"shop", "1", "nope", 0, 1, "", teal.CodeUnknownComponent},
		{"shop", "4", "", 0, 0, "", teal.CodeVersionNotRunning},
		{"shop", "$LATEST", "", 0, teal.Draft, "", ""},
		{"shop", "999999", "", 0, 0, "", teal.CodeUnknownAlias},
		{"shop", "beta", "", 0, 0, "", teal.CodeUnknownAlias},
		{"blog", "", "", 0, 0, "", teal.CodeUnknownApp},
	}
	for _, tt := range tests {
		claim, err := g.ClaimQualifier(tt.app, tt.qualifier, tt.component, tt.point)
		if teal.CodeOf(err) != tt.code || claim.Version != tt.version || claim.Alias != tt.alias {
			t.Errorf("%+v: got version %d alias %q, %v", tt, claim.Version, claim.Alias, err)
		}
		if err == nil {
			claim.Release()
		}
	}
}

// C4 and C5: one point sees one version; raising the weight only moves points
// from the first to the second; 0 and All are exact.
func TestPickIsMonotone(t *testing.T) {
	at := func(w teal.Weight, point teal.Weight) teal.VersionRef {
		return Pick([]teal.Target{{Version: 1, Weight: teal.All - w}, {Version: 2, Weight: w}}, point)
	}
	rapid.Check(t, func(t *rapid.T) {
		low := teal.Weight(rapid.IntRange(0, int(teal.All)).Draw(t, "low"))
		high := teal.Weight(rapid.IntRange(int(low), int(teal.All)).Draw(t, "high"))
		point := teal.Weight(rapid.IntRange(0, int(teal.All)-1).Draw(t, "point"))
		if at(low, point) == 2 && at(high, point) != 2 {
			t.Fatalf("point %d went back when the weight rose from %d to %d", point, low, high)
		}
	})
	for _, w := range []teal.Weight{0, 1, 1000, 9999, teal.All} {
		var second teal.Weight
		for point := range teal.All {
			if at(w, point) == 2 {
				second++
			}
		}
		if second != w {
			t.Errorf("weight %d: %d points", w, second)
		}
	}
}

func TestPickIsWithinBinomialBounds(t *testing.T) {
	const n = 200_000
	random := rand.New(rand.NewPCG(1, 2))
	for _, percent := range []int{1, 10, 50, 99} {
		w := teal.Percent(percent)
		targets := []teal.Target{{Version: 1, Weight: teal.All - w}, {Version: 2, Weight: w}}
		second := 0
		for range n {
			if Pick(targets, teal.Weight(random.Int32N(int32(teal.All)))) == 2 {
				second++
			}
		}
		p := float64(percent) / 100
		if deviation := math.Abs(float64(second)-n*p) / math.Sqrt(n*p*(1-p)); deviation > 5 {
			t.Errorf("%d %%: %d of %d, %.1f standard deviations off", percent, second, n, deviation)
		}
	}
}

func TestNormalHost(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a.example": "a.example", "A.Example:80": "a.example", "a.example.": "a.example", "a.example.:8443": "a.example",
		"127.0.0.1:9": "127.0.0.1", "[::1]:80": "::1", "[::1]": "::1", ":80": "",
	} {
		if got := NormalHost(in); got != want {
			t.Errorf("NormalHost(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClaim(f *testing.F) {
	for _, path := range []string{"/", "/a/b", "//", "", "*", "/a/b/c/", strings.Repeat("/", 1000)} {
		f.Add("a.example:80", path)
	}
	list := []teal.Route{route("", "/", "root"), route("a.example", "/a", "a"), route("a.example", "/a/b", "b")}
	model := []modelRoute{{"", "/", "root"}, {"a.example", "/a", "a"}, {"a.example", "/a/b", "b"}}
	g := gatewayWith(f, liveApp("shop", teal.Only(1), testEnvironment("shop", 1, list...)))
	f.Fuzz(func(t *testing.T, host, path string) {
		claim, err := g.Claim(Head{Host: host, Path: path}, 0)
		normal, ok := teal.NormalPath(path)
		if err != nil {
			if ok && strings.HasPrefix(path, "/") && !strings.Contains(normal, "/.") && !strings.Contains(normal, encodedSlash+".") {
				t.Fatal(err)
			}
			return
		}
		defer claim.Release()
		if want := modelFind(model, NormalHost(host), strings.ReplaceAll(normal, encodedSlash, "/")); claim.Component.Name != want {
			t.Fatalf("%q %q: %s, want %s", host, path, claim.Component.Name, want)
		}
	})
}

func TestClaimAllocatesNothing(t *testing.T) {
	g := manyApps(t, 100)
	if n := testing.AllocsPerRun(1000, func() {
		claim, err := g.Claim(Head{Host: "app-7.example:8080", Path: "/a/b/c"}, 1)
		if err != nil {
			t.Fatal(err)
		}
		claim.Release()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// manyApps returns a gateway with n apps, each on a host of its own and under a
// prefix of a host that all share.
func manyApps(t testing.TB, n int) *Gateway {
	table := &Table{}
	for i := range n {
		table = mustWith(t, table, benchApp(i, 0))
	}
	g := New()
	g.table.Store(table)
	return g
}

func benchApp(i int, w teal.Weight) App {
	name := fmt.Sprintf("app-%d", i)
	list := []teal.Route{route(name+".example", "/", "web"), route(name+".example", "/api", "api"), route("shared.example", "/"+name, "web")}
	return liveApp(name, []teal.Target{{Version: 1, Weight: teal.All - w}, {Version: 2, Weight: w}},
		testEnvironment(name, 1, list...), testEnvironment(name, 2, append(list, route(name+".example", "/v2", "web"))...))
}

func BenchmarkClaim(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("%d-apps", n), func(b *testing.B) {
			g := manyApps(b, n)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					claim, err := g.Claim(Head{Host: "app-0.example:8080", Path: "/api/orders/17"}, 1)
					if err != nil {
						b.Fatal(err)
					}
					claim.Release()
				}
			})
		})
	}
}

// The goal is less than 100 µs for one app changed among 10 000.
func BenchmarkTableWith10000(b *testing.B) {
	table := manyApps(b, 10_000).Table()
	shift := []App{benchApp(5000, 0), benchApp(5000, teal.All)}
	release := []App{liveApp("app-5000", teal.Only(1), shift[0].Environments[1]), shift[0]}
	for name, pair := range map[string][]App{"shift-weight": shift, "version-added-and-removed": release} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			t := table
			for i := 0; b.Loop(); i++ {
				var err error
				if t, err = t.With(pair[i%2]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
