package logs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func gapLine(lines int64) []byte { return fmt.Appendf(nil, "%d are missing\n", lines) }

// Nobody who logs waits for a pipe that is not read; what found no room is counted
// where it is missing, and when the pipe is read again the log goes on.
//
// Seen red with the write done by who logs, and with a buffer without a bound.
func TestAPipeThatIsNotReadStopsNobody(t *testing.T) {
	t.Parallel()
	r, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w := NewWriter(to, 1<<20, gapLine)
	written := 0
	within := time.Now().Add(20 * time.Second)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; w.Lost() < 100 && time.Now().Before(within); written++ {
			fmt.Fprintf(w, "line %d %s\n", written, strings.Repeat("x", written%300))
		}
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("a log that nobody reads held up who logs")
	}
	if w.Flush(10 * time.Millisecond) {
		t.Error("nobody has read it, and it counts as passed on")
	}
	lost := w.Lost()
	got := make(chan []string)
	go func() {
		var lines []string
		for s := bufio.NewScanner(r); s.Scan(); {
			text, _, _ := strings.Cut(s.Text(), " x")
			lines = append(lines, strings.TrimSpace(text))
		}
		got <- lines
	}()
	if !w.Flush(20 * time.Second) {
		t.Fatal("not passed on though it is read")
	}
	fmt.Fprintf(w, "line %d\n", written)
	if !w.Flush(20*time.Second) || to.Close() != nil {
		t.Fatal("not passed on")
	}
	lines := <-got
	kept := written - int(lost)
	for i, text := range lines[:min(kept, len(lines))] {
		if text != fmt.Sprint("line ", i) {
			t.Fatalf("line %d is %q", i, text)
		}
	}
	want := fmt.Sprintf("[%d are missing line %d]", lost, written)
	if lost < 100 || fmt.Sprint(lines[kept:]) != want {
		t.Errorf("after %d lines %q, want %s", kept, lines[kept:], want)
	}
}

// Every line of many is passed on whole, once and in the order of its writer.
func TestLinesArePassedOn(t *testing.T) {
	t.Parallel()
	r, to := io.Pipe()
	w := NewWriter(to, 1<<20, gapLine)
	last := make([]int, 4)
	ended := make(chan error, 1)
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			var writer, n int
			if _, err := fmt.Sscanf(s.Text(), "%d %d", &writer, &n); err != nil || n != last[writer]+1 {
				ended <- fmt.Errorf("%q after %d: %w", s.Text(), last[writer], err)
				return
			}
			last[writer] = n
		}
		ended <- nil
	}()
	var writers sync.WaitGroup
	for i := range last {
		writers.Go(func() {
			for n := range 1000 {
				fmt.Fprintf(w, "%d %d\n", i, n+1)
			}
		})
	}
	writers.Wait()
	if !w.Flush(20*time.Second) || to.Close() != nil {
		t.Fatal("not passed on")
	}
	if err := <-ended; err != nil || fmt.Sprint(last) != "[1000 1000 1000 1000]" || w.Lost() != 0 {
		t.Errorf("%v, %v, %d lost", last, err, w.Lost())
	}
}
