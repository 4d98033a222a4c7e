package event

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"teal/internal/store/memkv"
)

// Events are worked on in time, a few of one function at once, until they are
// done; what a queue leaves behind the next one takes up.
//
// Seen red with the limit per function taken out, with the wait for NotBefore
// taken out, and with Run not reading what is in the store.
func TestQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kv := memkv.New()
		start := time.Now()
		var mu sync.Mutex
		running, most, done := 0, 0, map[string]time.Duration{}
		work := func(ctx context.Context, e Event) (Event, bool) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			mu.Lock()
			defer mu.Unlock()
			running--
			if e.Attempts++; e.Attempts < 3 && e.ID == "slow" {
				e.NotBefore = time.Now().Add(time.Minute)
				return e, false
			}
			done[e.ID] = time.Since(start)
			return e, true
		}
		ctx, stop := context.WithCancel(t.Context())
		first := quietQueue(kv)
		ended := make(chan error, 1)
		go func() { ended <- first.Run(ctx, workerFunc(work)) }()
		for _, id := range []string{"slow", "a", "b", "c", "d", "e", "f", "g", "h", "i"} {
			e := Event{App: "app", Component: "app", ID: id, AcceptedAt: time.Now()}
			if err := first.Add(ctx, e, nil); err != nil {
				t.Fatal(err)
			}
			if err := first.Add(ctx, e, nil); err != nil { // again, as a destination does after a crash
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		mu.Lock()
		if len(done) != 9 || most != atOncePerFunction {
			t.Errorf("after ten seconds: %d done, at most %d at once", len(done), most)
		}
		mu.Unlock()
		stop()
		<-ended
		second := quietQueue(kv)
		ctx, stop = context.WithCancel(t.Context())
		go func() { ended <- second.Run(ctx, workerFunc(work)) }()
		time.Sleep(5 * time.Minute)
		stop()
		<-ended
		if took := done["slow"]; took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("the event that failed twice was done after %v", took)
		}
		if left, err := second.table.List(t.Context(), ""); err != nil || len(left) != 0 {
			t.Errorf("%d events are left, %v", len(left), err)
		}
	})
}

// An event that the store has and the queue has not, as after a write that came late,
// is worked on when it is sent again; one that cannot be read takes no place. Seen
// red with ErrExists answered by nothing else than nil: "worked on 0", "1 left".
func TestAnEventThatTheStoreHasAlready(t *testing.T) {
	t.Parallel()
	for _, readable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			kv := memkv.New()
			var worked atomic.Int32
			q := quietQueue(kv)
			stop := runQueue(t, q, func(_ context.Context, e Event) (Event, bool) {
				worked.Add(1)
				return e, true
			})
			ctx := t.Context()
			<-q.loaded
			e := Event{App: "app", Component: "app", ID: "late", AcceptedAt: time.Now()}
			record, err := quietQueue(kv).table.Create(ctx, e)
			if err != nil {
				t.Fatal(err)
			}
			if !readable {
				keys, err := kv.List(ctx, ">")
				if err != nil || len(keys) != 1 {
					t.Fatal(keys, err)
				}
				if _, err := kv.Update(ctx, keys[0].Key, []byte("{"), record.Revision); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := q.Add(ctx, e, nil); err != nil {
					t.Error(err)
				}
			}
			synctest.Wait()
			want := int32(0)
			if readable {
				want = 1
			}
			if worked.Load() != want || len(q.backlog.events) != 0 {
				t.Errorf("readable %v: worked on %d, %d left", readable, worked.Load(), len(q.backlog.events))
			}
			stop()
		})
	}
}
