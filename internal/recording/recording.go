package recording

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
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

// Store keeps what the judges of releases were told, a file each, in the form
// that `teal analyze` reads: it comes to the same verdicts. They serve people; no
// decision depends on them, so a crash may cost the last moment.
//
// A file is a sequence of gzip members, one for each time that something was
// written.
type Store struct {
	dir    string
	logger *slog.Logger
	alerts *doctor.Alerts

	writing sync.Mutex       // held while files are written; taken before mu
	files   map[string]*file // that this process has written to; guarded by writing
	gzip    *gzip.Writer     // guarded by writing

	mu   sync.Mutex
	open map[string]*tape // by release ID
}

// tape is what has not been written of a recording, and where it is.
type tape struct {
	lines bytes.Buffer
	step  int // that was told last; 0: none since the judge began
	lost  int // intervals that were too much
}

// file is what is known of a recording's file.
type file struct {
	size int64
	full bool
}

const (
	// maxRecording bounds one file: some hours of two versions under load.
	maxRecording = 64 << 20
	// maxTape bounds what waits for a slow disk.
	maxTape = 4 << 20
	// writeEvery is how often what was measured is written.
	writeEvery = 100 * time.Millisecond
)

// Config is what a Store needs.
type Config struct {
	Dir    string // made when something is first written
	Logger *slog.Logger
	Alerts *doctor.Alerts // nil: nobody is told
}

// New returns a Store. It touches no file.
func New(cfg Config) *Store {
	return &Store{
		dir: cfg.Dir, logger: cfg.Logger, alerts: cfg.Alerts,
		files: map[string]*file{}, open: map[string]*tape{}, gzip: gzip.NewWriter(nil),
	}
}

// Judging takes what the judge of a release begins with, or goes on from after a
// restart. It does not block on the disk.
func (r *Store) Judging(release teal.Release) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tape(release.ID)
	t.step = 0
	r.told(t, release, analysis.WriteBegin(&t.lines, time.Now(), analysis.BeginningOf(release)))
}

// Measured takes an interval that the judge of a release has taken. It does not
// block on the disk.
func (r *Store) Measured(release teal.Release, interval teal.Interval) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tape(release.ID)
	if t.lines.Len() > maxTape {
		t.lost++
		return
	}
	if t.step != release.Step {
		t.step = release.Step
		r.told(t, release, analysis.WriteStep(&t.lines, interval.At, release.Step))
	}
	r.told(t, release, analysis.Write(&t.lines, interval))
}

func (r *Store) tape(id string) *tape {
	t := r.open[id]
	if t == nil {
		t = &tape{}
		r.open[id] = t
	}
	return t
}

// told notes what could not be encoded.
func (r *Store) told(t *tape, release teal.Release, err error) {
	if err != nil {
		t.lost++
		r.logger.Warn("what was measured of a release cannot be written", "release", release.ID, "error", err)
	}
}

// recordPatience is how long the last lines may take to be written at the end.
const recordPatience = 5 * time.Second

// Run writes what has been measured, every moment, until ctx ends. A disk that
// does not take it is no reason to stop, and is not waited for at the end for
// longer than recordPatience.
func (r *Store) Run(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.writeUntil(ctx)
	}()
	<-ctx.Done()
	patience := time.NewTimer(recordPatience)
	defer patience.Stop()
	select {
	case <-ended:
	case <-patience.C:
		r.logger.Warn("what was measured last of releases is lost: the disk does not take it", "waited", recordPatience)
	}
	return nil
}

func (r *Store) writeUntil(ctx context.Context) {
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.Flush()
		case <-ctx.Done():
			r.Flush()
			return
		}
	}
}

// Flush writes what waits. A disk that does not take it loses it, and people are told.
func (r *Store) Flush() {
	r.writing.Lock() // so that lines stand in the order in which they were told
	defer r.writing.Unlock()
	for id, lines := range r.take() {
		if err := r.write(id, lines); err != nil {
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

// take returns what has not been written.
func (r *Store) take() map[string][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := map[string][]byte{}
	for id, t := range r.open {
		if t.lost > 0 {
			r.logger.Warn("the disk is too slow for what is measured of a release; `teal analyze` will not come to the same verdicts", "release", id, "intervals", t.lost)
		}
		if t.lines.Len() > 0 {
			waiting[id] = t.lines.Bytes()
		}
		t.lines, t.lost = bytes.Buffer{}, 0
	}
	return waiting
}

func (r *Store) path(id string) string { return filepath.Join(r.dir, id+".jsonl.gz") }

// oldPath is where Teal kept recordings that did not begin with a judge.
func (r *Store) oldPath(id string) string { return filepath.Join(r.dir, id+".jsonl") }

func (r *Store) write(id string, lines []byte) (err error) {
	known := r.files[id]
	if known != nil && known.full {
		return nil
	}
	f, err := r.openToWrite(id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if known == nil {
		known = &file{}
		if known.size, err = wholeMembers(f); err != nil {
			return err
		}
		r.files[id] = known
	}
	if known.full = known.size > maxRecording; known.full {
		r.logger.Warn("the recording of a release is full; what comes is not kept", "release", id, "bytes", known.size)
		return nil
	}
	member, err := r.compressed(lines)
	if err != nil {
		return err
	}
	// What a crash or a full disk left of another member is written over.
	if err := f.Truncate(known.size); err != nil {
		return err
	}
	if _, err := f.WriteAt(member, known.size); err != nil {
		return err
	}
	known.size += int64(len(member))
	return nil
}

func (r *Store) compressed(lines []byte) ([]byte, error) {
	var b bytes.Buffer
	r.gzip.Reset(&b)
	_, err := r.gzip.Write(lines)
	err = errors.Join(err, r.gzip.Close())
	return b.Bytes(), err
}

// wholeMembers returns where the whole members of a file end: a crash may have
// torn the last one.
func wholeMembers(f io.Reader) (end int64, err error) {
	counted := &counter{Reader: f}
	in := bufio.NewReader(counted)
	var z gzip.Reader
	for {
		if err := z.Reset(in); err != nil {
			return end, nonTorn(err)
		}
		z.Multistream(false)
		if _, err := io.Copy(io.Discard, &z); err != nil {
			return end, nonTorn(err)
		}
		end = counted.n - int64(in.Buffered())
	}
}

// nonTorn returns an error that is not about the content of a file.
func nonTorn(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return err
	}
	return nil
}

type counter struct {
	io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// openToWrite opens the file of a release, in a folder that may not be there yet.
func (r *Store) openToWrite(id string) (*os.File, error) {
	f, err := os.OpenFile(r.path(id), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(r.dir, 0o700); err == nil {
			f, err = os.OpenFile(r.path(id), os.O_CREATE|os.O_RDWR, 0o600)
		}
	}
	return f, err
}

// Read returns what has been kept of a release; nothing was measured, no file.
func (r *Store) Read(id string) (io.ReadCloser, error) {
	r.Flush()
	r.writing.Lock()
	defer r.writing.Unlock()
	f, err := os.Open(r.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return r.readOld(id)
	}
	if err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	size, err := r.size(id, f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("recordings: %w", err), f.Close())
	}
	if size == 0 {
		return io.NopCloser(bytes.NewReader(nil)), f.Close()
	}
	z, err := gzip.NewReader(io.NewSectionReader(f, 0, size))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("recordings: %w", err), f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// size returns how much of a file is whole. r.writing must be held.
func (r *Store) size(id string, f io.Reader) (int64, error) {
	if known := r.files[id]; known != nil {
		return known.size, nil
	}
	return wholeMembers(f)
}

func (r *Store) readOld(id string) (io.ReadCloser, error) {
	f, err := os.Open(r.oldPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	return f, nil
}

// Forget deletes what has been kept of a release.
func (r *Store) Forget(id string) error {
	r.writing.Lock() // what is being written would come back
	defer r.writing.Unlock()
	return r.forgetLocked(id)
}

func (r *Store) forgetLocked(id string) error {
	r.mu.Lock()
	delete(r.open, id)
	r.mu.Unlock()
	delete(r.files, id)
	var errs []error
	for _, path := range []string{r.path(id), r.oldPath(id)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ForgetApp deletes what has been kept of all releases of an app up to a number.
func (r *Store) ForgetApp(app string, lastRelease int) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	found, err := filepath.Glob(filepath.Join(r.dir, app+"-*.jsonl*"))
	for _, path := range found {
		id, _, _ := strings.Cut(filepath.Base(path), ".jsonl")
		if owner, number, parseErr := store.ParseReleaseID(id); parseErr == nil && owner == app && number <= lastRelease {
			err = errors.Join(err, r.forgetLocked(id))
		}
	}
	return err
}
