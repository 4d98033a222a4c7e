package routing

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"teal"
	"teal/internal/environment"
	"teal/internal/gateway"
	"teal/internal/store/memkv"
	"teal/internal/store/storetest"
)

// nothing is a fleet in which nothing runs (yet).
type nothing struct{}

func (nothing) Running(string) []environment.Running { return nil }
func (nothing) Runs(string, teal.VersionRef) bool    { return false }

// give writes an order into the record of the app a, and returns its revision.
func (n *nodeRoles) give(t *testing.T, kind teal.AppOrderKind) uint64 {
	t.Helper()
	record, err := n.index.Store().Apps.Modify(t.Context(), "a", func(a *teal.App) error {
		a.Give(teal.AppOrder{Kind: kind, By: "ann", At: time.Now()})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return record.Revision
}

// refusal returns the code with which a request is refused; "" for one that is answered.
func (n *nodeRoles) refusal(path string) teal.Code {
	claim, err := n.table.gateway.Claim(gateway.Head{Host: "any", Path: path}, 0)
	if err != nil {
		return teal.CodeOf(err)
	}
	claim.Release()
	return ""
}

// writeApp writes the app a and its version.
func (n *nodeRoles) writeApp(t *testing.T) {
	t.Helper()
	typed := n.index.Store()
	if _, err := typed.Apps.Create(t.Context(), teal.App{Name: "a", LastVersion: 1}); err != nil {
		t.Fatal(err)
	}
	spec := teal.Spec{App: "a", Components: map[string]teal.Component{"web": {Service: &teal.Service{}}}, Routes: []teal.Route{{Path: "/a", To: "web"}}}
	if _, err := typed.Versions.Create(t.Context(), teal.Version{App: "a", Number: 1, Spec: spec}); err != nil {
		t.Fatal(err)
	}
}

// That an app is stopped is a fact in its record, which the gateways of all nodes follow
// and acknowledge, also where something of it still runs, and one that joins afterwards;
// the routes stay its own everywhere, while it is stopped and while it starts.
//
// Seen red without idleness in isNews (no gateway followed), with idleness that has not
// changed left out of it (stopping twice waited in vain), without the routes of keepRoutes
// (the node on which nothing ran had no such route), and with the environment asked first
// in choose (both went on answering).
func TestEveryGatewayFollowsThatAnAppIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, observed := memkv.New(), memkv.New()
		leader, other := newNode(t, "leader", kv, observed), newNode(t, "other", kv, observed)
		leader.writeApp(t)
		leader.start(t)
		other.start(t)
		if err := leader.point(t, "a", 1); err != nil {
			t.Fatal(err)
		}
		want := func(when string, code teal.Code, nodes ...*nodeRoles) {
			t.Helper()
			for _, n := range nodes {
				if got := n.refusal("/a"); got != code {
					t.Errorf("%s: node %s refuses with %q, not %q", when, n.node.Name(), got, code)
				}
			}
		}
		order := func(kind teal.AppOrderKind) {
			t.Helper()
			began := time.Now()
			if err := leader.AwaitApp(t.Context(), "a", leader.give(t, kind)); err != nil {
				t.Error(err)
			}
			if waited := time.Since(began); waited != 0 {
				t.Errorf("%s was followed after %s: something polls", kind, waited)
			}
		}
		want("before", "", leader, other)
		order(teal.OrderStop)
		want("stopped", teal.CodeAppStopped, leader, other)
		late := newNodeWith(t, "late", kv, observed, nothing{})
		late.start(t)
		want("stopped", teal.CodeAppStopped, late)
		order(teal.OrderFreeze) // whatever is written of it then
		order(teal.OrderStop)
		order(teal.OrderStart)
		want("started", "", leader, other)
		want("started where nothing runs yet", teal.CodeUnavailable, late)
	})
}

// Who stops an app is told which gateway does not follow. Seen red with AwaitApp waiting
// for this node alone.
func TestAStopNamesTheGatewayThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, observed := memkv.New(), memkv.New()
		leader := newNode(t, "leader", kv, observed)
		leader.writeApp(t)
		leader.start(t)
		stalled := storetest.Stall(observed, "applied.slow.*")
		defer stalled.LetGo()
		slow := newNode(t, "slow", kv, stalled)
		slow.start(t)
		err := leader.AwaitApp(t.Context(), "a", leader.give(t, teal.OrderStop))
		if !teal.IsCode(err, teal.CodeUnavailable) || !strings.Contains(teal.MessageOf(err), "the gateway of node slow") {
			t.Errorf("the order: %v", err)
		}
	})
}
