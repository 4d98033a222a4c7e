package logs

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"teal"
)

// longestLine is more than any line that was written here: every byte of the
// text escaped, and the fields.
const longestLine = 1 << 20

// Read returns the lines that q selects, in the order of their time (within a
// version: in the order of writing). Lines written before the iteration begins
// are seen; a line that a crash tore is left out.
//
// With Follow the iteration goes on until ctx ends or the store is closed, and
// ends then without an error; lines come at most 200 ms late, also of versions
// that appear later. A reader that is slower than the writer misses the lines
// of segments that are removed meanwhile. Without Follow, an ended ctx is the
// last error. An error ends the iteration.
//
// When the disk does not take the lines that were written, they are not waited for
// longer than flushPatience: what is there is read, and without Follow the last
// error, teal.CodeUnavailable, says that it is not all.
func (s *Store) Read(ctx context.Context, q Query) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		if err := s.read(ctx, q, yield); err != nil {
			yield(Line{}, err)
		}
	}
}

// errStopped says that the caller wants no more.
var errStopped = errors.New("stopped")

func (s *Store) read(ctx context.Context, q Query, yield func(Line, error) bool) error {
	if err := teal.CheckName("app", q.App); err != nil {
		return err
	}
	r := &reading{store: s, query: q, positions: map[*journal]position{}, yield: yield}
	err := r.run(ctx)
	ended := q.Follow && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
	if errors.Is(err, errStopped) || ended {
		return nil
	}
	return err
}

// reading is one call of Read.
type reading struct {
	store     *Store
	app       *application
	query     Query
	positions map[*journal]position // where to go on; a journal that is not here, from its start
	yield     func(Line, error) bool
}

// position is a place in a journal. The zero position is its start.
type position struct {
	number int   // of the segment
	offset int64 // in it
}

// flushPatience is how long a reader waits for lines that are on their way to the
// disk.
const flushPatience = 2 * time.Second

func (r *reading) run(ctx context.Context) error {
	r.store.mu.Lock()
	r.app = r.store.appLocked(r.query.App)
	r.store.mu.Unlock()
	if err := r.store.list(ctx, r.app); err != nil {
		return err
	}
	news, journals := r.look()
	// This is what lets a reader see its own writes.
	behind := flush(ctx, journals)
	views := views(journals)
	if r.query.Tail > 0 {
		if err := r.seekTail(ctx, views); err != nil {
			return err
		}
	}
	for closed := false; ; {
		err := r.pass(ctx, views)
		if err == nil && !r.query.Follow {
			err = behind
		}
		if err != nil || closed || !r.query.Follow {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.store.done:
			closed = true // and what Close wrote out is still to be read
		case <-news:
		}
		news, journals = r.look()
		views = r.fresh(journals)
	}
}

// look returns the journals that the query is about, and a channel that is
// closed when there is something new in them.
func (r *reading) look() (<-chan struct{}, []*journal) {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	var journals []*journal
	for version, j := range r.app.versions {
		if r.query.Version == 0 || r.query.Version == version {
			journals = append(journals, j)
		}
	}
	slices.SortFunc(journals, func(a, b *journal) int { return cmp.Compare(a.files.dir, b.files.dir) })
	return r.app.changed.next(), journals
}

// flush has everything that was written so far brought to the disk. The error says
// that the disk does not take it.
func flush(ctx context.Context, journals []*journal) error {
	batches := make([]uint64, len(journals))
	for i, j := range journals {
		batches[i] = j.expect()
	}
	ctx, cancel := context.WithTimeout(ctx, flushPatience)
	defer cancel()
	var err error
	for i, j := range journals {
		if j.stalled() || !j.await(ctx, batches[i]) {
			err = teal.Errorf(teal.CodeUnavailable, "the newest lines are not here: the disk of the server does not take them at the moment; try again when it does")
		}
	}
	return err
}

// view is a journal at one moment.
type view struct {
	journal  *journal
	segments []segment
}

func views(journals []*journal) []view {
	all := make([]view, len(journals))
	for i, j := range journals {
		all[i] = view{j, j.snapshot()}
	}
	return all
}

// fresh returns the views of those journals that have something to read, and
// forgets the positions in those that were removed. It does not flush: that
// would be news again.
func (r *reading) fresh(journals []*journal) []view {
	var some []view
	for _, v := range views(journals) {
		if n := len(v.segments); n > 0 && r.positions[v.journal] != (position{v.segments[n-1].number, v.segments[n-1].size}) {
			some = append(some, v)
		}
	}
	for j := range r.positions {
		if !slices.Contains(journals, j) {
			delete(r.positions, j)
		}
	}
	return some
}

// pass yields the lines of the views from the positions on, merged by time, and
// moves the positions to the ends.
func (r *reading) pass(ctx context.Context, views []view) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var heads []*cursor
	defer func() {
		for _, c := range heads {
			c.close()
		}
	}()
	for _, v := range views {
		c := newCursor(v, r.positions[v.journal], r.query)
		if c.advance() {
			heads = append(heads, c)
		} else {
			c.close()
		}
		if n := len(v.segments); n > 0 {
			r.positions[v.journal] = position{v.segments[n-1].number, v.segments[n-1].size}
		}
		if c.err != nil {
			return c.err
		}
	}
	for len(heads) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		first := slices.MinFunc(heads, func(a, b *cursor) int { return a.key.Compare(b.key) })
		if !r.yield(first.line, nil) {
			return errStopped
		}
		if first.advance() {
			continue
		}
		if first.err != nil {
			return first.err
		}
		first.close()
		heads = slices.DeleteFunc(heads, func(c *cursor) bool { return c == first })
	}
	return nil
}

// mark is the place of one selected line.
type mark struct {
	key     time.Time
	journal *journal
	at      position
}

// seekTail sets the positions so that the last query.Tail lines remain.
func (r *reading) seekTail(ctx context.Context, views []view) error {
	var marks []mark
	for _, v := range views {
		own, err := r.lastMarks(ctx, v)
		if err != nil {
			return err
		}
		marks = append(marks, own...)
		if n := len(v.segments); n > 0 {
			r.positions[v.journal] = position{v.segments[n-1].number, v.segments[n-1].size}
		}
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return a.key.Compare(b.key) })
	marks = marks[max(0, len(marks)-r.query.Tail):]
	// The keys of a journal do not decrease, so what is left of it is its end.
	for _, m := range slices.Backward(marks) {
		r.positions[m.journal] = m.at
	}
	return nil
}

// lastMarks returns the places of the last query.Tail lines of one view, reading
// no more segments than it needs.
func (r *reading) lastMarks(ctx context.Context, v view) ([]mark, error) {
	var marks []mark
	for i := len(v.segments) - 1; i >= 0 && len(marks) < r.query.Tail; i-- {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var own []mark
		c := newCursor(view{v.journal, v.segments[i : i+1]}, position{}, r.query)
		for c.advance() {
			own = append(own, mark{c.key, v.journal, c.start})
		}
		c.close()
		if c.err != nil {
			return nil, c.err
		}
		marks = append(own, marks...)
	}
	marks = marks[max(0, len(marks)-r.query.Tail):]
	for i := 1; i < len(marks); i++ {
		if marks[i].key.Before(marks[i-1].key) {
			marks[i].key = marks[i-1].key
		}
	}
	return marks, nil
}

// cursor reads the selected lines of a view, one by one.
type cursor struct {
	view     view
	query    Query
	required [][]byte // a selected line contains all of them
	since    string   // the second that query.Since is in, as lines begin with it; "" for any
	next     position // where the next line starts
	file     *os.File
	scan     *bufio.Scanner

	line  Line
	start position  // of line
	key   time.Time // line's time, or that of a line before it if that is later
	err   error
}

// second is how the time of a line begins; what begins it is lineHead.
const (
	second   = "2006-01-02T15:04:05"
	lineHead = `{"at":"`
)

func newCursor(v view, from position, q Query) *cursor {
	c := &cursor{view: v, query: q, next: from}
	for _, s := range []string{q.RequestID, q.Instance, q.Component} {
		if s != "" {
			c.required = append(c.required, appendQuoted(nil, s))
		}
	}
	if q.Text != "" {
		quoted := appendQuoted(nil, q.Text)
		c.required = append(c.required, quoted[1:len(quoted)-1])
	}
	if !q.Since.IsZero() {
		c.since = q.Since.UTC().Format(second)
	}
	// Segments before the position are done; it may be in one that is gone.
	for len(c.view.segments) > 0 && c.view.segments[0].number < from.number {
		c.view.segments = c.view.segments[1:]
	}
	return c
}

// advance moves to the next selected line; false is the end, or err.
func (c *cursor) advance() bool {
	for c.err == nil {
		if c.scan == nil && !c.open() {
			return false
		}
		c.start = c.next
		if !c.scan.Scan() {
			c.shut()
			continue
		}
		if l, ok := c.selects(c.scan.Bytes()); ok {
			c.line = l
			if l.At.After(c.key) {
				c.key = l.At
			}
			return true
		}
	}
	return false
}

// open opens the next segment that exists.
func (c *cursor) open() bool {
	for len(c.view.segments) > 0 {
		s := c.view.segments[0]
		if c.next.number != s.number {
			c.next = position{number: s.number}
		}
		f, err := os.Open(segmentPath(c.view.journal.files.dir, s.number))
		if errors.Is(err, os.ErrNotExist) {
			c.view.segments = c.view.segments[1:] // removed meanwhile
			continue
		}
		if err != nil {
			c.err = err
			return false
		}
		c.file = f
		c.scan = bufio.NewScanner(io.NewSectionReader(f, c.next.offset, max(0, s.size-c.next.offset)))
		c.scan.Buffer(make([]byte, 0, 16<<10), longestLine)
		c.scan.Split(c.split)
		return true
	}
	return false
}

// split is bufio.ScanLines, counting.
func (c *cursor) split(data []byte, atEOF bool) (int, []byte, error) {
	advance, token, err := bufio.ScanLines(data, atEOF)
	c.next.offset += int64(advance)
	return advance, token, err
}

// shut ends with the current segment. A line that is too long to be ours hides
// the rest of it.
func (c *cursor) shut() {
	if err := c.scan.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		c.err = err
	}
	c.close()
	c.view.segments = c.view.segments[1:]
}

func (c *cursor) close() {
	if c.file == nil {
		return
	}
	if err := c.file.Close(); err != nil && c.err == nil {
		c.err = err
	}
	c.file, c.scan = nil, nil
}

// selects decodes a line if the query wants it. Most lines that it does not
// want are told by their bytes.
func (c *cursor) selects(data []byte) (Line, bool) {
	if at, ok := bytes.CutPrefix(data, []byte(lineHead)); ok && len(at) > len(second) && string(at[:len(second)]) < c.since {
		return Line{}, false
	}
	for _, needle := range c.required {
		if !bytes.Contains(data, needle) {
			return Line{}, false
		}
	}
	l, ok := decodeLine(data)
	return l, ok && c.query.selects(&l)
}

// selects reports whether the query wants a line of its app and version.
func (q *Query) selects(l *Line) bool {
	switch {
	case q.RequestID != "" && l.RequestID != q.RequestID,
		q.Component != "" && l.Component != q.Component,
		q.Instance != "" && l.Instance != q.Instance:
		return false
	}
	return !l.At.Before(q.Since) && strings.Contains(l.Text, q.Text)
}
