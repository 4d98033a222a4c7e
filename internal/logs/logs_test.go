package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"teal"
	"teal/internal/await"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string, bound teal.Bytes) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, MaxBytes: bound})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var epoch = time.Date(2030, 1, 2, 3, 4, 5, 678, time.UTC)

func line(version, n int) Line {
	return Line{At: epoch.Add(time.Duration(n) * time.Second), App: "shop", Version: teal.VersionRef(version), Component: "web", Instance: "i1", RequestID: fmt.Sprintf("req-%d", n), Stream: Stdout, Text: fmt.Sprint("line ", n)}
}

func read(t testing.TB, s *Store, q Query) []Line {
	t.Helper()
	var all []Line
	// Whether the disk is slow or the whole machine, the error says to try again.
	await.True(t, "all lines", func() bool {
		all = nil
		for l, err := range s.Read(context.Background(), q) {
			if teal.IsCode(err, teal.CodeUnavailable) {
				return false
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, l)
		}
		return true
	})
	return all
}

func texts(lines []Line) (all []string) {
	for _, l := range lines {
		all = append(all, fmt.Sprint(l.Version, " ", l.Text))
	}
	return all
}

// Seen to fail without the flush at the beginning of a Read.
func TestReadSeesWhatWasWritten(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 0)
	var want []Line
	for i := range 10 {
		l := line(1, i)
		s.Write(l)
		want = append(want, l)
		if diff := cmp.Diff(want, read(t, s, Query{App: "shop"})); diff != "" {
			t.Fatal(diff)
		}
	}
	if got := read(t, s, Query{App: "other"}); got != nil {
		t.Errorf("an unknown app has %v", got)
	}
}

// Seen red with a text that is looked for as it is and not as lines have it, with the
// bytes of a line instead of its text, with seconds alone compared, and with the time
// of a query in its own zone.
func TestQueries(t *testing.T) {
	t.Parallel()
	const four = "1 line 4 \"of\" \\ <five>\t\u00e9"
	s := open(t, t.TempDir(), 0)
	// Two versions at once, in the order of time.
	for i := range 6 {
		l := line(1+i%2, i)
		if i == 4 {
			l.Component, l.Stream, l.Instance = "hello", Stderr, "hello/4f2a"
			l.Text = `line 4 "of" \ <five>` + "\t\u00e9"
		}
		s.Write(l)
	}
	for _, c := range []struct {
		q    Query
		want []string
	}{
		{Query{}, []string{"1 line 0", "2 line 1", "1 line 2", "2 line 3", four, "2 line 5"}},
		{Query{Version: 2}, []string{"2 line 1", "2 line 3", "2 line 5"}},
		{Query{Version: 3}, nil},
		{Query{Component: "hello"}, []string{four}},
		{Query{Instance: "hello/4f2a"}, []string{four}},
		{Query{Instance: "hello"}, nil},
		{Query{Since: line(1, 4).At}, []string{four, "2 line 5"}},
		{Query{Since: line(1, 3).At.Add(1)}, []string{four, "2 line 5"}},
		{Query{Since: line(1, 3).At.In(time.FixedZone("", 7200))}, []string{"2 line 3", four, "2 line 5"}},
		{Query{Since: line(1, 5).At.Add(1)}, nil},
		{Query{Text: "ne 3"}, []string{"2 line 3"}},
		{Query{Text: `4 "of" \ <`}, []string{four}},
		{Query{Text: `"`}, []string{four}},
		{Query{Text: "\t\u00e9"}, []string{four}},
		{Query{Text: "Line 3"}, nil},
		{Query{Text: "text"}, nil}, // which every line has, as a name of its fields
		{Query{Text: "line", Tail: 2, Since: line(1, 1).At, Instance: "i1"}, []string{"2 line 3", "2 line 5"}},
		{Query{Component: "hell"}, nil},
		{Query{RequestID: "req-3"}, []string{"2 line 3"}},
		{Query{RequestID: "req"}, nil},
		{Query{RequestID: "req-3", Version: 1}, nil},
		{Query{Tail: 1}, []string{"2 line 5"}},
		{Query{Tail: 3}, []string{"2 line 3", four, "2 line 5"}},
		{Query{Tail: 99, Version: 2}, []string{"2 line 1", "2 line 3", "2 line 5"}},
		{Query{Tail: 2, Component: "web"}, []string{"2 line 3", "2 line 5"}},
	} {
		c.q.App = "shop"
		if diff := cmp.Diff(c.want, texts(read(t, s, c.q))); diff != "" {
			t.Errorf("%+v: %s", c.q, diff)
		}
	}
}

func TestPathsAreChecked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "logs"), 0)
	for _, app := range []string{"", "..", "../x", "a/b", "-a", ".discarded-1"} {
		l := line(1, 1)
		l.App = app
		s.Write(l)
		for _, err := range s.Read(context.Background(), Query{App: app}) {
			if teal.CodeOf(err) != teal.CodeInvalidInput {
				t.Errorf("read %q: %v", app, err)
			}
		}
		if err := s.Remove(app, 1); teal.CodeOf(err) != teal.CodeInvalidInput {
			t.Errorf("remove %q: %v", app, err)
		}
	}
	s.Write(line(0, 1))
	s.Write(line(-1, 1))
	if got := s.Lost(); got != 8 {
		t.Errorf("%d lines lost, want 8", got)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("files: %v, %v", left, err)
	}
}

// What is kept is within the bound, is the newest, has no gap, and is the same
// after a restart. Seen to fail without the removal of old segments, and with a
// tail that reads the newest segment alone.
func TestBoundAndRestart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		bound := rapid.SampledFrom([]int64{2000, 10_000, 100_000}).Draw(rt, "bound")
		written := 0
		for range rapid.IntRange(1, 4).Draw(rt, "restarts") {
			s, err := Open(Config{Dir: dir, MaxBytes: teal.Bytes(bound)})
			if err != nil {
				t.Fatal(err)
			}
			for range rapid.IntRange(0, 600).Draw(rt, "lines") {
				s.Write(line(1, written))
				written++
			}
			got := texts(read(t, s, Query{App: "shop"}))
			for i, text := range got {
				if want := fmt.Sprint("1 line ", written-len(got)+i); text != want {
					rt.Fatalf("line %d is %q, want %q", i, text, want)
				}
			}
			if len(got) < min(written, int(bound/2/200)) {
				rt.Fatalf("only %d of %d lines are kept", len(got), written)
			}
			n := rapid.IntRange(1, 700).Draw(rt, "tail")
			if diff := cmp.Diff(got[max(0, len(got)-n):], texts(read(t, s, Query{App: "shop", Tail: n}))[:min(n, len(got))]); len(got) > 0 && diff != "" {
				rt.Fatal(diff)
			}
			if err := s.Close(); err != nil {
				rt.Fatal(err)
			}
			if size := diskUse(t, dir); size > bound {
				rt.Fatalf("%d bytes on disk, bound %d", size, bound)
			}
		}
	})
}

// diskUse returns how large the files are. One that the store removes meanwhile has no
// size.
func diskUse(t testing.TB, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// A crash tears the last line anywhere. Seen to fail without the line end before
// the next write.
func TestTornLastLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, 0)
	s.Write(line(1, 0))
	s.Write(line(1, 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "shop", "1", "00000001.jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(whole, '\n') + 1
	for end := first; end < len(whole); end++ {
		if err := os.WriteFile(path, whole[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, 0)
		want := []string{"1 line 0"}
		if end == len(whole)-1 {
			want = append(want, "1 line 1") // only its end is missing
		}
		if diff := cmp.Diff(want, texts(read(t, s, Query{App: "shop"}))); diff != "" {
			t.Fatalf("cut at %d: %s", end, diff)
		}
		s.Write(line(1, 2))
		if diff := cmp.Diff(append(want, "1 line 2"), texts(read(t, s, Query{App: "shop"}))); diff != "" {
			t.Fatalf("cut at %d: %s", end, diff)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTextIsMadeSafe(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 0)
	long := strings.Repeat("é", MaxText)
	for _, text := range []string{"", "a\x00\x1f\"\\\n\r\t", "\xff\xfe ok \xc3", "日本 €", long} {
		l := line(1, 1)
		l.Text, l.RequestID = text, `odd "id"`
		s.Write(l)
	}
	got := read(t, s, Query{App: "shop", RequestID: `odd "id"`})
	want := []string{"", "a\x00\x1f\"\\\n\r\t", "\ufffd\ufffd ok \ufffd", "日本 €", long[:MaxText], long[MaxText:]}
	if len(got) != len(want) {
		t.Fatalf("%d lines", len(got))
	}
	for i := range want {
		if got[i].Text != want[i] {
			t.Errorf("line %d: %.40q", i, got[i].Text)
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("text", "web", "id")
	f.Add("\xff\x00\"\\\u2028", "", "é")
	f.Fuzz(func(t *testing.T, text, component, id string) {
		l := Line{At: epoch, App: "a", Version: 1, Component: component, RequestID: id, Stream: Stderr, Text: text}
		data := appendLine(nil, &l, text)
		if bytes.Count(data, []byte("\n")) != 1 || !utf8.Valid(data) {
			t.Fatalf("%q", data)
		}
		got, ok := decodeLine(data)
		l.Text = strings.ToValidUTF8(string([]rune(text)), "\ufffd")
		l.Component, l.RequestID = fieldText(component), fieldText(id)
		if diff := cmp.Diff(l, got); !ok || diff != "" {
			t.Error(diff)
		}
	})
}

// fieldText is what becomes of a field, by way of the standard library.
func fieldText(s string) string {
	s, _ = cut(s, maxField)
	return string([]rune(s))
}

func FuzzDecodeLine(f *testing.F) {
	f.Add([]byte(`{"at":"2030-01-02T03:04:05Z","app":"a","version":1,"stream":"stdout","text":"x"}`))
	f.Add([]byte(`{"at":"x`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if l, ok := decodeLine(data); ok {
			if _, err := json.Marshal(l); err != nil {
				t.Error(err)
			}
		}
	})
}

// follower collects what a following Read yields.
type follower struct {
	mu    sync.Mutex
	lines []string
	done  chan struct{}
	stop  context.CancelFunc
}

func follow(t *testing.T, s *Store, q Query) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{done: make(chan struct{}), stop: cancel}
	q.Follow = true
	go func() {
		defer close(f.done)
		for l, err := range s.Read(ctx, q) {
			if err != nil {
				t.Error(err)
			}
			f.mu.Lock()
			f.lines = append(f.lines, fmt.Sprint(l.Version, " ", l.Text))
			f.mu.Unlock()
		}
	}()
	t.Cleanup(func() { cancel(); <-f.done })
	return f
}

func (f *follower) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.lines...)
}

func (f *follower) waitFor(t *testing.T, n int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for len(f.all()) < n {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d lines came", len(f.all()), n)
		}
		time.Sleep(time.Millisecond)
	}
}

// Every line comes once and in order, across many rotations, while the writer
// waits for the reader now and then, so that nothing is removed before it was
// read. Seen to fail with a position that is not moved.
func TestFollowAcrossRotation(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 64*teal.KiB)
	s.Write(line(1, 0))
	f := follow(t, s, Query{App: "shop", Version: 1})
	f.waitFor(t, 1)
	n := 2000
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint("1 line ", i))
	}
	for i := 1; i < n; i++ {
		s.Write(line(1, i))
		if i%150 == 0 {
			f.waitFor(t, i+1)
		}
	}
	f.waitFor(t, n)
	if diff := cmp.Diff(want, f.all()); diff != "" {
		t.Error(diff)
	}
}

// Seen to fail with the versions listed once.
func TestFollowSeesLaterVersions(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 0)
	f := follow(t, s, Query{App: "shop"})
	for v := 1; v <= 3; v++ {
		s.Write(line(v, v))
		f.waitFor(t, v)
	}
	if err := s.Remove("shop", 1); err != nil {
		t.Fatal(err)
	}
	s.Write(line(1, 9))
	f.waitFor(t, 4)
	if diff := cmp.Diff([]string{"1 line 1", "2 line 2", "3 line 3", "1 line 9"}, f.all()); diff != "" {
		t.Error(diff)
	}
}

// The reader is busy until Close has returned. Seen to fail without the last
// pass after Close.
// A reader that follows gets the selected lines alone, also those that come later.
// Seen red with a text that is not looked for in them.
func TestFollowSelects(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 0)
	write := func(version, from, to int) {
		for i := from; i < to; i++ {
			l := line(version, i)
			l.Instance = fmt.Sprint("web/", i%2)
			s.Write(l)
		}
	}
	write(1, 0, 30)
	f := follow(t, s, Query{App: "shop", Text: "ne 2", Instance: "web/1", Since: line(1, 23).At})
	f.waitFor(t, 4)
	write(2, 20, 40)
	f.waitFor(t, 8)
	want := []string{"1 line 23", "1 line 25", "1 line 27", "1 line 29", "2 line 23", "2 line 25", "2 line 27", "2 line 29"}
	if diff := cmp.Diff(want, f.all()); diff != "" {
		t.Error(diff)
	}
}

func TestCloseEndsFollowersAfterTheLastLine(t *testing.T) {
	t.Parallel()
	for range 20 {
		s := open(t, t.TempDir(), 0)
		s.Write(line(1, 0))
		first, closed, got := make(chan struct{}), make(chan struct{}), make(chan []string)
		go func() {
			var all []Line
			for l := range s.Read(context.Background(), Query{App: "shop", Follow: true}) {
				if all = append(all, l); len(all) == 1 {
					close(first)
					<-closed
				}
			}
			got <- texts(all)
		}()
		<-first
		s.Write(line(1, 1))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		close(closed)
		if diff := cmp.Diff([]string{"1 line 0", "1 line 1"}, <-got); diff != "" {
			t.Fatal(diff)
		}
	}
}

// A writer that looked the journal up before a removal writes to the new one.
// Seen to fail without the question whether it is gone.
func TestWriteThatMeetsARemoval(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 0)
	old, err := s.journal("shop", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("shop", 1); err != nil {
		t.Fatal(err)
	}
	l := line(1, 1)
	if old.write(&l) {
		t.Error("written to a journal that is gone")
	}
}

// Seen to fail without the timer.
func TestLinesReachTheDiskWithoutAReader(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			before := diskUse(t, dir)
			s.Write(line(1, i))
			if now := diskUse(t, dir); now != before {
				t.Errorf("written at once: %d, %d", before, now)
			}
			time.Sleep(flushAfter)
			synctest.Wait()
			if now := diskUse(t, dir); now == before {
				t.Error("not written")
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestRemove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, 0)
	for v := 1; v <= 3; v++ {
		s.Write(line(v, v))
	}
	read(t, s, Query{App: "shop"})
	if err := s.Remove("shop", 2); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1 line 1", "3 line 3"}, texts(read(t, s, Query{App: "shop"}))); diff != "" {
		t.Error(diff)
	}
	for _, app := range []string{"shop", "shop", "never-seen"} {
		if err := s.Remove(app, 0); err != nil {
			t.Fatal(err)
		}
	}
	if size := diskUse(t, dir); size != 0 {
		t.Errorf("%d bytes are left", size)
	}
	s.Write(line(1, 7))
	if diff := cmp.Diff([]string{"1 line 7"}, texts(read(t, s, Query{App: "shop"}))); diff != "" {
		t.Error(diff)
	}
}

// A removal that a crash interrupted is finished by the next Open.
func TestDiscardedIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, discarded+"1", "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, dir, 0)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// A disk that fails costs lines, a word when it begins and one when it ends.
func TestDiskErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log syncBuffer
	s, err := Open(Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	blocker := filepath.Join(dir, "shop")
	if err := os.WriteFile(blocker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// The app's directory is a file: neither listed nor made.
	for i := range 5 {
		s.Write(line(1, i))
	}
	eventually(t, "five lines are lost", func() bool { return s.Lost() == 5 && log.String() != "" })
	if strings.Count(log.String(), "log lines are lost") != 1 {
		t.Errorf("lost %d, log:\n%s", s.Lost(), log.String())
	}
	if err := os.Remove(blocker); err != nil {
		t.Fatal(err)
	}
	s.Write(line(1, 5))
	if got := texts(read(t, s, Query{App: "shop"})); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	eventually(t, "lines are kept again", func() bool { return strings.Contains(log.String(), "log lines are kept again") })
	// And a disk that fails when lines are written out.
	segments := filepath.Join(dir, "shop", "1")
	if err := errors.Join(os.RemoveAll(segments), os.WriteFile(segments, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	s.Write(line(1, 6))
	if err := s.Close(); err == nil || s.Lost() != 6 {
		t.Errorf("close: %v, lost %d", err, s.Lost())
	}
	s.Write(line(1, 7))
	if s.Lost() != 7 {
		t.Errorf("lost %d", s.Lost())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A gigabyte costs neither memory nor disk. Seen to fail with a buffer that is
// written out by the timer alone.
func TestMuchOutputCostsBoundedMemory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, teal.MiB)
	f := follow(t, s, Query{App: "shop"})
	l := line(1, 1)
	l.Text = strings.Repeat("x", 1000)
	var most uint64
	for i := range 200_000 {
		s.Write(l)
		if i%50_000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
		if i%20_000 == 0 {
			f.mu.Lock()
			f.lines = nil
			f.mu.Unlock()
		}
	}
	if most > 64<<20 {
		t.Errorf("the heap grew to %d", most)
	}
	if size := diskUse(t, dir); size > int64(teal.MiB) {
		t.Errorf("%d bytes on disk", size)
	}
}

// Many write, read and remove at once; -race looks on.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 20_000)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				s.Write(line(1+w%2, i))
			}
		})
		wg.Go(func() {
			for range 10 {
				read(t, s, Query{App: "shop", Tail: 5 * w})
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			if err := s.Remove("shop", 2); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if s.Lost() != 0 {
		t.Errorf("%d lost", s.Lost())
	}
}

func TestReadEnds(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 0)
	for i := range 10 {
		s.Write(line(1, i))
	}
	n := 0
	for _, err := range s.Read(context.Background(), Query{App: "shop", Follow: true}) {
		if n++; err != nil || n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d lines", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var last error
	for _, err := range s.Read(ctx, Query{App: "shop"}) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("got %v", last)
	}
}

func BenchmarkWrite(b *testing.B) {
	s, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	l := line(1, 1)
	l.Text = strings.Repeat("some words, ", 8)
	b.ReportAllocs()
	b.SetBytes(int64(len(l.Text)))
	for b.Loop() {
		s.Write(l)
	}
	b.ReportMetric(float64(s.Lost())*100/float64(b.N), "%lost")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkTail(b *testing.B) {
	s, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100_000 {
		s.Write(line(1, i))
	}
	for b.Loop() {
		if got := len(read(b, s, Query{App: "shop", Tail: 100})); got != 100 {
			b.Fatal(got)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
