package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal"
	"teal/internal/api"
	"teal/internal/artifact"
	"teal/internal/await"
	"teal/internal/client"
	"teal/internal/datadir"
	"teal/internal/manifest"
	"teal/internal/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// harness is a daemon in this process and a client of it.
type harness struct {
	*client.Client
	t      *testing.T
	daemon *Daemon
	data   string
	stop   func()
}

func startDaemon(t *testing.T, data string, change ...func(*Config)) *harness {
	t.Helper()
	var log bytes.Buffer
	cfg := Config{
		Data: data, HTTP: "127.0.0.1:0", Admin: "127.0.0.1:0",
		Override: func(netip.Addr) bool { return true },
		// A server that serves does so with all that ran before, however slow the machine.
		RecoveryPatience: await.Patience / 2,
		Logger:           slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		AWS:              AWS{Settle: time.Nanosecond}, // only the tests of it have functions that are changing
	}
	for _, c := range change {
		c(&cfg)
	}
	around := cfg.around
	cfg.around = func(kv store.KV) store.KV {
		if around != nil {
			kv = around(kv)
		}
		return onlyNumbered{kv, t}
	}
	d := New(cfg)
	end := serving(t, d)
	token, err := os.ReadFile(filepath.Join(data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{Address: d.AdminAddr().String(), Token: strings.TrimSpace(string(token))})
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{Client: c, t: t, daemon: d, data: data}
	stopped := false
	h.stop = func() {
		if stopped {
			return
		}
		stopped = true
		c.Close()
		end()
		if t.Failed() {
			t.Logf("log:\n%s", log.String())
		}
	}
	t.Cleanup(h.stop)
	return h
}

// serving runs a daemon until end is called, which waits for it. It returns once the
// daemon serves.
func serving(t *testing.T, d *Daemon) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	select {
	case <-d.Ready():
	case err := <-ended:
		cancel()
		t.Fatalf("the daemon did not start: %v", err)
	case <-time.After(await.Patience):
		cancel()
		t.Fatalf("after %s the daemon has neither begun to serve nor ended", await.Patience)
	}
	return func() {
		t.Helper()
		cancel()
		if err := await.Value(t, "the daemon to end", ended); err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// deploy uploads and deploys a folder.
func (h *harness) deploy(dir string, release bool, change func(*teal.Policy)) api.DeployView {
	h.t.Helper()
	out, err := h.Deploy(h.t.Context(), h.prepare(dir, release, change))
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// tryDeploy is deploy that may be refused.
func (h *harness) tryDeploy(dir string) error {
	_, err := h.Deploy(h.t.Context(), h.prepare(dir, true, nil))
	return err
}

// prepare uploads a folder and returns what is to be deployed.
func (h *harness) prepare(dir string, release bool, change func(*teal.Policy)) api.DeployBody {
	h.t.Helper()
	m, err := manifest.Load(dir, manifest.Variables{})
	if err != nil {
		h.t.Fatal(err)
	}
	digests := map[string]string{}
	for component, code := range m.Code {
		tree, err := artifact.Scan(filepath.Join(m.Dir, code), artifact.Limits{})
		if err != nil {
			h.t.Fatal(err)
		}
		digests[component] = tree.Digest
		var zip bytes.Buffer
		if err := tree.WriteZip(&zip); err != nil {
			h.t.Fatal(err)
		}
		if err := h.PutBundle(h.t.Context(), tree.Digest, &zip); err != nil {
			h.t.Fatal(err)
		}
	}
	spec, policy, err := m.Resolve(digests)
	if err != nil {
		h.t.Fatal(err)
	}
	if change != nil {
		change(&policy)
	}
	return api.DeployBody{Spec: spec, Policy: &policy, Release: release}
}

func (h *harness) awaitPhase(app string, want teal.Phase) api.ReleaseView {
	h.t.Helper()
	var r api.ReleaseView
	defer func() {
		if h.t.Failed() {
			h.t.Logf("release %+v", r)
		}
	}()
	await.True(h.t, "the release of "+app+" to be "+string(want), func() bool {
		r = h.newest(app)
		if r.Phase != want && r.Phase.Ended() {
			h.t.Fatalf("release is %+v, want %s", r, want)
		}
		return r.Phase == want
	})
	return r
}

// newest returns the newest release of an app; an app that has none fails the test.
func (h *harness) newest(app string) api.ReleaseView {
	h.t.Helper()
	status, err := h.Status(h.t.Context(), app)
	if err != nil {
		h.t.Fatal(err)
	}
	if status.Release == nil {
		h.t.Fatalf("app %s has no release: %+v", app, status)
	}
	return *status.Release
}

func (h *harness) get(path string) (int, string, string) {
	h.t.Helper()
	resp, err := http.Get("http://" + h.daemon.HTTPAddr().String() + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Teal-Version"), string(body)
}

const examples = "../../examples/"

func TestBlueGreenAndBack(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	data := t.TempDir()
	h := startDaemon(t, data)
	h.deploy(examples+"hello", true, nil)
	h.awaitPhase("hello", teal.PhaseCompleted)
	if code, version, body := h.get("/"); code != 200 || version != "1" || body != "Hello From Blue Deployment" {
		t.Fatalf("blue: %d %s %s", code, version, body)
	}
	h.deploy(examples+"hello-green", true, nil)
	h.awaitPhase("hello", teal.PhaseWatching)
	if code, version, body := h.get("/"); code != 200 || version != "2" || body != "Hello From Green Deployment" {
		t.Fatalf("green: %d %s %s", code, version, body)
	}

	// A restart keeps the standby, and the rollback needs it.
	h.stop()
	h = startDaemon(t, data)
	h.awaitPhase("hello", teal.PhaseWatching)
	r, err := h.Rollback(t.Context(), "hello", api.RollbackBody{})
	if err != nil || r.Phase != teal.PhaseRolledBack {
		t.Fatalf("rollback: %+v %v", r, err)
	}
	if code, version, _ := h.get("/"); code != 200 || version != "1" {
		t.Fatalf("after the rollback: %d %s", code, version)
	}
	again, err := h.Rollback(t.Context(), "hello", api.RollbackBody{})
	if err != nil || again.ID != r.ID {
		t.Fatalf("a second rollback is no other one: %+v %v", again, err)
	}
	out := h.deploy(examples+"hello", true, nil)
	if out.Created || !out.Live || out.Release != nil {
		t.Fatalf("deploying what is live: %+v", out)
	}
}

func TestStartRefusals(t *testing.T) {
	data := t.TempDir()
	h := startDaemon(t, data)
	for _, c := range []struct {
		name string
		cfg  Config
		code teal.Code
	}{
		{"data in use", Config{Data: data, HTTP: "127.0.0.1:0", Admin: "127.0.0.1:0"}, teal.CodeDataInUse},
		{"http port taken", Config{Data: t.TempDir(), HTTP: h.daemon.HTTPAddr().String(), Admin: "127.0.0.1:0"}, teal.CodePortTaken},
		{"admin port taken", Config{Data: t.TempDir(), HTTP: "127.0.0.1:0", Admin: h.daemon.AdminAddr().String()}, teal.CodePortTaken},
		{"no such address", Config{Data: t.TempDir(), HTTP: "nowhere", Admin: "127.0.0.1:0"}, teal.CodeInvalidInput},
		{"data is a file", Config{Data: filepath.Join(data, "lock"), HTTP: "127.0.0.1:0", Admin: "127.0.0.1:0"}, teal.CodeInvalidInput},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Logger = slog.New(slog.DiscardHandler)
			err := New(c.cfg).Run(t.Context())
			var e *teal.Error
			if !errors.As(err, &e) || e.Code != c.code {
				t.Errorf("got %v, want code %s", err, c.code)
			}
		})
	}
}

// A full disk, here a folder in the place of the file, does not keep a server
// from serving what it has.
//
// Seen red when announce returned its error: Run ended.
func TestAnAddressThatCannotBeWritten(t *testing.T) {
	data := t.TempDir()
	for _, file := range []string{datadir.AdminAddress, datadir.HTTPAddress} {
		if err := os.MkdirAll(filepath.Join(data, file, "in the way"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	startDaemon(t, data).stop()
}
