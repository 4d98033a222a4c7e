package function

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"teal"
	"teal/internal/process"
)

// Defaults of a Config.
const (
	DefaultQueueTimeout = time.Second
	queuePerInstance    = 10
)

// maxDeliveries is how many instances an invocation is offered to when those
// that it got turn out to have died while they were idle.
const maxDeliveries = 5

// Back-off after an invocation has ended its instance, or an instance ended by itself
// although an invocation has been finished since the last time: the function works,
// some events crash it. It is started again soon, but not as fast as events may ask
// for.
const (
	crashDelay    = 50 * time.Millisecond
	crashMaxDelay = 500 * time.Millisecond
)

// Config is what a Pool needs to know.
type Config struct {
	App      string
	Version  teal.VersionRef
	Name     string // the component's
	Function teal.Function

	Dir     string            // the unpacked code, LAMBDA_TASK_ROOT; only read
	Layers  string            // the layers laid over each other, LAMBDA_LAYERS; only read; "" is none
	WorkDir string            // a directory of the pool's own; made by Run if it is missing, left by it
	Env     map[string]string // what Teal adds: TEAL_APP, TEAL_VERSION, TEAL_URL_…
	Region  string            // as AWS's names have it; "" is DefaultRegion
	Account string            // likewise

	// Interpreters is shared by the pools of a server; nil is one of its own.
	Interpreters *Interpreters

	Start func(process.Spec) (*process.Process, error)
	// Log gets the lines of a function: stream is "stdout", "stderr" or
	// "platform" for what Teal says about an invocation. requestID is the
	// invocation that the instance has or had last, "" before the first. It is
	// called from many goroutines, and while it runs the instance waits. Nil
	// discards the lines.
	Log    func(instance, requestID, stream, text string)
	Logger *slog.Logger // nil discards
	// Hide returns a text of the function's without what nobody shall see; nil hides
	// nothing. What the processes print is not its concern.
	Hide func(text string) string

	// QueueTimeout is how long an invocation waits when all instances are busy,
	// 0 for a second; one that an instance is being started for waits for it.
	QueueTimeout time.Duration
	// QueueLimit is how many invocations may wait; 0 is ten for each instance
	// of Concurrency.Max.
	QueueLimit int

	// OnChange is called when what State says, other than its numbers, may have
	// changed; it must not block. Nil is allowed.
	OnChange func()
}

// State is how a pool is.
type State struct {
	// Ready means that an invocation can be expected to be served: the minimum
	// of instances, or at least one, has been ready, and it is not known that
	// none can be started now.
	Ready bool
	// Failing means that the last start failed and the next one is delayed.
	Failing bool
	// Growing means that fewer instances than Require wants have been ready so
	// far.
	Growing bool
	Reason  string // the last failure, for people; "" when there is none to tell
	Output  string // the last lines of what failed

	Instances int // ready or busy
	Busy      int
}

// Pool runs the instances of one function of one environment. It is safe for
// concurrent use.
type Pool struct {
	cfg     Config
	name    string // as AWS's interfaces call the function
	version string
	log     *slog.Logger
	warned  sync.Once // that nobody can tell who calls a Runtime API has been logged
	wake    chan struct{}

	lookup sync.Mutex // held while the interpreter is looked for
	found  *program

	mu           sync.Mutex
	running      bool
	instances    map[*instance]struct{} // every one that has a goroutine
	counts       [stages]int
	idle         []*instance // the one used last is the last one
	queue        []*call     // invocations without an instance: those from inside first, and then the oldest
	lastGaveUp   time.Time   // when one from inside gave up last
	recheck      *time.Timer // nudges returnGrace after something was queued
	rechecks     bool        // recheck is running
	proven       bool
	required     int  // the n of Require or Hold
	minInstances int  // what SetMinInstances wants
	grown        bool // so many have been ready at once
	peak         peak // of what was in flight
	failing      bool
	failure      *failure // the last one; nil again when an instance has become ready
	notBefore    time.Time
	works        bool            // an invocation has been finished since the last failure
	slow         process.Backoff // while it does not work
	quick        process.Backoff // while it does
	sequence     int
	restarts     int           // instances that have ended by themselves, or did not come up
	spent        time.Duration // CPU time of the instances that are gone
	shown        State         // what OnChange was last called for
}

// New checks cfg and returns a pool that does nothing before Run.
func New(cfg Config) (*Pool, error) {
	if teal.RuntimeFamily(cfg.Function.Runtime) == "" {
		return nil, teal.Errorf(teal.CodeInvalidInput, "%q is not a runtime", cfg.Function.Runtime)
	}
	if cfg.Start == nil || cfg.Dir == "" || cfg.WorkDir == "" {
		return nil, errors.New("function: Start, Dir and WorkDir must be set")
	}
	cfg.Function.Concurrency.Max = max(cfg.Function.Concurrency.Max, cfg.Function.Concurrency.Min, 1)
	cfg.Function.Timeout = cmp.Or(cfg.Function.Timeout, teal.DefaultTimeout)
	cfg.Function.Init = cmp.Or(cfg.Function.Init, teal.DefaultInit)
	cfg.Function.Idle = cmp.Or(cfg.Function.Idle, teal.DefaultIdle)
	cfg.Region = cmp.Or(cfg.Region, DefaultRegion)
	cfg.Account = cmp.Or(cfg.Account, DefaultAccount)
	cfg.QueueTimeout = cmp.Or(cfg.QueueTimeout, DefaultQueueTimeout)
	cfg.QueueLimit = cmp.Or(cfg.QueueLimit, queuePerInstance*cfg.Function.Concurrency.Max)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Log == nil {
		cfg.Log = func(_, _, _, _ string) {}
	}
	if cfg.OnChange == nil {
		cfg.OnChange = func() {}
	}
	if cfg.Interpreters == nil {
		cfg.Interpreters = &Interpreters{}
	}
	p := &Pool{
		cfg:       cfg,
		name:      LambdaName(cfg.App, cfg.Name),
		version:   cfg.Version.String(),
		log:       cfg.Logger.With("app", cfg.App, "version", cfg.Version, "component", cfg.Name),
		wake:      make(chan struct{}, 1),
		instances: map[*instance]struct{}{},
		quick:     process.Backoff{First: crashDelay, Max: crashMaxDelay},
	}
	p.recheck = time.AfterFunc(time.Hour, p.recheckQueue)
	p.recheck.Stop()
	return p, nil
}

// State returns how the pool is now.
func (p *Pool) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stateLocked()
}

func (p *Pool) stateLocked() State {
	s := State{
		Failing:   p.failing,
		Instances: p.counts[stageIdle] + p.counts[stageBusy] + p.counts[stageReturning],
		Busy:      p.counts[stageBusy] + p.counts[stageReturning],
		Growing:   p.required > p.cfg.Function.Concurrency.Min && !p.grown,
	}
	s.Ready = p.running && p.proven && (s.Instances > 0 || !p.failing)
	if p.failure != nil {
		s.Reason, s.Output = p.failure.reason, p.failure.output
	}
	return s
}

// changed calls OnChange if what it is about has changed. The lock must not be
// held.
func (p *Pool) changed() {
	p.mu.Lock()
	now := p.stateLocked()
	now.Instances, now.Busy = 0, 0
	same := now == p.shown
	p.shown = now
	p.mu.Unlock()
	if !same {
		p.cfg.OnChange()
	}
}

// SetMinInstances makes the pool keep at least so many instances, whatever the version
// says: also more than its maximum. It may be called at any time, and stands
// beside what Require wants.
func (p *Pool) SetMinInstances(n int) {
	p.mu.Lock()
	p.minInstances = n
	p.mu.Unlock()
	p.nudge()
}

// nudge makes Run look at the pool.
func (p *Pool) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Invoke runs one invocation and blocks until its outcome is known, or ctx ends.
// What it returns is in the package's documentation.
func (p *Pool) Invoke(ctx context.Context, in teal.Invocation) (teal.Answer, error) {
	if teal.Bytes(len(in.Event)) > teal.MaxPayload {
		return teal.Answer{}, teal.Errorf(teal.CodeTooLarge, "the event has %d bytes; at most %d are allowed", len(in.Event), teal.MaxPayload)
	}
	if in.RequestID == "" {
		in.RequestID = uuid.NewString()
	} else if !validRequestID(in.RequestID) {
		return teal.Answer{}, teal.Errorf(teal.CodeInvalidInput, "%.100q is not a request id; use up to 128 letters, digits, dashes and underscores", in.RequestID)
	}
	c := p.newCall(&in)
	if err := c.event.Check(); err != nil {
		return teal.Answer{}, err
	}
	if queued := p.submit(c); queued {
		return p.awaitQueued(ctx, c)
	}
	return c.await(ctx)
}

// moveLocked changes where an instance is.
func (p *Pool) moveLocked(i *instance, to stage, now time.Time) {
	if i.stage == stageIdle {
		at := len(p.idle) - 1
		for p.idle[at] != i {
			at--
		}
		p.idle = slices.Delete(p.idle, at, at+1)
	}
	p.counts[i.stage]--
	p.counts[to]++
	i.stage, i.since = to, now
	if to == stageIdle {
		p.idle = append(p.idle, i)
	}
}

// beginLocked gives an instance to an invocation.
func (p *Pool) beginLocked(i *instance, c *call, now time.Time) {
	p.moveLocked(i, stageBusy, now)
	c.started = now
	c.event.Deadline = now.Add(p.cfg.Function.Timeout.Std())
	c.init, i.init = i.init, 0
	c.deliveries++
	i.call = c
	i.armLocked(now, p.cfg.Function.Timeout.Std())
	p.peak.note(now, p.demandLocked())
}

// freeLocked gives an instance that waits for work to whoever waits longest,
// and returns that call for the caller to deliver; or nil.
func (p *Pool) freeLocked(i *instance, now time.Time) *call {
	if len(p.queue) == 0 {
		p.moveLocked(i, stageIdle, now)
		return nil
	}
	c := p.queue[0]
	p.queue = slices.Delete(p.queue, 0, 1)
	p.beginLocked(i, c, now)
	return c
}

// delayLocked returns how long the next start is to wait after an instance that
// was up for so long has failed.
func (p *Pool) delayLocked(f *failure, up time.Duration) time.Duration {
	if f.init || !p.works && !f.ofCall {
		return p.slow.Next(up)
	}
	p.works, p.slow = false, process.Backoff{}
	return p.quick.Next(up)
}

// failed records that a start failed or an instance ended by itself, and
// delays the next start.
func (p *Pool) failed(f *failure, up time.Duration) {
	now := time.Now()
	p.mu.Lock()
	p.restarts++
	delay := p.delayLocked(f, up)
	p.notBefore = now.Add(delay)
	p.failure = f
	if f.init || delay > p.cfg.QueueTimeout && !f.ofCall {
		p.failing = true
	}
	if p.failing && p.liveLocked() == 0 {
		p.settleAllLocked(f.outcome)
	}
	p.mu.Unlock()
	p.log.Warn("function instance failed", "instance", f.instance, "reason", f.reason, "next_start_in", delay)
	p.changed()
	p.nudge()
}

// program returns what to execute, looked for until it has been found.
func (p *Pool) program(ctx context.Context) (program, error) {
	p.lookup.Lock()
	defer p.lookup.Unlock()
	if p.found != nil {
		return *p.found, nil
	}
	found, err := findProgram(ctx, &p.cfg)
	if err != nil {
		return program{}, err
	}
	p.log.Info("function runtime found", "runtime", p.cfg.Function.Runtime, "program", found.note)
	p.found = &found
	return found, nil
}

// Run starts the minimum of instances (at least one, so that it is known to
// work), and sees to the pool until ctx ends. Then it refuses and ends every
// invocation, stops every instance, and returns nil when the last one is gone.
// It may be called once.
func (p *Pool) Run(ctx context.Context) error {
	if err := p.cfg.prepare(); err != nil {
		return fmt.Errorf("function %s: %w", p.cfg.Name, err)
	}
	p.mu.Lock()
	p.running = true
	p.mu.Unlock()
	var lives sync.WaitGroup
	for ctx.Err() == nil {
		p.sleep(ctx, p.tick(ctx, &lives))
	}
	p.stop()
	lives.Wait()
	p.recheck.Stop()
	p.changed()
	return nil
}

// sleep returns when ctx ends, when the pool is nudged, or at the given time.
func (p *Pool) sleep(ctx context.Context, until time.Time) {
	var alarm <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-ctx.Done():
	case <-p.wake:
	case <-alarm:
	}
}

// tick does what is to be done now, and returns when to look again.
func (p *Pool) tick(ctx context.Context, lives *sync.WaitGroup) time.Time {
	now := time.Now()
	p.mu.Lock()
	todo := decide(p.viewLocked(now))
	reaped := slices.Clone(p.idle[:todo.reap])
	for _, i := range reaped {
		p.moveLocked(i, stageEnding, now)
	}
	started := make([]*instance, todo.start)
	for n := range started {
		p.sequence++
		started[n] = newInstance(p, p.sequence)
		p.instances[started[n]] = struct{}{}
		p.counts[stageStarting]++
	}
	p.mu.Unlock()
	for _, i := range reaped {
		i.end(stopGently)
	}
	for _, i := range started {
		lives.Go(func() { i.live(ctx) })
	}
	return todo.wake
}

func (p *Pool) viewLocked(now time.Time) view {
	v := view{
		now: now, min: p.leastLocked(), max: p.mostLocked(),
		idleFor: p.cfg.Function.Idle.Std(), proven: p.proven, failing: p.failing,
		starting: p.counts[stageStarting], busy: p.counts[stageBusy], waiting: len(p.queue),
		notBefore: p.notBefore,
	}
	for _, i := range p.idle {
		v.idle = append(v.idle, i.since)
	}
	for i := range p.instances {
		if i.stage == stageReturning {
			v.returning = append(v.returning, i.since)
		}
	}
	return v
}

// stop ends every invocation and every instance, without waiting for them.
func (p *Pool) stop() {
	now := time.Now()
	p.mu.Lock()
	p.running = false
	p.settleAllLocked(func(string) outcome { return p.stoppedOutcome() })
	all := make([]*instance, 0, len(p.instances))
	for i := range p.instances {
		if i.stage != stageEnding {
			p.moveLocked(i, stageEnding, now)
		}
		all = append(all, i)
	}
	p.mu.Unlock()
	for _, i := range all {
		if c := i.abandon(); c != nil {
			c.outcome <- outcome{err: teal.Errorf(teal.CodeUnavailable, "version %s was stopped while function %s was running", p.version, p.cfg.Name)}
		}
		i.end(stopGently)
	}
}

// forget is the end of an instance.
func (p *Pool) forget(i *instance) {
	p.mu.Lock()
	p.counts[i.stage]--
	delete(p.instances, i)
	if i.process != nil {
		p.spent += i.process.Usage().CPU
	}
	p.mu.Unlock()
	p.nudge()
}
