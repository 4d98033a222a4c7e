package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// files are the segments of one version on the disk. They are used by one
// goroutine at a time; every method may wait for the disk.
type files struct {
	dir      string
	max      int64 // of all segments together
	loaded   bool
	segments []segment
	partial  bool // the last segment ends in the middle of a line
}

// segment is one file. Bytes beyond size are being written, or never were.
type segment struct {
	number int
	size   int64
}

var lineEnd = []byte("\n")

// load finds the segments that an earlier store left.
func (f *files) load() error {
	if f.loaded {
		return nil
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var found []segment
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
		found = append(found, segment{number, info.Size()})
	}
	slices.SortFunc(found, func(a, b segment) int { return a.number - b.number })
	torn := false
	if len(found) > 0 {
		if torn, err = endsInPartialLine(segmentPath(f.dir, found[len(found)-1].number)); err != nil {
			return err
		}
	}
	f.segments, f.partial, f.loaded = found, torn, true
	return nil
}

// endsInPartialLine reports whether a file's last line has no end.
func endsInPartialLine(path string) (torn bool, err error) {
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

func segmentPath(dir string, number int) string { return filepath.Join(dir, segmentName(number)) }

func (f *files) segmentSize() int64 { return max(1, f.max/segmentsKept) }

// write appends whole lines, and returns how many of them are lost with an error.
func (f *files) write(lines []byte) (lost int64, err error) {
	if err := f.load(); err != nil {
		return int64(bytes.Count(lines, lineEnd)), err
	}
	for len(lines) > 0 {
		piece := f.piece(lines)
		if err := f.append(piece); err != nil {
			return int64(bytes.Count(lines, lineEnd)), err
		}
		lines = lines[len(piece):]
	}
	return 0, nil
}

// piece returns the first lines, as many as one segment holds, at least one.
func (f *files) piece(lines []byte) []byte {
	size := f.segmentSize()
	if int64(len(lines)) <= size {
		return lines
	}
	if end := bytes.LastIndexByte(lines[:size], '\n'); end >= 0 {
		return lines[:end+1]
	}
	return lines[:bytes.IndexByte(lines, '\n')+1]
}

func (f *files) append(piece []byte) (err error) {
	if err := f.makeRoom(int64(len(piece))); err != nil {
		return err
	}
	last := &f.segments[len(f.segments)-1]
	file, err := os.OpenFile(segmentPath(f.dir, last.number), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if f.partial {
		n, err := file.WriteString("\n")
		if last.size += int64(n); err != nil {
			return err
		}
		f.partial = false
	}
	n, err := file.Write(piece)
	last.size += int64(n)
	f.partial = n > 0 && n < len(piece)
	return err
}

// makeRoom removes the oldest segments until n more bytes are within the bound,
// and begins a new one when the last is full.
func (f *files) makeRoom(n int64) error {
	if len(f.segments) == 0 {
		if err := os.MkdirAll(f.dir, 0o700); err != nil {
			return err
		}
		f.segments = []segment{{number: 1}}
	}
	last := f.segments[len(f.segments)-1]
	if last.size > 0 && last.size+n > f.segmentSize() {
		last = segment{number: last.number + 1}
		f.segments = append(f.segments, last)
		f.partial = false
	}
	total := n
	for _, s := range f.segments {
		total += s.size
	}
	for total > f.max && len(f.segments) > 1 {
		if err := os.Remove(segmentPath(f.dir, f.segments[0].number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		total -= f.segments[0].size
		f.segments = f.segments[1:]
	}
	return nil
}
