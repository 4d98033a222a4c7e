package routing

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"teal"
	"teal/internal/store/memkv"
	"teal/internal/store/storetest"
)

// holds reports whether live of the app a holds everywhere, and who is behind.
func (n *nodeRoles) holds(t *testing.T) (bool, string) {
	t.Helper()
	route, err := n.Observe(t.Context(), "a", teal.AliasLive)
	if err != nil {
		t.Fatal(err)
	}
	return route.Holds, strings.Join(route.Behind, " ")
}

// release moves live of the app a as a release does, which does not wait for ever.
func (n *nodeRoles) release(t *testing.T, version int) {
	t.Helper()
	alias := teal.Alias{App: "a", Name: teal.AliasLive, Targets: teal.Only(version)}
	if err := n.ForReleases().Set(t.Context(), alias, n.Alias("a", teal.AliasLive).Revision); err != nil {
		t.Fatal(err)
	}
}

// A switch holds when the gateways of all nodes follow it, and whoever waits for it is
// told who is behind, and woken when nobody is any more.
//
// Seen red with Behind always empty (it held at once), and when Router.Run told nobody.
func TestASwitchWaitsForTheSlowGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, observed := memkv.New(), memkv.New()
		leader := newNode(t, "leader", kv, observed)
		leader.start(t)
		// The acknowledgements of the slow one wait; it applies and says so later.
		stalled := storetest.Stall(observed, "applied.slow.*")
		defer stalled.LetGo()
		slow := newNode(t, "slow", kv, stalled)
		slow.start(t)
		leader.release(t, 1)
		if holds, behind := leader.holds(t); holds || behind != "slow" {
			t.Fatalf("holds %v, behind: %q", holds, behind)
		}
		synctest.Wait()
		select {
		case app := <-leader.woken:
			t.Fatalf("the engine is woken for %s before the slow gateway follows", app)
		default:
		}
		began := time.Now()
		stalled.LetGo()
		if app := <-leader.woken; app != "a" {
			t.Errorf("woken for %q", app)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the engine learnt after %s: something polls", waited)
		}
		if holds, behind := leader.holds(t); !holds || slow.answers("/a") != 1 {
			t.Errorf("holds %v, behind %q; the slow one gives version %d", holds, behind, slow.answers("/a"))
		}
	})
}

// An order that somebody gives by hand waits for the gateways of all nodes; one that does
// not follow in time is named, and the alias stays written.
//
// Seen red with SetDescribed waiting for this node alone.
func TestAnOrderNamesTheGatewayThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, observed := memkv.New(), memkv.New()
		leader := newNode(t, "leader", kv, observed)
		leader.start(t)
		stalled := storetest.Stall(observed, "applied.slow.*")
		defer stalled.LetGo()
		slow := newNode(t, "slow", kv, stalled)
		slow.start(t)
		err := leader.point(t, "a", 1)
		if !teal.IsCode(err, teal.CodeUnavailable) || !strings.Contains(teal.MessageOf(err), "the gateway of node slow") {
			t.Errorf("the order: %v", err)
		}
		if got := leader.Alias("a", teal.AliasLive).Value.Primary(); got != 1 {
			t.Errorf("live is version %s", got)
		}
	})
}

// A gateway that has died is waited for until nobody needs to believe any more that it
// serves, and no longer; that wakes the engine, too. One that has stopped in good order
// is not waited for at all.
//
// Seen red without the timer of Node.follow (nobody was woken), with the TTL left out of
// look (it never held), and without leave (the one that had stopped was waited for).
func TestADeadGatewayIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, observed := memkv.New(), memkv.New()
		leader := newNode(t, "leader", kv, observed)
		leader.start(t)
		// It cannot write any more, nor take itself out.
		mortal := &mortal{KV: observed}
		dead := newNode(t, "dead", kv, mortal)
		dead.start(t)
		stopped := newNode(t, "stopped", kv, observed)
		stopped.start(t)
		stopped.stop()
		mortal.died.Store(true)
		dead.stop()
		leader.release(t, 1)
		if holds, behind := leader.holds(t); holds || behind != "dead" {
			t.Fatalf("holds %v, behind: %q", holds, behind)
		}
		began := time.Now()
		<-leader.woken
		if holds, behind := leader.holds(t); !holds {
			t.Errorf("after %s it still waits for %q", time.Since(began), behind)
		}
		if waited := time.Since(began); waited < ttl/2 || waited > ttl {
			t.Errorf("it was waited for during %s", waited)
		}
	})
}

// A gateway that joins is waited for from before it reads the aliases, and serves when it
// has applied and acknowledged them: at no time does a switch hold that it does not
// follow.
//
// Seen red with Ready closed before the first look, when a node joined after it had read
// the aliases (the switch in between held, and the new gateway served the old state), and
// without Node.Look: the news that it had joined came after the switch.
func TestAGatewayThatJoinsAppliesBeforeItServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, observed := memkv.New(), memkv.New()
		leader := newNode(t, "leader", kv, observed)
		leader.start(t)
		leader.release(t, 1)
		joining := newNode(t, "joining", kv, observed)
		joining.join(t) // from here on it is waited for, though it has applied nothing
		leader.release(t, 2)
		if holds, behind := leader.holds(t); holds || behind != "joining" {
			t.Errorf("holds %v, behind: %q", holds, behind)
		}
		joining.run(t, joining.index.Run, joining.node.Run, joining.gateway.Run)
		<-joining.gateway.Ready()
		if joining.answers("/a") == 0 {
			t.Error("it is ready to serve and has no route")
		}
		<-leader.woken
		holds, behind := leader.holds(t)
		if got := joining.answers("/a"); !holds || got != 2 {
			t.Errorf("holds %v, behind %q; it gives version %d", holds, behind, got)
		}
	})
}

// A gateway that cannot tell the others that it lives takes no requests from before they
// go on without it, and none again before it follows what it has missed.
//
// Seen red without Shut and with acknowledgements of any revision (it answered by the old
// state while the switch held), and without Refresh (it opened with the old state).
func TestAGatewayThatIsCutOffDoesNotServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, observed := memkv.New(), memkv.New()
		leader := newNode(t, "leader", kv, observed)
		leader.start(t)
		link := &mortal{KV: observed}
		records := &mortal{KV: kv}
		cut := newNode(t, "cut", records, link)
		cut.start(t)
		leader.release(t, 1)
		synctest.Wait()
		if got := cut.answers("/a"); got != 1 {
			t.Fatalf("before: version %d", got)
		}
		// It hears nothing any more, and nobody hears it.
		link.died.Store(true)
		records.died.Store(true)
		kv.BreakWatches()
		observed.BreakWatches()
		began := time.Now()
		for holds := false; !holds; holds, _ = leader.holds(t) {
			if got := cut.answers("/a"); got > 1 {
				t.Fatalf("after %s it gives version %d", time.Since(began), got)
			}
			if leader.Alias("a", teal.AliasLive).Value.IsOnly(1) {
				leader.release(t, 2)
			}
			time.Sleep(ttl / 100)
		}
		if got := cut.answers("/a"); got != 0 {
			t.Fatalf("the switch holds, and the gateway that is cut off gives version %d", got)
		}
		link.died.Store(false)
		records.died.Store(false)
		for cut.answers("/a") == 0 {
			time.Sleep(time.Millisecond)
		}
		if got := cut.answers("/a"); got != 2 {
			t.Errorf("it serves again, and gives version %d", got)
		}
	})
}
