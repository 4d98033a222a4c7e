package teal_test

import (
	"strings"
	"testing"

	"teal"
)

// Seen red with ** that matches one folder alone.
func TestPatternsOfStaticFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern string
		matches string // with spaces between
		others  string
	}{
		{"*.html", "index.html docs/index.html", "index.htm html a.html.br"},
		{"/*.html", "index.html", "docs/index.html"},
		{"/assets/**", "assets/a.js assets/b/c.js", "a.js x/assets/a.js assetsx/a.js"},
		{"assets/*", "assets/a.js", "assets/b/c.js"},
		{"**", "a a/b", ""},
		{"/**/*.js", "a.js a/b.js a/b/c.js", "a.jsx"},
		{"**/x/**/y/*", "x/y/z a/x/b/y/z x/x/y/y/z", "x/z y/x/z x/y"},
		{"a?.txt", "ab.txt x/ac.txt", "a.txt abc.txt"},
		{"[a-c].js", "a.js", "d.js"},
	} {
		if err := teal.CheckPattern(tt.pattern); err != nil {
			t.Error(err)
		}
		for _, file := range strings.Fields(tt.matches) {
			if !teal.MatchPattern(tt.pattern, file) {
				t.Errorf("%s does not match %s", tt.pattern, file)
			}
		}
		for _, file := range strings.Fields(tt.others) {
			if teal.MatchPattern(tt.pattern, file) {
				t.Errorf("%s matches %s", tt.pattern, file)
			}
		}
	}
	for _, bad := range []string{"", "/", "//", "a//b", "a/", "[", "[a", strings.Repeat("a", 2000)} {
		if err := teal.CheckPattern(bad); !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestCacheControl(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"immutable": "public, max-age=31536000, immutable", "no-cache": "no-cache", "no-store": "no-store", "1h": "public, max-age=3600", "90s": "public, max-age=90", "1h30m": "public, max-age=5400",
	} {
		if got, err := teal.CacheControl(value); err != nil || got != want {
			t.Errorf("%s: %q, %v", value, got, err)
		}
	}
	for _, bad := range []string{"", "forever", "0s", "-1h", "500ms", "1.5s", "90", "public", "100000h"} {
		if got, err := teal.CacheControl(bad); !teal.IsCode(err, teal.CodeInvalidInput) {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
}

func TestHiddenFiles(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		".env": true, "a/.git/x": true, "a/.b": true, ".well-known/x": false, ".well-known/.x": true, "a/.well-known/x": true, "a.b/c": false, "": false, ".well-known": true,
	} {
		if teal.IsHiddenFile(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// A Teal from before static components would take a version with one for another one.
func TestStaticComponentsAreNotPlain(t *testing.T) {
	t.Parallel()
	for _, c := range []teal.Component{{Static: &teal.Static{}}, {Function: &teal.Function{Async: &teal.Async{}}}} {
		if (teal.Spec{Components: map[string]teal.Component{"a": c}}).IsPlain() {
			t.Errorf("%+v is plain", c)
		}
	}
}

// Seen red with the user of a URL let through.
func TestDestinations(t *testing.T) {
	t.Parallel()
	problems := func(to string) int {
		f := teal.Function{Async: &teal.Async{OnSuccess: to}}
		n := 0
		for _, p := range (teal.Spec{App: "jobs", Components: map[string]teal.Component{"work": {Function: &f}}}).Check() {
			if strings.Contains(p.String(), "async") {
				n++
			}
		}
		return n
	}
	for _, good := range []string{"", "https://a.example/x?y=z#w", "http://10.0.0.7:9000", "http://[::1]:80/", "dead", "jobs-dead:live", "jobs-dead:7", "jobs-dead:$LATEST"} {
		if problems(good) != 0 {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"https://", "https:///x", "ftp://a", "http://u@a/", "http://u:p@a/", "http://a b/", "http://a:99999/", "http://a\n/", "a b", "dead:", "dead:a b", "-x", "arn:aws:sqs:a:b:c", "jobs-work", "jobs-work:live"} {
		if problems(bad) == 0 {
			t.Errorf("%q is let through", bad)
		}
	}
}
