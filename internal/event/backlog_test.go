package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"teal"
	"teal/internal/store"
	"teal/internal/store/memkv"
	"teal/internal/store/natskv"
)

// Whatever comes and goes, the backlog counts what a list of all events would, and
// is never above its bounds.
//
// Seen red with a drop that leaves the version counted, and with bounds that do not
// include the event itself.
func TestTheBacklogCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limits := Limits{Events: 4, Bytes: 100}
		b := newBacklog(limits)
		all := map[store.SideKey]Event{}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			e := Event{
				App: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "app"), ID: fmt.Sprint(rapid.IntRange(1, 12).Draw(rt, "id")),
				Version: teal.VersionRef(rapid.IntRange(1, 3).Draw(rt, "version")), Payload: make([]byte, rapid.IntRange(0, 60).Draw(rt, "bytes")),
			}
			e.Component = e.App
			_, known := all[e.key()]
			switch {
			case !known && b.admit(e) == nil:
				all[e.key()] = e
				if have := b.functions[e.function()]; have.events > limits.Events || have.bytes > limits.Bytes {
					rt.Fatalf("admitted: %+v", have)
				}
			case rapid.Bool().Draw(rt, "done"):
				b.drop(e.key())
				delete(all, e.key())
			case known: // it has been run, and its report is left
				e.Payload, e.Report = nil, []byte("r")
				b.put(e.key(), footprintOf(e))
				all[e.key()] = e
			}
			functions, needed := map[string]load{}, map[store.EnvironmentKey]int{}
			for _, e := range all {
				have := functions[e.App]
				functions[e.App] = load{have.events + 1, have.bytes + teal.Bytes(len(e.Payload)+len(e.Report))}
				if e.Report != nil {
					e.Version = 0
				}
				needed[store.EnvironmentKey{App: e.App, Version: e.Version}]++
			}
			for app, want := range functions {
				if got := b.functions[Function{App: app, Component: app}]; got != want {
					rt.Fatalf("%s has %+v, want %+v", app, got, want)
				}
			}
			if fmt.Sprint(b.needed) != fmt.Sprint(needed) || len(b.functions) != len(functions) || len(b.events) != len(all) {
				rt.Fatalf("needed %v, want %v", b.needed, needed)
			}
		}
	})
}

// workerFunc is a function as a Worker.
type workerFunc func(ctx context.Context, e Event) (next Event, done bool)

func (f workerFunc) Work(ctx context.Context, e Event) (Event, bool) { return f(ctx, e) }

func quietQueue(kv store.KV) *Queue {
	return New(Config{KV: kv, Logger: slog.New(slog.DiscardHandler)})
}

// runQueue runs a queue until the test, which is in a bubble of synctest, calls
// what it returns.
func runQueue(t *testing.T, q *Queue, work workerFunc) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx, work) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// An event whose record cannot be read for a while is read again later, and not
// only by the next server; events that cannot be listed are listed again.
//
// Seen red with an attempt that gives the event up, and with a Run that ends when
// it cannot list.
func TestAnEventThatCannotBeReadIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kv := memkv.New()
		var done atomic.Int32
		work := func(_ context.Context, e Event) (Event, bool) { done.Add(1); return e, true }
		first := quietQueue(kv)
		close(first.loaded)
		for i := range 3 { // left by an earlier server
			if err := first.Add(t.Context(), event("f", i, time.Now(), time.Now()), nil); err != nil {
				t.Fatal(err)
			}
		}
		kv.Fail(memkv.Fault{Op: memkv.OpList, Times: 2})
		kv.Fail(memkv.Fault{Op: memkv.OpGet, Times: 10})
		stop := runQueue(t, quietQueue(kv), work)
		time.Sleep(time.Minute)
		if done.Load() != 3 {
			t.Errorf("%d of 3 events were worked on", done.Load())
		}
		stop()
	})
}

// What has become of an event is written when the store takes it again; the event
// is not run a second time meanwhile.
//
// Seen red with an update that is tried once, and with a delete that is.
func TestAnEventIsNotRunAgainBecauseTheStoreFails(t *testing.T) {
	t.Parallel()
	for _, op := range []memkv.Op{memkv.OpUpdate, memkv.OpDelete} {
		for _, mode := range []memkv.Mode{memkv.Refused, memkv.RequestLost, memkv.AnswerLost} {
			t.Run(fmt.Sprint(op, mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					kv := memkv.New()
					runs := 0
					q := quietQueue(kv)
					stop := runQueue(t, q, func(_ context.Context, e Event) (Event, bool) {
						runs++
						e.Attempts++
						e.NotBefore = time.Now().Add(time.Minute)
						return e, e.Attempts == 2
					})
					kv.Fail(memkv.Fault{Op: op, Mode: mode, Times: 4})
					if err := q.Add(t.Context(), event("f", 1, time.Now(), time.Now()), nil); err != nil {
						t.Fatal(err)
					}
					time.Sleep(5 * time.Minute)
					stop()
					if left, err := q.table.List(t.Context(), ""); err != nil || len(left) != 0 || runs != 2 || len(q.backlog.events) != 0 {
						t.Errorf("run %d times, %d records are left, %v", runs, len(left), err)
					}
				})
			})
		}
	}
}

// An event whose acceptance got no answer may be there: it is looked for later.
//
// Seen red without that: it lay in the store until a restart.
func TestAnEventWithoutAnAnswerIsLookedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kv := memkv.New()
		done := 0
		q := quietQueue(kv)
		stop := runQueue(t, q, func(_ context.Context, e Event) (Event, bool) { done++; return e, true })
		kv.Fail(memkv.Fault{Op: memkv.OpCreate, Mode: memkv.AnswerLost})
		kv.Fail(memkv.Fault{Op: memkv.OpCreate, Mode: memkv.RequestLost})
		for i := range 2 {
			if err := q.Add(t.Context(), event("f", i, time.Now(), time.Now()), nil); !errors.Is(err, store.ErrOutcomeUnknown) {
				t.Errorf("got %v", err)
			}
		}
		time.Sleep(2 * lostWriteAfter)
		stop()
		if done != 1 || len(q.backlog.events) != 0 {
			t.Errorf("%d events were worked on, %d are counted", done, len(q.backlog.events))
		}
	})
}

// damage notes which records cannot be understood.
type damage struct{ unreadable []string }

func (d *damage) Unreadable(key string, _ error) { d.unreadable = append(d.unreadable, key) }
func (d *damage) Written(string)                 {}

// One record that is no event keeps nobody else from being worked on, and people
// are told.
//
// Seen red with a load that ends at the first error.
func TestARecordThatIsNoEventIsSetAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kv := memkv.New()
		if _, err := kv.Create(t.Context(), "lambda.event.f.bad", []byte("{")); err != nil {
			t.Fatal(err)
		}
		done := 0
		told := &damage{}
		q := quietQueue(store.WithDamage(kv, told))
		stop := runQueue(t, q, func(_ context.Context, e Event) (Event, bool) { done++; return e, true })
		if err := q.Add(t.Context(), event("f", 1, time.Now(), time.Now()), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		stop()
		if done != 1 || !slices.Equal(told.unreadable, []string{"lambda.event.f.bad"}) {
			t.Errorf("%d done, told of %q", done, told.unreadable)
		}
	})
}

// A version that is being deleted gets no event, and one that has an event is not
// deleted; before it is known what events there are, none is.
//
// Seen red without the mark of what is leaving.
func TestAVersionGoesOrGetsEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := quietQueue(memkv.New())
		one, e := store.VersionKey{App: "f", Number: 1}, event("f", 1, time.Now(), time.Now().Add(time.Hour))
		e.Version = 1
		if _, ok := q.Leave(one); ok {
			t.Error("a version may go before the events are known")
		}
		stop := runQueue(t, q, func(_ context.Context, e Event) (Event, bool) { return e, true })
		synctest.Wait()
		left, ok := q.Leave(one)
		if err := q.Add(t.Context(), e, nil); !ok || !teal.IsCode(err, teal.CodeUnknownVersion) {
			t.Errorf("an event for a version that is going: %v, %v", ok, err)
		}
		left()
		gone := teal.Errorf(teal.CodeUnknownVersion, "gone")
		if err := q.Add(t.Context(), e, func() error { return gone }); !errors.Is(err, gone) || len(q.Needs("f")) != 0 {
			t.Errorf("an event for a version that is gone: %v, needed %v", err, q.Needs("f"))
		}
		if err := q.Add(t.Context(), e, nil); err != nil {
			t.Error(err)
		}
		if _, ok := q.Leave(one); ok || !slices.Equal(q.Needs("f"), []int{1}) {
			t.Errorf("a version with an event may go; needed %v", q.Needs("f"))
		}
		stop()
	})
}

// A start does not hold the events that wait: 24 of 4 MiB cost what a few cost.
//
// Seen red with a load that lists them.
func TestAStartDoesNotHoldTheEvents(t *testing.T) {
	dir := t.TempDir()
	open := func() *natskv.DB {
		db, err := natskv.Open(t.Context(), natskv.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open()
	const events = 24
	q := quietQueue(db)
	close(q.loaded)
	for i := range events {
		e := event("f", i, time.Now(), time.Now().Add(time.Hour))
		e.Payload = make([]byte, 2900<<10) // nearly all that a record holds
		if err := q.Add(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open()
	defer func() { _ = db.Close() }()
	q = quietQueue(db)
	before := heapInUse()
	var most atomic.Uint64
	watched := &watchedKV{KV: db, visited: func() { most.Store(max(most.Load(), heapInUse())) }}
	q.table = store.NewSide(watched, "lambda", "event", Event.key)
	q.load(t.Context())
	if n := len(q.backlog.events); n != events {
		t.Fatalf("%d events were found", n)
	}
	t.Logf("heap before %d MiB, at most %d MiB", before>>20, most.Load()>>20)
	if grown := int64(most.Load()) - int64(before); grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// heapInUse returns what is in use after a collection.
func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// watchedKV calls visited after every sixth entry that a scan or a list shows.
type watchedKV struct {
	store.KV
	visited func()
}

func (w *watchedKV) Scan(ctx context.Context, pattern string, visit func(store.Entry) error) error {
	n := 0
	return w.KV.Scan(ctx, pattern, func(e store.Entry) error {
		if n++; n%6 == 0 {
			w.visited()
		}
		return visit(e)
	})
}

func (w *watchedKV) List(ctx context.Context, pattern string) ([]store.Entry, error) {
	list, err := w.KV.List(ctx, pattern)
	w.visited()
	return list, err
}
