package logs

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"teal"
)

const (
	segmentsKept = 4        // the bound of a version is spread over so many
	fullBuffer   = 64 << 10 // written out at once
	quietBuffer  = 4 << 10  // kept by a version that writes little
	// stalledAfter is how long one write may take before the disk counts as
	// stalled.
	stalledAfter = time.Second
	// outputPatience is how long what a process prints waits for room, so that one
	// that prints faster than the disk writes is slowed down.
	outputPatience = 200 * time.Millisecond
)

// journal is the log of one version: segments on disk, and lines that are on
// their way there.
//
// Lines go into a buffer under mu, which is never held while a file is touched:
// whoever writes a line does not wait for the disk. The one goroutine that has
// set flushing takes the buffer and writes it out.
type journal struct {
	store   *Store
	app     *application
	version teal.VersionRef
	files   files // of whoever is flushing

	mu       sync.Mutex
	segments []segment // what the files were when the last batch had been written
	buf      []byte    // lines that wait
	spare    []byte    // the buffer that is not in use
	dropped  int64     // lines that did not fit behind buf; until it is taken, no line fits any more
	loaded   bool      // segments is what the disk has
	flushing bool
	urgent   bool          // somebody waits for buf to be written
	batch    []byte        // what is being written; nil: nothing
	began    time.Time     // of the batch
	taken    uint64        // batches
	settled  uint64        // batches that have been written, or are lost
	progress chan struct{} // closed and made anew when settled grows; nil: nobody waits
	armed    bool          // a timer is going to flush
	timer    *time.Timer
	gone     bool // removed
	closed   bool
}

func newJournal(s *Store, a *application, version teal.VersionRef) *journal {
	dir := filepath.Join(s.dir, a.name, strconv.Itoa(int(version)))
	return &journal{store: s, app: a, version: version, files: files{dir: dir, max: s.max}}
}

// write adds a line. It returns false when the journal was removed.
func (j *journal) write(l *Line) bool {
	lost, err := int64(0), errBehind
	j.mu.Lock()
	j.awaitRoomLocked(l)
	switch {
	case j.gone:
		j.mu.Unlock()
		return false
	case j.closed:
		lost, err = 1, errClosed
	default:
		lost = j.addLocked(l)
		j.scheduleLocked()
	}
	j.mu.Unlock()
	if lost > 0 {
		j.store.lose(lost, err)
	}
	return true
}

// awaitRoomLocked has a line of a process wait while the buffer is full and the
// disk takes one batch after the other. A disk that stalls is waited for once: as
// soon as a line has been dropped, the next ones are, too. The lock is let go
// meanwhile.
func (j *journal) awaitRoomLocked(l *Line) {
	if l.Stream == Platform || int64(len(j.buf)+len(l.Text)) <= j.store.buffer {
		return
	}
	timer := time.NewTimer(j.store.outputTimeout)
	defer timer.Stop()
	for int64(len(j.buf)+len(l.Text)) > j.store.buffer && len(j.buf) > 0 && j.dropped == 0 && !j.gone {
		progress := j.progressLocked()
		j.mu.Unlock()
		over := false
		select {
		case <-progress:
		case <-timer.C:
			over = true
		}
		j.mu.Lock()
		if over {
			return
		}
	}
}

// progressLocked returns a channel that is closed when the next batch is settled.
func (j *journal) progressLocked() <-chan struct{} {
	if j.progress == nil {
		j.progress = make(chan struct{})
	}
	return j.progress
}

// addLocked puts a line into the buffer, in pieces if it is long, and returns how
// many of them found no room. After one that did not, none does until the buffer
// is taken: what is missing is one gap, at its end.
func (j *journal) addLocked(l *Line) (dropped int64) {
	before := len(j.buf)
	rest := l.Text
	for {
		var text string
		text, rest = cut(rest, MaxText)
		if j.dropped == 0 && j.store.hasRoom(len(j.buf), len(text)) {
			j.buf = appendLine(j.buf, l, text)
		} else {
			j.dropped++
			dropped++
		}
		if rest == "" {
			break
		}
	}
	j.store.waiting.Add(int64(len(j.buf) - before))
	return dropped
}

// scheduleLocked sees to it that the buffer is written out: at once when it is
// worth it, or else soon.
func (j *journal) scheduleLocked() {
	switch {
	case j.flushing || len(j.buf) == 0 && j.dropped == 0:
	case j.urgent || len(j.buf) >= j.enough():
		j.flushing = true
		go j.flush()
	case !j.armed:
		j.arm()
	}
}

// enough is how much is worth writing out at once.
func (j *journal) enough() int { return min(fullBuffer, int(j.store.buffer/2)) }

func (j *journal) arm() {
	j.armed = true
	if j.timer == nil {
		j.timer = time.AfterFunc(flushAfter, j.tick)
		return
	}
	j.timer.Reset(flushAfter)
}

// tick is what the timer does. Buffers that a version has no lines for are given
// back.
func (j *journal) tick() {
	j.mu.Lock()
	j.armed = false
	mine := !j.flushing && (len(j.buf) > 0 || j.dropped > 0)
	j.flushing = j.flushing || mine
	if len(j.buf) == 0 && cap(j.buf) > quietBuffer {
		j.buf = nil
	}
	if len(j.buf) == 0 && cap(j.spare) > quietBuffer {
		j.spare = nil
	}
	j.mu.Unlock()
	if mine {
		j.flush()
	}
}

// flush writes batches out until there is none that is due. The caller has set
// flushing.
func (j *journal) flush() {
	for again := true; again; {
		again = j.flushOnce()
	}
}

func (j *journal) flushOnce() (again bool) {
	j.app.disk.RLock()
	defer j.app.disk.RUnlock()
	batch, ok := j.take()
	if !ok {
		return false
	}
	lost, err := j.files.write(batch)
	return j.settle(batch, lost, err)
}

// take takes the buffer; not of a journal that was removed. An empty one is taken
// when nobody knows yet what is on the disk.
func (j *journal) take() (batch []byte, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.gone {
		j.flushing = false
		return nil, false
	}
	if j.dropped > 0 {
		before := len(j.buf)
		gap := Line{At: time.Now(), App: j.app.name, Version: j.version, Stream: Platform}
		j.buf = appendLine(j.buf, &gap, fmt.Sprintf("%d lines are missing here: they came faster than the disk took them", j.dropped))
		j.store.waiting.Add(int64(len(j.buf) - before))
	}
	batch, j.buf, j.spare = j.buf, j.spare, nil
	j.dropped, j.urgent, j.batch, j.began = 0, false, batch, time.Now()
	j.taken++
	return batch, true
}

// settle ends a batch, of which so many lines are lost. What cannot be written is
// not kept for later: that would cost memory for as long as the disk is broken.
func (j *journal) settle(batch []byte, lost int64, err error) (again bool) {
	segments := slices.Clone(j.files.segments)
	if err != nil {
		j.store.lose(lost, err) // before anybody who waits is told
	} else if len(batch) > 0 {
		j.store.kept()
	}
	j.mu.Lock()
	j.settled++
	j.batch, j.began = nil, time.Time{}
	gone := j.gone
	j.segments, j.loaded = segments, j.files.loaded
	j.store.waiting.Add(-int64(len(batch)))
	j.spare = batch[:0]
	if j.progress != nil {
		close(j.progress)
		j.progress = nil
	}
	j.flushing = false
	again = len(j.buf) > 0 && (j.urgent || len(j.buf) >= j.enough()) && !gone
	if again {
		j.flushing = true
	} else if !gone && !j.closed && !j.armed && (len(j.buf) > 0 || j.dropped > 0 || cap(j.buf) > quietBuffer || cap(batch) > quietBuffer) {
		j.arm()
	}
	j.mu.Unlock()
	j.app.changed.send()
	return again
}

// expect has everything that was written so far brought to the disk, and returns
// how many batches must be settled for that.
func (j *journal) expect() (batches uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	batches = j.taken
	if j.gone || len(j.buf) == 0 && j.dropped == 0 && (j.loaded || j.flushing) {
		return batches
	}
	j.urgent = true
	if !j.flushing {
		j.flushing = true
		go j.flush()
	}
	return batches + 1
}

// await returns when so many batches are settled, or ctx ends, and whether they
// are.
func (j *journal) await(ctx context.Context, batches uint64) bool {
	for {
		j.mu.Lock()
		if j.settled >= batches || j.gone {
			j.mu.Unlock()
			return true
		}
		progress := j.progressLocked()
		j.mu.Unlock()
		select {
		case <-progress:
		case <-ctx.Done():
			return false
		}
	}
}

// stalled reports whether the disk has been at one batch for long.
func (j *journal) stalled() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !j.began.IsZero() && time.Since(j.began) > stalledAfter
}

// snapshot returns the segments as the last batch has left them.
func (j *journal) snapshot() []segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.segments)
}

// end refuses more lines, and has what is buffered written out.
func (j *journal) end() (batches uint64) {
	j.mu.Lock()
	j.closed = true
	if j.timer != nil {
		j.timer.Stop()
	}
	load := !j.loaded && len(j.buf) == 0
	taken := j.taken
	j.mu.Unlock()
	if load {
		return taken // nothing was written, so nothing is to be read either
	}
	return j.expect()
}

// left returns how many lines have not reached the disk.
func (j *journal) left() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return int64(bytes.Count(j.buf, lineEnd)) + int64(bytes.Count(j.batch, lineEnd))
}

// abandon drops the buffer; the files are somebody else's to remove.
func (j *journal) abandon() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gone = true
	j.store.waiting.Add(-int64(len(j.buf)))
	j.buf, j.segments = nil, nil
	if j.timer != nil {
		j.timer.Stop()
	}
	if j.progress != nil {
		close(j.progress)
		j.progress = nil
	}
}
