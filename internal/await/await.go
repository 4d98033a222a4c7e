// Package await lets tests wait with a limit, so that what never comes fails one
// test with a sentence, instead of the whole run with its timeout.
package await

import (
	"testing"
	"time"
)

// Patience is how long something may take that a test waits for. It is far longer
// than anything takes on a machine that is used to the full: what has not come by
// then never comes.
const Patience = 2 * time.Minute

// Value receives from c; what says in words what is waited for. It fails the test
// when nothing has come after Patience, and must be called on the test's goroutine.
func Value[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	select {
	case v := <-c:
		return v
	case <-limit.C:
		t.Fatalf("waited %s in vain for %s", Patience, what)
		panic("not reached: Fatalf ends the goroutine")
	}
}

// True asks again and again until it is told yes; what says in words what is waited
// for. It fails the test after Patience, and must be called on the test's goroutine.
func True(t testing.TB, what string, is func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(Patience); !is(); <-again.C {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain for %s", Patience, what)
		}
	}
}
