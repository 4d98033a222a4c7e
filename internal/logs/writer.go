package logs

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Writer passes lines on to another writer and has nobody wait for it: a pipe that
// is not read and a disk that stalls hold no request up. Lines that find no room
// in its buffer are dropped and counted, and a line in their place says how many.
// It is safe for concurrent use. Each Write is one line, or several whole ones.
//
// There is no Run: a goroutine passes on what is there, and ends.
type Writer struct {
	to    io.Writer
	most  int
	gap   func(lines int64) []byte
	lost  atomic.Int64
	quiet chan struct{} // holds one thing while nothing is being passed on

	mu      sync.Mutex
	buf     []byte
	spare   []byte
	dropped int64 // behind buf
	passing bool
}

// NewWriter returns a Writer to another one, of which no more than so many bytes
// wait. gap makes the line that stands for those that were dropped.
func NewWriter(to io.Writer, most int, gap func(lines int64) []byte) *Writer {
	w := &Writer{to: to, most: most, gap: gap, quiet: make(chan struct{}, 1)}
	w.quiet <- struct{}{}
	return w
}

// Write takes lines. It does not block, and never fails.
func (w *Writer) Write(lines []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dropped > 0 || len(w.buf)+len(lines) > w.most {
		n := int64(bytes.Count(lines, lineEnd))
		w.dropped += n
		w.lost.Add(n)
	} else {
		w.buf = append(w.buf, lines...)
	}
	if !w.passing {
		w.passing = true
		go w.pass()
	}
	return len(lines), nil
}

// pass writes what is there until there is nothing.
func (w *Writer) pass() {
	<-w.quiet
	defer func() { w.quiet <- struct{}{} }()
	for {
		w.mu.Lock()
		lines := w.buf
		if w.dropped > 0 {
			lines = append(lines, w.gap(w.dropped)...)
		}
		if w.passing = len(lines) > 0; !w.passing {
			w.mu.Unlock()
			return
		}
		w.buf, w.spare, w.dropped = w.spare[:0], nil, 0
		w.mu.Unlock()
		if _, err := w.to.Write(lines); err != nil {
			w.lost.Add(int64(bytes.Count(lines, lineEnd)))
		}
		w.mu.Lock()
		if cap(lines) <= fullBuffer {
			w.spare = lines[:0]
		}
		w.mu.Unlock()
	}
}

// Lost returns how many lines found no room or could not be written.
func (w *Writer) Lost() int64 { return w.lost.Load() }

// Flush returns when everything that was written before has been passed on, or
// after patience; then it reports false.
func (w *Writer) Flush(patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		w.mu.Lock()
		idle := !w.passing
		w.mu.Unlock()
		select {
		case <-w.quiet:
			w.quiet <- struct{}{}
			if idle {
				return true
			}
		case <-timer.C:
			return false
		}
	}
}
