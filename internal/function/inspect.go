package function

import (
	"cmp"
	"slices"

	"teal"
)

// Inspect returns the instances that there are now, the oldest first, how many ended by
// themselves or did not come up, and what they use, those that have ended counted in the
// CPU time. It does no I/O.
func (p *Pool) Inspect() (instances []teal.Instance, restarts int, usage teal.Usage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*instance, 0, len(p.instances))
	for i := range p.instances {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b *instance) int { return cmp.Compare(a.number, b.number) })
	usage.CPU = p.spent
	for _, i := range all {
		var own teal.Usage
		if i.process != nil {
			own = i.process.Usage()
		}
		usage = usage.Plus(own)
		if i.stage != stageEnding {
			instances = append(instances, teal.Instance{Name: i.name, State: i.stage.state(), Usage: own})
		}
	}
	return instances, p.restarts, usage
}

func (s stage) state() teal.InstanceState {
	switch s {
	case stageStarting:
		return teal.InstanceStarting
	case stageIdle:
		return teal.InstanceIdle
	case stageBusy, stageReturning, stageEnding, stages:
	}
	return teal.InstanceBusy
}
