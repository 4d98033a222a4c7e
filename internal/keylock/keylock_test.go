package keylock

import (
	"sync"
	"testing"
	"time"

	"teal/internal/await"
)

// Who holds one key holds up nobody who wants another.
//
// Seen red with one mutex for all keys: the second key was not to be had.
func TestAKeyHoldsUpNoOther(t *testing.T) {
	var locks Locks[string]
	defer locks.Lock("a")()
	got := make(chan struct{})
	go func() { locks.Lock("b")(); close(got) }()
	select {
	case <-got:
	case <-time.After(await.Patience):
		t.Fatal("b is not to be had while somebody holds a")
	}
}

// Seen red without the count of users: a key that somebody waited for was
// forgotten, and the next one got a mutex of its own.
func TestOneAtATime(t *testing.T) {
	var locks Locks[int]
	var group sync.WaitGroup
	counts := [3]int{} // the race detector watches them, too
	for n := range 30 {
		group.Go(func() {
			for range 200 {
				unlock := locks.Lock(n % 3)
				counts[n%3]++
				unlock()
			}
		})
	}
	group.Wait()
	if counts != [3]int{2000, 2000, 2000} || len(locks.held) != 0 {
		t.Errorf("counted %v, kept %d", counts, len(locks.held))
	}
}
