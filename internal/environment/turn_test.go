package environment

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// No more environments start at the same time than there are places; each passes
// its place on when it is done, when its turn is over, or not at all when it
// never got one. Seen red with a turn that never ends, and without the bound.
func TestEnvironmentsTakeTurnsToStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		places := cap(m.starting)
		began := time.Now()
		var first []func()
		for range places {
			first = append(first, m.awaitTurn(ctx))
		}
		first[0]() // this one is done, and may say so again
		first[0]()
		first = append(first, m.awaitTurn(ctx))
		if took := time.Since(began); took != 0 {
			t.Errorf("%d starts took %s", places+1, took)
		}
		m.awaitTurn(ctx)() // waits for somebody's turn to end
		if took := time.Since(began); took != maxStartWait {
			t.Errorf("a start beyond the places waited %s, want %s", took, maxStartWait)
		}
		for range places {
			first = append(first, m.awaitTurn(ctx))
		}
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			m.awaitTurn(ctx)()
		}()
		synctest.Wait()
		cancel()
		<-stopped
		for _, passOn := range first {
			passOn()
		}
		if n := len(m.starting); n != 0 {
			t.Errorf("%d places are still taken", n)
		}
	})
}
