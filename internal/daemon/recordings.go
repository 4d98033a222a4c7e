package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"teal"
	"teal/internal/analysis"
)

// recordings keep what was measured of releases, a file each, in the form that
// `teal analyze` reads. They serve people; no decision depends on them, so a
// crash may cost the last line.
type recordings struct {
	dir    string
	logger *slog.Logger

	writing sync.Mutex // held while lines are written; taken before mu
	failing bool       // guarded by writing: the last line could not be

	mu   sync.Mutex
	open map[string]teal.Interval // what has not been written, by release ID
}

// maxRecording bounds one file: some hours of two versions under load.
const maxRecording = 64 << 20

// lineEvery is the time that a line stands for. The judge looks more often while
// there is traffic; what it makes of coarser lines is a little less certain.
const lineEvery = 100 * time.Millisecond

func newRecordings(dir string, logger *slog.Logger) *recordings {
	return &recordings{dir: dir, logger: logger, open: map[string]teal.Interval{}}
}

// measured takes an interval that the judge of a release has taken. It does not
// block on the disk.
func (r *recordings) measured(release teal.Release, interval teal.Interval) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.open[release.ID]
	sum.Live = sum.Live.Plus(interval.Live)
	sum.Green = sum.Green.Plus(interval.Green)
	r.open[release.ID] = sum
}

// Run writes what has been measured, a line for each lineEvery, until ctx ends.
func (r *recordings) Run(ctx context.Context) error {
	ticker := time.NewTicker(lineEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.flush(time.Now())
		case <-ctx.Done():
			r.flush(time.Now())
			return nil
		}
	}
}

func (r *recordings) flush(now time.Time) {
	r.writing.Lock() // so that lines stand in the order of time
	defer r.writing.Unlock()
	r.mu.Lock()
	open := r.open
	r.open = map[string]teal.Interval{}
	r.mu.Unlock()
	for id, sum := range open {
		sum.At = now
		err := r.write(id, sum)
		if err != nil && !r.failing { // said once: on a full disk it is so with every line
			r.logger.Warn("what is measured of releases cannot be kept", "release", id, "error", err)
		}
		r.failing = err != nil
	}
}

func (r *recordings) file(id string) string { return filepath.Join(r.dir, id+".jsonl") }

func (r *recordings) write(id string, interval teal.Interval) (err error) {
	var line bytes.Buffer
	if err := analysis.Write(&line, interval); err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(r.file(id), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil || info.Size() > maxRecording {
		return err
	}
	if _, err = f.Write(line.Bytes()); err != nil {
		// Half a line would make the whole file unreadable.
		return errors.Join(err, f.Truncate(info.Size()))
	}
	return nil
}

// read returns what has been kept of a release; nothing was measured, no file.
func (r *recordings) read(id string) (io.ReadCloser, error) {
	r.flush(time.Now())
	f, err := os.Open(r.file(id))
	if errors.Is(err, fs.ErrNotExist) {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	return f, nil
}

// forget deletes what has been kept of a release.
func (r *recordings) forget(id string) error {
	err := os.Remove(r.file(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
