package daemon

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/await"
	"teal/internal/datadir"
)

// wantStopped checks that a path is answered by the stopped app that has it, and by
// nothing else.
func (h *harness) wantStopped(path string) {
	h.t.Helper()
	if code, _, body := h.get(path); code != http.StatusServiceUnavailable || !strings.Contains(body, string(teal.CodeAppStopped)) || !strings.Contains(body, "has been stopped") {
		h.t.Errorf("%s of a stopped app: %d %s", path, code, body)
	}
}

// note writes an order into the record of an app and does nothing about it, as a
// server does that is killed right then.
func (h *harness) note(app string, kind teal.AppOrderKind) {
	h.t.Helper()
	_, err := h.daemon.running.store.Apps.Modify(h.t.Context(), app, func(a *teal.App) error {
		a.Give(teal.AppOrder{Kind: kind, By: "ann", At: time.Now()})
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) again() *harness {
	h.t.Helper()
	h.stop()
	return startDaemon(h.t, h.data)
}

// A stopped app runs nothing, also after a restart of the server; its routes stay its
// own and say why nothing answers; started, it is as it was. Another app sees nothing
// of that.
//
// Seen red without loadStopped (the app at / answered after the restart), without the
// routes of stoppedRoutes (it answered at once), without the look of HideUnused (the
// stop was refused: the version is live), and without that of
// checkDeploy (the version was recorded).
func TestAStoppedAppRunsNothingUntilItIsStarted(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h, ctx := startDaemon(t, t.TempDir()), t.Context()
	h.releaseAll("all", "/", "all")
	h.releaseAll("shop", "/shop", "one", "two")
	if _, err := h.SetAlias(ctx, "shop", "stable", api.AliasBody{Versions: teal.Only(1)}); err != nil {
		t.Fatal(err)
	}
	status, err := h.OrderApp(ctx, "shop", teal.OrderStop, api.OrderBody{By: "ann", Why: "audit"})
	if err != nil || status.Stopped == nil || status.Stopped.By != "admin (ann)" || status.Stopped.Why != "audit" {
		t.Fatalf("%+v, %v", status, err)
	}
	h.wantStopped("/shop")
	await.True(h.t, "everything to have ended", func() bool {
		status, err := h.Status(ctx, "shop")
		return err == nil && len(status.Environments) == 0
	})
	if err := h.tryDeploy(h.app("shop", "/shop", "three")); !teal.IsCode(err, teal.CodeConflict) || !strings.Contains(err.Error(), "teal start shop") {
		t.Errorf("a deploy: %v", err)
	}
	if versions, err := h.Versions(ctx, "shop"); err != nil || len(versions) != 2 {
		t.Errorf("it has %d versions after a deploy that was refused: %v", len(versions), err)
	}
	if err := h.tryDeploy(h.app("thief", "/shop", "mine")); !teal.IsCode(err, teal.CodeRouteTaken) {
		t.Errorf("another app takes its route: %v", err)
	}
	if _, err := h.Rollback(ctx, "shop", api.RollbackBody{}); !teal.IsCode(err, teal.CodeConflict) {
		t.Errorf("a rollback: %v", err)
	}
	if _, err := h.SetAlias(ctx, "shop", teal.AliasLive, api.AliasBody{Versions: teal.Only(1)}); !teal.IsCode(err, teal.CodeConflict) {
		t.Errorf("an alias: %v", err)
	}

	h = h.again()
	h.wantStopped("/shop")
	h.wantAnswer("all", "/", "all")
	if status, err := h.Status(ctx, "shop"); err != nil || len(status.Environments) > 0 || status.Stopped == nil {
		t.Errorf("after a restart: %+v, %v", status, err)
	}
	if status, err = h.OrderApp(ctx, "shop", teal.OrderStart, api.OrderBody{By: "bob"}); err != nil || status.Stopped != nil || len(status.Orders) != 2 {
		t.Fatalf("%+v, %v", status, err)
	}
	h.wantAnswer("shop", "/shop", "two")
	if v := len(status.Environments); v != 2 {
		t.Errorf("%d of the 2 versions that aliases point to run", v)
	}
	h.releaseAll("shop", "/shop", "three")
}

// A server that is killed after it has recorded that an app is stopped, or started,
// does the rest when it starts again. Seen red without the look at Stopped in IsIdle and
// in RunsNothing (it ran).
func TestAStopEndsWholeAfterACrash(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h, ctx := startDaemon(t, t.TempDir()), t.Context()
	h.releaseAll("shop", "/", "one")
	h.note("shop", teal.OrderStop)
	h = h.again()
	h.wantStopped("/")
	if status, err := h.Status(ctx, "shop"); err != nil || len(status.Environments) > 0 {
		t.Errorf("stopped: %+v, %v", status, err)
	}
	h.note("shop", teal.OrderStart)
	h = h.again()
	h.wantAnswer("shop", "/", "one")
}

// While a release is under way, or monitors its version, the app is neither stopped nor
// deleted, and the answer says how to end it. Seen red without CheckSettled in both.
func TestAReleaseThatRunsIsNotStopped(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h, ctx := startDaemon(t, t.TempDir()), t.Context()
	h.releaseAll("shop", "/", "one")
	refused := func(words ...string) {
		t.Helper()
		_, stop := h.OrderApp(ctx, "shop", teal.OrderStop, api.OrderBody{})
		_, deletion := h.DeleteApp(ctx, "shop", api.DeleteApp{})
		for _, err := range []error{stop, deletion} {
			if !teal.IsCode(err, teal.CodeReleaseInProgress) {
				t.Error(err)
				continue
			}
			for _, word := range append(words, "teal abort shop") {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q is not in %v", word, err)
				}
			}
		}
	}
	h.deploy(h.app("shop", "/", "two"), true, func(p *teal.Policy) {
		p.Strategy, p.Steps = "", []teal.Step{{Weight: teal.Percent(10), Approval: true}}
		p.Judge = teal.Judging{}
	})
	h.awaitApproval("shop")
	refused("is shifting")
	if _, err := h.Approve(ctx, "shop", api.ApproveBody{By: "bob"}); err != nil {
		t.Fatal(err)
	}
	h.awaitPhase("shop", teal.PhaseWatching)
	refused("monitors v2", "back to v1")
	h.wantAnswer("shop", "/", "two")
}

// awaitApproval waits until the newest release of an app waits for somebody's approval.
func (h *harness) awaitApproval(app string) {
	h.t.Helper()
	await.True(h.t, "a step of "+app+" to wait for approval", func() bool { return h.newest(app).WaitsSince != nil })
}

// stateful writes an app of a service that has stored something.
func (h *harness) stateful(name, path string) string {
	h.t.Helper()
	dir := h.t.TempDir()
	for file, text := range map[string]string{
		"teal.yaml": "app: " + name + "\nservices:\n  web: {command: [python3, -u, web.py], code: ./web, health: {path: /}}\nroutes:\n  - {path: " + path + ", to: web}\n",
		"web/web.py": `import http.server, os
open(os.path.join(os.environ["TEAL_STATE_DIR"], "orders.db"), "w").write("42")
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"` + name + `")
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
`,
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755), os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644)); err != nil {
			h.t.Fatal(err)
		}
	}
	return dir
}

// An app of services is deleted: its routes are free for another app when the answer
// comes, nothing is left of it but what it has stored, and that only unless somebody
// wants it gone. Also when the server is killed in between, and when it is asked for
// twice.
//
// Seen red with a Begin that forgets keepState (what was stored was gone), with a
// removeKept that does not look at it, without the tombstone's look in DeleteApp, and
// without RemoveState.
func TestAnAppOfServicesIsDeleted(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h, ctx := startDaemon(t, t.TempDir()), t.Context()
	kept := filepath.Join(h.data, datadir.State, "shop")
	stored := func() bool {
		_, err := os.Stat(filepath.Join(kept, "web", "orders.db"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return err == nil
	}
	again := func() {
		t.Helper()
		h.deploy(h.stateful("shop", "/"), true, noStandby)
		h.awaitPhase("shop", teal.PhaseCompleted)
	}
	again()
	deleted, err := h.DeleteApp(ctx, "shop", api.DeleteApp{By: "ann"})
	if err != nil || deleted.KeptState != kept || deleted.Already {
		t.Fatalf("%+v, %v", deleted, err)
	}
	h.releaseAll("next", "/", "next")
	h.wantAnswer("next", "/", "next")
	h.awaitGone("shop")
	if !stored() {
		t.Error("what it has stored is gone")
	}
	if deleted, err := h.DeleteApp(ctx, "shop", api.DeleteApp{}); err != nil || !deleted.Already || deleted.KeptState != kept {
		t.Errorf("once more: %+v, %v", deleted, err)
	}
	if deleted, err := h.DeleteApp(ctx, "shop", api.DeleteApp{WithState: true}); err != nil || !deleted.Already || !deleted.RemovedState || stored() {
		t.Errorf("and what was kept: %+v, %v", deleted, err)
	}
	if _, err := h.DeleteApp(ctx, "shob", api.DeleteApp{}); !teal.IsCode(err, teal.CodeUnknownApp) {
		t.Errorf("a name that never was: %v", err)
	}
	if _, err := h.DeleteApp(ctx, "next", api.DeleteApp{}); err != nil {
		t.Fatal(err)
	}

	again()
	_, err = h.daemon.running.store.Apps.Modify(ctx, "shop", func(a *teal.App) error { // and the server is killed
		a.Deleting, a.KeepState = true, true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h = h.again()
	h.awaitGone("shop")
	if !stored() {
		t.Error("what it has stored is gone after a crash")
	}

	again()
	if deleted, err := h.DeleteApp(ctx, "shop", api.DeleteApp{WithState: true}); err != nil || deleted.KeptState != "" {
		t.Fatalf("with its state: %+v, %v", deleted, err)
	}
	h.awaitGone("shop")
	if stored() {
		t.Error("what it has stored is there")
	}
}

// A freeze that somebody orders refuses releases and keeps one that runs where it is,
// until its end or until it is lifted. Seen red without the look of checkFreeze at the
// order.
func TestAnOrderedFreeze(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h, ctx := startDaemon(t, t.TempDir()), t.Context()
	h.releaseAll("shop", "/", "one")
	status, err := h.Freeze(ctx, "shop", api.FreezeBody{By: "ann", Why: "audit"})
	if err != nil || status.Frozen == nil || status.Frozen.Until != nil {
		t.Fatalf("%+v, %v", status, err)
	}
	if err := h.tryDeploy(h.app("shop", "/", "two")); !teal.IsCode(err, teal.CodeFrozen) || !strings.Contains(err.Error(), `by admin (ann) ("audit")`) {
		t.Errorf("a deploy: %v", err)
	}
	if _, err := h.OrderApp(ctx, "shop", teal.OrderUnfreeze, api.OrderBody{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	h.deploy(h.app("shop", "/", "two"), true, func(p *teal.Policy) {
		p.Strategy, p.Steps, p.Confidence = "", []teal.Step{{Weight: teal.Percent(10), Approval: true}}, 0
		p.Judge = teal.Judging{}
	})
	h.awaitApproval("shop")
	length := teal.Duration(time.Hour)
	if _, err := h.Freeze(ctx, "shop", api.FreezeBody{By: "ann", Why: "audit", For: &length}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Approve(ctx, "shop", api.ApproveBody{By: "bob"}); err != nil {
		t.Fatal(err)
	}
	if r := h.newest("shop"); r.Phase != teal.PhaseShifting || r.Frozen == nil || r.Frozen.Until == nil {
		t.Errorf("frozen: %+v", r)
	}
	if _, err := h.OrderApp(ctx, "shop", teal.OrderUnfreeze, api.OrderBody{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	h.awaitPhase("shop", teal.PhaseCompleted)
	h.wantAnswer("shop", "/", "two")
}
