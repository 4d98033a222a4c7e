package check_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal"
)

// TestSmoke: its endless answer was seen red with a body that is read to its end.
func TestSmoke(t *testing.T) {
	t.Parallel()
	g := run(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			fmt.Fprintf(w, `{"items": [{"name": "tea", "price": 1.50, "sold": true, "left": null}], "n": 12345678901234567890, "q": %q}`, r.URL.RawQuery)
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, "the database is away")
		case "/moved":
			http.Redirect(w, r, "/broken", http.StatusFound)
		case "/lost":
			w.Header()["Location"] = []string{"http://[no"}
			w.WriteHeader(http.StatusFound)
		case "/post":
			fmt.Fprint(w, r.Method, " ", r.Host, " ", r.Header.Get("X-Team"))
		case "/large":
			fmt.Fprint(w, strings.Repeat("x", 1<<20), "needle")
		case "/endless":
			for r.Context().Err() == nil {
				fmt.Fprint(w, strings.Repeat("x", 1<<16))
			}
		case "/rude":
			c, _, err := http.NewResponseController(w).Hijack()
			must(t, err)
			must(t, c.Close())
		case "/half":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "half")
		}
	})
	g.routes = []teal.Route{{Host: "shop.example.com", Path: "/", To: "web"}}
	get := func(path string) *teal.Request { return &teal.Request{Path: path} }
	for _, c := range []struct {
		name    string
		request *teal.Request
		expect  teal.Expect
		verdict teal.Verdict
		says    []string
	}{
		{"good", get("/ok"), teal.Expect{}, teal.VerdictPass, []string{"GET /ok is answered with status 200 to 399", "status 200 in "}},
		{"redirect", get("/moved"), teal.Expect{Headers: map[string]string{"location": "/broken"}}, teal.VerdictPass, []string{"status 302"}},
		{"bad location", get("/lost"), teal.Expect{Status: 302}, teal.VerdictPass, nil},
		{"status", get("/broken"), teal.Expect{}, teal.VerdictFail, []string{"the status is 500 instead of 200 to 399", `"the database is away"`}},
		{"other status", get("/ok"), teal.Expect{Status: 201}, teal.VerdictFail, []string{"the status is 200 instead of 201"}},
		{"header", get("/ok"), teal.Expect{Headers: map[string]string{"Content-Type": "application/json"}}, teal.VerdictPass, nil},
		{"wrong header", get("/ok"), teal.Expect{Headers: map[string]string{"Content-Type": "text/html", "X-Gone": "1"}}, teal.VerdictFail,
			[]string{`the header Content-Type is "application/json; charset=utf-8" instead of "text/html"`, "the header X-Gone is missing"}},
		{"body", get("/ok"), teal.Expect{Body: "tea"}, teal.VerdictPass, nil},
		{"wrong body", get("/ok"), teal.Expect{Body: "coffee"}, teal.VerdictFail, []string{`the body does not have "coffee"`, `\"name\": \"tea\"`}},
		{"json", get("/ok?a=b"), teal.Expect{JSON: map[string]string{
			"items.0.name": "tea", "items.0.price": "1.5", "items.0.sold": "true", "items.0.left": "null",
			"n": "12345678901234567890", "q": "a=b", "items.0": `{"left":null,"name":"tea","price":1.50,"sold":true}`,
		}}, teal.VerdictPass, nil},
		{"wrong json", get("/ok"), teal.Expect{JSON: map[string]string{"items.1.name": "tea", "items.0.name": "Tea"}}, teal.VerdictFail,
			[]string{"the JSON has no items.1.name", `items.0.name is "tea" in the JSON instead of "Tea"`}},
		{"no json", get("/broken"), teal.Expect{Status: 500, JSON: map[string]string{"a": "1"}}, teal.VerdictFail, []string{"the body is not JSON"}},
		{"latency", get("/ok"), teal.Expect{Within: 1}, teal.VerdictFail, []string{"instead of at most 1ns"}},
		{"large", get("/large"), teal.Expect{}, teal.VerdictPass, nil},
		{"endless", get("/endless"), teal.Expect{Body: "xxx"}, teal.VerdictPass, nil},
		{"too large", get("/large"), teal.Expect{Body: "needle", JSON: map[string]string{"a": "1"}}, teal.VerdictFail,
			[]string{`the first 1MiB of the body do not have "needle"`, "is not read as JSON"}},
		{"host", &teal.Request{Method: "PUT", Path: "/post", Body: "x", Headers: map[string]string{"X-Team": "blue"}}, teal.Expect{Body: "PUT shop.example.com blue"}, teal.VerdictPass, nil},
		{"own host", &teal.Request{Path: "/post", Host: "other.example.com"}, teal.Expect{Body: "GET other.example.com"}, teal.VerdictPass, nil},
		{"closed", get("/rude"), teal.Expect{}, teal.VerdictFail, []string{"there was no proper answer: the connection was closed before the answer was complete"}},
		{"half", get("/half"), teal.Expect{}, teal.VerdictFail, []string{"with status 200, broke off"}},
		{"no path", get("ok"), teal.Expect{}, teal.VerdictError, []string{`"ok" does not begin with /`}},
		{"no method", &teal.Request{Method: "B A D", Path: "/"}, teal.Expect{}, teal.VerdictError, []string{"cannot be made"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := g.check(teal.Check{Request: c.request, Expect: c.expect})
			wants(t, f, c.verdict, c.says...)
			if f.Name != "check it" || f.Phase != teal.PhaseVerifying {
				t.Errorf("the finding is %+v", f)
			}
			if f.Verdict == teal.VerdictPass && f.Output != "" {
				t.Errorf("a pass has the output %q", f.Output)
			}
		})
	}
}

func TestSmokeOfWhatDoesNotRun(t *testing.T) {
	t.Parallel()
	g := run(t, nil)
	wants(t, g.check(teal.Check{Request: &teal.Request{Path: "/"}}), teal.VerdictError, "v2 cannot be reached: version 2 is not running")
	g.mu.Lock()
	g.url = "http://127.0.0.1:1"
	g.mu.Unlock()
	wants(t, g.check(teal.Check{Request: &teal.Request{Path: "/"}}), teal.VerdictFail, "no connection could be made: connection refused")
	wants(t, g.check(teal.Check{}), teal.VerdictError, "neither")
}

// TestACheckThatIsNeverAnswered: seen red without the attempt's timeout.
func TestACheckThatIsNeverAnswered(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	g := run(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			fmt.Fprint(w, "a beginning")
			must(t, http.NewResponseController(w).Flush())
		}
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	defer close(over)
	within := teal.Duration(100 * time.Millisecond)
	wants(t, g.check(teal.Check{Request: &teal.Request{Path: "/"}, Timeout: within}), teal.VerdictFail, "there was no answer within 1")
	wants(t, g.check(teal.Check{Request: &teal.Request{Path: "/slow"}, Timeout: within}), teal.VerdictFail, "with status 200, had not ended after 1")
}

// TestSecretsStayOutOfTheEvidence: seen red without the redactor.
func TestSecretsStayOutOfTheEvidence(t *testing.T) {
	t.Parallel()
	g := run(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"got": %q, "padding": %q}`, r.Header, strings.Repeat("s3cr3t-token ", 1000))
	})
	f := g.check(teal.Check{Request: &teal.Request{Path: "/", Headers: map[string]string{
		"Authorization": "Bearer s3cr3t-token", "x-api-key": "0123456789", "X-Team": "blue",
	}}, Expect: teal.Expect{JSON: map[string]string{"padding": "x"}}})
	wants(t, f, teal.VerdictFail, "the status is 403", "[hidden]", "blue")
	for _, secret := range []string{"s3cr", "0123456789"} {
		if all := fmt.Sprintf("%+v", f); strings.Contains(all, secret) {
			t.Errorf("the secret %s is in the finding %s", secret, all)
		}
	}
}

// TestRetriesAndRepeats: seen red with passes that a failure does not undo.
func TestRetriesAndRepeats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answers         string // one letter for each: g(ood) or b(ad)
		retries, repeat int
		verdict         teal.Verdict
		asked           int
		says            string
	}{
		{"g", 0, 0, teal.VerdictPass, 1, "status 200"},
		{"bg", 0, 0, teal.VerdictFail, 1, "status 500"},
		{"bg", 1, 0, teal.VerdictPass, 2, "(at attempt 2)"},
		{"bb", 1, 0, teal.VerdictFail, 2, "(attempt 2)"},
		{"ggg", 0, 3, teal.VerdictPass, 3, "(3 times in a row)"},
		{"ggb", 0, 3, teal.VerdictFail, 3, "(attempt 3)"},
		{"gbgg", 1, 2, teal.VerdictPass, 4, "(2 times in a row, after 4 attempts of which 1 failed)"},
		{"gbgb", 1, 2, teal.VerdictFail, 4, "(attempt 4)"},
	} {
		t.Run(c.answers, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			g := run(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.answers[asked.Add(1)-1] == 'b' {
					w.WriteHeader(http.StatusInternalServerError)
				}
			})
			f := g.check(teal.Check{Request: &teal.Request{Path: "/"}, Retries: c.retries, Repeat: c.repeat})
			wants(t, f, c.verdict, c.says)
			if n := int(asked.Load()); n != c.asked {
				t.Errorf("asked %d times, expected %d", n, c.asked)
			}
		})
	}
}
