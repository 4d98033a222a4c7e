package logs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	segmentsKept = 4        // the bound of a version is spread over so many
	fullBuffer   = 64 << 10 // written out at once
	quietBuffer  = 4 << 10  // kept by a version that writes little
)

// journal is the log of one version: segments on disk, and a buffer of lines
// that are on their way there.
type journal struct {
	store *Store
	app   *application
	dir   string

	mu       sync.Mutex
	segments []segment
	buf      []byte
	lines    int64 // in buf
	armed    bool  // a timer is going to flush
	timer    *time.Timer
	torn     bool // the last segment ends in the middle of a line
	gone     bool // removed
	closed   bool
}

// segment is one file. Bytes beyond size are being written, or never were.
type segment struct {
	number int
	size   int64
}

func newJournal(s *Store, a *application, dir string) *journal {
	return &journal{store: s, app: a, dir: dir}
}

// load finds the segments that an earlier store left. It is called before
// anybody else knows the journal.
func (j *journal) load() error {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".jsonl")
		number, err := strconv.Atoi(name)
		if !ok || err != nil || number < 1 || segmentName(number) != e.Name() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		j.segments = append(j.segments, segment{number, info.Size()})
	}
	slices.SortFunc(j.segments, func(a, b segment) int { return a.number - b.number })
	if len(j.segments) > 0 {
		j.torn, err = endsTorn(j.path(j.segments[len(j.segments)-1].number))
	}
	return err
}

// endsTorn reports whether a file's last line has no end.
func endsTorn(path string) (torn bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return false, err
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, size-1)
	return last[0] != '\n', err
}

func segmentName(number int) string { return fmt.Sprintf("%08d.jsonl", number) }

func (j *journal) path(number int) string { return filepath.Join(j.dir, segmentName(number)) }

// write adds a line. It returns false when the journal was removed.
func (j *journal) write(l *Line) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.gone {
		return false
	}
	if j.closed {
		j.store.lose(1, errClosed)
		return true
	}
	rest := l.Text
	for {
		var text string
		text, rest = cut(rest, MaxText)
		j.buf = appendLine(j.buf, l, text)
		j.lines++
		if len(j.buf) >= j.enough() {
			j.flushLocked()
		}
		if rest == "" {
			break
		}
	}
	if len(j.buf) > 0 && !j.armed {
		j.arm()
	}
	return true
}

// enough is how much is worth writing out at once.
func (j *journal) enough() int { return min(fullBuffer, int(j.segmentSize())) }

func (j *journal) segmentSize() int64 { return max(1, j.store.max/segmentsKept) }

func (j *journal) arm() {
	j.armed = true
	if j.timer == nil {
		j.timer = time.AfterFunc(flushAfter, j.tick)
		return
	}
	j.timer.Reset(flushAfter)
}

// tick is what the timer does.
func (j *journal) tick() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.armed = false
	j.flushLocked()
	if cap(j.buf) > quietBuffer {
		j.buf = nil
	}
}

// flushLocked writes the buffer out. What cannot be written is lost: to keep it
// would cost memory for as long as the disk is broken.
func (j *journal) flushLocked() {
	if len(j.buf) == 0 || j.gone {
		return
	}
	err := j.writeOutLocked()
	if err != nil {
		j.store.lose(j.lines, err)
	} else {
		j.store.kept()
	}
	j.buf, j.lines = j.buf[:0], 0
	if cap(j.buf) > 4*fullBuffer {
		j.buf = nil
	}
	j.app.news.send()
}

func (j *journal) writeOutLocked() (err error) {
	if err := j.makeRoomLocked(int64(len(j.buf))); err != nil {
		return err
	}
	last := &j.segments[len(j.segments)-1]
	f, err := os.OpenFile(j.path(last.number), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if j.torn {
		n, err := f.WriteString("\n")
		if last.size += int64(n); err != nil {
			return err
		}
		j.torn = false
	}
	n, err := f.Write(j.buf)
	last.size += int64(n)
	j.torn = n > 0 && n < len(j.buf)
	return err
}

// makeRoomLocked removes the oldest segments until n more bytes are within the
// bound, and begins a new one when the last is full.
func (j *journal) makeRoomLocked(n int64) error {
	if len(j.segments) == 0 {
		if err := os.MkdirAll(j.dir, 0o700); err != nil {
			return err
		}
		j.segments = []segment{{number: 1}}
	}
	last := j.segments[len(j.segments)-1]
	if last.size > 0 && last.size+n > j.segmentSize() {
		last = segment{number: last.number + 1}
		j.segments = append(j.segments, last)
		j.torn = false
	}
	total := n
	for _, s := range j.segments {
		total += s.size
	}
	for total > j.store.max && len(j.segments) > 1 {
		if err := os.Remove(j.path(j.segments[0].number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		total -= j.segments[0].size
		j.segments = j.segments[1:]
	}
	return nil
}

// snapshot returns the segments as they are. With flush it includes all lines
// that were written before the call.
func (j *journal) snapshot(flush bool) []segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	if flush {
		j.flushLocked()
	}
	return slices.Clone(j.segments)
}

// close writes the buffer out and refuses more.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	before := j.store.Lost()
	j.flushLocked()
	j.endLocked()
	j.closed = true
	if lost := j.store.Lost() - before; lost > 0 {
		return fmt.Errorf("logs: %d lines could not be written to %s", lost, j.dir)
	}
	return nil
}

// abandon drops the buffer; the files are somebody else's to remove.
func (j *journal) abandon() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gone = true
	j.buf, j.segments = nil, nil
	j.endLocked()
}

func (j *journal) endLocked() {
	if j.timer != nil {
		j.timer.Stop()
	}
}
