package routing

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"teal"
	"teal/internal/await"
	"teal/internal/environment"
	"teal/internal/gateway"
	"teal/internal/store"
	"teal/internal/store/memkv"
	"teal/internal/store/storetest"
)

// twoEach is a fleet in which two versions of every app run: the first has the
// app's own route, the second also one that all apps have.
type twoEach struct {
	mu   sync.Mutex
	envs map[string][]environment.Running
}

func (f *twoEach) Running(app string) []environment.Running {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.envs[app] == nil {
		if f.envs == nil {
			f.envs = map[string][]environment.Running{}
		}
		for version := 1; version <= 2; version++ {
			routes := []teal.Route{{Path: "/" + app, To: "web"}, {Path: "/shared", To: "web"}}[:version]
			f.envs[app] = append(f.envs[app], environment.Running{Version: teal.VersionRef(version), Routes: routes, Handle: gateway.NewEnvironment(gateway.EnvironmentConfig{
				App: app, Version: teal.VersionRef(version), Routes: routes, Components: map[string]*gateway.Component{"web": {Name: "web"}},
			})})
		}
	}
	return f.envs[app]
}

func (f *twoEach) Runs(_ string, version teal.VersionRef) bool { return version == 1 || version == 2 }

// newRouter returns the router of a node whose gateway follows, alone.
func newRouter(t *testing.T, kv store.KV) *nodeRoles {
	t.Helper()
	n := newNode(t, "only", kv, memkv.New())
	n.start(t)
	return n
}

// point moves live of an app.
func (r *nodeRoles) point(t *testing.T, app string, version int) error {
	return r.Set(t.Context(), teal.Alias{App: app, Name: teal.AliasLive, Targets: teal.Only(version)}, r.Alias(app, teal.AliasLive).Revision)
}

// answers returns the version that a request gets; 0 for none.
func (r *nodeRoles) answers(path string) int {
	claim, err := r.table.gateway.Claim(gateway.Head{Host: "any", Path: path}, 0)
	if err != nil {
		return 0
	}
	claim.Release()
	return int(claim.Version)
}

// soon calls f, which must return although somebody else's write waits.
func soon(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(await.Patience):
		t.Fatal(what + " waits for the write of another app")
	}
}

// While the write of one app's alias waits for the disk, other apps are switched,
// looked at and routed anew, the app itself is served as before, and what it is about
// to have is given to no other app.
//
// Seen red with one lock for all apps around the write: the switch of b waited; and
// without the claims of what is pending: b was given the route of a.
func TestAStalledWriteHoldsUpNoOtherApp(t *testing.T) {
	kv := storetest.Stall(memkv.New(), "apps.stalled.alias.*")
	t.Cleanup(kv.LetGo)
	r := newRouter(t, kv)
	ended := make(chan error, 1)
	go func() { ended <- r.point(t, "stalled", 2) }()
	<-kv.Waits()
	soon(t, "a switch", func() {
		if err := r.point(t, "b", 1); err != nil || r.answers("/b") != 1 {
			t.Errorf("b: %v, a request gets version %d", err, r.answers("/b"))
		}
	})
	soon(t, "a switch to a route that is about to be taken", func() {
		if err := r.point(t, "b", 2); !teal.IsCode(err, teal.CodeRouteTaken) {
			t.Errorf("b has the route that is about to be another app's: %v", err)
		}
		err := r.CheckRoutes(t.Context(), teal.Spec{App: "c", Routes: []teal.Route{{Path: "/shared", To: "web"}}})
		if !teal.IsCode(err, teal.CodeRouteTaken) {
			t.Errorf("a deploy with that route: %v", err)
		}
	})
	soon(t, "a look", func() {
		r.gateway.Reroute("b")
		r.gateway.Reroute("stalled")
		if len(r.Aliases("stalled")) != 0 || r.answers("/stalled") != 0 {
			t.Error("what is not durable is seen")
		}
		if _, err := r.Uses(t.Context(), "b", 1); err != nil && !teal.IsCode(err, teal.CodeUnknownApp) {
			t.Error(err)
		}
		_ = r.Targets()
	})
	kv.LetGo()
	if err := <-ended; err != nil || r.answers("/shared") != 2 {
		t.Errorf("when the disk is back: %v, a request gets version %d", err, r.answers("/shared"))
	}
}

// A write that fails gives the routes back that it would have had.
func TestAFailedWriteGivesItsRoutesBack(t *testing.T) {
	kv := memkv.New()
	r := newRouter(t, kv)
	kv.Fail(memkv.Fault{Op: memkv.OpCreate, Key: "apps.a.alias.*"})
	if err := r.point(t, "a", 2); err == nil {
		t.Fatal("the write went well")
	}
	if err := r.point(t, "b", 2); err != nil || r.answers("/shared") != 2 {
		t.Errorf("b: %v, a request gets version %d", err, r.answers("/shared"))
	}
}

// An environment is not hidden before a change of the app's aliases that is under
// way is done: the change may be about to give it an alias.
//
// Seen red when HideUnused did not take the app's lock: it was hidden.
func TestHideUnusedWaitsForAChange(t *testing.T) {
	kv := memkv.New()
	if _, err := store.New(kv).Apps.Create(t.Context(), teal.App{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	stalled := storetest.Stall(kv, "apps.a.alias.*")
	r := newRouter(t, stalled)
	var group sync.WaitGroup
	defer group.Wait()
	defer stalled.LetGo()
	group.Go(func() {
		if err := r.point(t, "a", 2); err != nil {
			t.Error(err)
		}
	})
	<-stalled.Waits()
	hidden := make(chan bool, 1)
	group.Go(func() {
		was := false
		use, err := r.HideUnused(t.Context(), "a", 2, func() { was = true })
		if err != nil || !use.Live {
			t.Errorf("use %+v, %v", use, err)
		}
		hidden <- was
	})
	select {
	case <-hidden:
		t.Fatal("it did not wait")
	case <-time.After(20 * time.Millisecond): // it may do so for ever
	}
	stalled.LetGo()
	if <-hidden {
		t.Error("a version that live points to was hidden")
	}
}

// Whatever writes fail or lose their answers, and however the changes of apps
// interleave: when an order has returned without an error the next request follows
// it; in the end the table is as the store is, and no two apps have the same route,
// in the table or in the store.
//
// Seen red without the claims of what is pending (two apps had the route in the
// store), when change did not look at the store after a failure (the table was
// behind), and when settle left what was pending.
func TestTheTableFollowsTheStore(t *testing.T) {
	for seed := range uint64(20) {
		kv := memkv.New()
		r := newRouter(t, kv)
		var group sync.WaitGroup
		apps := []string{"a", "b", "c", "d"}
		for n, app := range apps {
			group.Go(func() {
				random := rand.New(rand.NewPCG(seed, uint64(n)))
				for range 150 {
					switch version := 1 + random.IntN(2); random.IntN(8) {
					case 0:
						kv.Fail(memkv.Fault{Op: memkv.OpAnyWrite, Key: "apps." + app + ".alias.*", Mode: memkv.Mode(random.IntN(3))})
					case 1:
						r.gateway.Reroute(app)
					case 2:
						_ = r.Remove(t.Context(), app, teal.AliasLive)
					default:
						if err := r.point(t, app, version); err == nil && r.answers("/"+app) != version {
							t.Errorf("seed %d: %s was pointed to %d, a request gets %d", seed, app, version, r.answers("/"+app))
						}
					}
				}
			})
		}
		group.Wait()
		kv.Heal()
		r.checkAgainst(t, fmt.Sprint("seed ", seed), kv, apps)
		if t.Failed() {
			return
		}
	}
}

func (r *nodeRoles) checkAgainst(t *testing.T, when string, kv store.KV, apps []string) {
	t.Helper()
	shared := 0
	for _, app := range apps {
		stored, err := store.New(kv).Aliases.Get(t.Context(), store.AliasKey{App: app, Name: teal.AliasLive})
		if err != nil && !teal.IsCode(err, teal.CodeUnknownAlias) {
			t.Fatal(err)
		}
		if want, got := stored.Value.Primary(), teal.VersionRef(r.answers("/"+app)); want != got {
			t.Errorf("%s: the store says version %d of %s, requests get %d", when, want, app, got)
		}
		if stored.Value.Primary() == 2 {
			shared++
		}
	}
	if shared > 1 {
		t.Errorf("%s: %d apps have the same route in the store", when, shared)
	}
	if len(r.table.pending) != 0 || r.table.claimed != r.table.gateway.Table() {
		t.Errorf("%s: something is claimed that nobody has", when)
	}
}
