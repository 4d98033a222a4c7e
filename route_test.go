package teal

import (
	"net/url"
	"strings"
	"testing"
)

// Seen red with lower-case digits left as they are, with an encoded slash decoded, with
// sub-delimiters left encoded, and with bytes beyond ASCII left as they are.
func TestNormalPath(t *testing.T) {
	for in, want := range map[string]string{
		"/": "/", "": "", "*": "*", "/a/b": "/a/b", "//a//": "//a//", "/a/../b/.": "/a/../b/.",
		"/%61dmin": "/admin", "/a%2Db%2e%5F%7E": "/a-b._~", "/%41%7a%30": "/Az0",
		"/a%2fb": "/a%2Fb", "/a%2Fb": "/a%2Fb",
		"/%c3%bc": "/%C3%BC", "/%C3%BC": "/%C3%BC", "/ü": "/%C3%BC", "/\xff": "/%FF",
		"/a b": "/a%20b", "/a%20b": "/a%20b", "/a+b": "/a+b", "/a%2bb": "/a+b", "/a%40b%3A%3b%3D": "/a@b:;=",
		"/%25": "/%25", "/%2525": "/%2525", "/%252F": "/%252F", "/%00%7f": "/%00%7F", "/[x]": "/%5Bx%5D", "/a|\"^": "/a%7C%22%5E", "/%3f%23": "/%3F%23",
	} {
		if got, ok := NormalPath(in); got != want || !ok {
			t.Errorf("NormalPath(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"/x%zz", "/%", "/%2", "/%2x", "/a%%41", "/%C3%B", "/ü%g0", "/%%"} {
		if got, ok := NormalPath(in); ok {
			t.Errorf("NormalPath(%q) = %q", in, got)
		}
	}
}

func TestNormalPathAllocatesNothingForWhatIsNormal(t *testing.T) {
	for _, path := range []string{"/items/17", "/caf%C3%A9/a%20b/c%2Fd", "/.well-known/x;y=1,2"} {
		if n := testing.AllocsPerRun(100, func() { NormalPath(path) }); n > 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

// A path and its normal form mean the same, and a normal form is its own.
func FuzzNormalPath(f *testing.F) {
	for _, path := range []string{"/", "/a%2Fb", "/%c3%bc", "/ü", "/x%zz", "/%61%2F%2f", "/%25%32%46"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		normal, ok := NormalPath(path)
		meant, err := url.PathUnescape(path)
		if ok != (err == nil) {
			t.Fatalf("%q: %v, and net/url says %v", path, ok, err)
		}
		if !ok {
			return
		}
		if got, err := url.PathUnescape(normal); err != nil || got != meant {
			t.Fatalf("%q became %q, which is %q, not %q", path, normal, got, meant)
		}
		if again, ok := NormalPath(normal); again != normal || !ok {
			t.Fatalf("%q became %q and then %q", path, normal, again)
		}
		if strings.Count(normal, "/") != strings.Count(path, "/") {
			t.Fatalf("%q became %q, which has other segments", path, normal)
		}
	})
}

// Seen red with the form as it is written compared, and with the dot segments looked for
// in it.
func TestRoutePaths(t *testing.T) {
	for path, want := range map[string]string{
		"/a%2Fb": "", "/ü": "", "/a b": "", "/a%20b": "", "/%C3%BC/x": "",
		"/x%zz":     `"/x%zz" has a percent sign that is not followed by two hexadecimal digits; write %25 for the sign itself`,
		"/x%4":      `"/x%4" has a percent sign that is not followed by two hexadecimal digits; write %25 for the sign itself`,
		"x":         `"x" does not start with /`,
		"/a?b=1":    `"/a?b=1" is not a plain path prefix: it has a query or a fragment, and routes match paths; leave it out, or write %3F and %23 for the signs themselves`,
		"/a/*":      `"/a/*" is not a plain path prefix: it has a *, and a path matches all that is below it without one; leave it out, or write %2A for the sign itself`,
		"/a\tb":     `"/a\tb" is not a plain path prefix: it has a control character`,
		"/a//b":     `"/a//b" is not a plain path prefix: it has an empty segment`,
		"/a/":       `"/a/" ends with /; write "/a", which matches everything below it too`,
		"/a/../b":   `"/a/../b" has a dot segment`,
		"/a/%2E%2":  `"/a/%2E%2" has a percent sign that is not followed by two hexadecimal digits; write %25 for the sign itself`,
		"/a/%2e%2e": `"/a/%2e%2e" has a dot segment`,
	} {
		_, err := checkRoutePath(path)
		if got := errorText(err); got != want {
			t.Errorf("%q: %s; want %s", path, got, want)
		}
	}
	spec := Spec{App: "shop", Components: map[string]Component{"web": {Upstream: &Upstream{}}}, Routes: []Route{{Path: "/ü", To: "web"}, {Path: "/%c3%bc", To: "web"}}}
	if err := spec.Validate(); err == nil || !strings.Contains(err.Error(), "routes.1.path: repeats route 0: /ü") {
		t.Errorf("two spellings of one path: %v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
