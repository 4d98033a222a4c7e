package daemon

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"teal"
	"teal/internal/api"
	"teal/internal/await"
	"teal/internal/datadir"
)

// files writes a folder of files, and returns it.
func (h *harness) files(files map[string]string) string {
	h.t.Helper()
	dir := h.t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			h.t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o755); err != nil {
			h.t.Fatal(err)
		}
	}
	return dir
}

func (h *harness) setSecret(app, name, value string) api.StoredSecret {
	h.t.Helper()
	stored, err := h.SetSecret(h.t.Context(), api.SetSecret{App: app, Name: name, Value: []byte(value), By: "ann"})
	if err != nil {
		h.t.Fatal(err)
	}
	return stored
}

// secretive writes an app whose function and service answer with their secrets, and whose
// hook and check want theirs.
func (h *harness) secretive() string {
	return h.files(map[string]string{
		"teal.yaml": `app: shop
functions:
  f: {runtime: python3, handler: app.handler, code: ./f, env: {KEY: {secret: api-key}, BLOB: {secret: blob, as: file}}}
services:
  web: {command: [python3, -u, web.py], code: ./web, env: {DATABASE_URL: {secret: database-url}, PLAIN: text}}
routes:
  - {path: /f, to: f}
  - {path: /, to: web}
release:
  checks:
    - {name: itest, command: [./check.sh], code: ./check, env: {TOKEN: {secret: check-token}}}
  hooks:
    AfterInstall:
      - {name: migrate, command: [./hook.sh], code: ./check, env: {TOKEN: {secret: check-token}}}
`,
		"f/app.py": `import os
def handler(event, context):
    blob = open(os.environ["BLOB"], "rb").read()
    return os.environ["KEY"] + " " + blob.hex() + " " + str(sorted(os.listdir(os.environ["TEAL_SECRETS"])))
`,
		"web/web.py": `import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ["DATABASE_URL"].encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
`,
		"check/check.sh": "#!/bin/sh\ntest \"$TOKEN\" = check-1 && test \"$(cat $TEAL_SECRETS/check-token)\" = check-1 && test -n \"$KEY$DATABASE_URL\"\n",
		"check/hook.sh":  "#!/bin/sh\necho it is $TOKEN\ntest \"$TOKEN\" = check-1\n",
	})
}

// Secrets get to functions, services, checks and hooks, as variables and as files; a
// version keeps the values that it was deployed with, over a restart too, until somebody
// refreshes them.
//
// Seen red without addSecrets (the service did not start), without check's open (the hook
// failed), with a Bind that every deploy follows (the third deploy made v2), and with
// removeSecrets left out (files of secrets were left over).
func TestSecretsGetToPrograms(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	data := t.TempDir()
	h, ctx := startDaemon(t, data), t.Context()
	dir := h.secretive()
	if err := h.tryDeploy(dir); !teal.IsCode(err, teal.CodeUnknownSecret) || !strings.Contains(err.Error(), "api-key, blob, check-token, database-url") {
		t.Fatalf("a deploy without its secrets: %v", err)
	}
	h.setSecret("shop", "api-key", "key-1")
	h.setSecret("shop", "blob", "\x00\x01")
	h.setSecret("shop", "check-token", "check-1")
	h.setSecret("shop", "database-url", "postgres://one")
	want := func(url, key string) {
		t.Helper()
		h.wantAnswer("shop", "/", url)
		h.wantAnswer("shop", "/f", key+" 0001 ['api-key', 'blob']")
	}
	h.deploy(dir, true, noStandby)
	h.awaitPhase("shop", teal.PhaseCompleted)
	want("postgres://one", "key-1")
	h.setSecret("shop", "database-url", "postgres://two")
	if d := h.deploy(dir, true, noStandby); !d.Live || d.Version.Number != 1 || !strings.Contains(strings.Join(d.Warnings, " "), "--refresh-secrets") {
		t.Errorf("the same once more: %+v", d)
	}
	h = h.again()
	want("postgres://one", "key-1")
	body := h.prepare(dir, true, noStandby)
	body.RefreshSecrets = true
	d, err := h.Deploy(ctx, body)
	if err != nil || d.Version.Number != 2 || !d.Created {
		t.Fatalf("refreshed: %+v, %v", d, err)
	}
	h.awaitPhase("shop", teal.PhaseCompleted)
	want("postgres://two", "key-1")
	if _, err := h.Rollback(ctx, "shop", api.RollbackBody{To: 1, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the first version to have all traffic", func() bool { return h.live("shop") == 1 })
	want("postgres://one", "key-1")
}

// A server without the key of its secrets starts what needs none, says what does not start
// and why, and starts it when the key is back. An app's secrets go with it.
//
// Seen red without missingKeys (no alert), with a build that ends the server, and without
// Forget (records were left).
func TestAServerWithoutTheKeyOfSecrets(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h, ctx := startDaemon(t, t.TempDir()), t.Context()
	for name, value := range map[string]string{"api-key": "key-1", "blob": "\x00\x01", "check-token": "check-1", "database-url": "postgres://one"} {
		h.setSecret("shop", name, value)
	}
	h.deploy(h.secretive(), true, noStandby)
	h.awaitPhase("shop", teal.PhaseCompleted)
	h.deploy(h.app("plain", "/plain", "plain"), true, noStandby)
	h.awaitPhase("plain", teal.PhaseCompleted)
	h.stop()
	key := filepath.Join(h.data, datadir.SecretsKey)
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	h = startDaemon(t, h.data)
	h.wantAnswer("plain", "/plain", "plain")
	await.True(t, "the status and the doctor to say what is missing", func() bool {
		status, err := h.Status(ctx, "shop")
		if err != nil {
			t.Fatal(err)
		}
		alerts, err := h.Alerts(ctx)
		if err != nil {
			t.Fatal(err)
		}
		told := slices.ContainsFunc(alerts, func(a teal.Alert) bool {
			return a.Code == teal.AlertSecretUnreadable && strings.Contains(a.Message, "shop/api-key")
		})
		return told && slices.ContainsFunc(status.Environments, func(e api.EnvironmentView) bool {
			return strings.Contains(e.Reason, "cannot be read: the key that it is encrypted with")
		})
	})
	if err := os.Rename(key+".away", key); err != nil {
		t.Fatal(err)
	}
	h.wantAnswer("shop", "/", "postgres://one")
	await.True(t, "the alerts to end", func() bool {
		alerts, err := h.Alerts(ctx)
		return err == nil && !slices.ContainsFunc(alerts, func(a teal.Alert) bool { return a.Code == teal.AlertSecretUnreadable })
	})
	if _, err := h.DeleteApp(ctx, "shop", api.DeleteApp{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	h.awaitGone("shop")
	if list, err := h.kv().List(ctx, "secret.>"); err != nil || len(list) > 0 {
		t.Errorf("%d records are left, %v", len(list), err)
	}
}
