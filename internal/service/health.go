package service

import "time"

// phase is where one endpoint stands.
type phase uint8

const (
	down      phase = iota // not running
	starting               // has not passed a check since it was started
	healthy                // takes requests
	suspect                // was healthy, then a connection failed; the next check decides
	unhealthy              // was healthy, then failed its checks
)

var phaseNames = [...]string{"down", "starting", "healthy", "suspect", "unhealthy"}

func (p phase) String() string { return phaseNames[p] }

// minCheckInterval is the shortest time between two checks of one endpoint: where a
// start begins, and what a storm of failed connections is held to.
const minCheckInterval = 10 * time.Millisecond

// policy is what a component's manifest says about its checks.
type policy struct {
	interval time.Duration
	failures int // failed checks in a row that end health
}

// health is the state machine of one endpoint. It does no I/O and knows no
// clock: every method is an event, and the fields are what follows from it.
type health struct {
	phase  phase
	ever   bool // has been healthy at least once, in whichever life
	proven bool // has been healthy at least once in this life
	streak int  // failed checks in a row
	doubts int  // how often it became suspect; tells an old check from a new one
}

// started begins a new life: the checks are fast again.
func (h *health) started() {
	h.phase, h.proven, h.streak = starting, false, 0
}

// died ends a life. No check or refusal has an effect until the next one.
func (h *health) died() {
	h.phase, h.streak = down, 0
}

// passed records a check that went well. token is the value of doubts when the
// check began: one that began before the endpoint became suspect proves nothing
// about what happened since, and is ignored.
func (h *health) passed(token int) {
	if h.phase == down || token != h.doubts {
		return
	}
	h.phase, h.ever, h.proven, h.streak = healthy, true, true, 0
}

// failed records a check that went badly.
func (h *health) failed(limit int) {
	switch h.phase {
	case down:
		return
	case suspect:
		h.phase = unhealthy
	case healthy:
		if h.streak+1 >= limit {
			h.phase = unhealthy
		}
	case starting, unhealthy:
	}
	h.streak++
}

// refused records that a request could not connect, and reports whether that is
// news: whether the endpoint was thought healthy, so that it must be checked now.
func (h *health) refused() bool {
	if h.phase != healthy {
		return false
	}
	h.phase = suspect
	h.doubts++
	return true
}

// delay returns the time from the end of a check to the next one. A starting
// endpoint is asked often at first and a quarter less often each time, so that
// a start is noticed within about a quarter of the time it has taken.
func (h *health) delay(p policy) time.Duration {
	switch h.phase {
	case suspect:
		return min(minCheckInterval, p.interval)
	case starting:
		d := minCheckInterval
		for i := 1; i < h.streak && d < p.interval; i++ {
			d += d / 4
		}
		return min(d, p.interval)
	case down, healthy, unhealthy:
	}
	return p.interval
}
