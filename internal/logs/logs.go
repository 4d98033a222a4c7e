// Package logs keeps what instances print and what the platform says about
// them, per app and version, bounded on disk.
//
// Lines are written as JSON Lines to segments under Dir/APP/VERSION. When the
// segments of a version would exceed their bound the oldest is removed. Lines
// reach the file after at most 200 ms, or when somebody reads: a Read sees every
// line whose Write returned before. A server that is killed loses at most what
// the last 200 ms brought; nothing is synced to the disk beyond that.
//
// What the platform says waits for no disk: lines wait in memory, so many bytes for
// a version and in all; what comes beyond is dropped and counted, and a line in
// its place says how many are missing. A process that prints faster than the disk
// writes is slowed down; when the disk stalls, its lines are dropped, too, so that
// the process goes on.
//
// There is no Run: a goroutine writes what is buffered, when there is enough or a
// timer says so, and ends.
package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"teal"
)

const (
	defaultMaxBytes = 16 * teal.MiB
	flushAfter      = 200 * time.Millisecond
	// MaxText is the length in bytes at which a text is cut into several lines.
	MaxText = 64 << 10
	// maxField bounds the other texts of a line, which are names and IDs.
	maxField = 256
	// discarded begins the names of directories that are being deleted.
	discarded = ".discarded-"
	// defaultBuffer bounds the lines of a version that wait for the disk, and
	// allBuffers, as many times that, the lines of all versions.
	defaultBuffer = 4 * teal.MiB
	allBuffers    = 16
	// closePatience is how long Close waits for a disk that does not answer.
	closePatience = 5 * time.Second
)

// Config is what a Store needs to know.
type Config struct {
	Dir      string       // created if need be
	MaxBytes teal.Bytes   // kept on disk per version of an app; 0 is 16 MiB
	Buffer   teal.Bytes   // that wait for the disk per version, and 16 times that in all; 0 is 4 MiB
	Logger   *slog.Logger // nil discards
	// Failing is told why lines are lost, when that begins, and nil when lines are
	// kept again. It must not block. Nil is allowed.
	Failing func(error)
}

// The streams of a line.
const (
	Stdout   = "stdout"
	Stderr   = "stderr"
	Platform = "platform" // what Teal says about an instance or an invocation
)

// Line is one line of a version's log.
type Line struct {
	At        time.Time       `json:"at"`
	App       string          `json:"app"`
	Version   teal.VersionRef `json:"version"`
	Component string          `json:"component,omitempty"`
	Instance  string          `json:"instance,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Stream    string          `json:"stream"`
	Text      string          `json:"text"`
}

// Query selects lines of one app; fields left empty select everything.
type Query struct {
	App       string
	Version   teal.VersionRef // 0: all
	Component string
	Instance  string
	RequestID string
	Since     time.Time // only lines of that time and later
	Text      string    // only lines whose text contains it, as it is written
	Tail      int       // only the last so many of the selected lines; 0: all that are kept
	Follow    bool      // then go on with lines as they are written, until the context ends
}

// Store writes and reads logs. It is safe for concurrent use.
type Store struct {
	dir    string
	max    int64
	buffer int64 // see Config.Buffer
	// outputTimeout is outputPatience, other than in tests.
	outputTimeout time.Duration
	log           *slog.Logger
	reportLoss    func(error)
	lost          atomic.Int64
	waiting       atomic.Int64 // bytes that wait for the disk, or are on their way to it
	// failing is set from the first line that is lost to the next that is kept.
	failing atomic.Bool
	done    chan struct{} // closed by Close

	// mu protects what follows. It is taken before a journal's and after an
	// application's disk; nobody who holds it waits for the disk.
	mu     sync.RWMutex
	apps   map[string]*application
	closed bool
}

// application is the log of one app.
type application struct {
	name    string
	changed signal
	// disk is held for reading by those who write to files of the app, and for
	// writing while its directories are moved away.
	disk sync.RWMutex
	// listing finds the versions that the disk has: a channel with room for one,
	// which holds nil once that is done.
	listing chan error

	// Guarded by the store's mu.
	versions map[teal.VersionRef]*journal
}

// Open returns a store over cfg.Dir, which it creates if need be. What an
// earlier store wrote there is kept. The store can be used also when there is an
// error: lines that cannot be kept are lost, and counted.
func Open(cfg Config) (*Store, error) {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	if cfg.Buffer <= 0 {
		cfg.Buffer = defaultBuffer
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Failing == nil {
		cfg.Failing = func(error) {}
	}
	s := &Store{
		dir: cfg.Dir, max: int64(cfg.MaxBytes), buffer: int64(cfg.Buffer), outputTimeout: outputPatience, log: cfg.Logger, reportLoss: cfg.Failing,
		done: make(chan struct{}), apps: map[string]*application{},
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return s, teal.Errorf(teal.CodeInvalidInput, "the directory for logs cannot be made; choose another data directory: %w", err)
	}
	return s, s.removeDiscarded()
}

// removeDiscarded finishes removals that a crash interrupted.
func (s *Store) removeDiscarded() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return teal.Errorf(teal.CodeInvalidInput, "the directory for logs cannot be read; check its owner and mode: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), discarded) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.dir, e.Name())))
		}
	}
	return err
}

// Write adds a line. It never waits for a reader, and for the disk only with a
// line of Stdout or Stderr, at most outputPatience for each time that it stalls. It
// never fails: a line that cannot be kept (the disk is full or too slow, the app's name
// is not a name, the store is closed) is counted in Lost, and the first of a row
// is logged.
//
// A zero At is now. Text that is not UTF-8 is made so; a text over MaxText
// becomes several lines.
func (s *Store) Write(l Line) {
	if l.At.IsZero() {
		l.At = time.Now()
	}
	for {
		j, err := s.journal(l.App, l.Version)
		if err != nil {
			s.lose(1, err)
			return
		}
		if j.write(&l) {
			return
		}
		// It was removed between the two; there is a new one now.
	}
}

// hasRoom reports whether a line of so many bytes may wait behind those of its
// version.
func (s *Store) hasRoom(waiting, line int) bool {
	return int64(waiting+line) <= s.buffer && s.waiting.Load()+int64(line) <= allBuffers*s.buffer
}

// lose counts lines, and logs the first of a row.
func (s *Store) lose(lines int64, err error) {
	s.lost.Add(lines)
	if !s.failing.Swap(true) {
		s.log.Error("log lines are lost", "error", err)
		s.reportLoss(err)
	}
}

// kept is called when lines have reached the disk.
func (s *Store) kept() {
	if s.failing.Load() && s.failing.Swap(false) {
		s.log.Info("log lines are kept again", "lost", s.lost.Load())
		s.reportLoss(nil)
	}
}

// Lost returns how many lines could not be kept since Open.
func (s *Store) Lost() int64 { return s.lost.Load() }

var (
	errClosed = errors.New("the log store is closed")
	errBehind = errors.New("the disk does not keep up with what is logged")
)

// journal returns the log of a version, a new one if there is none.
func (s *Store) journal(app string, version teal.VersionRef) (*journal, error) {
	s.mu.RLock()
	a, closed := s.apps[app], s.closed
	if a != nil && a.versions[version] != nil && !closed {
		defer s.mu.RUnlock()
		return a.versions[version], nil
	}
	s.mu.RUnlock()
	if err := teal.CheckName("app", app); err != nil {
		return nil, err
	}
	if version < 1 {
		return nil, teal.Errorf(teal.CodeInvalidInput, "%d is not the number of a version", version)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	return s.journalLocked(s.appLocked(app), version), nil
}

func (s *Store) journalLocked(a *application, version teal.VersionRef) *journal {
	j := a.versions[version]
	if j == nil {
		j = newJournal(s, a, version)
		a.versions[version] = j
		a.changed.send()
	}
	return j
}

// appLocked returns an app's log, of which the disk may have more versions.
func (s *Store) appLocked(app string) *application {
	a := s.apps[app]
	if a == nil {
		a = &application{name: app, versions: map[teal.VersionRef]*journal{}, changed: newSignal(), listing: make(chan error, 1)}
		a.listing <- errUnlisted
		s.apps[app] = a
	}
	return a
}

var errUnlisted = errors.New("the disk has not been looked at")

// list makes the versions that the disk has known. It waits for the disk, or until
// ctx ends.
func (s *Store) list(ctx context.Context, a *application) error {
	select {
	case err := <-a.listing:
		if err == nil {
			a.listing <- nil
			return nil
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	found := make(chan error, 1)
	go func() {
		err := s.findVersions(a)
		found <- err
		a.listing <- err // after an error the next one tries again
	}()
	select {
	case err := <-found:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) findVersions(a *application) error {
	a.disk.RLock()
	defer a.disk.RUnlock()
	entries, err := os.ReadDir(filepath.Join(s.dir, a.name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		version, err := strconv.Atoi(e.Name())
		if err == nil && version >= 1 && strconv.Itoa(version) == e.Name() && e.IsDir() {
			s.journalLocked(a, teal.VersionRef(version))
		}
	}
	return nil
}

// Stalled reports whether the disk has been at lines of a version for a second
// and more, so that it is of no use to wait for them.
func (s *Store) Stalled(app string, version teal.VersionRef) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a := s.apps[app]
	return a != nil && a.versions[version] != nil && a.versions[version].stalled()
}

// Remove deletes the log of a version, or of all versions of the app when
// version is 0. Removing what is not there is no error. A Write after it starts
// a new log, so remove a version's log when its last instance is gone. It waits
// for the disk.
func (s *Store) Remove(app string, version teal.VersionRef) error {
	if err := teal.CheckName("app", app); err != nil {
		return err
	}
	if version < 0 {
		return teal.Errorf(teal.CodeInvalidInput, "%d is not the number of a version", version)
	}
	s.mu.Lock()
	a := s.appLocked(app)
	s.mu.Unlock()
	trash, err := s.discard(a, version)
	if err != nil || trash == "" {
		return err
	}
	return os.RemoveAll(trash)
}

// discard forgets a log and moves it out of the way, which is quick, so that
// those who write wait only for that and not for the slow part of deleting it.
func (s *Store) discard(a *application, version teal.VersionRef) (trash string, err error) {
	a.disk.Lock()
	defer a.disk.Unlock()
	s.mu.Lock()
	for v, j := range a.versions {
		if version == 0 || v == version {
			j.abandon()
			delete(a.versions, v)
		}
	}
	s.mu.Unlock()
	path := filepath.Join(s.dir, a.name)
	if version != 0 {
		path = filepath.Join(path, strconv.Itoa(int(version)))
	}
	trash, err = os.MkdirTemp(s.dir, discarded)
	if err != nil {
		return "", err
	}
	if err = os.Rename(path, filepath.Join(trash, "log")); errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return trash, err
}

// Close writes out what is buffered, for as long as closePatience if the disk
// stalls, and ends the readers that follow. The error says how many lines were
// lost. Later writes are lost.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	all := map[*journal]uint64{}
	for _, a := range s.apps {
		for _, j := range a.versions {
			all[j] = 0
		}
	}
	s.mu.Unlock()
	before := s.Lost()
	for j := range all {
		all[j] = j.end()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	for j, batches := range all {
		if !j.await(ctx, batches) {
			s.lose(j.left(), errBehind)
		}
	}
	close(s.done)
	if lost := s.Lost() - before; lost > 0 {
		return fmt.Errorf("logs: %d lines could not be written", lost)
	}
	return nil
}

// signal lets many wait for something that happens again and again.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

func newSignal() signal { return signal{ch: make(chan struct{})} }

// next returns a channel that is closed when something happens from now on.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ch
}

func (s *signal) send() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ch)
	s.ch = make(chan struct{})
}
