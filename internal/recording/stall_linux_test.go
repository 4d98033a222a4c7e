package recording

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"teal"
)

// A folder for recordings that cannot be made stops neither the server nor its end.
func TestRecordingsThatCannotBeKeptStopNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := New(Config{Dir: filepath.Join(file, "recordings"), Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.Measured(teal.Release{ID: "shop-1"}, teal.Interval{})
	select {
	case err := <-ended:
		t.Fatalf("it ended by itself: %v", err)
	case <-time.After(3 * writeEvery):
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What cannot be written at the end is not waited for without end: the file of a
// release is a named pipe that nobody fills.
func TestRecordingsDoNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := New(Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err := syscall.Mkfifo(r.path("shop-1"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.Measured(teal.Release{ID: "shop-1"}, teal.Interval{})
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(recordPatience + 20*time.Second):
		t.Error("it waits for the disk")
	}
	pipe, err := os.OpenFile(r.path("shop-1"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pipe.Write(make([]byte, 64)); err != nil { // no recording: the writer gives up
		t.Error(err)
	}
	r.writing.Lock()   // the writer is through
	r.writing.Unlock() //nolint:staticcheck // there is nothing to do but wait
	_ = pipe.Close()
}
