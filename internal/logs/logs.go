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
	"context"
	"iter"
	"log/slog"
	"time"

	"teal"
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
type Store struct{}

// Open returns a store over cfg.Dir, which it creates if need be. What an
// earlier store wrote there is kept.
func Open(cfg Config) (*Store, error) { return &Store{}, nil }

// Write adds a line. It never waits for a reader and never fails: a line that
// cannot be kept (the disk is full, the app's name is not a name, the store is
// closed) is counted in Lost, and the first of a row is logged. It may wait for
// the disk: a version that prints faster than the disk writes is slowed down.
//
// A zero At is now. Text that is not UTF-8 is made so; a text over 64 KiB
// becomes several lines.
func (s *Store) Write(l Line) {}

// Lost returns how many lines could not be kept since Open.
func (s *Store) Lost() int64 { return 0 }

// Read returns the lines that q selects, in the order of their time (within a
// version: in the order of writing). Lines written before the iteration begins
// are seen; a line that a crash tore is left out.
//
// With Follow the iteration goes on until ctx ends or the store is closed, and
// ends then without an error; lines come at most 200 ms late, also of versions
// that appear later. A reader that is slower than the writer misses the lines
// of segments that are removed meanwhile. Without Follow, an ended ctx is the
// last error. An error ends the iteration.
func (s *Store) Read(ctx context.Context, q Query) iter.Seq2[Line, error] {
	return func(func(Line, error) bool) {}
}

// Remove deletes the log of a version, or of all versions of the app when
// version is 0. Removing what is not there is no error. A Write after it starts
// a new log, so remove a version's log when its last instance is gone.
func (s *Store) Remove(app string, version int) error { return nil }

// Close writes out what is buffered and ends the readers that follow. It
// returns the first error of writing it out. Later writes are lost.
func (s *Store) Close() error { return nil }
