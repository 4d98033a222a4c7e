package natskv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"teal"
	"teal/internal/store"
	"teal/internal/store/natskv"
)

// messages is where the server keeps the bucket's messages, in the data
// directory.
var messages = filepath.Join("jetstream", "$G", "streams", "KV_teal", "msgs", "1.blk")

func TestOpenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	_, err := natskv.Open(t.Context(), natskv.Config{Dir: dir})
	if !teal.IsCode(err, teal.CodeDataInUse) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("got %v, want data_in_use", err)
	}
	if _, err := db.Create(t.Context(), "k", nil); err != nil {
		t.Fatalf("the first one was disturbed: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatalf("closing again: %v", err)
	}
	open(t, dir)
}

func TestOpenWhereNothingCanBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := natskv.Open(t.Context(), natskv.Config{Dir: filepath.Join(file, "sub")}); err == nil {
		t.Fatal("opened a directory inside a file")
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := t.TempDir()
	want := map[string]uint64{}
	last := uint64(0)
	for round := range 4 {
		db := open(t, dir)
		for key, revision := range want {
			entry, err := db.Get(ctx, key)
			if err != nil || entry.Revision != revision || string(entry.Value) != key {
				t.Fatalf("round %d: %s is %+v, %v; want revision %d", round, key, entry, err, revision)
			}
		}
		list, err := db.List(ctx, ">")
		if err != nil || len(list) != len(want) {
			t.Fatalf("round %d: %d entries, %v; want %d", round, len(list), err, len(want))
		}
		for i := range 10 {
			key := fmt.Sprintf("k.%d.%d", round, i)
			revision, err := db.Create(ctx, key, []byte(key))
			if err != nil || revision <= last {
				t.Fatalf("revision %d after %d, %v", revision, last, err)
			}
			last, want[key] = revision, revision
		}
		gone := fmt.Sprintf("k.%d.9", round)
		if err := db.Delete(ctx, gone, want[gone]); err != nil {
			t.Fatal(err)
		}
		delete(want, gone)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	db := open(t, t.TempDir())
	revision, err := db.Create(ctx, "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	watch, err := db.Watch(ctx, ">")
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	ended := make(chan error)
	go func() {
		_, err := watch.Next(ctx)
		ended <- err
	}()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, getErr := db.Get(ctx, "k")
	_, listErr := db.List(ctx, ">")
	_, createErr := db.Create(ctx, "new", nil)
	_, updateErr := db.Update(ctx, "k", nil, revision)
	for op, err := range map[string]error{"next": <-ended, "get": getErr, "list": listErr, "create": createErr, "update": updateErr} {
		if !errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrOutcomeUnknown) {
			t.Errorf("%s: got %v, want ErrClosed", op, err)
		}
	}
}

// Each way to damage a directory must be an error that says so, after a clean
// stop and after a kill. What is cut off after a kill must lie before the last
// write that was acknowledged.
//
// Seen to fail when the mark was not checked (the server drops the records, says
// nothing and starts), and when the seal was not compared.
func TestDamaged(t *testing.T) {
	t.Parallel()
	flip := func(data []byte) []byte { data[len(data)/2] ^= 0x55; return data }
	damages := map[string]func(dir string) error{
		"message changed":  change(messages, flip),
		"messages cut":     change(messages, func(data []byte) []byte { return data[:len(data)/2] }),
		"messages zeroed":  change(messages, func(data []byte) []byte { clear(data); return data }),
		"messages missing": func(dir string) error { return os.Remove(filepath.Join(dir, messages)) },
		"bucket missing": func(dir string) error {
			return os.RemoveAll(filepath.Join(dir, "jetstream", "$G", "streams", "KV_teal"))
		},
		"server's missing":  func(dir string) error { return os.RemoveAll(filepath.Join(dir, "jetstream")) },
		"mark not a number": change("mark", func([]byte) []byte { return []byte("gibberish") }),
	}
	for name, damage := range damages {
		for _, sealed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s sealed=%v", name, sealed), func(t *testing.T) {
				t.Parallel()
				dir := filled(t)
				if !sealed {
					if err := os.Remove(filepath.Join(dir, "seal.json")); err != nil {
						t.Fatal(err)
					}
				}
				if err := damage(dir); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					wantDamaged(t, dir)
				}
			})
		}
	}
}

func wantDamaged(t *testing.T, dir string) {
	t.Helper()
	db, err := natskv.Open(t.Context(), natskv.Config{Dir: dir})
	if err == nil {
		t.Fatal(errors.Join(errors.New("the directory was opened"), db.Close()))
	}
	if !errors.Is(err, natskv.ErrDamaged) || !strings.Contains(teal.MessageOf(err), "backup") || !strings.Contains(teal.MessageOf(err), dir) {
		t.Fatalf("got %v", err)
	}
}

// A server that is killed leaves no seal and an index that may be old.
func TestIndexIsNotNeeded(t *testing.T) {
	t.Parallel()
	dir := filled(t)
	if err := os.Remove(filepath.Join(dir, "seal.json")); err != nil {
		t.Fatal(err)
	}
	if err := change(filepath.Join(filepath.Dir(messages), "index.db"), func([]byte) []byte { return []byte("old") })(dir); err != nil {
		t.Fatal(err)
	}
	list, err := open(t, dir).List(t.Context(), ">")
	if err != nil || len(list) != 50 {
		t.Fatalf("got %d entries, %v; want 50", len(list), err)
	}
}

// The seal, the index and the file of expiries say nothing that the messages do
// not: damaged in whatever way, they keep no server from starting, and no record is
// lost.
//
// Seen red when a seal that cannot be read was an error, and when the index was
// compared like the messages: "the data directory is damaged".
func TestDerivedFilesAreNotNeeded(t *testing.T) {
	t.Parallel()
	msgs := filepath.Dir(messages)
	for _, file := range []string{"seal.json", filepath.Join(msgs, "index.db"), filepath.Join(msgs, "thw.db")} {
		for how, damage := range map[string]func(path string) error{
			"missing": os.Remove,
			"empty":   func(path string) error { return os.WriteFile(path, nil, 0o600) },
			"cut":     func(path string) error { return os.Truncate(path, 7) },
			"garbage": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("\xa5"), 300), 0o600) },
			"folder":  func(path string) error { return errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700)) },
		} {
			t.Run(filepath.Base(file)+" "+how, func(t *testing.T) {
				t.Parallel()
				dir := filled(t)
				if err := damage(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
				db := open(t, dir)
				list, err := db.List(t.Context(), ">")
				if err != nil || len(list) != 50 {
					t.Fatalf("got %d entries, %v; want 50", len(list), err)
				}
				if _, err := db.Create(t.Context(), "new", nil); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

func filled(t *testing.T) string {
	dir := t.TempDir()
	db := open(t, dir)
	for i := range 50 {
		if _, err := db.Create(t.Context(), fmt.Sprintf("k.%d", i), []byte(strings.Repeat("x", 100))); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func change(file string, edit func([]byte) []byte) func(dir string) error {
	return func(dir string) error {
		path := filepath.Join(dir, file)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, edit(data), 0o600)
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	fill(b, open(b, dir), 1000)
	b.ResetTimer()
	for b.Loop() {
		db, err := natskv.Open(b.Context(), natskv.Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func fill(b *testing.B, db *natskv.DB, n int) {
	b.Helper()
	for i := range n {
		if _, err := db.Create(b.Context(), fmt.Sprintf("apps.a%d.app", i), make([]byte, 500)); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkUpdate(b *testing.B) {
	db := open(b, b.TempDir())
	value := make([]byte, 500)
	revision, err := db.Create(b.Context(), "k", value)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if revision, err = db.Update(b.Context(), "k", value, revision); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	db := open(b, b.TempDir())
	value := make([]byte, 500)
	i := 0
	for b.Loop() {
		i++
		if _, err := db.Create(b.Context(), fmt.Sprintf("k.%d", i), value); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	db := open(b, b.TempDir())
	if _, err := db.Create(b.Context(), "k", make([]byte, 500)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := db.Get(b.Context(), "k"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWatch measures from the call of a create until a watch has shown it.
func BenchmarkWatch(b *testing.B) {
	db := open(b, b.TempDir())
	watch, err := db.Watch(b.Context(), ">")
	if err != nil {
		b.Fatal(err)
	}
	defer watch.Stop()
	i := 0
	for b.Loop() {
		i++
		_, err := db.Create(b.Context(), fmt.Sprintf("k.%d", i), make([]byte, 500))
		if err == nil {
			_, err = watch.Next(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory reports what an idle, open bucket of 1000 records adds to the
// heap and to all that Go has from the system.
func BenchmarkMemory(b *testing.B) {
	measure := func() (m runtime.MemStats) {
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m
	}
	dir := b.TempDir()
	fill(b, open(b, dir), 1000)
	before := measure()
	for b.Loop() {
		db := open(b, dir)
		after := measure()
		b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/(1<<20), "heapMiB")
		b.ReportMetric(float64(after.Sys)/(1<<20), "sysMiB")
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
