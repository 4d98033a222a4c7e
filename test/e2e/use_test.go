package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// siteOf is an app of pages for a domain, whose www is led to it. Its checks ask for a
// page that there is only where good is.
func siteOf(t testing.TB, name, domain, page string, good bool) app {
	t.Helper()
	content := files{
		"teal.yaml": fmt.Sprintf(`
app: %[1]s
static:
  web: {folder: pages, 404: missing.html}
routes:
  - {host: %[2]s, path: /, to: web}
  - {host: www.%[2]s, path: /, redirect: "https://%[2]s"}
release:
  watch: {confidence: 0s}
  checks:
    - {name: shop-is-open, request: {path: /open.html, host: %[2]s}, expect: {status: 200}}
`, name, domain),
		"pages/index.html":   page,
		"pages/missing.html": "nothing here",
	}
	if good {
		content["pages/open.html"] = "open"
	}
	return newFiles(t, content)
}

// Two domains on one server, each released by the CI of its own people: with a token that
// is good for their app alone, from exit codes and --json, and with somebody who looks at
// night why it has failed. Seen red with tokens that are good for every app.
func TestTwoDomainsAndTheirCI(t *testing.T) {
	defer contained(t)
	t.Parallel()
	s := startServer(t)
	s.ok("deploy", siteOf(t, "shop", "shop.example", "shop one", true).dir)
	s.ok("deploy", siteOf(t, "blog", "blog.example", "blog one", true).dir)
	wants := func(host, path string, code int, text string) {
		t.Helper()
		if got, _, body := s.get(path, "Host", host); got != code || !strings.Contains(body, text) {
			t.Errorf("%s%s: %d %q", host, path, got, body)
		}
	}
	wants("shop.example", "/", 200, "shop one")
	wants("blog.example", "/", 200, "blog one")
	wants("blog.example", "/nothing", 404, "nothing here")
	wants("other.example", "/", 404, "no_route")
	client := &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url("/open.html?x=1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "www.shop.example"
	if resp, err := client.Do(req); err != nil {
		t.Error(err)
	} else if _ = resp.Body.Close(); resp.StatusCode/100 != 3 || resp.Header.Get("Location") != "https://shop.example/open.html?x=1" {
		t.Errorf("www: %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}

	var token struct{ Token string }
	if err := json.Unmarshal([]byte(s.ok("token", "create", "shop-ci", "--role", "deployer", "--app", "shop", "--expires", "1h", "--json").stdout), &token); err != nil {
		t.Fatal(err)
	}
	ci := func(args ...string) result {
		return tealWith([]string{"TEAL_ADDR=" + s.addr("admin.addr"), "TEAL_TOKEN=" + token.Token, "HOME=" + t.TempDir()}, args...)
	}
	ci("deploy", siteOf(t, "blog", "blog.example", "hers now", true).dir).expect(t, 2, "is for shop alone, not for blog")
	wants("blog.example", "/", 200, "blog one")
	ci("deploy", siteOf(t, "shop", "shop.example", "shop two", false).dir, "--json").expect(t, 1, `"release_failed"`, "shop-is-open")
	wants("shop.example", "/", 200, "shop one")
	ci("deploy", siteOf(t, "shop", "shop.example", "shop three", true).dir, "--json").expect(t, 0, `"completed"`)
	wants("shop.example", "/", 200, "shop three")

	s.teal("history", "shop").expect(t, 0, "shop-ci", "aborted", "completed")
	s.teal("release", "show", "shop-2").expect(t, 0, "shop-is-open", "404", "shop-ci")
	s.teal("audit", "shop").expect(t, 0, "by shop-ci, deployer, from 127.0.0.1")
	s.teal("audit", "blog").expect(t, 0, "refused", "by shop-ci, deployer")
	s.ok("token", "revoke", "shop-ci")
	ci("status", "shop").expect(t, 2, "the token is wrong")
}
