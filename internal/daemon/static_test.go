package daemon

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/await"
)

// folderOf makes a folder of an app: its files by their paths.
func folderOf(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// page asks for a page with header fields, and returns what of the answer counts.
func (h *harness) page(host, path string, fields ...string) (status int, version, etag, body string) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://"+h.daemon.HTTPAddr().String()+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Host = host
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("Teal-Version"), answer.Header.Get("Etag"), string(text)
}

// Static files are released as everything else: a preview, a switch, a rollback, and a
// restart of the server.
//
// Seen red with If-None-Match not looked at.
func TestStaticFilesAreReleased(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	data := t.TempDir()
	h := startDaemon(t, data)
	manifest := "app: site\nstatic:\n  web: {folder: dist, fallback: index.html}\nroutes:\n  - {path: /, to: web}\n  - {path: /app, to: web, strip: true}\nrelease: {watch: {confidence: 1h}}\n"
	dir := folderOf(t, map[string]string{"teal.yaml": manifest, "dist/index.html": "one", "dist/assets/app-BxY12a9_.js": "1"})
	h.deploy(dir, true, func(p *teal.Policy) { p.Confidence = 0 })
	h.awaitPhase("site", teal.PhaseCompleted)
	status, _, first, body := h.page("site.example", "/")
	if status != 200 || body != "one" {
		t.Fatalf("%d %q", status, body)
	}

	if err := os.WriteFile(filepath.Join(dir, "dist/index.html"), []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	h.deploy(dir, true, nil)
	h.awaitPhase("site", teal.PhaseWatching)
	status, version, second, body := h.page("site.example", "/app/users/7", "Accept", "text/html", "If-None-Match", first)
	if status != 200 || version != "2" || body != "two" || first == second {
		t.Errorf("%d %s %q", status, version, body)
	}
	for _, tt := range []struct {
		path, field, value string
		status             int
		body               string
	}{
		{"/", "Teal-Version", "1", 200, "one"},
		{"/", "If-None-Match", second, 304, ""},
		{"/app/assets/app-BxY12a9_.js", "Accept", "*/*", 200, "1"},
		{"/app/assets/app-CxY12a9_.js", "Accept", "text/html", 404, ""},
	} {
		status, _, _, body := h.page("site.example", tt.path, tt.field, tt.value)
		if status != tt.status || status == 200 && body != tt.body {
			t.Errorf("%s %s: %d %q", tt.path, tt.field, status, body)
		}
	}

	if _, err := h.Rollback(t.Context(), "site", api.RollbackBody{}); err != nil {
		t.Fatal(err)
	}
	h.awaitPhase("site", teal.PhaseRolledBack)
	if status, version, _, body := h.page("site.example", "/", "If-None-Match", second); status != 200 || version != "1" || body != "one" {
		t.Errorf("after the rollback: %d %s %q", status, version, body)
	}
	h.stop()
	h = startDaemon(t, data)
	if status, _, etag, body := h.page("site.example", "/"); status != 200 || body != "one" || etag != first {
		t.Errorf("after a restart: %d %q", status, body)
	}
}

// A page that the files do not have ends the release before anybody gets it.
func TestStaticFilesThatLackAPage(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	dir := folderOf(t, map[string]string{"teal.yaml": "app: site\nstatic:\n  web: {folder: dist}\nroutes:\n  - {path: /, to: web}\n", "dist/index.html": "one"})
	order := h.prepare(dir, true, nil)
	web := *order.Spec.Components["web"].Static
	web.NotFound = "404.html"
	order.Spec.Components["web"] = teal.Component{Static: &web}
	if _, err := h.Deploy(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	h.awaitPhase("site", teal.PhaseAborted)
	if reason := h.newest("site").Reason; !strings.Contains(reason, "404.html is not among its files") {
		t.Errorf("the reason is %q", reason)
	}
}

// What teal.yaml says of asynchronous invocations holds, a layer of a folder is there, and
// what AWS's tools say of an alias comes first.
//
// Seen red with the settings of the version never asked for.
func TestAsynchronousSettingsOfAManifest(t *testing.T) {
	sink := newReceived(t)
	h := startDaemon(t, t.TempDir(), func(c *Config) { c.AWS.RetryDelay = 10 * time.Millisecond })
	h.deploy(folderOf(t, map[string]string{
		"teal.yaml": "app: jobs\nfunctions:\n  work:\n    {runtime: python3, handler: app.handler, code: code, layers: [common], async: {retries: 0, on_success: told, on_failure: \"" + sink.URL + "\"}}\n" +
			"  told: {runtime: python3, handler: told.handler, code: code, env: {SINK: \"" + sink.URL + "\"}}\nroutes: []\n",
		"common/python/shared.py": "word = 'from the layer'\n",
		"code/app.py":             "import shared\ndef handler(event, context):\n    if event.get('fail'): raise ValueError('no')\n    return shared.word\n",
		"code/told.py":            "import json, os, urllib.request\ndef handler(event, context):\n    urllib.request.urlopen(urllib.request.Request(os.environ['SINK'], data=json.dumps({'told': event}).encode(), method='POST'))\n",
	}), true, nil)
	h.awaitPhase("jobs", teal.PhaseCompleted)
	c := h.awsClient()
	sendEvent(t, c, "jobs-work", "live", `{}`)
	if text := encode(t, sink.next(t)); !strings.Contains(text, `"told":{`) || !strings.Contains(text, `"responsePayload":"from the layer"`) {
		t.Errorf("the function was told %s", text)
	}
	sendEvent(t, c, "jobs-work", "live", `{"fail":true}`)
	if text := encode(t, sink.next(t)); !strings.Contains(text, `"approximateInvokeCount":1`) || !strings.Contains(text, `"condition":"RetriesExhausted"`) {
		t.Errorf("the address was told %s", text)
	}
	await.True(t, "no event to be left", func() bool {
		list, err := h.kv().List(t.Context(), "lambda.event.>")
		return err == nil && len(list) == 0
	})
}

// The example's page and its API are of one version.
func TestTheExampleWithAFrontEnd(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h := startDaemon(t, t.TempDir())
	h.deploy(examples+"static", true, nil)
	h.awaitPhase("notes", teal.PhaseCompleted)
	for _, tt := range []struct{ path, accept, body string }{
		{"/notes/7", "text/html", "<title>notes</title>"},
		{"/assets/index-BxY12a9_.js", "*/*", "await fetch"},
		{"/api/notes/7", "*/*", `{"path": "/api/notes/7", "version": "1"}`},
	} {
		if status, version, _, body := h.page("notes.localhost", tt.path, "Accept", tt.accept); status != 200 || version != "1" || !strings.Contains(body, tt.body) {
			t.Errorf("%s: %d of %s: %s", tt.path, status, version, body)
		}
	}
}
