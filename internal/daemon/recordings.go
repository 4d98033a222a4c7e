package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"teal"
	"teal/internal/analysis"
	"teal/internal/doctor"
	"teal/internal/store"
)

// recordings keep what was measured of releases, a file each, in the form that
// `teal analyze` reads. They serve people; no decision depends on them, so a
// crash may cost the last line.
type recordings struct {
	dir    string
	alerts *doctor.Alerts

	writing sync.Mutex // held while lines are written; taken before mu

	mu   sync.Mutex
	open map[string]teal.Interval // what has not been written, by release ID
}

// maxRecording bounds one file: some hours of two versions under load.
const maxRecording = 64 << 20

// lineEvery is the time that a line stands for. The judge looks more often while
// there is traffic; what it makes of coarser lines is a little less certain.
const lineEvery = 100 * time.Millisecond

func newRecordings(dir string, alerts *doctor.Alerts) *recordings {
	return &recordings{dir: dir, alerts: alerts, open: map[string]teal.Interval{}}
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
		if err := r.write(id, sum); err != nil {
			r.alerts.Report(teal.Alert{
				Code: teal.AlertFileUnreadable, Subject: r.dir,
				Message: fmt.Sprintf("What is measured of releases cannot be kept: %v. No decision depends on it; `teal history --export` and `teal analyze` lack it.", err),
				Remedy:  "Make room on the disk, and let the user that the server runs as write to the folder.",
			})
			continue
		}
		r.alerts.Resolve(teal.AlertFileUnreadable, r.dir)
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
	if info, err := f.Stat(); err != nil || info.Size() > maxRecording {
		return err
	}
	_, err = f.Write(line.Bytes())
	return err
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

// forgetApp deletes what has been kept of all releases of an app up to a number.
func (r *recordings) forgetApp(app string, lastRelease int) error {
	r.writing.Lock() // what is being written would come back
	defer r.writing.Unlock()
	found, err := filepath.Glob(filepath.Join(r.dir, app+"-*.jsonl"))
	for _, path := range found {
		id := strings.TrimSuffix(filepath.Base(path), ".jsonl")
		if owner, number, parseErr := store.ParseReleaseID(id); parseErr == nil && owner == app && number <= lastRelease {
			r.mu.Lock()
			delete(r.open, id)
			r.mu.Unlock()
			err = errors.Join(err, r.forget(id))
		}
	}
	return err
}
