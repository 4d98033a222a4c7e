package gateway

import (
	"cmp"
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
