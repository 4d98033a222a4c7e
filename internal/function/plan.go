package function

import "time"

// returnGrace is how long an instance may take from its answer to its next
// request before it no longer counts as about to be free.
const returnGrace = 20 * time.Millisecond

// view is what plan needs to know about a pool.
type view struct {
	now      time.Time
	min, max int
	idleFor  time.Duration
	proven   bool // an instance has been ready once
	failing  bool // the last start failed

	starting  int
	busy      int
	idle      []time.Time // since when, oldest first
	returning []time.Time // answered at, in no order
	waiting   int         // invocations without an instance

	notBefore time.Time // no start before
}

// plan is what to do about it.
type plan struct {
	start int       // how many instances
	reap  int       // how many of the oldest idle instances
	wake  time.Time // when to look again if nothing happens; zero: never
}

// decide says how many instances to start and to let go. It is pure.
func decide(v view) plan {
	var p plan
	live := v.starting + v.busy + len(v.idle) + len(v.returning)
	least := v.min
	if !v.proven {
		// Nothing is ready before one start has been seen to work.
		least = max(least, 1)
	}
	soon, stale := v.soonFree()
	p.start = max(least-live, v.waiting-v.starting-len(v.idle)-soon, 0)
	p.start = min(p.start, max(v.max-live, 0))
	if v.failing {
		// After a failure one instance at a time finds out whether it is over.
		p.start = min(p.start, max(1-v.starting, 0))
	}
	if p.start > 0 && v.now.Before(v.notBefore) {
		p.start = 0
		p.wakeAt(v.notBefore)
	}
	if v.waiting > 0 {
		p.wakeAt(stale)
	}
	v.planReap(&p, live-least)
	return p
}

// soonFree counts the instances that are about to wait for work, and returns
// when the first of them has taken too long.
func (v *view) soonFree() (n int, stale time.Time) {
	for _, at := range v.returning {
		late := at.Add(returnGrace)
		if !late.After(v.now) {
			continue
		}
		n++
		if stale.IsZero() || late.Before(stale) {
			stale = late
		}
	}
	return n, stale
}

// planReap lets go of what has been idle for too long, at most spare instances.
func (v *view) planReap(p *plan, spare int) {
	if spare <= 0 {
		return
	}
	// What is busy now can have been idle for long enough then at the earliest.
	p.wakeAt(v.now.Add(v.idleFor))
	if v.waiting > 0 {
		return
	}
	for _, since := range v.idle[:min(spare, len(v.idle))] {
		expires := since.Add(v.idleFor)
		if expires.After(v.now) {
			p.wakeAt(expires)
			return
		}
		p.reap++
	}
}

// wakeAt makes the plan be looked at again at t, or earlier; the zero time is
// never.
func (p *plan) wakeAt(t time.Time) {
	if !t.IsZero() && (p.wake.IsZero() || t.Before(p.wake)) {
		p.wake = t
	}
}
