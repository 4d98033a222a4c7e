package service

import (
	"fmt"
	"time"
)

// State is how the endpoints of a component are.
type State struct {
	// Ready is whether requests can be sent. At least one instance must be
	// healthy now. Of a service every one must have been so once: they are the
	// version's own. Of an upstream every address must have been checked, and the
	// others may be down: its addresses are
	// somebody else's.
	Ready bool
	// Failed is whether an instance has ended several times in a row and has
	// never been healthy. It is still being started again.
	Failed bool
	// Crashed is whether all that is not healthy is so because its process ended
	// while nothing was wrong with its checks.
	Crashed bool
	Healthy int // instances that are healthy now
	Total   int
	Reason  string // why not all are healthy, for people; "" when they are
	Output  string // the last lines, 20 at most, that the instance which Reason speaks of has written
}

// maxFailedStarts is how many lives of an instance that has never been healthy make a
// failed start. The first may have ended for want of a port, see runService.
const maxFailedStarts = 4

// State returns how the endpoints are now. It does not block.
func (s *Set) State() State {
	s.mu.Lock()
	state := s.stateLocked()
	_, troubled := s.reasonLocked()
	s.mu.Unlock()
	if troubled != nil {
		state.Output = troubled.tail.String()
	}
	return state
}

func (s *Set) stateLocked() State {
	state, crashed := State{Ready: true, Total: len(s.slots)}, true
	for _, sl := range s.slots {
		if sl.health.phase == healthy {
			state.Healthy++
		} else {
			crashed = crashed && sl.crashed
		}
		state.Ready = state.Ready && (sl.health.ever || s.cfg.Upstream != nil && sl.trouble != "")
		state.Failed = state.Failed || (!sl.health.ever && sl.ends >= maxFailedStarts)
	}
	state.Ready = state.Ready && state.Healthy > 0
	state.Crashed = crashed && state.Healthy < state.Total
	state.Reason, _ = s.reasonLocked()
	return state
}

// Checked returns when the newest check began that a healthy endpoint has passed,
// and how long it may take until an outage shows in the checks.
func (s *Set) Checked() (at time.Time, window time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.slots {
		if sl.health.phase == healthy && sl.passed.After(at) {
			at = sl.passed
		}
	}
	return at, time.Duration(s.policy.failures) * (s.policy.interval + s.asks.Timeout.Std())
}

// Down returns the addresses of an upstream that are not healthy, each with the
// reason.
func (s *Set) Down() []string {
	if s.cfg.Upstream == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, sl := range s.slots {
		if sl.health.phase != healthy {
			trouble := sl.trouble
			if trouble == "" {
				trouble = "has not answered yet"
			}
			list = append(list, sl.name+": "+trouble)
		}
	}
	return list
}

// reasonLocked says why not all slots are healthy, and which one it speaks of:
// the one with the most to say.
func (s *Set) reasonLocked() (string, *slot) {
	if s.finished {
		return s.cfg.Name + " has been stopped", nil
	}
	var chosen *slot
	for _, sl := range s.slots {
		if sl.health.phase != healthy && (chosen == nil || sl.severity() > chosen.severity()) {
			chosen = sl
		}
	}
	if chosen == nil {
		return "", nil
	}
	return chosen.reason(), chosen
}

// severity orders slots that are not healthy by how much their reason explains.
// That nothing answers yet says little about one that is still starting.
func (sl *slot) severity() int {
	switch {
	case sl.exit != "":
		return 3
	case sl.trouble != "" && sl.health.phase != starting:
		return 2
	case sl.trouble != "":
		return 1
	}
	return 0
}

// reason says in a sentence why the slot is not healthy.
func (sl *slot) reason() string {
	var exit string
	if sl.exit != "" {
		exit = sl.label + " " + sl.exit
		if sl.ends > 1 {
			exit += fmt.Sprintf(" (%d times in a row)", sl.ends)
		}
	}
	switch {
	case exit == "" && sl.trouble == "":
		return sl.label + " is starting"
	case sl.trouble == "":
		return exit
	case exit != "":
		return exit + "; now it is running but " + sl.trouble
	case sl.url != nil:
		return sl.label + ": " + sl.trouble
	}
	return sl.label + " is running but " + sl.trouble
}
