package service

import (
	"teal"
	"teal/internal/process"
)

// Inspect returns the instances as they are now, how often they were started again in
// all, and what they use, those that have ended counted in the CPU time. It does no I/O.
func (s *Set) Inspect() (instances []teal.Instance, restarts int, usage teal.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.slots {
		i := teal.Instance{Name: sl.name, State: sl.state(), Restarts: max(0, sl.starts-1), Usage: teal.Usage{CPU: sl.spent}}
		if sl.process != nil {
			i.Usage = i.Usage.Plus(sl.process.Usage())
		}
		instances, restarts, usage = append(instances, i), restarts+i.Restarts, usage.Plus(i.Usage)
	}
	return instances, restarts, usage
}

// state names the phase for those who do not know how health is found out: who is
// suspected still takes requests.
func (sl *slot) state() teal.InstanceState {
	switch sl.health.phase {
	case starting:
		return teal.InstanceStarting
	case healthy, suspect:
		return teal.InstanceHealthy
	case unhealthy:
		return teal.InstanceUnhealthy
	case down:
	}
	if sl.url != nil || sl.starts == 0 { // an upstream that nobody has begun to check
		return teal.InstanceStarting
	}
	return teal.InstanceDown
}

// has notes the process of a life, spent that it has ended.
func (s *Set) has(sl *slot, p *process.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl.process = p
}

func (s *Set) spent(sl *slot, p *process.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl.process = nil
	sl.spent += p.Usage().CPU
}
