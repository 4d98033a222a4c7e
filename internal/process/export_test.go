package process

// GuardPID returns the guard's process ID, 0 while there is none.
func (r *Runner) GuardPID() int {
	r.guard.mu.Lock()
	defer r.guard.mu.Unlock()
	return r.guard.pid
}

// WithoutCgroups makes the Runner do as on a machine that has none, before
// anything is started.
func (r *Runner) WithoutCgroups() {
	r.cgroups, r.guard.greeting = nil, marksLine(r.marks)
	r.limit = choose(limitSupport{rlimit: hasRlimit, v2Why: "a test says so", v1Why: "and so"})
}
