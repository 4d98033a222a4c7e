package access_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"teal/internal/access"
	"teal/internal/await"
)

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	await.True(t, what, ok)
}

// Seen red without the delay, with the budgets of all addresses in one, and with the
// whole of an IPv6 address as its network.
func TestWrongTokensAreSlowedDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := access.NewAttempts(nil)
		took := func(from string) time.Duration {
			start := time.Now()
			if !attempts.Failed(t.Context(), netip.MustParseAddr(from)) {
				t.Errorf("%s is told to come back later", from)
			}
			return time.Since(start)
		}
		for range 10 {
			if d := took("192.0.2.1"); d != 0 {
				t.Fatalf("one of the first ten waits %s", d)
			}
		}
		if d := took("192.0.2.1"); d != time.Second {
			t.Errorf("the eleventh waits %s", d)
		}
		if d := took("192.0.2.2"); d != 0 {
			t.Errorf("another address waits %s", d)
		}
		if d := took("::ffff:192.0.2.1"); d != time.Second {
			t.Errorf("the same address written as IPv6 waits %s", d)
		}
		for i := range 10 {
			took("2001:db8::" + string(rune('1'+i%9)))
		}
		if d := took("2001:db8::ffff:1"); d != time.Second {
			t.Errorf("another address of the same network waits %s", d)
		}
		time.Sleep(time.Minute)
		for range 10 {
			if d := took("192.0.2.1"); d != 0 {
				t.Fatalf("after a minute it waits %s", d)
			}
		}
	})
}

func TestFewWaitAtTheSameTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := access.NewAttempts(nil)
		from := netip.MustParseAddr("192.0.2.1")
		for range 10 {
			attempts.Failed(t.Context(), from)
		}
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				if !attempts.Failed(ctx, from) {
					t.Error("one of 32 is sent away")
				}
			})
		}
		synctest.Wait()
		if attempts.Failed(t.Context(), from) {
			t.Error("the 33rd waits, too")
		}
		start := time.Now()
		leave() // who goes away frees the place
		all.Wait()
		if waited := time.Since(start); waited != 0 {
			t.Errorf("they waited %s for nobody", waited)
		}
		if !attempts.Failed(t.Context(), from) {
			t.Error("places are not given back")
		}
	})
}

// Addresses cost nothing to who has a network of them.
func TestManyAddressesAreOneAttacker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := access.NewAttempts(nil)
		addr := netip.MustParseAddr("10.0.0.0")
		for range 4096 {
			addr = addr.Next()
			attempts.Failed(t.Context(), addr)
		}
		start := time.Now()
		attempts.Failed(t.Context(), netip.MustParseAddr("192.0.2.7"))
		if time.Since(start) != time.Second {
			t.Error("address 4097 is answered at once")
		}
		time.Sleep(time.Minute)
		start = time.Now()
		attempts.Failed(t.Context(), netip.MustParseAddr("192.0.2.7"))
		if time.Since(start) != 0 {
			t.Error("a minute later nobody has been forgotten")
		}
	})
}
