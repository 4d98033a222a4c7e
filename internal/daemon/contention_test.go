package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/await"
	"teal/internal/store"
	"teal/internal/store/storetest"
)

// upstreamApp writes an app that starts no process: one upstream, whose version
// depends on the word.
func (h *harness) upstreamApp(name, url, word string) string {
	h.t.Helper()
	dir := h.t.TempDir()
	text := fmt.Sprintf("app: %s\nupstreams:\n  web: {urls: [%q]}\nroutes:\n  - {path: /%s, to: web}\n  - {path: /%s/%s, to: web}\n", name, url, name, name, word)
	if err := os.WriteFile(filepath.Join(dir, "teal.yaml"), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return dir
}

// percentiles returns the median and the 99th percentile.
func percentiles(took []time.Duration) (p50, p99 time.Duration) {
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}

// TestMeasureRollbackAmongDeploys measures how long the rollback of an app takes,
// and the write of an alias, alone and while 100 other apps are deployed at once.
// It runs only where TEAL_MEASURE is set.
func TestMeasureRollbackAmongDeploys(t *testing.T) {
	if os.Getenv("TEAL_MEASURE") == "" {
		t.Skip("a measurement; set TEAL_MEASURE=1")
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(origin.Close)
	h := startDaemon(t, t.TempDir())
	const victims, others = 30, 100
	greens := make(chan api.DeployBody, victims)
	for n := range victims {
		name := fmt.Sprintf("victim-%d", n)
		h.deploy(h.upstreamApp(name, origin.URL, "one"), true, noStandby)
		h.awaitPhase(name, teal.PhaseCompleted)
		green := h.prepare(h.upstreamApp(name, origin.URL, "two"), true, func(p *teal.Policy) { p.Confidence = teal.Duration(time.Hour) })
		if err := h.releaseUntil(green, teal.PhaseWatching); err != nil {
			t.Fatal(err)
		}
		greens <- green
	}
	alone := h.measureRollbacks(greens, 5*time.Second)

	var deployed atomic.Int64
	var stop atomic.Bool
	var group sync.WaitGroup
	for n := range others {
		name := fmt.Sprintf("app-%d", n)
		bodies := [2]api.DeployBody{}
		for i, word := range []string{"one", "two"} {
			bodies[i] = h.prepare(h.upstreamApp(name, origin.URL, word), true, noStandby)
		}
		group.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if err := h.releaseUntil(bodies[i%2], teal.PhaseCompleted); err != nil {
					t.Error(err)
					return
				}
				deployed.Add(1)
			}
		})
	}
	for deployed.Load() < others/2 { // all are at it
		time.Sleep(10 * time.Millisecond)
	}
	before, began := deployed.Load(), time.Now()
	among := h.measureRollbacks(greens, 40*time.Second)
	rate := float64(deployed.Load()-before) / time.Since(began).Seconds()
	stop.Store(true)
	group.Wait()
	t.Logf("alone: %s", alone)
	t.Logf("among 100 apps that deploy (%.0f releases a second): %s", rate, among)
}

// releaseUntil deploys a version and waits until its release has come to a phase, as
// the command does.
func (h *harness) releaseUntil(body api.DeployBody, phase teal.Phase) error {
	ctx, cancel := context.WithCancel(h.t.Context())
	defer cancel()
	c := h.daemon.running.control
	out, err := c.Deploy(ctx, api.Deploy{Spec: body.Spec, Policy: *body.Policy, Release: true, By: "load"})
	if err != nil || out.Release == nil {
		return err
	}
	events, err := c.Watch(ctx, body.Spec.App)
	if err != nil {
		return err
	}
	for event := range events {
		var shown struct {
			ID    string
			Phase teal.Phase
		}
		data, err := json.Marshal(event.Value)
		if err == nil {
			err = json.Unmarshal(data, &shown)
		}
		if err == nil && shown.ID == out.Release.ID && (shown.Phase == phase || shown.Phase.Ended()) {
			return nil
		}
	}
	return errors.New("the events of " + body.Spec.App + " have ended")
}

// measureRollbacks rolls one app after the other back for some time, and moves an
// alias of it. Each is released again in the background.
func (h *harness) measureRollbacks(greens chan api.DeployBody, during time.Duration) string {
	h.t.Helper()
	s, ctx := h.daemon.running, h.t.Context()
	var rollbacks, switches []time.Duration
	var again sync.WaitGroup
	defer again.Wait()
	for end := time.Now().Add(during); time.Now().Before(end); {
		green := <-greens
		app := green.Spec.App
		for n := range 2 {
			alias := teal.Alias{App: app, Name: "other", Targets: teal.Only(n + 1)}
			revision := s.router.Alias(app, "other").Revision
			at := time.Now()
			if err := s.router.Set(ctx, alias, revision); err != nil {
				h.t.Fatal(err)
			}
			switches = append(switches, time.Since(at))
		}
		at := time.Now()
		if _, err := h.Rollback(ctx, app, api.RollbackBody{}); err != nil {
			h.t.Fatal(err)
		}
		rollbacks = append(rollbacks, time.Since(at))
		again.Go(func() {
			if err := h.releaseUntil(green, teal.PhaseWatching); err != nil {
				h.t.Error(err)
			}
			greens <- green
		})
	}
	r50, r99 := percentiles(rollbacks)
	s50, s99 := percentiles(switches)
	return fmt.Sprintf("rollback p50 %s p99 %s of %d, switch p50 %s p99 %s of %d",
		r50.Round(time.Microsecond), r99.Round(time.Microsecond), len(rollbacks), s50.Round(time.Microsecond), s99.Round(time.Microsecond), len(switches))
}

// While a write of one app waits for the disk, whichever it is, another app is
// deployed, rolled back, promoted and given an alias, and code is collected.
//
// Seen red with the locks as they were, one for all apps, at every key but that of
// the release: the deploy of b waited.
func TestAStalledWriteOfOneAppHoldsUpNoOther(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(origin.Close)
	for _, kind := range []string{"app", "version.*", "environment.*", "alias.*", "release.*"} {
		t.Run(kind, func(t *testing.T) {
			var disk *storetest.Stalled
			h := startDaemon(t, t.TempDir(), func(c *Config) {
				c.around = func(kv store.KV) store.KV { disk = storetest.Stall(kv, ""); return disk }
			})
			t.Cleanup(func() { disk.LetGo() })
			standby := func(p *teal.Policy) { p.Confidence = teal.Duration(time.Hour) }
			for _, app := range []string{"a", "b"} {
				h.deploy(h.upstreamApp(app, origin.URL, "one"), true, noStandby)
				h.awaitPhase(app, teal.PhaseCompleted)
			}
			green := h.prepare(h.upstreamApp("a", origin.URL, "two"), true, standby)
			disk.Begin("apps.a." + kind)
			var stalled sync.WaitGroup
			stalled.Go(func() { _, _ = h.Deploy(context.WithoutCancel(t.Context()), green) })
			await.Value(t, "the write to stall", disk.Waits())
			stalled.Go(func() {
				h.daemon.running.garbage.DropPieces([]string{"sha256:" + strings.Repeat("0", 64)})
				_, _ = h.daemon.running.garbage.Collect(context.WithoutCancel(t.Context()))
			})

			done := make(chan struct{})
			go func() {
				defer close(done)
				h.moveAround("b", origin.URL, standby)
			}()
			select {
			case <-done:
			case <-time.After(await.Patience):
				t.Error("b waits for a")
			}
			disk.LetGo()
			await.Value(t, "b, which waits for nothing any more", done)
			stalled.Wait()
			h.awaitPhase("a", teal.PhaseWatching)
		})
	}
}

// moveAround deploys an app, rolls it back, promotes it and sets an alias.
func (h *harness) moveAround(app, url string, standby func(*teal.Policy)) {
	ctx := h.t.Context()
	h.deploy(h.upstreamApp(app, url, "two"), true, standby)
	h.awaitPhase(app, teal.PhaseWatching)
	if _, err := h.Rollback(ctx, app, api.RollbackBody{}); err != nil {
		h.t.Error(err)
	}
	h.deploy(h.upstreamApp(app, url, "three"), false, standby)
	if _, err := h.Promote(ctx, app, api.PromoteBody{}); err != nil {
		h.t.Error(err)
	}
	h.awaitPhase(app, teal.PhaseWatching)
	if _, err := h.SetAlias(ctx, app, "other", api.AliasBody{Versions: []teal.Target{{Version: 1, Weight: teal.All}}}); err != nil {
		h.t.Error(err)
	}
	if got := h.live(app); got != 3 {
		h.t.Errorf("live of %s is version %d", app, got)
	}
}
