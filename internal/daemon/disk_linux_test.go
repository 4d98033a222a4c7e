package daemon

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"teal"
	"teal/internal/api"
	"teal/internal/api/awslambda"
	"teal/internal/artifact"
	"teal/internal/await"
	"teal/internal/datadir"
	"teal/internal/recording"
	"teal/internal/roles"
)

// smallDisk mounts a file system of 96 MiB of its own; fill writes until it is full
// and returns what gives that free.
func smallDisk(t *testing.T) (dir string, fill func() (empty func())) {
	t.Helper()
	dir = t.TempDir()
	if err := mountSmall(dir); err != nil {
		t.Skipf("this test needs a small file system, and may not mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 2 /* MNT_DETACH */); err != nil {
			t.Error(err)
		}
	})
	return dir, func() func() {
		path := filepath.Join(dir, "filler")
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		for chunk := 1 << 20; chunk > 0; {
			if _, err := file.Write(make([]byte, chunk)); err != nil {
				chunk /= 2
			}
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
	}
}

func mountSmall(dir string) error { return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96m") }

// blocked reports whether the server says that it takes no orders.
func (h *harness) blocked() bool {
	h.t.Helper()
	alerts, err := h.Alerts(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return len(alerts) > 0 && alerts[0].Blocking && alerts[0].Code == teal.AlertStoreReadOnly
}

// wantAddress checks a file by which commands find the server.
func (h *harness) wantAddress(file string) {
	h.t.Helper()
	if found, err := os.ReadFile(filepath.Join(h.data, file)); err != nil || !strings.HasPrefix(string(found), "127.0.0.1:") {
		h.t.Errorf("%s has %q, %v", file, found, err)
	}
}

// Everything that writes meets a full disk: a function that runs goes on, and is
// started again by the next server; an upload leaves nothing behind; what begins
// something is refused before it has changed anything; and what goes back, goes.
//
// Seen red when Promote did not ask first, when the records of releases were not
// urgent (no rollback), when no room was made at the start (the function was not
// started again), and when none was made for the addresses, by which commands find
// the server.
func TestFullDiskUnderEverything(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	dir, fill := smallDisk(t)
	data := filepath.Join(dir, "data")
	h := startDaemon(t, data)
	h.deploy(examples+"hello", true, nil)
	h.awaitPhase("hello", teal.PhaseCompleted)
	h.deploy(examples+"hello-green", true, nil)
	h.awaitPhase("hello", teal.PhaseWatching)
	await.True(h.t, "the ballast", func() bool { return h.daemon.running.db.Health().Ballast == 96<<20/32 })
	empty := fill()
	await.True(h.t, "an alert", h.blocked)
	h.wantFullDisk("2")
	h.stop()
	fill() // what the end has given free
	h = startDaemon(t, data)
	h.wantAddress(datadir.AdminAddress)
	h.wantAddress(datadir.HTTPAddress)
	await.True(h.t, "an alert", h.blocked)
	h.awaitPhase("hello", teal.PhaseWatching)
	h.wantFullDisk("2")
	r, err := h.Rollback(t.Context(), "hello", api.RollbackBody{})
	if err != nil || r.Phase != teal.PhaseRolledBack {
		t.Fatalf("rollback: %+v %v", r, err)
	}
	h.wantFullDisk("1")
	fill() // so that what a start makes free for other things is not enough
	parts := roles.NewStack(slog.New(slog.DiscardHandler))
	h.daemon.running.announce(parts, "late.addr", h.daemon.AdminAddr().String())
	h.wantAddress("late.addr")
	parts.Stop()
	empty()
	await.True(h.t, "no alert", func() bool { return !h.blocked() })
	h.deploy(examples+"hello-green", true, nil)
	h.awaitPhase("hello", teal.PhaseWatching)
	h.stop()
}

// An app can be deleted on a full disk, which makes room. Seen red when its records
// were ordinary ones: the disk was full.
func TestDeletingOnAFullDisk(t *testing.T) {
	dir, fill := smallDisk(t)
	h := startDaemon(t, filepath.Join(dir, "data"))
	h.deploy(examples+"hello", true, func(p *teal.Policy) { p.Confidence = 0 })
	h.awaitPhase("hello", teal.PhaseCompleted)
	await.True(h.t, "the ballast", func() bool { return h.daemon.running.db.Health().Ballast == 96<<20/32 })
	fill()
	await.True(h.t, "an alert", h.blocked)
	if err := h.daemon.running.lambda.Delete(t.Context(), awslambda.Ref{App: "hello", Component: "hello"}); err != nil {
		t.Fatal(err)
	}
	h.awaitGone("hello")
}

// wantFullDisk looks at a server that has no space while the version serves.
func (h *harness) wantFullDisk(version string) {
	h.t.Helper()
	ctx := h.t.Context()
	for range 3 {
		if code, got, body := h.get("/"); code != http.StatusOK || got != version {
			h.t.Errorf("%d by version %s, want %s: %s", code, got, version, body)
		}
	}
	before := h.newest("hello")
	_, err := h.Promote(ctx, "hello", api.PromoteBody{})
	if !teal.IsCode(err, teal.CodeDiskFull) {
		h.t.Errorf("promote: %v, want that the disk is full", err)
	}
	_, err = h.SetAlias(ctx, "hello", "beta", api.AliasBody{Versions: teal.Only(1)})
	if !teal.IsCode(err, teal.CodeDiskFull) {
		h.t.Errorf("alias: %v, want that the disk is full", err)
	}
	if after := h.newest("hello"); after.Phase != before.Phase || after.Commands.Finish != nil {
		h.t.Errorf("what was refused has changed the release: %+v", after)
	}
	h.wantUploadRefused()
}

func (h *harness) wantUploadRefused() {
	h.t.Helper()
	code := h.t.TempDir()
	if err := os.WriteFile(filepath.Join(code, "index.js"), bytes.Repeat([]byte("// a comment\n"), 1<<18), 0o600); err != nil {
		h.t.Fatal(err)
	}
	tree, err := artifact.Scan(code, artifact.Limits{})
	if err != nil {
		h.t.Fatal(err)
	}
	var zip bytes.Buffer
	if err := tree.WriteZip(&zip); err != nil {
		h.t.Fatal(err)
	}
	err = h.PutBundle(h.t.Context(), tree.Digest, &zip)
	if !teal.IsCode(err, teal.CodeDiskFull) || !strings.Contains(teal.MessageOf(err), "full") {
		h.t.Errorf("upload: %v, want that the disk is full", err)
	}
	left, err := os.ReadDir(filepath.Join(h.data, datadir.Bundles, "tmp"))
	if err != nil || len(left) != 0 {
		h.t.Errorf("the upload has left %v, %v", left, err)
	}
}

// A recording whose disk fills up in the middle of a line has whole lines, before
// and after.
//
// Seen red when the half of a line stayed.
func TestRecordingOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir, fill := smallDisk(t)
	r := recording.New(recording.Config{Dir: filepath.Join(dir, "recordings"), Logger: slog.New(slog.DiscardHandler)})
	line := func(n int) {
		r.Measured(teal.Release{ID: "shop-1"}, teal.Interval{At: time.Unix(int64(n), 0)})
		r.Flush()
	}
	line(1)
	empty := fill()
	for n := range 300 { // more than what is left of the file's last page
		line(n)
	}
	empty()
	line(1000)
	file, err := r.Read("shop-1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	for i, line := range lines {
		if !json.Valid(line) {
			t.Errorf("line %d of %d: %q", i+1, len(lines), line)
		}
	}
	if len(lines) < 10 || len(lines) > 250 {
		t.Errorf("%d lines; the disk was full after a page of them", len(lines))
	}
}
