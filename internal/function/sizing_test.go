package function

import (
	"sync"
	"testing"
	"time"

	"teal"
)

// Seen to fail with what is required left out of the view, with the maximum left out of
// leastLocked, and with a pool that is grown as soon as it is told to grow.
func TestAFloorIsReachedAndKept(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.sleep"), concurrency(1, 3), func(c *Config) { c.Function.Idle = teal.Duration(100 * time.Millisecond) })
	r.Require(9)
	if s := r.State(); !s.Ready || !s.Growing {
		t.Errorf("told to grow: %+v", s)
	}
	r.await("grown to its maximum", func(s State) bool { return !s.Growing && s.Instances == 3 })
	// Longer than the idle timeout; then a new instance would have another
	// number.
	time.Sleep(500 * time.Millisecond)
	if s := r.State(); s.Instances != 3 || r.sequence != 3 {
		t.Errorf("%d instances, %d ever started, want the same 3", s.Instances, r.sequence)
	}
	r.Hold(2)
	r.await("let go of one", func(s State) bool { return s.Instances == 2 && !s.Growing })
	r.Hold(0)
	r.await("back at the minimum", func(s State) bool { return s.Instances == 1 })
	r.Hold(2)
	if s := r.State(); s.Growing || !s.Ready {
		t.Errorf("a pool that is to hold what it has is not ready: %+v", s)
	}
	r.await("held", func(s State) bool { return s.Instances == 2 })
}

func TestAFloorFromTheStart(t *testing.T) {
	t.Parallel()
	r := launch(t, golang, concurrency(0, 4))
	r.Require(3)
	r.await("as many as are required", func(s State) bool { return s.Ready && !s.Growing && s.Instances == 3 })
}

// Seen to fail without what waits, and without the peak.
func TestDemandIsThePeak(t *testing.T) {
	t.Parallel()
	r := start(t, python("app.sleep"), concurrency(1, 1))
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { r.ok(`{"seconds":0.2}`) })
	}
	all.Wait()
	r.quiet()
	if n := r.Demand(); n != 3 {
		t.Errorf("demand of %d, want the 3 that ran and waited at once", n)
	}
}

func TestAPeakIsForgottenAfterAMinute(t *testing.T) {
	var p peak
	p.note(noon, 7)
	p.note(noon.Add(time.Second), 3)
	p.note(noon.Add(30*time.Second), 5)
	for after, want := range map[time.Duration]int{0: 7, 60 * time.Second: 7, 70 * time.Second: 5, 100 * time.Second: 0, 24 * time.Hour: 0} {
		if got := p.most(noon.Add(after)); got != want {
			t.Errorf("after %v: %d, want %d", after, got, want)
		}
	}
	p.note(noon.Add(70*time.Second), 1) // the place of the first
	if got := p.most(noon.Add(70 * time.Second)); got != 5 {
		t.Errorf("%d, want 5", got)
	}
}
