package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"pgregory.net/rapid"

	"teal"
	"teal/internal/api/awslambda"
	"teal/internal/doctor"
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
		limits := EventLimits{Events: 4, Bytes: 100}
		b := newBacklog(limits)
		all := map[store.SideKey]queued{}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			e := queued{
				App: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "app"), ID: fmt.Sprint(rapid.IntRange(1, 12).Draw(rt, "id")),
				Version: rapid.IntRange(1, 3).Draw(rt, "version"), Event: make([]byte, rapid.IntRange(0, 60).Draw(rt, "bytes")),
			}
			e.Component = e.App
			_, known := all[e.key()]
			switch {
			case !known && b.admit(e) == nil:
				all[e.key()] = e
				if have := b.functions[e.ref()]; have.events > limits.Events || have.bytes > limits.Bytes {
					rt.Fatalf("admitted: %+v", have)
				}
			case rapid.Bool().Draw(rt, "done"):
				b.drop(e.key())
				delete(all, e.key())
			case known: // it has been run, and its report is left
				e.Event, e.Report = nil, []byte("r")
				b.put(e.key(), holdingOf(e))
				all[e.key()] = e
			}
			functions, needed := map[string]load{}, map[store.VersionKey]int{}
			for _, e := range all {
				have := functions[e.App]
				functions[e.App] = load{have.events + 1, have.bytes + teal.Bytes(len(e.Event)+len(e.Report))}
				if e.Report != nil {
					e.Version = 0
				}
				needed[store.VersionKey{App: e.App, Number: e.Version}]++
			}
			for app, want := range functions {
				if got := b.functions[awslambda.Ref{App: app, Component: app}]; got != want {
					rt.Fatalf("%s has %+v, want %+v", app, got, want)
				}
			}
			if fmt.Sprint(b.needed) != fmt.Sprint(needed) || len(b.functions) != len(functions) || len(b.events) != len(all) {
				rt.Fatalf("needed %v, want %v", b.needed, needed)
			}
		}
	})
}

// hello writes a folder of code with a function that returns n.
func hello(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"teal.yaml": "app: hello\nfunctions:\n  hello: {runtime: python3, handler: app.handler}\nroutes:\n  - {path: /, to: hello}\n",
		"app.py":    fmt.Sprintf("def handler(event, context):\n    return %d\n", n),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (h *harness) awaitVersions(app string, want ...int) {
	h.t.Helper()
	var numbers []int
	deadline := time.Now().Add(20 * time.Second)
	for !slices.Equal(numbers, want) {
		if time.Now().After(deadline) {
			h.t.Fatalf("versions %v are kept, want %v", numbers, want)
		}
		time.Sleep(10 * time.Millisecond)
		list, err := h.Versions(h.t.Context(), app)
		if err != nil {
			h.t.Fatal(err)
		}
		numbers = nil
		for _, v := range list {
			numbers = append(numbers, v.Number)
		}
	}
}

// C19: a version that an accepted event waits for is not forgotten, also by the
// server after this one, and not deleted by hand; when the event is done it goes as
// any other.
//
// Seen red with a queue that does not read at the start what events there are:
// version 1 was gone, and the event with it.
func TestAVersionThatAnEventNeedsIsKept(t *testing.T) {
	data := t.TempDir()
	h := startDaemon(t, data)
	deploy := func(n int) {
		t.Helper()
		h.deploy(hello(t, n), true, func(p *teal.Policy) { p.Confidence, p.Keep = 0, 1 })
		h.awaitPhase("hello", teal.PhaseCompleted)
	}
	deploy(1)
	e := queued{App: "hello", Component: "hello", Name: "hello", ID: "e1", Version: 1, Event: []byte("{}"), AcceptedAt: time.Now(), NotBefore: time.Now().Add(time.Hour)}
	if err := h.daemon.running.lambda.queue.Add(t.Context(), e, nil); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		deploy(2 + n)
	}
	h.awaitVersions("hello", 1, 3, 4, 5)
	_, err := h.awsClient().DeleteFunction(t.Context(), &awssdk.DeleteFunctionInput{FunctionName: aws.String("hello"), Qualifier: aws.String("1")})
	wantFault(t, "a version that an event needs", err, "ResourceConflictException")
	h.stop()

	h = startDaemon(t, data)
	deploy(6)
	h.awaitVersions("hello", 1, 4, 5, 6)
	if err := h.daemon.running.lambda.queue.Forget(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	deploy(7)
	h.awaitVersions("hello", 5, 6, 7)
}

// An event beyond the limit of its function is refused as AWS refuses one too many;
// there is room again when one is done.
//
// Seen red without the refusal.
func TestTooManyEventsAreRefused(t *testing.T) {
	h := startDaemon(t, t.TempDir(), func(c *Config) { c.AWS.Events = EventLimits{Events: 2, Bytes: 100} })
	c := h.awsClient()
	dir := t.TempDir()
	create(t, c, "f", python(t, `while not os.path.exists(event["until"]): time.sleep(0.01)`), func(in *awssdk.CreateFunctionInput) { in.Timeout = aws.Int32(60) })
	event := fmt.Sprintf(`{"until": %q}`, filepath.Join(dir, "go"))
	send := func(payload string) error {
		_, err := c.Invoke(t.Context(), &awssdk.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(payload), InvocationType: types.InvocationTypeEvent},
			func(o *awssdk.Options) { o.Retryer = aws.NopRetryer{} })
		return err
	}
	_, err := c.Invoke(t.Context(), &awssdk.InvokeInput{FunctionName: aws.String("f"), Payload: fmt.Appendf(nil, `{"until": "/", "x": %q}`, bytes.Repeat([]byte("x"), 100)), InvocationType: types.InvocationTypeEvent},
		func(o *awssdk.Options) { o.Retryer = aws.NopRetryer{} })
	wantFault(t, "too many bytes", err, "TooManyRequestsException")
	h.daemon.running.lambda.queue.mu.Lock()
	h.daemon.running.lambda.queue.backlog.limits.Bytes = teal.MiB
	h.daemon.running.lambda.queue.mu.Unlock()
	for range 2 {
		if err := send(event); err != nil {
			t.Fatal(err)
		}
	}
	wantFault(t, "one too many", send(event), "TooManyRequestsException")
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if err = send(event); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func quietQueue(kv store.KV, work func(context.Context, queued) (queued, bool)) *queue {
	return newQueue(kv, work, slog.New(slog.DiscardHandler))
}

// runQueue runs a queue until the test, which is in a bubble of synctest, calls
// what it returns.
func runQueue(t *testing.T, q *queue) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
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
		work := func(_ context.Context, e queued) (queued, bool) { done.Add(1); return e, true }
		first := quietQueue(kv, work)
		close(first.loaded)
		for i := range 3 { // left by an earlier server
			if err := first.Add(t.Context(), event("f", i, time.Now(), time.Now()), nil); err != nil {
				t.Fatal(err)
			}
		}
		kv.Fail(memkv.Fault{Op: memkv.OpList, Times: 2})
		kv.Fail(memkv.Fault{Op: memkv.OpGet, Times: 10})
		stop := runQueue(t, quietQueue(kv, work))
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
					q := quietQueue(kv, func(_ context.Context, e queued) (queued, bool) {
						runs++
						e.Attempts++
						e.NotBefore = time.Now().Add(time.Minute)
						return e, e.Attempts == 2
					})
					stop := runQueue(t, q)
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
		q := quietQueue(kv, func(_ context.Context, e queued) (queued, bool) { done++; return e, true })
		stop := runQueue(t, q)
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
		alerts := doctor.New(slog.New(slog.DiscardHandler), nil)
		q := quietQueue(store.WithDamage(kv, alerts.Records()), func(_ context.Context, e queued) (queued, bool) { done++; return e, true })
		stop := runQueue(t, q)
		if err := q.Add(t.Context(), event("f", 1, time.Now(), time.Now()), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		stop()
		if list := alerts.List(); done != 1 || len(list) != 1 || list[0].Code != teal.AlertRecordUnreadable || list[0].Subject != "lambda.event.f.bad" {
			t.Errorf("%d done, alerts %+v", done, list)
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
		q := quietQueue(memkv.New(), func(_ context.Context, e queued) (queued, bool) { return e, true })
		one, e := store.VersionKey{App: "f", Number: 1}, event("f", 1, time.Now(), time.Now().Add(time.Hour))
		e.Version = 1
		if _, ok := q.Leave(one); ok {
			t.Error("a version may go before the events are known")
		}
		stop := runQueue(t, q)
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
	q := quietQueue(db, nil)
	close(q.loaded)
	for i := range events {
		e := event("f", i, time.Now(), time.Now().Add(time.Hour))
		e.Event = make([]byte, 2900<<10) // nearly all that a record holds
		if err := q.Add(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open()
	defer func() { _ = db.Close() }()
	q = quietQueue(db, nil)
	before := heapInUse()
	var most atomic.Uint64
	watched := &watchedKV{KV: db, visited: func() { most.Store(max(most.Load(), heapInUse())) }}
	q.table = store.NewSide(watched, "lambda", "event", queued.key)
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

// docs/limits.md says what the code has.
func TestTheLimitsOfEventsAreDocumented(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{fmt.Sprintf("| `%s` | %d |", limitEvents, defaultEvents), fmt.Sprintf("| `%s` | %s |", limitEventBytes, defaultEventBytes)} {
		if !bytes.Contains(data, []byte(row)) {
			t.Errorf("docs/limits.md lacks %s", row)
		}
	}
}

// An invocation by name finds its function without the store, which may wait for a
// disk; also when the name could be split in several ways.
//
// Seen red with a Find that reads the app's record: there is no store here.
func TestAFunctionIsFoundWithoutTheStore(t *testing.T) {
	h := startDaemon(t, t.TempDir())
	h.deploy(hello(t, 1), true, func(p *teal.Policy) { p.Confidence = 0 })
	c := h.awsClient()
	create(t, c, "a-b", python(t, `return 1`), nil)
	l := h.daemon.running.lambda
	for name, want := range map[string]awslambda.Ref{"hello": {App: "hello", Component: "hello"}, "a-b": {App: "a-b", Component: "a-b"}, "hello-hello": {App: "hello", Component: "hello"}, "none": {}} {
		without := &lambda{index: l.index, known: l.known}
		ref, err := without.Find(t.Context(), name)
		if ref != want || (err == nil) != (want != awslambda.Ref{}) {
			t.Errorf("%s: %+v, %v", name, ref, err)
		}
	}
}
