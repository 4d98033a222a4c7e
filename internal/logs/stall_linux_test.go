package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"teal"
)

// stallAt has the disk stall for version 1: its segment of that number is a named
// pipe, and who opens one to write waits until somebody reads. end ends that, and
// puts in the pipe's place what was written to it.
func stallAt(t *testing.T, s *Store, number int) (end func()) {
	t.Helper()
	j, err := s.journal("shop", 1)
	path := segmentPath(j.files.dir, number)
	if err := errors.Join(err, syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	return func() {
		pipe, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		written := make(chan []byte)
		go func() {
			data, _ := bufio.NewReader(pipe).ReadBytes(0xff) // no byte of JSON
			written <- data[:len(data)-1]
		}()
		j.await(context.Background(), j.expect())
		_, err = pipe.Write([]byte{0xff})
		err = errors.Join(err, os.WriteFile(path+".new", <-written, 0o600), os.Rename(path+".new", path), pipe.Close())
		if err != nil {
			t.Error(err)
		}
	}
}

// within fails the test when do takes longer than most.
func within(t *testing.T, most time.Duration, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(most):
		t.Fatalf("%s took longer than %s", what, most)
	}
}

// filled returns a store whose version 1 has a first segment with no room for
// another line, and the number of lines in it.
func filled(t *testing.T, buffer teal.Bytes) (s *Store, lines int) {
	t.Helper()
	s, err := Open(Config{Dir: t.TempDir(), MaxBytes: 4 * teal.MiB, Buffer: buffer})
	if err != nil {
		t.Fatal(err)
	}
	for size := 0; ; lines++ {
		l := line(1, lines)
		l.Text += " "
		room := int(teal.MiB) - size - len(appendLine(nil, &l, l.Text))
		l.Text += strings.Repeat("x", min(room, 50<<10))
		size += len(appendLine(nil, &l, l.Text))
		s.Write(l)
		if size == int(teal.MiB) {
			break
		}
	}
	lines++
	read(t, s, Query{App: "shop"})
	return s, lines
}

// A disk that stalls stops nobody who writes: lines wait in memory, those that
// find no room there are counted, one line in their place says how many they are,
// and when the disk is back the log goes on, complete and in order but for that
// gap. Other versions do not notice.
//
// Seen red with the batch written under the lock, with flush called instead of
// started, with lines that are taken again after one has been dropped, and with a
// buffer without a bound.
func TestAStalledDiskStopsNobody(t *testing.T) {
	t.Parallel()
	s, first := filled(t, 256*teal.KiB)
	end := stallAt(t, s, 2)
	written := 0
	var took []time.Duration
	within(t, 60*time.Second, "writing to a stalled disk", func() {
		for ; s.Lost() < 100; written++ {
			l := line(1, first+written)
			l.Stream = []string{Platform, Platform, Stdout}[written%3]
			l.Text += " " + strings.Repeat("x", written*7%1000) // a short one would fit where a long one does not
			began := time.Now()
			s.Write(l)
			if l.Stream == Platform {
				took = append(took, time.Since(began))
			}
		}
	})
	slices.Sort(took)
	if p99 := took[len(took)*99/100]; p99 > outputPatience/2 { // a line of the platform's waits for nothing but a processor
		t.Errorf("the 99th percentile of a line is %s", p99)
	}
	within(t, 30*time.Second, "another version", func() {
		s.Write(line(2, 0))
		if got := texts(read(t, s, Query{App: "shop", Version: 2})); len(got) != 1 {
			t.Errorf("version 2: %v", got)
		}
	})
	eventually(t, "the disk counts as stalled", func() bool { return s.Stalled("shop", 1) && !s.Stalled("shop", 2) })
	lost := s.Lost()
	end()
	s.Write(line(1, first+written))
	var got []string
	for _, l := range read(t, s, Query{App: "shop", Version: 1}) {
		text, _, _ := strings.Cut(l.Text, " x")
		got = append(got, strings.TrimSpace(text))
	}
	kept := first + written - int(lost)
	for i, text := range got[:kept] {
		if want := fmt.Sprint("line ", i); text != want {
			t.Fatalf("line %d is %q", i, text)
		}
	}
	want := []string{fmt.Sprintf("%d lines are missing here: they came faster than the disk took them", lost), fmt.Sprint("line ", first+written)}
	if rest := got[kept:]; len(rest) != 2 || rest[0] != want[0] || rest[1] != want[1] {
		t.Errorf("after %d lines: %q, want %q", kept, rest, want)
	}
	if err := s.Close(); err != nil || s.Lost() != lost {
		t.Errorf("close: %v, lost %d", err, s.Lost())
	}
	if waiting := s.waiting.Load(); waiting != 0 {
		t.Errorf("%d bytes are still counted as waiting", waiting)
	}
}

// Who reads while the disk stalls gets what is on it, and is told that it is not
// all; who follows is not held up either.
//
// Seen red with a reader that waits for the disk itself.
func TestReadingWhileTheDiskStalls(t *testing.T) {
	t.Parallel()
	s, first := filled(t, 256*teal.KiB)
	end := stallAt(t, s, 2)
	s.Write(line(1, first))
	within(t, 30*time.Second, "reading", func() {
		lines := 0
		for _, err := range s.Read(context.Background(), Query{App: "shop"}) {
			if err == nil {
				lines++
			} else if !teal.IsCode(err, teal.CodeUnavailable) {
				t.Error(err)
			}
		}
		if lines != first {
			t.Errorf("%d lines", lines)
		}
	})
	f := follow(t, s, Query{App: "shop"})
	f.waitFor(t, first)
	f.stop()
	within(t, 30*time.Second, "ending", func() { <-f.done })
	end()
	if got := len(read(t, s, Query{App: "shop"})); got != first+1 {
		t.Errorf("%d lines when the disk is back", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Closing waits for a stalled disk, but not for ever, and says what is lost.
//
// Seen red with an await that has no end.
func TestCloseOnAStalledDisk(t *testing.T) {
	t.Parallel()
	s, first := filled(t, 256*teal.KiB)
	end := stallAt(t, s, 2)
	for i := range 3 {
		s.Write(line(1, first+i))
	}
	within(t, closePatience+30*time.Second, "closing", func() {
		if err := s.Close(); err == nil || s.Lost() != 3 || !strings.Contains(err.Error(), "3 lines") {
			t.Errorf("%v, %d lost", err, s.Lost())
		}
	})
	end()
}

// A process that prints faster than the disk writes is slowed down; nothing is
// lost.
//
// Seen red without the wait for room.
func TestAFloodIsSlowedDown(t *testing.T) {
	t.Parallel()
	s, err := Open(Config{Dir: t.TempDir(), MaxBytes: 64 * teal.MiB, Buffer: 16 * teal.KiB})
	if err != nil {
		t.Fatal(err)
	}
	s.outputTimeout = 20 * time.Second // whatever else the machine does
	const lines = 20_000
	for i := range lines {
		s.Write(line(1, i))
	}
	if got := len(read(t, s, Query{App: "shop"})); got != lines || s.Lost() != 0 {
		t.Errorf("%d of %d lines are kept, %d are lost", got, lines, s.Lost())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
