package datadir

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"teal"
)

// Seen red without filepath.Abs: no function started, because its bootstrap was
// looked for below the function's own folder.
func TestOpenDataOfARelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	data, err := Open(t.Context(), "data", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := data.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := data.Join(Work), filepath.Join(here, "data", "work"); got != want {
		t.Errorf("work is in %s, want %s", got, want)
	}
}

// A data directory that others could read, as systemd makes it, is its owner's
// alone after the start, and so is what a server has left in it. Seen red without
// keepPrivate, and with one that knows the directory alone.
func TestTheDataDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	for name, mode := range map[string]os.FileMode{"": os.ModeSetgid | 0o755, Bundles: 0o755, Logs: 0o700} {
		if err := os.MkdirAll(filepath.Join(data, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(data, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, AdminToken), []byte("token\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(data, AdminToken), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	opened, err := Open(t.Context(), data, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	for name, want := range map[string]os.FileMode{"": os.ModeSetgid | 0o700, Bundles: 0o700, Logs: 0o700, AdminToken: 0o600} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil || info.Mode()&^os.ModeDir != want {
			t.Errorf("%q: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	if n := strings.Count(log.String(), "took the permissions"); n != 3 {
		t.Errorf("%d lines: %s", n, log.String())
	}
}

// Something in the data directory that cannot even be looked at ends no start: it is
// set aside later. Seen red when keepPrivate returned that error.
func TestAFileThatCannotBeLookedAtEndsNoStart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for _, name := range []string{AdminToken, URLKey, Logs, Store} {
		if err := os.Symlink(name, filepath.Join(data, name)); err != nil { // a link to itself
			t.Fatal(err)
		}
	}
	opened, err := Open(t.Context(), data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_ = opened.Close()
}

// A server that is started while the one before it is still being taken down waits for
// it, and says so. Seen red without awaitLock's loop: "in use by another teal server".
func TestAStartWaitsForTheServerBeforeIt(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	before, err := Open(t.Context(), data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	waits := make(waitingHandler, 1)
	ended := make(chan error, 1)
	go func() {
		next, err := Open(t.Context(), data, slog.New(waits))
		if err == nil {
			err = next.Close()
		}
		ended <- err
	}()
	select {
	case <-waits:
	case err := <-ended:
		t.Fatalf("it has not waited: %v", err)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// waitingHandler gets a value with each warning that somebody waits.
type waitingHandler chan struct{}

func (h waitingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h waitingHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h waitingHandler) WithGroup(string) slog.Handler            { return h }
func (h waitingHandler) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "waiting for it to end") {
		h <- struct{}{}
	}
	return nil
}

// One that goes on holding the directory is left alone, after as long as that. Seen red
// with a loop without an end, and with none.
func TestAStartDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	before, err := Open(t.Context(), data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = before.Close() }()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := Open(t.Context(), data, slog.New(slog.DiscardHandler))
		if took := time.Since(began); !teal.IsCode(err, teal.CodeDataInUse) || took != lockPatience {
			t.Errorf("after %s: %v", took, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began = time.Now()
		_, err = Open(ctx, data, slog.New(slog.DiscardHandler))
		if took := time.Since(began); !teal.IsCode(err, teal.CodeDataInUse) || took != 0 {
			t.Errorf("told to end, after %s: %v", took, err)
		}
	})
}
