// Package logs keeps what instances print and what the platform says about
// them, per app and version, bounded on disk.
//
// Lines are written as JSON Lines to segments under Dir/APP/VERSION. When the
// segments of a version would exceed their bound the oldest is removed. Lines
// reach the file after at most 200 ms, or when somebody reads: a Read sees every
// line whose Write returned before. A server that is killed loses at most what
// the last 200 ms brought; nothing is synced to the disk beyond that.
//
// There is no background goroutine and no Run: a timer flushes what is
// buffered.
package logs

import (
	"errors"
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
)

// Config is what a Store needs to know.
type Config struct {
	Dir      string       // created if need be
	MaxBytes teal.Bytes   // kept on disk per version of an app; 0 is 16 MiB
	Logger   *slog.Logger // nil discards
}

// The streams of a line.
const (
	Stdout   = "stdout"
	Stderr   = "stderr"
	Platform = "platform" // what Teal says about an instance or an invocation
)

// Line is one line of a version's log.
type Line struct {
	At        time.Time `json:"at"`
	App       string    `json:"app"`
	Version   int       `json:"version"`
	Component string    `json:"component,omitempty"`
	Instance  string    `json:"instance,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Stream    string    `json:"stream"`
	Text      string    `json:"text"`
}

// Query selects lines of one app; fields left empty select everything.
type Query struct {
	App       string
	Version   int // 0: all
	Component string
	RequestID string
	Tail      int  // only the last so many of the selected lines; 0: all that are kept
	Follow    bool // then go on with lines as they are written, until the context ends
}

// Store writes and reads logs. It is safe for concurrent use.
type Store struct {
	dir  string
	max  int64
	log  *slog.Logger
	lost atomic.Int64
	// failing is set from the first line that is lost to the next that is kept.
	failing atomic.Bool
	done    chan struct{} // closed by Close

	// mu protects what follows. It is taken before a journal's, never after.
	mu     sync.RWMutex
	apps   map[string]*application
	closed bool
}

// application is the log of one app.
type application struct {
	versions map[int]*journal
	news     signal
}

// Open returns a store over cfg.Dir, which it creates if need be. What an
// earlier store wrote there is kept. The store can be used also when there is an
// error: lines that cannot be kept are lost, and counted.
func Open(cfg Config) (*Store, error) {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: cfg.Dir, max: int64(cfg.MaxBytes), log: cfg.Logger, done: make(chan struct{}), apps: map[string]*application{}}
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

// Write adds a line. It never waits for a reader and never fails: a line that
// cannot be kept (the disk is full, the app's name is not a name, the store is
// closed) is counted in Lost, and the first of a row is logged. It may wait for
// the disk: a version that prints faster than the disk writes is slowed down.
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

// lose counts lines, and logs the first of a row.
func (s *Store) lose(lines int64, err error) {
	s.lost.Add(lines)
	if !s.failing.Swap(true) {
		s.log.Error("log lines are lost", "error", err)
	}
}

// kept is called when lines have reached the disk.
func (s *Store) kept() {
	if s.failing.Load() && s.failing.Swap(false) {
		s.log.Info("log lines are kept again", "lost", s.lost.Load())
	}
}

// Lost returns how many lines could not be kept since Open.
func (s *Store) Lost() int64 { return s.lost.Load() }

var errClosed = errors.New("the log store is closed")

// journal returns the log of a version, a new one if there is none.
func (s *Store) journal(app string, version int) (*journal, error) {
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
	a, err := s.appLocked(app)
	if err != nil {
		return nil, err
	}
	j := a.versions[version]
	if j == nil {
		j = newJournal(s, a, filepath.Join(s.dir, app, strconv.Itoa(version)))
		a.versions[version] = j
		a.news.send()
	}
	return j, nil
}

// appLocked returns an app's log, with the versions that the disk has.
func (s *Store) appLocked(app string) (*application, error) {
	if a := s.apps[app]; a != nil {
		return a, nil
	}
	a := &application{versions: map[int]*journal{}, news: newSignal()}
	entries, err := os.ReadDir(filepath.Join(s.dir, app))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		version, err := strconv.Atoi(e.Name())
		if err != nil || version < 1 || strconv.Itoa(version) != e.Name() || !e.IsDir() {
			continue
		}
		j := newJournal(s, a, filepath.Join(s.dir, app, e.Name()))
		if err := j.load(); err != nil {
			return nil, err
		}
		a.versions[version] = j
	}
	s.apps[app] = a
	return a, nil
}

// Remove deletes the log of a version, or of all versions of the app when
// version is 0. Removing what is not there is no error. A Write after it starts
// a new log, so remove a version's log when its last instance is gone.
func (s *Store) Remove(app string, version int) error {
	if err := teal.CheckName("app", app); err != nil {
		return err
	}
	if version < 0 {
		return teal.Errorf(teal.CodeInvalidInput, "%d is not the number of a version", version)
	}
	trash, err := s.discard(app, version)
	if err != nil || trash == "" {
		return err
	}
	return os.RemoveAll(trash)
}

// discard forgets a log and moves it out of the way, which is quick, so that
// the slow part of deleting it needs no lock. It returns "" when there is none.
func (s *Store) discard(app string, version int) (trash string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.appLocked(app)
	if err != nil {
		return "", err
	}
	for v, j := range a.versions {
		if version == 0 || v == version {
			j.abandon()
			delete(a.versions, v)
		}
	}
	path := filepath.Join(s.dir, app)
	if version != 0 {
		path = filepath.Join(path, strconv.Itoa(version))
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

// Close writes out what is buffered and ends the readers that follow. It
// returns the first error of writing it out. Later writes are lost.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	var all []*journal
	for _, a := range s.apps {
		for _, j := range a.versions {
			all = append(all, j)
		}
	}
	s.mu.Unlock()
	var first error
	for _, j := range all {
		if err := j.close(); first == nil {
			first = err
		}
	}
	close(s.done)
	return first
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
