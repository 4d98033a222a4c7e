package routing

import (
	"testing"
	"testing/synctest"
	"time"

	"teal"
	"teal/internal/store"
	"teal/internal/store/memkv"
)

// With two gateways a switch holds when both follow it: that of this process as soon
// as Set has returned, the other one when it says so. Who is dead is waited for until
// its lease ends, and no longer.
//
// Seen red with Holds always true, without the look at the lease, and when the
// router did not say what its own table follows.
func TestASwitchHoldsWhenEveryLiveGatewayFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, memkv.New())
		key := store.AliasKey{App: "a", Name: teal.AliasLive}
		holds := func() bool {
			t.Helper()
			route, err := r.Observe(t.Context(), "a", teal.AliasLive)
			if err != nil {
				t.Fatal(err)
			}
			return route.Holds
		}
		if err := r.point(t, "a", 1); err != nil || !holds() {
			t.Fatalf("one gateway: %v, holds %v", err, holds())
		}
		const lease = 10 * time.Second
		r.acks.Live("slow", time.Now().Add(lease))
		if holds() {
			t.Error("a gateway that has said nothing is not waited for")
		}
		r.acks.Applied("slow", key, r.Alias("a", teal.AliasLive).Revision)
		if !holds() {
			t.Error("both follow, and it does not hold")
		}
		if err := r.point(t, "a", 2); err != nil || holds() {
			t.Errorf("the slow one follows the version before: %v, holds %v", err, holds())
		}
		r.acks.Applied("slow", key, r.Alias("a", teal.AliasLive).Revision)
		if !holds() {
			t.Error("the slow one has followed, and it does not hold")
		}
		if err := r.point(t, "a", 1); err != nil { // from here on the slow one is dead
			t.Fatal(err)
		}
		time.Sleep(lease - time.Nanosecond)
		if holds() {
			t.Error("a gateway whose lease lasts is not waited for")
		}
		time.Sleep(time.Nanosecond)
		if !holds() {
			t.Error("a gateway whose lease has ended is waited for")
		}
	})
}
