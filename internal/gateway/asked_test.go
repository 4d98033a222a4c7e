package gateway

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"

	"teal"
)

// routed claims a request and returns which component got it, or the code of the
// error: once by the table, and once by the version's own routes, which must agree.
func routed(t *testing.T, list []teal.Route, head Head) string {
	t.Helper()
	env := testEnvironment("shop", 1, list...)
	of := func(claim Claim, err error) string {
		if err != nil {
			return string(teal.CodeOf(err))
		}
		defer claim.Release()
		return cmp.Or(claim.Component.Name+" by "+cmp.Or(claim.Route, "/"), "nothing")
	}
	public, preview := of(gatewayWith(t, liveApp("shop", teal.Only(1), env)).Claim(head, 0)), of(env.Preview(head))
	if public != preview {
		t.Errorf("%s%s: %s, and %s by its preview", head.Host, head.Path, public, preview)
	}
	return public
}

// Seen red with the paths of routes taken as they are written, with the requests' taken
// so, with an encoded slash that is nowhere in a route taken for another character, with
// dot segments left alone, and with only their end looked at.
func TestSpellingsOfAPath(t *testing.T) {
	list := []teal.Route{
		route("", "/", "root"), route("", "/admin", "admin"), route("", "/a%2fb", "slash"), route("", "/ü", "umlaut"),
		route("", "/a b", "space"), route("", "/files/x", "files"), route("", "/at%40", "at"),
	}
	for path, want := range map[string]string{
		"/a%2Fb": "slash by /a%2Fb", "/a%2fb/c": "slash by /a%2Fb", "/a/b": "root by /", "/%61%2Fb": "slash by /a%2Fb",
		"/%C3%BC": "umlaut by /%C3%BC", "/%c3%bc/x": "umlaut by /%C3%BC", "/ü": "umlaut by /%C3%BC", "/%C3": "root by /",
		"/a%20b": "space by /a%20b", "/a+b": "root by /", "/at@": "at by /at@", "/at%40/x": "at by /at@",
		"/%61dmin": "admin by /admin", "/%61%64min/x": "admin by /admin", "/%2561dmin": "root by /",
		// What is behind may read an encoded slash as one: it gets no other component for it.
		"/admin%2Fx": "admin by /admin", "/files%2fx": "files by /files/x", "/files%2Fx%2Fy/z": "files by /files/x", "/files%252Fx": "root by /",
		"/x%zz": string(teal.CodeInvalidInput), "/admin/%": string(teal.CodeInvalidInput),
		// Dot segments must not lead from one route to another.
		"/x/../y": "root by /", "/./y": "root by /", "/x/..": "root by /", "/admin/./x": "admin by /admin", "/admin/x/..": "admin by /admin", "/...": "root by /", "/.a/..b": "root by /",
		"/x/../admin": string(teal.CodeInvalidInput), "/x/%2e%2E/admin/y": string(teal.CodeInvalidInput), "/x%2F..%2fadmin": string(teal.CodeInvalidInput),
		"/./admin": string(teal.CodeInvalidInput), "/admin/../x": string(teal.CodeInvalidInput), "/admin/..": string(teal.CodeInvalidInput),
		"/admin/../admin/x": string(teal.CodeInvalidInput), "/..": string(teal.CodeInvalidInput), "/../x": string(teal.CodeInvalidInput),
	} {
		if got := routed(t, list, Head{Host: "x", Path: path}); got != want {
			t.Errorf("%s: %s; want %s", path, got, want)
		}
	}
}

// Dot segments must not lead to another app either.
func TestDotSegmentsStayInTheirApp(t *testing.T) {
	g := gatewayWith(t, liveApp("shop", teal.Only(1), testEnvironment("shop", 1, route("", "/", "web"))),
		liveApp("admin", teal.Only(1), testEnvironment("admin", 1, route("", "/admin", "guard"))))
	if claim, err := g.Claim(Head{Path: "/x/../admin"}, 0); !teal.IsCode(err, teal.CodeInvalidInput) || !IsPublic(err) {
		t.Errorf("got %+v, %v", claim, err)
	}
}

// Where a route has encoded slashes, dot segments behind it lead to another one too, or
// are refused.
//
// Seen red with climbs asked first: a slice out of its bounds.
func TestDotSegmentsBehindEncodedSlashes(t *testing.T) {
	g := gatewayWith(t, liveApp("shop", teal.Only(1), testEnvironment("shop", 1, route("", "/", "web"), route("", "/a%2Fb%2Fc", "deep"))))
	for _, path := range []string{"/a%2Fb%2Fc/.", "/a%2Fb%2Fc/..", "/a%2Fb%2Fc/x/../.."} {
		if claim, err := g.Claim(Head{Path: path}, 0); !teal.IsCode(err, teal.CodeInvalidInput) || !IsPublic(err) {
			t.Errorf("%s: got %+v, %v", path, claim, err)
		}
	}
}

// However a client spells a path with percent-encoding, slashes among it, it gets the
// component that the plain path leads to.
//
// Seen red with encoded slashes taken for other characters.
func FuzzSpellings(f *testing.F) {
	list := []teal.Route{route("", "/", "root"), route("", "/admin", "admin"), route("a.example", "/admin/deep", "deep"), route("a.example", "/é", "é")}
	g := gatewayWith(f, liveApp("shop", teal.Only(1), testEnvironment("shop", 1, list...)))
	f.Add("/admin/x", uint64(0b101010))
	f.Add("/é/admin", uint64(1<<63))
	f.Fuzz(func(t *testing.T, path string, which uint64) {
		if !strings.HasPrefix(path, "/") || strings.Contains(path, "%") {
			return
		}
		const hex = "0123456789abcdef"
		spelled := []byte{'/'}
		for i := 1; i < len(path); i++ {
			if c := path[i]; which>>(i%64)&1 == 1 {
				spelled = append(spelled, '%', hex[c>>4], hex[c&15])
			} else {
				spelled = append(spelled, c)
			}
		}
		plain, err := g.Claim(Head{Host: "a.example", Path: path}, 0)
		other, otherErr := g.Claim(Head{Host: "a.example", Path: string(spelled)}, 0)
		if teal.CodeOf(err) != teal.CodeOf(otherErr) || plain.Component != other.Component {
			t.Fatalf("%q: %v, %v; %q: %v, %v", path, plain.Component, err, spelled, other.Component, otherErr)
		}
		for _, claim := range []Claim{plain, other} {
			if claim.Env != nil {
				claim.Release()
			}
		}
	})
}

func TestWithoutDotSegments(t *testing.T) {
	for in, want := range map[string]string{
		"/a/b": "", "/.a": "", "/a/./b": "/a/b", "/a/../b": "/b", "/a/..": "/", "/a/.": "/a/", "/..": "/", "/../../a": "/a",
		"/a//../b": "/a/b", "/.": "/", "/a/b/../../c/": "/c/",
	} {
		if got := withoutDotSegments(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// The hosts of routes, one of which has to be chosen, are those that a person has
// written.
func TestThePreviewOfSeveralHosts(t *testing.T) {
	env := testEnvironment("shop", 1, route("a.example", "/x", "a"), route("b.example", "/x", "b"), route("b.example", "/%2f", "c"))
	if _, err := env.Preview(Head{Host: "localhost", Path: "/x/y"}); err == nil || !strings.HasSuffix(err.Error(), `send one of the hosts "a.example", "b.example"`) {
		t.Errorf("err = %v", err)
	}
	if claim, err := env.Preview(Head{Host: "localhost", Path: "/%2F"}); err != nil || claim.Component.Name != "c" {
		t.Errorf("got %+v, %v", claim, err)
	}
	if !slices.Equal(env.routes.hosts(), []string{"a.example", "b.example"}) {
		t.Errorf("hosts: %v", env.routes.hosts())
	}
}

// The very host goes before a wildcard, a wildcard before any host, and a wildcard is one
// label. A certificate authority is answered on all hosts, unless the host has a route of
// its own there.
//
// Seen red with the wildcard looked for first, and without the rule for challenges.
func TestHostsOfRoutes(t *testing.T) {
	list := []teal.Route{
		route("shop.example", "/", "shop"), route("*.shop.example", "/", "any"), route("*.shop.example", "/deep/er", "anyDeep"), route("a.shop.example", "/deep", "a"),
		route("", "/api/v1", "general"), route("", "/.well-known/acme-challenge", "acme"), route("", "/.well-known/acme-challenge/own/x", "acmeX"),
		route("own.example", "/.well-known/acme-challenge/own", "own"), route("early.example", "/.well-known", "early"), route("", "/.well-known/other", "other"),
	}
	for asked, want := range map[string]string{
		"shop.example/x": "shop by /", "SHOP.example.:80/x": "shop by /", "b.shop.example/": "any by /", "a.shop.example/x": "any by /",
		"a.shop.example/deep/er": "a by /deep", "b.shop.example/deep/er/x": "anyDeep by /deep/er", "x.b.shop.example/": string(teal.CodeNoRoute), ".shop.example/": string(teal.CodeNoRoute),
		"shop.example/api/v1": "shop by /", "else.example/api/v1": "general by /api/v1", "b.shop.example/api/v1": "any by /",
		"shop.example/.well-known/acme-challenge/token": "acme by /.well-known/acme-challenge", "b.shop.example/.well-known/acme%2Dchallenge/t": "acme by /.well-known/acme-challenge",
		"else.example/.well-known/acme-challenge/t": "acme by /.well-known/acme-challenge", "early.example/.well-known/acme-challenge/t": "acme by /.well-known/acme-challenge",
		"own.example/.well-known/acme-challenge/own/x": "own by /.well-known/acme-challenge/own", "shop.example/.well-known/acme-challenges": "shop by /",
		"shop.example/.well-known/other": "shop by /", "shop.example/.well-known/../.well-known/acme-challenge/t": string(teal.CodeInvalidInput),
	} {
		host, path, _ := strings.Cut(asked, "/")
		env := testEnvironment("shop", 1, list...)
		claim, err := gatewayWith(t, liveApp("shop", teal.Only(1), env)).Claim(Head{Host: host, Path: "/" + path}, 0)
		got := string(teal.CodeOf(err))
		if err == nil {
			got = claim.Component.Name + " by " + cmp.Or(claim.Route, "/")
			claim.Release()
		}
		if got != want {
			t.Errorf("%s: %s; want %s", asked, got, want)
		}
	}
	env := testEnvironment("shop", 1, list...)
	for host, want := range map[string]bool{"b.shop.example": true, "shop.example": true, "x.b.shop.example": false, "evil.example": false} {
		if got := env.AnswersTo(host); got != want {
			t.Errorf("answers to %s: %v", host, got)
		}
	}
	_, err := mustWith(t, &Table{}, liveApp("shop", teal.Only(1), env)).With(liveApp("blog", teal.Only(1), testEnvironment("blog", 1, route("*.shop.example", "/", "web"))))
	if err == nil || !strings.Contains(err.Error(), "the route *.shop.example/ of") {
		t.Errorf("a wildcard that is another app's: %v", err)
	}
}

// Methods choose among the routes of the app that has the place; a request that only
// other methods have a route for is told them.
//
// Seen red with HEAD left out of GET, with the routes of a place in the manifest's order,
// and with a walk that ends where no route is for the method.
func TestMethodsOfRoutes(t *testing.T) {
	with := func(path, to string, methods ...string) teal.Route {
		return teal.Route{Path: path, To: to, Methods: methods}
	}
	list := []teal.Route{
		with("/api", "rest"), with("/api", "read", "GET"), with("/api", "head", "HEAD"), with("/api", "write", "POST", "PUT"),
		with("/api/only", "only", "GET"), with("/form", "form", "GET", "POST"),
	}
	for asked, want := range map[string]string{
		"GET /api": "read by /api", "HEAD /api": "head by /api", "PUT /api/x": "write by /api", "DELETE /api": "rest by /api", "GET /api/only": "only by /api/only",
		"HEAD /api/only": "only by /api/only", "POST /api/only": "write by /api", "HEAD /form": "form by /form",
		"DELETE /form": "method_not_allowed", "GET /none": "no_route", "get /form": "method_not_allowed",
	} {
		method, path, _ := strings.Cut(asked, " ")
		if got := routed(t, list, Head{Host: "x", Path: path, Method: method}); got != want {
			t.Errorf("%s: %s; want %s", asked, got, want)
		}
	}
	_, err := testEnvironment("shop", 1, list...).Preview(Head{Path: "/form/x", Method: "DELETE"})
	only := (*NotAllowed)(nil)
	if !errors.As(err, &only) || !slices.Equal(only.Methods, []string{"GET", "HEAD", "POST"}) || !IsPublic(err) {
		t.Errorf("err = %v", err)
	}
}

func TestBelow(t *testing.T) {
	for _, tt := range []struct{ path, route, want string }{
		{"/a/b", "", "/a/b"}, {"/a/b", "/a", "/b"}, {"/a", "/a", ""}, {"/a/", "/a", "/"}, {"/%61/b%2Fc", "/a", "/b%2Fc"}, {"/a%2fb", "/a", "/b"},
		{"/a%2Fb/c", "/a/b", "/c"}, {"/a%2Fb/c", "/a%2Fb", "/c"}, {"/a%2Fb%2Fc", "/a", "/b%2Fc"}, {"/a//evil", "/a", "//evil"},
	} {
		if got := below(tt.path, tt.route); got != tt.want {
			t.Errorf("%s below %q: %q, want %q", tt.path, tt.route, got, tt.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { below("/a/b/c", "/a/b") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A redirect never leads to a host that a client has chosen.
func TestLocations(t *testing.T) {
	for _, tt := range []struct {
		to, prefix, path, query, want string
		exact                         bool
	}{
		{to: "https://shop.example", path: "/a%20b", query: "x=1", want: "https://shop.example/a%20b?x=1"},
		{to: "https://shop.example/", path: "/", want: "https://shop.example/"},
		{to: "https://shop.example/new", prefix: "/old", path: "/old/x", want: "https://shop.example/new/x"},
		{to: "https://shop.example/new", prefix: "/old", path: "/old/x", query: "y", exact: true, want: "https://shop.example/new"},
		{to: "/", prefix: "/old", path: "/old//evil.example", want: "/evil.example"},
		{to: "/", prefix: "/old", path: "/old%2F%2fevil.example", want: "/%2fevil.example"},
		{to: "/", prefix: "/old", path: `/old/\evil.example`, want: "/%5Cevil.example"},
		{to: "/", prefix: "/old", path: "/old", want: "/"},
		{to: "/", prefix: "/old", path: "/old", query: "x=1", want: "/?x=1"},
		{to: "/new", prefix: "/old", path: "/old%2Fx", want: "/new/x"},
	} {
		r := Redirection{teal.Redirect{To: tt.to, Exact: tt.exact}, tt.prefix}
		if got := r.Location(tt.path, tt.query); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

// A route with an encoded slash takes nothing from a longer one that the slash leads to,
// nor from one of the very host.
//
// Seen red with the literal reading taken wherever a route with an encoded slash matches.
func TestEncodedSlashesLeadPastNoRoute(t *testing.T) {
	list := []teal.Route{
		route("", "/", "root"), route("", "/x%2Fadmin", "odd"), route("", "/x/admin/deep", "deep"),
		route("a.example", "/x/admin", "guard"), route("*.b.example", "/x", "wild"), route("c.example", "/x%2Fadmin", "own"), route("c.example", "/x", "below"),
	}
	for asked, want := range map[string]string{
		"z /x%2Fadmin": "odd by /x%2Fadmin", "z /x%2Fadmin/y": "odd by /x%2Fadmin", "z /x/admin": "root by /",
		"z /x%2Fadmin/deep": "deep by /x/admin/deep", "z /x%2fadmin%2Fdeep/y": "deep by /x/admin/deep", "z /x%2Fadmin/deeper": "odd by /x%2Fadmin",
		"a.example /x%2Fadmin": "guard by /x/admin", "a.example /x%2Fadmin/y": "guard by /x/admin", "a.example /y%2Fz": "root by /",
		"w.b.example /x%2Fadmin": "wild by /x", "c.example /x%2Fadmin": "own by /x%2Fadmin", "c.example /x%2Fother": "below by /x",
	} {
		host, path, _ := strings.Cut(asked, " ")
		if got := routed(t, list, Head{Host: host, Path: path}); got != want {
			t.Errorf("%s: %s; want %s", asked, got, want)
		}
	}
}

// Allow has the methods of every route on the way, of the host's and of any host's.
//
// Seen red with those of the longest place alone.
func TestAllowHasAllMethods(t *testing.T) {
	methods := func(host, path, to string, methods ...string) teal.Route {
		return teal.Route{Host: host, Path: path, To: to, Methods: methods}
	}
	env := testEnvironment("shop", 1, methods("", "/", "root", "GET"), methods("", "/a", "a", "POST"), methods("h.example", "/a/b", "b", "PUT"), methods("h.example", "/a", "c", "PATCH"), methods("", "/a/b/c", "c", "TRACE"))
	for asked, want := range map[string][]string{
		"h.example /a/b": {"GET", "HEAD", "PATCH", "POST", "PUT"}, "h.example /a%2Fb": {"GET", "HEAD", "PATCH", "POST", "PUT"},
		"x /a/b": {"GET", "HEAD", "POST"}, "x /": {"GET", "HEAD"},
	} {
		host, path, _ := strings.Cut(asked, " ")
		_, err := env.Preview(Head{Host: host, Path: path, Method: "DELETE"})
		only := (*NotAllowed)(nil)
		if !errors.As(err, &only) || !slices.Equal(only.Methods, want) {
			t.Errorf("%s: %v", asked, err)
		}
		for _, method := range want {
			if _, err := env.Preview(Head{Host: host, Path: path, Method: method}); err != nil {
				t.Errorf("%s %s is allowed: %v", method, asked, err)
			}
		}
	}
}

// For a host that no route has, two redirects to different addresses are two.
//
// Seen red with their components compared, of which they have none.
func TestRedirectsOfSeveralHosts(t *testing.T) {
	to := func(host, address string) teal.Route {
		return teal.Route{Host: host, Path: "/", Redirect: &teal.Redirect{To: address}}
	}
	_, err := testEnvironment("shop", 1, to("a.example", "https://one.example"), to("b.example", "https://two.example")).Preview(Head{Host: "127.0.0.1", Path: "/"})
	if redirection := (*Redirection)(nil); err == nil || errors.As(err, &redirection) {
		t.Errorf("two addresses: %v", err)
	}
	_, err = testEnvironment("shop", 1, to("a.example", "https://one.example"), to("b.example", "https://one.example")).Preview(Head{Host: "127.0.0.1", Path: "/"})
	if redirection := (*Redirection)(nil); !errors.As(err, &redirection) {
		t.Errorf("one address: %v", err)
	}
}
