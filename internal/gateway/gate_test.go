package gateway

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"teal"
	"teal/internal/await"

	"pgregory.net/rapid"
)

func testEnvironment(app string, version int, list ...teal.Route) *Environment {
	components := map[string]*Component{}
	for _, r := range list {
		components[r.To] = &Component{Name: r.To}
	}
	return NewEnvironment(EnvironmentConfig{App: app, Version: teal.VersionRef(version), Routes: list, Components: components})
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	return await.Value(t, what, c)
}

// Any sequence of calls: Acquire succeeds exactly while open; drained fires
// exactly when the count of a retired environment is first zero.
func TestEnvironmentFollowsTheProtocol(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		env := testEnvironment("shop", 1)
		count, retired, drained := 0, false, false
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			switch rapid.SampledFrom([]string{"acquire", "enter", "release", "retire"}).Draw(t, "call") {
			case "acquire":
				if got := env.Acquire(); got == retired {
					t.Fatalf("Acquire = %v, retired = %v", got, retired)
				}
				if !retired {
					count++
				}
			case "enter":
				env.Enter()
				count++
			case "release":
				if count == 0 {
					continue
				}
				env.Release()
				count--
			case "retire":
				env.Retire()
				retired = true
			}
			drained = drained || retired && count == 0
			if got := isClosed(env.gate.drained); got != drained {
				t.Fatalf("drained = %v, want %v with %d in flight, retired %v", got, drained, count, retired)
			}
			if got := env.InFlight(); got != count {
				t.Fatalf("InFlight = %d, want %d", got, count)
			}
		}
	})
}

// One request races one retirement, over and over. A request that was let in
// holds the environment: it must not have drained before the release.
//
// Seen red with acquire as check-then-add: load, test the bit, Add(1).
func TestNothingIsAdmittedAfterDraining(t *testing.T) {
	const rounds = 100_000
	envs := make([]*Environment, rounds)
	for i := range envs {
		envs[i] = &Environment{gate: NewGate()}
	}
	var late, started atomic.Int64
	inStep := func(round int) { // both sides enter a round together
		for started.Add(1); started.Load() < int64(2*(round+1)); {
			runtime.Gosched()
		}
	}
	var sides sync.WaitGroup
	sides.Go(func() {
		for i, env := range envs {
			inStep(i)
			if env.Acquire() {
				if isClosed(env.gate.drained) {
					late.Add(1)
				}
				env.Release()
			}
		}
	})
	sides.Go(func() {
		for i, env := range envs {
			inStep(i)
			env.Retire()
		}
	})
	sides.Wait()
	for _, env := range envs {
		if !isClosed(env.gate.drained) || env.InFlight() != 0 {
			t.Fatalf("drained %v with %d in flight at the end", isClosed(env.gate.drained), env.InFlight())
		}
	}
	if n := late.Load(); n > 0 {
		t.Fatalf("%d requests were in flight after the environment had drained", n)
	}
}

// Everybody may retire; the channel is one and is closed once.
//
// Seen red (close of closed channel) with release closing whenever the count of
// a retired gate reaches zero, without the drained bit.
func TestDrainedFiresOnce(t *testing.T) {
	for range 200 {
		env := testEnvironment("shop", 1)
		if !env.Acquire() {
			t.Fatal("a new environment refuses")
		}
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() { <-env.Retire() })
			callers.Go(func() { env.Enter(); env.Release() })
		}
		env.Release()
		callers.Wait()
		env.Enter() // a component's own timer, after the end
		env.Release()
	}
}

func TestEnterKeepsADrainingEnvironment(t *testing.T) {
	env := testEnvironment("shop", 1)
	env.Acquire()
	drained := env.Retire()
	env.Enter()
	env.Release()
	if isClosed(drained) {
		t.Fatal("drained while a call from inside was in flight")
	}
	env.Release()
	receive(t, drained, "drain")
}

func TestReleaseWithoutAcquirePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("Release of nothing went unnoticed")
		}
	}()
	testEnvironment("shop", 1).Release()
}

func TestCancelEndsBoundContexts(t *testing.T) {
	env := testEnvironment("shop", 3)
	ctx, done := env.Bind(context.Background())
	defer done()
	if ctx.Err() != nil {
		t.Fatal("cancelled too early")
	}
	env.Cancel()
	receive(t, ctx.Done(), "the context to end")
	if cause := context.Cause(ctx); !teal.IsCode(cause, teal.CodeTimeout) {
		t.Fatalf("cause = %v", cause)
	}
	other, end := testEnvironment("shop", 4).Bind(context.Background())
	end()
	if !errors.Is(context.Cause(other), context.Canceled) {
		t.Fatalf("cause after the end = %v", context.Cause(other))
	}
}

type closeCounter struct{ closed atomic.Int64 }

func (c *closeCounter) CloseIdleConnections() { c.closed.Add(1) }

func TestDrainingClosesIdleConnections(t *testing.T) {
	for _, order := range []string{"release last", "retire last"} {
		env := testEnvironment("shop", 1)
		pool := &closeCounter{}
		env.Acquire()
		if env.Connections(func() Connections { return pool }) != env.Connections(func() Connections { return &closeCounter{} }) {
			t.Fatal("two pools")
		}
		if order == "release last" {
			env.Retire()
			env.Release()
		} else {
			env.Release()
			env.Retire()
		}
		if n := pool.closed.Load(); n != 1 {
			t.Errorf("%s: closed %d times", order, n)
		}
	}
}
