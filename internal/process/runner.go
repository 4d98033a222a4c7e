package process

import (
	"context"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"teal"
)

// Runner starts processes and sees to their end. It is safe for concurrent use.
type Runner struct {
	log      *slog.Logger
	guardCmd []string
	limit    limit
	cgroups  *hierarchy // nil where there are none
	starter  *starter
	guard    guardLink
	reaper   bool // orphans become children of this process
	marks    mark
	exposed  error     // why children have no view of the file system of their own; nil: they have
	unmarked sync.Once // that a process could not be marked has been logged

	// registering is held for reading while a process runs already and is not known yet.
	registering sync.RWMutex

	sequence atomic.Int64
	mu       sync.Mutex
	closing  bool
	running  map[*Process]struct{}
	busy     sync.WaitGroup // one for each Start under way and each process
}

var serverName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

const maxServerName = 64

// New finds out what limits the machine offers and removes what a dead server
// of the same name left behind. It starts nothing.
//
// On cgroup v2, where only leaves may hold processes, it moves the server into
// a leaf of its own cgroup, if it is alone there.
func New(cfg Config) (*Runner, error) {
	if cfg.Name == "" {
		cfg.Name = "server"
	}
	if len(cfg.Name) > maxServerName || !serverName.MatchString(cfg.Name) {
		return nil, teal.Errorf(teal.CodeInvalidInput, "%q cannot name a server; use at most 64 letters, digits, dashes and underscores", cfg.Name)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	found := detectLimits(cfg.Name)
	r := &Runner{
		log:      cfg.Logger,
		guardCmd: cfg.Guard,
		limit:    choose(found),
		cgroups:  found.hierarchy(),
		starter:  newStarter(),
		reaper:   adoptsOrphans(),
		marks:    newMarks(),
		exposed:  surveyMounts(),
		running:  map[*Process]struct{}{},
	}
	r.guard.greeting = marksLine(r.marks)
	if r.cgroups != nil {
		r.guard.greeting += cgroupLine(r.cgroups.prefix())
		if n := r.cgroups.sweepDead(cfg.Name); n > 0 {
			r.log.Info("removed the cgroups of a server that died", "count", n)
		}
	}
	return r, nil
}

// MemoryLimit returns how memory is limited, for people: "cgroup v2", "cgroup
// v1", or a sentence that starts with "rlimit (coarse)" or "none" and says why
// it is not better.
func (r *Runner) MemoryLimit() string { return r.limit.sentence }

// Protects reports whether Spec.ReadOnly and Spec.Tmp hold; if not, the error says
// why. It takes Linux and the privilege to mount (root, CAP_SYS_ADMIN).
func (r *Runner) Protects() error { return r.exposed }

// viewOf returns what this machine can do of what a Spec asks for.
func (r *Runner) viewOf(path string, spec Spec) view {
	if r.exposed != nil {
		return view{}
	}
	return view{readOnly: spec.ReadOnly, tmp: spec.Tmp, needed: []string{path, spec.Dir}}
}

// Run keeps the guard running (a new one learns what the old one knew) until
// ctx ends; then it kills every process that is left, and returns when all of
// them, the guard and the Runner's goroutines have ended. It returns nil then.
// It may be called once.
func (r *Runner) Run(ctx context.Context) error {
	r.log.Info("processes can be started", "memory_limit", r.limit.sentence)
	if r.exposed != nil {
		r.log.Info("code is kept from being changed by its modes alone", "reason", r.exposed)
	}
	r.starter.begin()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var helpers sync.WaitGroup
	helpers.Go(func() { r.keepGuard(background) })
	helpers.Go(func() { r.measure(background) })
	if r.reaper {
		helpers.Go(func() { r.reapOrphans(background) })
	}
	<-ctx.Done()
	r.endAll()
	stop()
	helpers.Wait()
	endMarked(r.ours, cgroupRemoveTimeout)
	if r.cgroups != nil {
		r.cgroups.sweep(func(name groupName) bool { return name.of(r.cgroups.name) })
	}
	r.starter.end()
	return nil
}

// endAll refuses new starts, kills what runs and waits for its end.
func (r *Runner) endAll() {
	r.mu.Lock()
	r.closing = true
	r.mu.Unlock()
	for _, p := range r.snapshot() {
		p.Kill()
	}
	r.busy.Wait()
}

// ours reports whether a mark is that of one of this Runner's processes.
func (r *Runner) ours(m mark) bool { return m.runner() == r.marks }

func (r *Runner) snapshot() []*Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Process, 0, len(r.running))
	for p := range r.running {
		all = append(all, p)
	}
	return all
}

// admit counts a start in, unless Run is ending.
func (r *Runner) admit() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return teal.Errorf(teal.CodeUnavailable, "the server is shutting down and starts nothing more")
	}
	r.busy.Add(1)
	return nil
}

// Start starts a process. It returns when the program has been executed, a
// millisecond or so; a program that cannot be executed is an error of Start.
//
// Start may be called before Run; once Run's context has ended it returns an
// error with teal.CodeUnavailable.
//
// The kernel ties a child's death signal to the thread that forked it, not to
// the process. All forks therefore happen on one thread that the Runner holds
// from the first Start to the end of Run; a Runner whose Run is never called
// holds it for ever.
func (r *Runner) Start(spec Spec) (*Process, error) {
	path, err := lookPath(spec)
	if err != nil {
		return nil, err
	}
	if err := r.admit(); err != nil {
		return nil, err
	}
	p, err := r.start(path, spec)
	if err != nil {
		r.busy.Done()
		return nil, err
	}
	return p, nil
}

func (r *Runner) start(path string, spec Spec) (_ *Process, err error) {
	r.starter.begin()
	number := r.sequence.Add(1)
	p := &Process{
		runner: r, owner: spec.Owner, memory: spec.Memory, mark: r.marks.of(number),
		killed: make(chan struct{}), done: make(chan struct{}), usage: usage{began: time.Now()},
	}
	if r.cgroups != nil {
		if p.group, err = r.cgroups.create(number, spec.Memory); err != nil {
			return nil, teal.Errorf(teal.CodeUnavailable, "no cgroup could be made for %s: %w", spec.Path, err)
		}
	}
	files, err := p.openOutput(spec)
	if err == nil {
		err = r.forkAndRegister(p, forkRequest{
			path: path, argv: append([]string{spec.Path}, spec.Args...), env: spec.Env, dir: spec.Dir,
			files: files.child(), group: p.group, dies: true, data: r.limit.data(spec.Memory), mark: p.mark,
			view: r.viewOf(path, spec),
		})
	}
	files.closeChild()
	if err != nil {
		p.closeOutput()
		p.group.discard()
		return nil, startError(spec, err)
	}
	r.follow(p)
	return p, nil
}

// forkAndRegister forks a process and makes it known.
func (r *Runner) forkAndRegister(p *Process, req forkRequest) (err error) {
	r.registering.RLock()
	defer r.registering.RUnlock()
	if p.child, err = r.starter.fork(req); err != nil {
		return err
	}
	r.mu.Lock()
	r.running[p] = struct{}{}
	r.mu.Unlock()
	return nil
}

// follow watches a process that has just been forked.
func (r *Runner) follow(p *Process) {
	r.mu.Lock()
	closing := r.closing
	r.mu.Unlock()
	r.tellGuard(func(g *guardLink) error { return g.add(p.pid) })
	if p.unmarked != nil && p.group == nil {
		r.unmarked.Do(func() {
			r.log.Warn("a process that leaves its group and session may outlive its instance", "error", p.unmarked)
		})
	}
	p.readOutput()
	go p.supervise()
	if closing {
		p.Kill()
	}
}

// forget is called when nothing of p is left to kill, and before its process ID
// can be given to somebody else.
func (r *Runner) forget(p *Process) {
	r.tellGuard(func(g *guardLink) error { return g.remove(p.pid) })
	r.mu.Lock()
	delete(r.running, p)
	r.mu.Unlock()
}

// reapOrphans reaps, while their group's leader lives, the orphans that became
// children of this process. It returns when ctx ends.
func (r *Runner) reapOrphans(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, p := range r.snapshot() {
				p.reapMembers()
			}
		}
	}
}
