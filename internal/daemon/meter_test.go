package daemon

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal"
	"teal/internal/api"
	"teal/internal/await"
)

// counted is an app whose front calls a sibling for each request that it gets.
var counted = map[string]string{
	"teal.yaml": `app: counted
functions:
  front: {runtime: python3, handler: app.handler, code: ./code}
  back: {runtime: python3, handler: app.back, code: ./code}
routes:
  - {path: /, to: front}
`,
	"code/app.py": `import os, urllib.request
def handler(event, context):
    if event.get("rawPath") == "/fail":
        raise KeyError("sku")
    urllib.request.urlopen(os.environ["TEAL_URL_BACK"] + "/", timeout=10).read()
    return {"statusCode": 200, "body": "ok"}
def back(event, context):
    return {"statusCode": 200, "body": "ok"}
`,
}

// metrics returns the lines of a scrape that have all the words.
func (h *harness) metrics(words ...string) []string {
	h.t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+h.daemon.AdminAddr().String()+"/metrics", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(h.data, "admin.token"))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		h.t.Fatalf("GET /metrics: %s", resp.Status)
	}
	var found []string
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		all := true
		for _, word := range words {
			all = all && strings.Contains(lines.Text(), word)
		}
		if all {
			found = append(found, lines.Text())
		}
	}
	return found
}

// C13: each request of a user is counted once, for the version that answered it;
// what chose its version itself, and what components ask each other, is not. Seen
// red with overrides taken for users, and with siblings taken for users.
func TestOnlyUsersAreCounted(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	dir := t.TempDir()
	for name, text := range counted {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := startDaemon(t, t.TempDir())
	h.deploy(dir, true, nil)
	h.awaitPhase("counted", teal.PhaseCompleted)
	send := func(path string, headers ...string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://"+h.daemon.HTTPAddr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if want := "1"; resp.Header.Get("Teal-Version") != want {
			t.Fatalf("%s %v: %s of version %q", path, headers, resp.Status, resp.Header.Get("Teal-Version"))
		}
	}
	invoke := func(qualifier string) {
		t.Helper()
		if _, err := h.Invoke(t.Context(), api.Invoke{App: "counted", Qualifier: qualifier, Component: "back", Event: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	send("/", "Teal-Version", "1")
	send("/", "Teal-Alias", "live")
	invoke("1")
	for range 3 {
		send("/")
	}
	send("/fail")
	invoke("")
	invoke("live")

	want := map[string]string{
		`teal_requests_total{app="counted",code="2xx",component="front",role="current",slot="blue",version="1"}`:             "3",
		`teal_requests_total{app="counted",code="5xx",component="front",role="current",slot="blue",version="1"}`:             "1",
		`teal_request_errors_total{app="counted",component="front",fault="function",role="current",slot="blue",version="1"}`: "1",
		`teal_requests_total{app="counted",code="2xx",component="back",role="current",slot="blue",version="1"}`:              "2",
		`teal_requests_in_flight{app="counted",component="front",role="current",slot="blue",version="1"}`:                    "0",
		`teal_request_duration_seconds_count{app="counted",component="front",role="current",slot="blue",version="1"}`:        "4",
	}
	check := func() (wrong []string) {
		for series, value := range want {
			if got := h.metrics(series); len(got) != 1 || got[0] != series+" "+value {
				wrong = append(wrong, series+" "+value+", got "+strings.Join(got, "\n"))
			}
		}
		return wrong
	}
	// A request is counted when its last byte has been sent: a client may have
	// that before.
	var wrong []string
	defer func() {
		if t.Failed() {
			t.Logf("want %s", strings.Join(wrong, "\n"))
		}
	}()
	await.True(t, "the counts", func() bool { wrong = check(); return len(wrong) == 0 })
}

func TestMetricsWantTheToken(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h := startDaemon(t, t.TempDir())
	resp, err := http.Get("http://" + h.daemon.AdminAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", resp.Status)
	}
	if len(h.metrics("go_goroutines ")) == 0 {
		t.Error("with it: nothing about the process")
	}
}
