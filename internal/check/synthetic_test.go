package check_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"teal"
)

// shop sells to who has signed in, as shops do.
func shop(t testing.TB) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("session")
		signedIn := err == nil && cookie.Value == "c00k1e-value"
		switch {
		case r.URL.Path == "/login":
			// As every serious app: only over TLS, for the whole domain.
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "c00k1e-value", Domain: "example.com", Path: "/", Secure: true, HttpOnly: true})
			fmt.Fprint(w, `{"csrf": "a+b/c=", "user": {"id": 17}}`)
		case !signedIn:
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, "sign in first")
		case r.Method == "POST" && r.URL.Path == "/users/17/cart":
			body, err := io.ReadAll(r.Body)
			must(t, err)
			if r.Header.Get("X-CSRF") != "a+b/c=" || r.URL.Query().Get("csrf") != "a+b/c=" || string(body) != `{"csrf":"a+b/c="}` {
				t.Errorf("the request is %s %v %s", r.URL, r.Header, body)
			}
			w.Header().Set("Location", "http://shop.example.com/orders/4711?new=1")
			w.WriteHeader(http.StatusCreated)
		case r.URL.RequestURI() == "/orders/4711?new=1":
			fmt.Fprint(w, "<b>Order no. 4711</b> is on its way")
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "there is no ", r.URL.Path, " for a+b/c=")
		}
	}
}

func purchase() []teal.Exchange {
	return []teal.Exchange{
		{Request: teal.Request{Path: "/login"}, Capture: map[string]string{"csrf": "json:csrf", "user": "json:user.id"}},
		{
			Request: teal.Request{Method: "POST", Path: "/users/${user}/cart?csrf=${csrf}", Headers: map[string]string{"X-CSRF": "${csrf}"}, Body: `{"csrf":"${csrf}"}`},
			Expect:  teal.Expect{Status: 201}, Capture: map[string]string{"order": "header:Location"},
		},
		{Request: teal.Request{Path: "${order}"}, Expect: teal.Expect{Body: "on its way"}, Capture: map[string]string{"number": `regexp:no\. (\d+)`}},
		{Request: teal.Request{Path: "/orders/${number}?new=1"}},
	}
}

// TestSynthetic: seen red with cookies kept as of plain HTTP, which loses secure
// ones.
func TestSynthetic(t *testing.T) {
	t.Parallel()
	g := run(t, shop(t))
	g.routes = []teal.Route{{Host: "shop.example.com", Path: "/", To: "web"}}
	wants(t, g.check(teal.Check{Transaction: purchase()}), teal.VerdictPass,
		"GET /login → POST /users/${user}/cart?csrf=${csrf} → GET ${order} → GET /orders/${number}?new=1", "all 4 requests as expected")

	// A journey without its first step has no cookie.
	wants(t, g.check(teal.Check{Transaction: []teal.Exchange{{Request: teal.Request{Path: "/orders/1"}}}}), teal.VerdictFail,
		"request 1 of 1, GET /orders/1", "the status is 401 instead of 200 to 399", "sign in first")
	// Nor has one that starts again: cookies are of one attempt.
	wants(t, g.check(teal.Check{Transaction: purchase()[:1]}), teal.VerdictPass)
	wants(t, g.check(teal.Check{Transaction: purchase()[3:]}), teal.VerdictError, "no request before this one has captured number")
}

func TestSyntheticFailures(t *testing.T) {
	t.Parallel()
	g := run(t, shop(t))
	g.routes = []teal.Route{{Host: "shop.example.com", Path: "/", To: "web"}}
	login := purchase()[0]
	with := func(capture string) []teal.Exchange {
		return []teal.Exchange{{Request: login.Request, Capture: map[string]string{"x": capture}}}
	}
	for _, c := range []struct {
		name    string
		journey []teal.Exchange
		verdict teal.Verdict
		says    string
	}{
		{"json", with("json:user.name"), teal.VerdictFail, "x could not be captured: the JSON has no user.name"},
		{"header", with("header:X-Gone"), teal.VerdictFail, "there is no header X-Gone"},
		{"regexp", with("regexp:order (.*)"), teal.VerdictFail, `nothing in the body matches "order (.*)"`},
		{"bad regexp", with("regexp:("), teal.VerdictError, "is not a regular expression"},
		{"no place", with("cookie:x"), teal.VerdictError, "write json:PATH, header:NAME or regexp:EXPRESSION"},
		{"third", append(purchase()[:2], teal.Exchange{Request: teal.Request{Path: "/gone"}}), teal.VerdictFail,
			"request 3 of 3, GET /gone: the status is 404 instead of 200 to 399"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := g.check(teal.Check{Transaction: c.journey})
			wants(t, f, c.verdict, c.says)
			if all := fmt.Sprintf("%+v", f); strings.Contains(all, "a+b/c=") && c.name == "third" {
				t.Errorf("a captured value is in the finding %s", all)
			}
		})
	}
}
