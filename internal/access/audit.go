package access

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"teal"
)

// Outcome says what became of an order.
type Outcome string

// What becomes of an order.
const (
	OutcomeDone    Outcome = "done"
	OutcomeRefused Outcome = "refused" // nothing was changed, as far as the server knows
	OutcomeUnknown Outcome = "unknown" // the server ended, or it is still being carried out
)

// Entry is one order in the audit.
type Entry struct {
	Seq     uint64         `json:"seq"` // from 1, in the order in which orders were given
	At      time.Time      `json:"at"`
	By      string         `json:"by"`
	Role    teal.TokenRole `json:"role"`
	From    string         `json:"from"`             // address of the client
	Order   string         `json:"order"`            // the operation, such as rollback
	App     string         `json:"app,omitempty"`    // left out: the order is about the server
	Note    string         `json:"note,omitempty"`   // what it said: versions, reasons, names
	Before  string         `json:"before,omitempty"` // where the app stood before it, and after
	After   string         `json:"after,omitempty"`
	Outcome Outcome        `json:"outcome"`
	Code    teal.Code      `json:"code,omitempty"` // why it was refused
	Message string         `json:"message,omitempty"`
}

// Bounds of the audit.
const (
	auditFileSize = 4 << 20 // of one file, in bytes, where nothing else is said
	auditFiles    = 16      // that are kept: the newest
	maxAuditText  = 1000    // of a text in an entry, in bytes
	syncDelay     = time.Second
)

// Audit is what has been ordered of a server, oldest orders given up first when it
// has grown to 64 MiB. Every order is in it twice: before it is carried out, and with
// what became of it. What is written survives the end of the process at once, and a
// loss of power after a second. Safe for concurrent use.
type Audit struct {
	dir     string
	most    int64       // bytes of a file
	failing func(error) // nil error: it is over
	now     func() time.Time
	dirty   chan struct{}

	mu   sync.Mutex
	file *os.File // nil: the next write opens one
	size int64
	seq  uint64
	torn bool // the file ends in half a line

	refusals map[string]refusals // by who gave the orders
}

// AuditConfig is what an Audit needs. Dir is required.
type AuditConfig struct {
	Dir string
	// Failing is told why entries cannot be written, and with nil when they can
	// again; nil: nobody is. Orders are carried out all the same: a rollback must not
	// wait for a disk.
	Failing  func(error)
	FileSize int64            // of one of its 16 files, in bytes; 0 is 4 MiB
	Now      func() time.Time // nil: the clock
}

// OpenAudit goes on with the audit in a folder, which is made where it is missing. An
// audit is returned in any case: the error says why it cannot be written now, and
// each order tries again.
func OpenAudit(cfg AuditConfig) (*Audit, error) {
	a := &Audit{
		dir: cfg.Dir, most: cmp.Or(cfg.FileSize, auditFileSize), failing: cfg.Failing, now: cfg.Now, dirty: make(chan struct{}, 1), refusals: map[string]refusals{},
	}
	if a.failing == nil {
		a.failing = func(error) {}
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a, a.reopen()
}

// Run has what is written reach the disk, until ctx ends.
func (a *Audit) Run(ctx context.Context) error {
	for {
		select {
		case <-a.dirty:
		case <-ctx.Done():
			return a.Close()
		}
		wait := time.NewTimer(syncDelay)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
		if file := a.current(); file != nil {
			_ = file.Sync() // the next write tells, and a file that is full has been synced
		}
	}
}

func (a *Audit) current() *os.File {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file
}

// Close closes the file. What is written later opens it again.
func (a *Audit) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	err := errors.Join(a.file.Sync(), a.file.Close())
	a.file = nil
	return err
}

// Order is an order that is being carried out.
type Order struct {
	audit *Audit

	mu    sync.Mutex
	entry Entry
}

// Begin notes an order before it is carried out. The caller must call End.
func (a *Audit) Begin(e Entry) *Order {
	e.At, e.Outcome = a.now(), OutcomeUnknown
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seq++
	e.Seq = a.seq
	a.write(e.bounded())
	return &Order{audit: a, entry: e}
}

// Note adds what an order says. A nil Order takes it, too.
func (o *Order) Note(format string, args ...any) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if o.entry.Note != "" && text != "" {
		text = o.entry.Note + "; " + text
	}
	o.entry.Note = cmp.Or(text, o.entry.Note)
}

// By notes who gives the order, where that was not known from the beginning.
func (o *Order) By(name string) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entry.By = name
}

// Failed notes why an order was refused.
func (o *Order) Failed(code teal.Code, message string) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entry.Code, o.entry.Message = code, message
}

// End notes what became of an order, and where its app stands then. done false is
// refused.
func (o *Order) End(done bool, after string) {
	o.mu.Lock()
	e := o.entry
	o.mu.Unlock()
	e.After, e.Outcome = after, OutcomeDone
	if !done {
		e.Outcome = OutcomeRefused
	}
	a := o.audit
	a.mu.Lock()
	defer a.mu.Unlock()
	a.write(e.bounded())
}

// bounded returns the entry with texts of bounded lengths, in which nothing looks like
// another entry: strangers choose some of them.
func (e Entry) bounded() Entry {
	for _, text := range []*string{&e.By, &e.From, &e.Order, &e.Note, &e.Before, &e.After, &e.Message} {
		*text = plain(*text, maxAuditText)
	}
	e.App = plain(e.App, teal.MaxNameLength)
	return e
}

// plain returns the beginning of a text without what a terminal obeys or hides: control
// characters and those that change the direction of writing.
func plain(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// Refuse notes an order that its caller may not give. A caller has so many of them noted
// at once, and one more each minute; what is beyond that is counted, so that nobody can
// push out of the audit what others have done.
func (a *Audit) Refuse(e Entry, code teal.Code, message string) {
	e.At, e.Outcome, e.Code, e.Message = a.now(), OutcomeRefused, code, message
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.refusals[e.By]
	if r.at.IsZero() {
		r.left = freeRefusals
	}
	r.left = min(freeRefusals, r.left+float64(e.At.Sub(r.at))/float64(refusalEvery))
	r.at = e.At
	if r.left < 1 {
		r.skipped++
		a.refusals[e.By] = r
		return
	}
	if r.skipped > 0 {
		e.Message = fmt.Sprintf("%s (and %d more since the last that was noted)", plain(e.Message, maxAuditText/2), r.skipped)
	}
	r.left, r.skipped = r.left-1, 0
	a.refusals[e.By] = r
	a.seq++
	e.Seq = a.seq
	a.write(e.bounded())
}

// refusals are those of one caller.
type refusals struct {
	left    float64 // that may still be noted, as of at
	at      time.Time
	skipped int // that were not noted
}

// Bounds of what is noted of refused orders. There are no more callers than tokens.
const (
	freeRefusals = 20
	refusalEvery = time.Minute
)

// write appends an entry. The caller holds the lock.
func (a *Audit) write(e Entry) {
	line, err := json.Marshal(e)
	if err == nil {
		err = a.append(append(line, '\n'))
	}
	a.failing(err)
	select {
	case a.dirty <- struct{}{}:
	default:
	}
}

func (a *Audit) append(line []byte) error {
	if a.file == nil || a.size+int64(len(line)) > a.most {
		if err := a.next(); err != nil {
			return err
		}
	}
	if a.torn {
		line = append([]byte("\n"), line...)
	}
	n, err := a.file.Write(line)
	a.size += int64(n)
	a.torn = err != nil && (n > 0 || a.torn)
	return err
}

// next goes on in a new file, or in the present one where the process has let it go.
func (a *Audit) next() error {
	if a.file == nil {
		if err := a.reopen(); err != nil || a.size < a.most {
			return err
		}
	}
	numbers, err := a.numbers()
	if err != nil {
		return err
	}
	_ = a.file.Sync() // what can be saved of it is
	_ = a.file.Close()
	a.file = nil
	if err := a.openFile(numbers[len(numbers)-1] + 1); err != nil {
		return err
	}
	for _, old := range numbers[:max(0, len(numbers)+1-auditFiles)] {
		if err := os.Remove(a.path(old)); err != nil {
			return err
		}
	}
	return nil
}

// reopen opens the newest file, and finds out which number the last order had.
func (a *Audit) reopen() error {
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return err
	}
	numbers, err := a.numbers()
	if err != nil {
		return err
	}
	newest := 1
	if len(numbers) > 0 {
		newest = numbers[len(numbers)-1]
	}
	known := a.seq
	for _, number := range slices.Backward(numbers) {
		if err := a.scan(number, func(e Entry) { a.seq = max(a.seq, e.Seq) }); err != nil {
			return err
		}
		if a.seq > known {
			break // older files have lower numbers
		}
	}
	return a.openFile(newest)
}

// openFile opens a file to append to it.
func (a *Audit) openFile(number int) error {
	file, err := os.OpenFile(a.path(number), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	last := []byte{'\n'}
	if err == nil && info.Size() > 0 {
		_, err = file.ReadAt(last, info.Size()-1)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	a.file, a.size, a.torn = file, info.Size(), last[0] != '\n'
	return nil
}

func (a *Audit) path(number int) string {
	return filepath.Join(a.dir, fmt.Sprintf("%08d.jsonl", number))
}

// numbers returns the numbers of the files that there are, in order.
func (a *Audit) numbers() ([]int, error) {
	files, err := os.ReadDir(a.dir)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, f := range files {
		if n, err := strconv.Atoi(strings.TrimSuffix(f.Name(), ".jsonl")); err == nil && n > 0 && a.path(n) == filepath.Join(a.dir, f.Name()) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// scan calls visit with the lines of a file. What is no entry is passed over.
func (a *Audit) scan(number int, visit func(Entry)) error {
	file, err := os.Open(a.path(number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // given up meanwhile
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewReaderSize(file, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		var e Entry
		if json.Unmarshal(bytes.TrimSpace(line), &e) == nil && e.Seq > 0 {
			visit(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// AuditQuery selects entries.
type AuditQuery struct {
	Sees   func(app string) bool // which apps' orders; nil: all, and those about the server
	App    string                // of this app alone; "" is all
	By     string                // whose name begins so
	Since  time.Time             // of this time and later
	Before uint64                // only with lower numbers; 0 is all
	Limit  int                   // at most so many, the newest; 0 is all
}

// Read returns the entries that match, oldest first. It reads files and blocks
// meanwhile.
func (a *Audit) Read(q AuditQuery) ([]Entry, error) {
	a.mu.Lock()
	numbers, err := a.numbers()
	a.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("access: read the audit: %w", err)
	}
	found := map[uint64]Entry{}
	for _, number := range numbers {
		err := a.scan(number, func(e Entry) {
			if q.matches(e) {
				found[e.Seq] = e
			}
			if q.Limit > 0 && len(found) > 4*q.Limit+1000 {
				keepNewest(found, q.Limit)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("access: read the audit: %w", err)
		}
	}
	if q.Limit > 0 {
		keepNewest(found, q.Limit)
	}
	entries := make([]Entry, 0, len(found))
	for _, e := range found {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(x, y Entry) int { return cmp.Compare(x.Seq, y.Seq) })
	return entries, nil
}

// keepNewest forgets all but the limit newest.
func keepNewest(found map[uint64]Entry, limit int) {
	numbers := make([]uint64, 0, len(found))
	for seq := range found {
		numbers = append(numbers, seq)
	}
	slices.Sort(numbers)
	for _, seq := range numbers[:max(0, len(numbers)-limit)] {
		delete(found, seq)
	}
}

func (q AuditQuery) matches(e Entry) bool {
	return (q.Sees == nil || e.App != "" && q.Sees(e.App)) &&
		(q.App == "" || e.App == q.App) && strings.HasPrefix(e.By, q.By) &&
		!e.At.Before(q.Since) && (q.Before == 0 || e.Seq < q.Before)
}
