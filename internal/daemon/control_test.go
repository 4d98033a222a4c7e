package daemon

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teal"
	"teal/internal/api"
	"teal/internal/await"
)

// app writes a one-function app whose content depends on the word.
func (h *harness) app(name, path, word string) string {
	h.t.Helper()
	dir := h.t.TempDir()
	for file, text := range map[string]string{
		"teal.yaml": "app: " + name + "\nfunctions:\n  f: {runtime: python3, handler: app.handler, code: ./f}\nroutes:\n  - {path: " + path + ", to: f}\n",
		"f/app.py":  "def handler(event, context):\n    return '" + word + "'\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755); err != nil {
			h.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			h.t.Fatal(err)
		}
	}
	return dir
}

// behind has the function of a folder start no sooner than a file is there, and
// returns the folder.
func (h *harness) behind(gate, dir string) string {
	h.t.Helper()
	path := filepath.Join(dir, "f", "app.py")
	code, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, fmt.Appendf(nil, "import os, time\nwhile not os.path.exists(%q): time.sleep(0.01)\n%s", gate, code), 0o644)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return dir
}

// noStandby is a policy that retires blue at once.
func noStandby(p *teal.Policy) { p.Confidence = 0 }

// releaseAll deploys versions one after the other; only the last one runs then.
func (h *harness) releaseAll(app, path string, words ...string) {
	h.t.Helper()
	for _, word := range words {
		h.deploy(h.app(app, path, word), true, noStandby)
		h.awaitPhase(app, teal.PhaseCompleted)
	}
}

func (h *harness) live(app string) int {
	h.t.Helper()
	aliases, err := h.Aliases(h.t.Context(), app)
	if err != nil {
		h.t.Fatal(err)
	}
	live := aliases[teal.AliasLive]
	if len(live.Versions) != 1 {
		h.t.Fatalf("live of %s is %+v, want one version", app, live)
	}
	return int(live.Versions[0].Version)
}

// Whoever asks, a rollback that has happened is not undone by asking again.
func TestRollbackTwiceWithoutAStandby(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h := startDaemon(t, t.TempDir())
	h.releaseAll("shop", "/", "one", "two")
	first, err := h.Rollback(t.Context(), "shop", api.RollbackBody{By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.Rollback(t.Context(), "shop", api.RollbackBody{By: "bob"})
	if err != nil || second.ID != first.ID || h.live("shop") != 1 {
		t.Fatalf("the second rollback is %s (%v), live is version %d; want %s and version 1", second.ID, err, h.live("shop"), first.ID)
	}
}

// A second caller does not call off the rollback that is under way.
func TestRollbackTwiceAtTheSameTime(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h := startDaemon(t, t.TempDir())
	gate := filepath.Join(t.TempDir(), "open")
	touchFile(t, gate)
	h.deploy(h.behind(gate, h.app("shop", "/", "one")), true, noStandby)
	h.awaitPhase("shop", teal.PhaseCompleted)
	h.releaseAll("shop", "/", "two")
	if err := os.Remove(gate); err != nil { // the rollback cannot end before the second is asked for
		t.Fatal(err)
	}
	type result struct {
		release api.ReleaseView
		err     error
	}
	results := make(chan result, 2)
	roll := func() {
		r, err := h.Rollback(context.WithoutCancel(t.Context()), "shop", api.RollbackBody{By: "ann"})
		results <- result{r, err}
	}
	go roll()
	await.True(t, "the rollback to begin", func() bool {
		r := h.newest("shop")
		return r.To == 1 && !r.Phase.Ended()
	})
	go roll()
	touchFile(t, gate)
	first, second := await.Value(t, "a rollback", results), await.Value(t, "the other rollback", results)
	if first.err != nil || second.err != nil || first.release.ID != second.release.ID || h.live("shop") != 1 {
		t.Fatalf("rollbacks %+v and %+v, live is version %d; want the same one twice and version 1", first, second, h.live("shop"))
	}
}

// A version whose routes another app has by now is refused before a release is
// begun that could never end.
func TestRoutesThatAnotherAppHasTaken(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h := startDaemon(t, t.TempDir())
	h.deploy(h.app("early", "/", "preview"), false, nil)
	h.releaseAll("mover", "/moved", "one")
	h.releaseAll("mover", "/new", "two")
	h.releaseAll("taker", "/", "mine")
	h.releaseAll("second", "/moved", "mine")
	ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	if _, err := h.Promote(ctx, "early", api.PromoteBody{}); !teal.IsCode(err, teal.CodeRouteTaken) {
		t.Errorf("promote: %v, want %s", err, teal.CodeRouteTaken)
	}
	if _, err := h.Rollback(ctx, "mover", api.RollbackBody{}); !teal.IsCode(err, teal.CodeRouteTaken) {
		t.Errorf("rollback: %v, want %s", err, teal.CodeRouteTaken)
	}
	for _, app := range []string{"early", "mover"} {
		if status, err := h.Status(t.Context(), app); err != nil || (status.Release != nil && !status.Release.Phase.Ended()) {
			t.Errorf("%s: a release was begun: %+v %v", app, status.Release, err)
		}
	}
}

// Deploys of new versions at the same time are told about each other, not about
// the number that both would have had.
func TestDeploysAtTheSameTime(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h := startDaemon(t, t.TempDir())
	gate := filepath.Join(t.TempDir(), "open")
	touchFile(t, gate)
	h.deploy(h.behind(gate, h.app("shop", "/", "one")), true, noStandby)
	h.awaitPhase("shop", teal.PhaseCompleted)
	versions, err := h.Versions(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(gate); err != nil { // the release that begins cannot end before all have been answered
		t.Fatal(err)
	}
	defer touchFile(t, gate)
	const many = 8
	errs := make(chan error, many)
	for i := range many {
		spec := teal.Spec(versions[0].Spec)
		spec.Routes = []teal.Route{{Path: "/" + strings.Repeat("a", i+1), To: "f"}}
		go func() {
			_, err := h.Deploy(context.WithoutCancel(t.Context()), api.DeployBody{Spec: spec, Release: true})
			errs <- err
		}()
	}
	won := 0
	for range many {
		switch err := await.Value(t, "the answer to a deploy", errs); {
		case err == nil:
			won++
		case !teal.IsCode(err, teal.CodeReleaseInProgress):
			t.Errorf("got %v, want %s", err, teal.CodeReleaseInProgress)
		}
	}
	if won != 1 {
		t.Errorf("%d deploys began a release, want 1", won)
	}
}

// Versions that are started for one alias do not make room for each other.
func TestAliasOfVersionsThatDoNotRun(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	h := startDaemon(t, t.TempDir())
	h.releaseAll("shop", "/", "one", "two", "three")
	targets := []teal.Target{{Version: 1, Weight: teal.Percent(50)}, {Version: 2, Weight: teal.Percent(50)}}
	if _, err := h.SetAlias(t.Context(), "shop", "old", api.AliasBody{Versions: targets}); err != nil {
		t.Fatal(err)
	}
}
