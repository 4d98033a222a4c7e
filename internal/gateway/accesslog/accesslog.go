// Package accesslog writes a line for every exchange with a client, without
// making the exchange wait: a line is put into a buffer of bounded size, and
// somebody else writes the buffer. What does not fit is dropped, counted and
// reported.
package accesslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"teal"
	"teal/internal/gateway"
)

// Format is how a line looks.
type Format string

// The formats.
const (
	JSON     Format = "json"     // one object per line
	Combined Format = "combined" // as Apache and nginx write it
)

// Config says what is logged where.
type Config struct {
	// Path is the file that lines are added to; "-" is Stdout. A file that has
	// been moved away is opened anew, so that it can be rotated.
	Path   string
	Stdout io.Writer // for "-"
	Format Format    // default JSON
	// Sample is the share of exchanges that are logged, from 0 to 1. Those that
	// end with a status of 500 and more are logged whatever it is.
	Sample float64
	Buffer teal.Bytes   // what may wait to be written; default 4 MiB
	Logger *slog.Logger // hears about lines that were dropped; nil: nobody
}

// Log is an access log. It implements gateway.Log.
type Log struct {
	cfg    Config
	append func([]byte, *gateway.Record) []byte
	lines  sync.Pool // *[]byte

	mu      sync.Mutex
	waiting []byte
	spare   []byte        // the buffer that is not in use
	news    chan struct{} // capacity 1: something is waiting

	dropped atomic.Int64 // lines, since the server started

	out  io.Writer
	file *os.File // nil for Stdout
}

// pause is how long lines are collected before they are written, so that a busy
// log is not written line by line.
const pause = 50 * time.Millisecond

// reportEvery is how often drops are reported while there are any.
const reportEvery = 10 * time.Second

// Open checks cfg and opens the file. Nothing is written before Run.
func Open(cfg Config) (*Log, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Buffer == 0 {
		cfg.Buffer = 4 * teal.MiB
	}
	if cfg.Sample < 0 || cfg.Sample > 1 {
		return nil, teal.Errorf(teal.CodeInvalidInput, "the share of requests that the access log has is from 0 to 1, not %g", cfg.Sample)
	}
	l := &Log{cfg: cfg, news: make(chan struct{}, 1), out: cfg.Stdout}
	l.lines.New = func() any { b := make([]byte, 0, 512); return &b }
	switch cfg.Format {
	case JSON, "":
		l.append = appendJSON
	case Combined:
		l.append = appendCombined
	default:
		return nil, teal.Errorf(teal.CodeInvalidInput, "%q is not a format of the access log; use json or combined", cfg.Format)
	}
	if cfg.Path == "-" {
		return l, nil
	}
	return l, l.open()
}

func (l *Log) open() error {
	file, err := os.OpenFile(l.cfg.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return teal.Errorf(teal.CodeInvalidInput, "the access log cannot be written: %w", err)
	}
	l.file, l.out = file, file
	return nil
}

// Wants implements gateway.Log.
func (l *Log) Wants(status int) bool {
	return l.cfg.Sample >= 1 || status >= 500 || rand.Float64() < l.cfg.Sample
}

// Log implements gateway.Log. It never waits for the disk.
func (l *Log) Log(r *gateway.Record) {
	scratch := l.lines.Get().(*[]byte)
	line := append(l.append((*scratch)[:0], r), '\n')
	l.put(line)
	*scratch = line
	l.lines.Put(scratch)
}

func (l *Log) put(line []byte) {
	l.mu.Lock()
	fits := len(l.waiting)+len(line) <= int(l.cfg.Buffer)
	if fits {
		l.waiting = append(l.waiting, line...)
	}
	l.mu.Unlock()
	if !fits {
		l.dropped.Add(1)
		return
	}
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// Dropped returns how many lines did not fit or could not be written.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// lastWords is how long what is left may take to be written at the end.
const lastWords = 5 * time.Second

// Run writes until ctx ends, then what is left, and closes the file. A disk that
// stalls, or a pipe that nobody reads, is given up after lastWords. It returns nil:
// that a log cannot be written stops nothing else. Exchanges that are logged after
// ctx has ended may be lost.
func (l *Log) Run(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.writeUntil(ctx)
	}()
	<-ctx.Done()
	patience := time.NewTimer(lastWords)
	defer patience.Stop()
	select {
	case <-ended:
	case <-patience.C:
		l.mu.Lock()
		left := count(l.waiting)
		l.mu.Unlock()
		l.cfg.Logger.Warn("the access log is not written any more; what is left is lost", "lines", left, "waited", lastWords)
	}
	return nil
}

func (l *Log) writeUntil(ctx context.Context) {
	report := time.NewTicker(reportEvery)
	defer report.Stop()
	var reported int64 // drops that have been said
	var said time.Time
	collect := time.NewTimer(0)
	defer collect.Stop()
	for done := false; !done; {
		select {
		case <-ctx.Done():
			done = true
		case <-report.C:
		case <-l.news:
			collect.Reset(pause)
			select {
			case <-collect.C:
			case <-ctx.Done():
			}
		}
		l.write()
		if n := l.dropped.Load(); n > reported && (done || time.Since(said) >= reportEvery) {
			l.cfg.Logger.Warn("the access log has lost lines: they came faster than they could be written", "lines", n-reported, "in_all", n)
			reported, said = n, time.Now()
		}
	}
	if l.file != nil {
		_ = l.file.Close() // everything was written, or reported
	}
}

// write writes what is waiting.
func (l *Log) write() {
	l.mu.Lock()
	lines := l.waiting
	l.waiting, l.spare = l.spare[:0], nil
	l.mu.Unlock()
	if len(lines) > 0 {
		if err := l.writeAll(lines); err != nil {
			l.dropped.Add(int64(count(lines)))
			l.cfg.Logger.Warn("the access log cannot be written", "error", err)
		}
	}
	l.mu.Lock()
	l.spare = lines[:0]
	l.mu.Unlock()
}

func count(lines []byte) (n int) {
	for _, c := range lines {
		if c == '\n' {
			n++
		}
	}
	return n
}

func (l *Log) writeAll(lines []byte) error {
	if l.file != nil && l.moved() {
		old := l.file
		if err := l.open(); err != nil {
			return err
		}
		if err := old.Close(); err != nil {
			l.cfg.Logger.Warn("the access log that was moved away cannot be closed", "error", err)
		}
	}
	if _, err := l.out.Write(lines); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// moved reports whether the path is no longer that of the open file.
func (l *Log) moved() bool {
	now, err := os.Stat(l.cfg.Path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	open, err := l.file.Stat()
	return err == nil && !os.SameFile(now, open)
}
