package routing

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"teal"
	"teal/internal/lease"
	"teal/internal/release"
	"teal/internal/store"
	"teal/internal/store/memkv"
	"teal/internal/store/storetest"
)

// allReady runs every version, ready at once.
type allReady struct{ release.Runner }

func (allReady) Provision(context.Context, string, int) error             { return nil }
func (allReady) Retire(context.Context, string, int, time.Duration) error { return nil }
func (allReady) Size(context.Context, string, int, int) error             { return nil }
func (allReady) Recheck(context.Context, string, int) error               { return nil }
func (allReady) Observe(context.Context, string, int) (release.Health, error) {
	return release.Health{Running: true, State: teal.EnvironmentReady, Serves: true}, nil
}

// noTasks examines nothing.
type noTasks struct{}

func (noTasks) Begin(context.Context, teal.Release, teal.TaskKey) error { return nil }
func (noTasks) Outcome(string, teal.TaskKey) release.Outcome            { return release.Outcome{} }
func (noTasks) Stop(string)                                             {}

// controller is the role of one node that moves releases, inside the lease.
type controller struct {
	*nodeRoles
	engine *release.Engine
	leads  chan bool // true when it begins to lead, false when it has stopped
}

func newController(t *testing.T, name string, kv, observed, leases store.KV) *controller {
	t.Helper()
	c := &controller{nodeRoles: newNode(t, name, kv, observed), leads: make(chan bool, 10)}
	c.start(t)
	logger := slog.New(slog.DiscardHandler)
	c.engine = release.New(release.Config{
		Journal: NewJournal(c.index.Store()), Runner: allReady{}, Router: c.ForReleases(), Examiner: noTasks{}, Logger: logger, Wakeups: c.wakeups,
		Orders: func() release.Orders { return c.index.FollowReleases() },
	})
	own := lease.NewStored(lease.StoredConfig{KV: leases, Key: "lease.controller", Holder: name, TTL: ttl, Logger: logger})
	c.run(t, func(ctx context.Context) error {
		return own.Hold(ctx, func(ctx context.Context) error {
			c.leads <- true
			err := c.engine.Run(ctx)
			c.leads <- false
			return err
		})
	})
	return c
}

// order begins a release of version 2.
func (c *controller) order(t *testing.T) teal.Release {
	t.Helper()
	return c.orderWith(t, teal.Policy{ReadyWithin: teal.Duration(time.Minute)})
}

func (c *controller) orderWith(t *testing.T, policy teal.Policy) teal.Release {
	t.Helper()
	r, err := c.engine.Start(t.Context(), release.Request{App: "a", To: 2, Policy: policy, By: "test", At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A controller that has lost its lease changes nothing any more, not even with a write
// that it had begun before: the next one takes the release up, goes back as it is told,
// and what the first one had on its way is refused by its revision, whenever it arrives.
//
// Seen red when a release that goes back did not write the alias that blue has already
// (decideRollingBack without reaffirm: the late write moved live to the version that had
// been rolled back).
func TestAControllerThatLostItsLeaseChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, observed := memkv.New(), memkv.New()
		if _, err := store.New(kv).Apps.Create(t.Context(), teal.App{Name: "a"}); err != nil {
			t.Fatal(err)
		}
		stalled := storetest.Stall(kv, "")
		defer stalled.LetGo()
		link := &mortal{KV: kv}
		first := newController(t, "first", stalled, observed, link)
		if !<-first.leads {
			t.Fatal("nobody leads")
		}
		if err := first.point(t, "a", 1); err != nil {
			t.Fatal(err)
		}
		second := newController(t, "second", kv, observed, kv)
		stalled.Begin("apps.a.alias.*")
		r := first.order(t)
		<-stalled.Waits() // the switch is on its way, and waits
		if _, err := second.engine.Command(t.Context(), r.ID, teal.Command{Kind: teal.CommandRollback, By: "test", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		link.died.Store(true)
		if !<-second.leads {
			t.Fatal("the second controller does not take over")
		}
		r, err := second.engine.Await(t.Context(), r.ID, func(r teal.Release) bool { return r.Phase.Ended() })
		if err != nil || r.Phase != teal.PhaseRolledBack {
			t.Fatalf("the release is %s: %v (%s)", r.Phase, err, r.Reason)
		}
		stalled.LetGo() // only now the write of the first one arrives
		if <-first.leads {
			t.Fatal("the first controller leads twice")
		}
		time.Sleep(10 * ttl)
		for _, c := range []*controller{first, second} {
			if got := c.answers("/a"); got != 1 {
				t.Errorf("requests at %s get version %d", c.node.Name(), got)
			}
		}
	})
}

// What is ordered at a server that does not lead is done by the one that does, at once: a
// release, and then a command to it.
//
// Seen red when takeOrders took none (nobody began the release), and when the subscription
// was not told of what a read had found before the watch.
func TestOrdersReachTheControllerFromEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, observed := memkv.New(), memkv.New()
		if _, err := store.New(kv).Apps.Create(t.Context(), teal.App{Name: "a"}); err != nil {
			t.Fatal(err)
		}
		first := newController(t, "first", kv, observed, kv)
		<-first.leads
		if err := first.point(t, "a", 1); err != nil {
			t.Fatal(err)
		}
		second := newController(t, "second", kv, observed, kv)
		began := time.Now()
		r := second.orderWith(t, teal.Policy{ReadyWithin: teal.Duration(time.Minute), Confidence: teal.Duration(time.Hour)})
		await := func(phase teal.Phase) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour/2)
			defer cancel()
			r, err := first.engine.Await(ctx, r.ID, func(r teal.Release) bool { return r.Phase == phase })
			if err != nil || r.Phase != phase {
				t.Fatalf("the release is %s: %v (%s)", r.Phase, err, r.Reason)
			}
		}
		await(teal.PhaseWatching)
		if _, err := second.engine.Command(t.Context(), r.ID, teal.Command{Kind: teal.CommandRollback, By: "test", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		await(teal.PhaseRolledBack)
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("it took %s: something polls", waited)
		}
		for _, c := range []*controller{first, second} {
			if got := c.answers("/a"); got != 1 {
				t.Errorf("requests at %s get version %d", c.node.Name(), got)
			}
		}
	})
}
