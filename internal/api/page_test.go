package api_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teal"
	"teal/internal/api"
	"teal/internal/api/apitest"
)

// pages reads a list to its end, and calls between after every page.
func pages[P any](t *testing.T, c *caller, path string, limit int, of func(P) (names []string, next string), between func(page int)) []string {
	t.Helper()
	var all []string
	cursor := ""
	for page := 1; ; page++ {
		var list P
		decode(t, c.call("GET", fmt.Sprintf("%s?limit=%d&cursor=%s", path, limit, url.QueryEscape(cursor)), "").body, &list)
		names, next := of(list)
		if len(names) > limit {
			t.Errorf("page %d of %s has %d entries", page, path, len(names))
		}
		all = append(all, names...)
		if next == "" {
			return all
		}
		cursor = next
		between(page)
	}
}

func namesOf(l api.AppList) (names []string, next string) {
	for _, app := range l.Apps {
		names = append(names, app.App)
	}
	return names, l.Next
}

// Pages of any size make up the list, in its order, each entry once.
//
// Seen red with a cut that begins at the cursor instead of after it (no end), and with
// the numbers as keys without their zeros (10 before 9).
func TestPagesMakeUpTheList(t *testing.T) {
	t.Parallel()
	fake := apitest.New()
	fake.Script = apitest.AtOnce
	c := serve(t, fake, api.Config{})
	var numbers, ids, aliases, apps []string
	for n := 1; n <= 12; n++ {
		app := fmt.Sprintf("app-%02d", n)
		apps = append(apps, app)
		c.call("POST", "/v1/apps/"+app+"/versions", deployBody(t, spec(app, "one")))
		c.call("POST", "/v1/apps/shop/versions", deployBody(t, spec("shop", fmt.Sprint(n))))
		numbers, ids = append(numbers, fmt.Sprint(n)), append(ids, fmt.Sprintf("shop-%d", n))
		alias := fmt.Sprintf("alias%02d", n)
		aliases = append(aliases, alias)
		c.call("PUT", "/v1/apps/shop/aliases/"+alias, `{"versions":[{"version":1,"weight":100}]}`)
	}
	apps, aliases = append(apps, "shop"), append(aliases, "live")
	nothing := func(int) {}
	for _, limit := range []int{1, 2, 5, 12, 13, 1000} {
		for _, l := range []struct {
			path      string
			want, got []string
		}{
			{"/v1/apps", apps, pages(t, c, "/v1/apps", limit, namesOf, nothing)},
			{"versions", numbers, pages(t, c, "/v1/apps/shop/versions", limit, func(l api.VersionList) (names []string, next string) {
				for _, v := range l.Versions {
					names = append(names, fmt.Sprint(v.Number))
				}
				return names, l.Next
			}, nothing)},
			{"releases", ids, pages(t, c, "/v1/apps/shop/releases", limit, func(l api.ReleaseList) (names []string, next string) {
				for _, r := range l.Releases {
					names = append(names, r.ID)
				}
				return names, l.Next
			}, nothing)},
			{"aliases", aliases, pages(t, c, "/v1/apps/shop/aliases", limit, func(l api.AliasList) ([]string, string) {
				return slices.Sorted(maps.Keys(l.Aliases)), l.Next
			}, nothing)},
		} {
			if diff := cmp.Diff(l.want, l.got); diff != "" {
				t.Errorf("%s by %d: %s", l.path, limit, diff)
			}
		}
	}
}

// What is added while somebody reads page after page is in its place, and moves
// nothing: no entry is shown twice, none that was there is left out. Seen red with
// the number of entries shown as the cursor.
func TestPagesStandWhileTheListChanges(t *testing.T) {
	t.Parallel()
	c := serve(t, apitest.New(), api.Config{})
	add := func(app string) { c.call("POST", "/v1/apps/"+app+"/versions", deployBody(t, spec(app, "one"))) }
	for _, app := range []string{"b", "d", "f", "h"} {
		add(app)
	}
	got := pages(t, c, "/v1/apps", 1, namesOf, func(page int) {
		if page == 2 { // b and d have been shown
			add("a")
			add("c")
			add("g")
		}
	})
	if want := []string{"b", "d", "f", "g", "h"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A cursor that no page can have given is refused; one whose entry is gone by now, or
// that stands behind the last one, is not. Seen red with a cursor of which only the
// encoding was looked at: made up, it was an empty list.
func TestCursorsThatCannotBe(t *testing.T) {
	t.Parallel()
	c, _ := twoVersions(t)
	cursor := func(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }
	for path, keys := range map[string]struct{ well, wrong []string }{
		"/v1/apps":                {[]string{"gone", "a", "zzz"}, []string{"-x", "a b", "a\x00", strings.Repeat("a", teal.MaxNameLength+1)}},
		"/v1/apps/hello/aliases":  {[]string{"gone", "live"}, []string{"-x", "000000001", "a.b"}},
		"/v1/apps/hello/versions": {[]string{"000000001", "000000099"}, []string{"1", "hello", "0000000001", "-00000001"}},
		"/v1/apps/hello/releases": {[]string{"000000001", "000000099"}, []string{"hello-1", "00000000a"}},
	} {
		for _, key := range keys.well {
			if a := c.call("GET", path+"?cursor="+cursor(key), ""); a.status != 200 {
				t.Errorf("%s after %q: %d %s", path, key, a.status, a.body)
			}
		}
		for _, key := range keys.wrong {
			if a := c.call("GET", path+"?cursor="+cursor(key), ""); a.status != 400 || !strings.Contains(a.problem(t).Detail, "is not a cursor of this list; send the next of the page before") {
				t.Errorf("%s after %q: %d %s", path, key, a.status, a.body)
			}
		}
	}
}

func TestBoundsOfAPage(t *testing.T) {
	t.Parallel()
	c, _ := twoVersions(t)
	for _, query := range []string{"limit=0", "limit=1001", "limit=-1", "limit=x", "cursor=!", "cursor=" + strings.Repeat("a", 401)} {
		for _, path := range []string{"/v1/apps", "/v1/apps/hello/versions", "/v1/apps/hello/releases", "/v1/apps/hello/aliases"} {
			if a := c.call("GET", path+"?"+query, ""); a.status != 400 || a.problem(t).Code != teal.CodeInvalidInput {
				t.Errorf("%s?%.20s: %d %s", path, query, a.status, a.body)
			}
		}
	}
}

// The stream of all apps has every event of every app, each with its app.
func TestEventsOfAllApps(t *testing.T) {
	t.Parallel()
	c, fake := twoVersions(t)
	c.call("POST", "/v1/apps/other/versions", deployBody(t, spec("other", "one")))
	r, end := c.open("/v1/events")
	defer end()
	next := func() (event api.Event) {
		for {
			if data, ok := strings.CutPrefix(line(t, r), "data: "); ok {
				decode(t, data, &event)
				return event
			}
		}
	}
	seen := map[string]int{}
	for range 8 + 5 {
		seen[next().App]++
	}
	if diff := cmp.Diff(map[string]int{"hello": 8, "other": 5}, seen); diff != "" {
		t.Error(diff)
	}
	fake.Complete("hello")
	c.call("POST", "/v1/apps/other/versions", deployBody(t, spec("other", "two")))
	for _, want := range []string{"hello", "hello", "other"} {
		if e := next(); e.App != want {
			t.Errorf("an event of %q, want %q: %+v", e.App, want, e)
		}
	}
}

// boundedLists are the lists that come whole, with what bounds them.
var boundedLists = map[string]string{
	"list-alerts 200":        "one for each thing that is wrong",
	"list-alias-changes 200": "an alias and an app remember so many",
	"list-tokens 200":        "access.MaxTokens",
	"read-audit 200":         "the query's limit",
}

// Every list comes in pages, or has a bound of its own. Seen red without an entry of
// boundedLists.
func TestEveryListIsBounded(t *testing.T) {
	t.Parallel()
	lists := 0
	for name, of := range api.New(api.Config{Control: apitest.New()}).Responses() {
		if !strings.HasSuffix(name, " 200") || !strings.HasPrefix(name, "list-") && !strings.HasPrefix(name, "read-") {
			continue
		}
		for of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		lists++
		if _, paged := of.FieldByName("Next"); !paged && boundedLists[name] == "" {
			t.Errorf("%s is neither in pages nor bounded", name)
		}
	}
	if lists < len(boundedLists)+3 {
		t.Errorf("found %d lists", lists)
	}
}
