package process

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"time"

	"teal"
)

// How often it is looked what processes use: reading /proc costs some ten microseconds
// for each. Those that have just been started are looked at sooner.
const (
	usageEvery = 10 * time.Second
	usageSoon  = time.Second
	loadWindow = time.Minute
)

// Usage returns what the process and all that it has started use, as of the last look
// of Run, at most ten seconds ago; nothing before the first. It does no I/O. Of an ended
// process it is the CPU time alone.
func (p *Process) Usage() teal.Usage { return p.usage.get() }

// usage is what is known of what a process uses.
type usage struct {
	began time.Time

	mu     sync.Mutex
	ended  bool
	looked bool
	now    teal.Usage
	looks  []cpuLook // of the last minute, and the one before; the oldest first
}

// cpuLook is how much CPU time had been used at a time.
type cpuLook struct {
	at  time.Time
	cpu time.Duration
}

func (u *usage) get() teal.Usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.now
}

func (u *usage) isNew() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.looked && !u.ended
}

// note takes what a look has found. CPU time never shrinks: what a process has used that
// ended unseen is missing from a look.
func (u *usage) note(at time.Time, memory teal.Bytes, cpu time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return
	}
	if !u.looked {
		u.looked, u.looks = true, append(u.looks, cpuLook{u.began, 0})
	}
	u.now.Memory, u.now.CPU = memory, max(u.now.CPU, cpu)
	u.looks = append(u.looks, cpuLook{at, u.now.CPU})
	old := 0
	for old+1 < len(u.looks) && at.Sub(u.looks[old+1].at) >= loadWindow {
		old++
	}
	u.looks = slices.Delete(u.looks, 0, old)
	if first := u.looks[0]; at.After(first.at) {
		u.now.Load = float64(u.now.CPU-first.cpu) / float64(at.Sub(first.at))
	}
}

// end takes the CPU time that an ended process has used in all, 0 when it is not known.
func (u *usage) end(cpu time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended, u.looks = true, nil
	u.now = teal.Usage{CPU: max(u.now.CPU, cpu)}
}

func rusageCPU(u *syscall.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure looks what the processes use, until ctx ends.
func (r *Runner) measure(ctx context.Context) {
	tick := time.NewTicker(usageSoon)
	defer tick.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			all := r.snapshot()
			isNew := slices.ContainsFunc(all, func(p *Process) bool { return p.usage.isNew() })
			if isNew || now.Sub(last) >= usageEvery {
				r.look(all)
				last = now
			}
		}
	}
}

// look finds out what processes use. It asks /proc at most once for all of them.
func (r *Runner) look(all []*Process) {
	if len(all) == 0 {
		return
	}
	var others map[mark][]int
	if r.cgroups == nil {
		others = markedBy(r.ours)
	}
	for _, p := range all {
		pids := others[p.mark]
		if p.group != nil && p.group.in.version == 1 {
			pids = p.group.members()
		}
		now := time.Now()
		memory, cpu := p.ask(pids)
		p.usage.note(now, memory, cpu)
	}
}

// ask returns what a process and others that it has started use. Its own ID is asked
// for under the lock: one that was given away again would tell of a stranger.
func (p *Process) ask(others []int) (memory teal.Bytes, cpu time.Duration) {
	if p.group != nil {
		if held, ok := p.group.memory(); ok {
			memory, cpu = held, p.group.cpu()
		}
		if cpu > 0 {
			return memory, cpu
		}
	}
	var sum teal.Bytes
	add := func(pid int) {
		sum += resident(pid)
		cpu += cpuTime(pid)
	}
	p.mu.Lock()
	if !p.reaped {
		add(p.pid)
	}
	p.mu.Unlock()
	for _, pid := range others {
		if pid != p.pid {
			add(pid)
		}
	}
	if memory == 0 {
		memory = sum
	}
	return memory, cpu
}
