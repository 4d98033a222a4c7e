package natskv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"teal/internal/store"
	"teal/internal/store/natskv"
)

// writerDir, in the environment of this test binary, makes it a program that
// writes to that directory until it is killed.
const writerDir = "TEAL_TEST_WRITER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		fmt.Fprintln(os.Stderr, writeForever(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// writeForever creates, updates and deletes, and prints a line for each write
// that was acknowledged: key, value ("-" for none), revision.
func writeForever(dir string) error {
	ctx := context.Background()
	db, err := natskv.Open(ctx, natskv.Config{Dir: dir})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		key := "k." + strconv.Itoa(i%11)
		value := strconv.Itoa(i) + strings.Repeat("x", i%1000)
		entry, err := db.Get(ctx, key)
		revision := uint64(0)
		switch {
		case errors.Is(err, store.ErrNotFound):
			revision, err = db.Create(ctx, key, []byte(value))
		case err == nil && i%3 == 0:
			err, value = db.Delete(ctx, key, entry.Revision), "-"
		case err == nil:
			revision, err = db.Update(ctx, key, []byte(value), entry.Revision)
		}
		if err != nil {
			return err
		}
		fmt.Printf("%s %s %d\n", key, value, revision)
	}
}

// TestKill kills a writer again and again and looks whether what it was told was
// written is there.
//
// Seen to fail when the bucket was in the server's memory. (A process that is
// killed leaves the system's file cache behind, so this says nothing about a
// machine that loses power; that is what SyncAlways is for.)
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	known := map[string]written{}
	for round := range 4 {
		killWriter(t, dir, 50+37*round, known)
		db := open(t, dir)
		for key, want := range known {
			entry, err := db.Get(t.Context(), key)
			if !want.plausible(entry, err) {
				t.Errorf("round %d: %s is at revision %d, %v; revision %d was acknowledged", round, key, entry.Revision, err, want.revision)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// written is the last acknowledged write of a key. The one after it may have
// been written too, without the writer living to say so.
type written struct {
	value    string
	revision uint64
	last     bool // no write of another key was acknowledged later: the next may be there
}

func (w written) plausible(entry store.Entry, err error) bool {
	gone := errors.Is(err, store.ErrNotFound)
	if w.last {
		return gone || err == nil && entry.Revision >= w.revision
	}
	if w.value == "-" {
		return gone
	}
	return err == nil && entry.Revision == w.revision && string(entry.Value) == w.value
}

// killWriter runs a writer until it has acknowledged n writes, kills it, and adds
// all that it has acknowledged to known.
func killWriter(t *testing.T, dir string, n int, known map[string]written) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), writerDir+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, in := io.Pipe()
	cmd.Stdout = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it was killed
		_ = in.Close()
	}()
	next := ""
	lines := bufio.NewScanner(out)
	for count := 0; lines.Scan(); count++ {
		next = record(t, lines.Text(), known)
		if count == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	<-ended
	if next == "" {
		t.Fatalf("the writer wrote nothing: %s", stderr.String())
	}
	w := known[next]
	w.last = true
	known[next] = w
}

// record adds a line of the writer to known, and returns the key that the writer
// turns to next.
func record(t *testing.T, line string, known map[string]written) (next string) {
	t.Helper()
	var key, value string
	var revision uint64
	if _, err := fmt.Sscan(line, &key, &value, &revision); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	known[key] = written{value: value, revision: revision}
	i, err := strconv.Atoi(strings.TrimPrefix(key, "k."))
	if err != nil {
		t.Fatal(err)
	}
	return "k." + strconv.Itoa((i+1)%11)
}
