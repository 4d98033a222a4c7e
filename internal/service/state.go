package service

import "fmt"

// State is how the endpoints of a component are.
type State struct {
	// Ready is whether every instance has been healthy at least once and at
	// least one is now.
	Ready bool
	// Failed is whether an instance has ended several times in a row and has
	// never been healthy. It is still being started again.
	Failed  bool
	Healthy int // instances that are healthy now
	Total   int
	Reason  string // why not all are healthy, for people; "" when they are
	Output  string // the last lines, 20 at most, that the instance which Reason speaks of has written
}

// hopeless is how many lives of an instance that has never been healthy make a
// failed start. The first may have ended for want of a port, see runService.
const hopeless = 4

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
	state := State{Ready: true, Total: len(s.slots)}
	for _, sl := range s.slots {
		if sl.health.phase == healthy {
			state.Healthy++
		}
		state.Ready = state.Ready && sl.health.ever
		state.Failed = state.Failed || (!sl.health.ever && sl.ends >= hopeless)
	}
	state.Ready = state.Ready && state.Healthy > 0
	state.Reason, _ = s.reasonLocked()
	return state
}

// reasonLocked says why not all slots are healthy, and which one it speaks of:
// the one with the most to say.
func (s *Set) reasonLocked() (string, *slot) {
	if s.finished {
		return s.cfg.Name + " has been stopped", nil
	}
	var chosen *slot
	for _, sl := range s.slots {
		if sl.health.phase != healthy && (chosen == nil || sl.gravity() > chosen.gravity()) {
			chosen = sl
		}
	}
	if chosen == nil {
		return "", nil
	}
	return chosen.reason(), chosen
}

// gravity orders slots that are not healthy by how much their reason explains.
// That nothing answers yet says little about one that is still starting.
func (sl *slot) gravity() int {
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
