package function

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"teal"
	"teal/internal/function/runtimeapi"
	"teal/internal/process"
	"teal/internal/removal"
)

// stage is where an instance is. An instance leaves stageEnding only by being
// forgotten.
type stage int

const (
	stageStarting  stage = iota // until its runtime asks for work
	stageIdle                   // waits for work
	stageBusy                   // has an invocation
	stageReturning              // has answered, and not asked for more yet
	stageEnding                 // is being stopped, or has ended
	stages                      // how many there are
)

// How an instance is ended.
const (
	stopGently = 300 * time.Millisecond // SIGTERM, and this long until SIGKILL
	stopNow    = 0                      // SIGKILL
)

// Graces that are nobody's business to set.
const (
	finalOutputWait = 200 * time.Millisecond // for what an ended process has sent to be read
	reconnect       = 2 * time.Second        // for a runtime that lost its connection to ask again
	memoryEvery     = 250 * time.Millisecond // how old a peak of memory may be in a report
)

// instance is one process, its Runtime API and its place in the pool.
type instance struct {
	pool     *Pool
	number   int
	name     string
	scratch  string
	tail     tail
	request  atomic.Pointer[string] // the invocation that it has, or had last
	endpoint *runtimeapi.Endpoint   // set by live before anybody else can need it
	process  *process.Process

	refusedCallers sync.Once     // one has been refused, and logged
	ready          chan struct{} // closed when the runtime asks for work the first time
	initFailed     chan runtimeapi.InitFailure
	ending         chan struct{} // closed by end
	endOnce        sync.Once
	grace          time.Duration // written before ending is closed

	memory sync.Mutex // guards the two below
	peak   teal.Bytes
	peakAt time.Time

	// Guarded by pool.mu.
	stage    stage
	since    time.Time
	call     *call
	began    time.Time
	init     time.Duration // for the first call to report; then 0
	timer    *time.Timer
	deadline time.Time // of the call; zero: none
}

func newInstance(p *Pool, number int) *instance {
	id := strconv.Itoa(number)
	i := &instance{
		pool:       p,
		number:     number,
		name:       p.cfg.Name + "/" + id,
		scratch:    filepath.Join(p.cfg.WorkDir, "instance-"+id),
		ready:      make(chan struct{}),
		initFailed: make(chan runtimeapi.InitFailure, 1),
		ending:     make(chan struct{}),
		began:      time.Now(),
	}
	i.timer = time.AfterFunc(time.Hour, i.overdue)
	i.timer.Stop()
	return i
}

// live is the whole life of the instance.
func (i *instance) live(ctx context.Context) {
	defer i.pool.forget(i)
	defer i.clear()
	if err := i.launch(ctx); err != nil {
		i.startFailed(err)
		return
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		i.endpoint.Serve(i.admits)
	}()
	failed := i.initialise()
	if failed == nil {
		select {
		case <-i.process.Done():
		case <-i.ending:
		}
	}
	i.stopProcess()
	i.awaitFinalOutput()
	<-served
	i.settle(failed)
}

// launch starts the process. The error says what is missing.
func (i *instance) launch(ctx context.Context) error {
	p := i.pool
	prog, err := p.program(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(i.scratch, 0o700); err != nil {
		return fmt.Errorf("make the instance's directory: %w", err)
	}
	endpoint, err := runtimeapi.Listen(i, p.log)
	if err != nil {
		return err
	}
	stream := time.Now().UTC().Format("2006/01/02/") + "[" + p.version + "]" + randomHex(16)
	i.platform("INIT_START Runtime: " + p.cfg.Function.Runtime + ", run by " + prog.note)
	started, err := p.cfg.Start(process.Spec{
		Path: prog.path, Args: prog.args, Dir: p.cfg.Dir, Memory: p.cfg.Function.Memory,
		ReadOnly: []string{p.cfg.runtimeDir()}, Tmp: i.scratch,
		Env:    p.cfg.environ(instanceEnv{api: endpoint.Addr(), stream: stream, scratch: i.scratch}, serverPath(), prog.version),
		Output: i.output,
	})
	if err != nil {
		endpoint.Close()
		return err
	}
	p.mu.Lock()
	i.endpoint, i.process = endpoint, started
	p.mu.Unlock()
	return nil
}

// admits reports whether a connection to the Runtime API is the instance's own,
// by the rule of process.Caller.
func (i *instance) admits(c net.Conn) bool {
	who, err := i.process.Caller(c)
	switch who {
	case process.CallerOwn:
		return true
	case process.CallerUnknown:
		i.pool.warned.Do(func() {
			i.pool.log.Warn("the Runtime API believes every process of this machine", "reason", err)
		})
		return true
	}
	i.refusedCallers.Do(func() {
		i.pool.log.Warn("refused a connection to the Runtime API that is not the instance's own; more of them are not reported", "instance", i.name, "client", c.RemoteAddr().String())
	})
	return false
}

func (i *instance) clear() {
	if err := removal.Tree(i.scratch); err != nil {
		i.pool.log.Warn("an instance's directory could not be removed", "dir", i.scratch, "error", err)
	}
}

// initialise waits until the runtime asks for work, and returns nil; or why it
// is not going to.
func (i *instance) initialise() *failure {
	limit := i.pool.cfg.Function.Init.Std()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-i.ready:
		return nil
	case <-i.ending:
		return nil
	case posted := <-i.initFailed:
		return i.pool.initFailure(posted)
	case <-i.process.Done():
		return i.endedInInit()
	case <-timer.C:
		failed := initTimeout(limit)
		if c := i.abandon(); c != nil {
			// It became ready, and got work, at the same moment.
			c.outcome <- failed.outcome(c.id)
		}
		i.end(stopNow)
		return failed
	}
}

// endedInInit tells an init error that was posted just before the end from an
// end without a word.
func (i *instance) endedInInit() *failure {
	i.awaitFinalOutput()
	select {
	case posted := <-i.initFailed:
		return i.pool.initFailure(posted)
	case <-i.ready:
		return nil
	default:
		return initExit(i.process.Exit())
	}
}

// stopProcess returns when the process is gone.
func (i *instance) stopProcess() {
	grace := stopGently
	select {
	case <-i.process.Done():
		return
	case <-i.ending:
		grace = i.grace
	default:
	}
	if grace == stopNow {
		i.process.Kill()
		<-i.process.Done()
		return
	}
	i.process.Stop(grace)
}

// awaitFinalOutput reads what the process sent before it ended.
func (i *instance) awaitFinalOutput() {
	ctx, cancel := context.WithTimeout(context.Background(), finalOutputWait)
	defer cancel()
	i.endpoint.Shutdown(ctx)
}

// settle decides what is still open when the process has ended, and tells the
// pool unless the pool has ended it.
func (i *instance) settle(failed *failure) {
	p := i.pool
	now := time.Now()
	p.mu.Lock()
	exit := i.process.Exit()
	// A runtime that has answered and then ends cleanly makes room for a fresh one:
	// its handler has left nothing that the next invocation could run in.
	cleared := i.stage == stageReturning && exit.Code == 0 && exit.Signal == ""
	wished := (i.stage == stageEnding || cleared) && failed == nil
	up := now.Sub(i.began)
	if i.stage != stageEnding {
		p.moveLocked(i, stageEnding, now)
	}
	i.disarmLocked()
	p.mu.Unlock()
	c := i.abandon()
	if c != nil {
		i.crash(c, exit, now)
	}
	if wished {
		return
	}
	if failed == nil {
		failed = crashFailure(exit)
		failed.ofCall = c != nil
	}
	failed.about(i)
	if failed.init {
		i.platform(failed.reason)
	}
	p.failed(failed, up)
}

// startFailed tells the pool that there is no process.
func (i *instance) startFailed(err error) {
	p := i.pool
	p.mu.Lock()
	wished := i.stage == stageEnding
	if !wished {
		p.moveLocked(i, stageEnding, time.Now())
	}
	p.mu.Unlock()
	if wished {
		return
	}
	failed := startFailure(err)
	failed.about(i)
	i.platform(failed.reason)
	p.failed(failed, 0)
}

// end makes the instance's goroutine stop the process. It does not wait; the
// first call counts.
func (i *instance) end(grace time.Duration) {
	i.endOnce.Do(func() {
		i.grace = grace
		close(i.ending)
	})
}

// abandon ends the instance's use of the Runtime API. It returns the call that
// was under way, which is then the caller's to settle, or nil.
func (i *instance) abandon() *call {
	i.pool.mu.Lock()
	endpoint, c := i.endpoint, i.call
	i.pool.mu.Unlock()
	if endpoint == nil || !endpoint.Abandon() {
		return nil
	}
	return c
}

// drop takes an instance that is of no use out of the pool and kills it.
func (i *instance) drop() {
	p := i.pool
	p.mu.Lock()
	if i.stage != stageEnding {
		p.moveLocked(i, stageEnding, time.Now())
	}
	i.disarmLocked()
	p.mu.Unlock()
	i.end(stopNow)
	p.nudge()
}

func (i *instance) armLocked(now time.Time, d time.Duration) {
	i.deadline = now.Add(d)
	i.timer.Reset(d)
}

func (i *instance) disarmLocked() {
	i.deadline = time.Time{}
	i.timer.Stop()
}

// deliver hands the event of a call that has begun to the runtime. When the
// instance turns out to be gone the call is submitted again.
func (i *instance) deliver(c *call) {
	p := i.pool
	i.request.Store(&c.id)
	p.cfg.Log(i.name, c.id, streamPlatform, "START RequestId: "+c.id+" Version: "+p.version)
	err := i.endpoint.Deliver(&c.event)
	if err == nil {
		return
	}
	if errors.Is(err, runtimeapi.ErrNotDelivered) && i.abandon() == nil {
		return // somebody has settled the call already
	}
	i.drop()
	p.submit(c)
}

// overdue is called when the call's deadline has passed, or a little after a
// deadline that does not count any more.
func (i *instance) overdue() {
	p := i.pool
	now := time.Now()
	p.mu.Lock()
	if i.deadline.IsZero() || now.Before(i.deadline) || i.stage == stageEnding {
		p.mu.Unlock()
		return
	}
	p.moveLocked(i, stageEnding, now)
	i.deadline = time.Time{}
	p.mu.Unlock()
	if c := i.abandon(); c != nil {
		i.timeout(c, now)
	} else {
		i.platform("The instance answered but did not ask for its next invocation in time; it is stopped")
	}
	i.end(stopNow)
	p.nudge()
}

// output takes a line that the process printed.
func (i *instance) output(stream string, line []byte) {
	text := string(line)
	i.tail.add(text)
	i.pool.cfg.Log(i.name, i.requestID(), stream, text)
}

func (i *instance) requestID() string {
	if id := i.request.Load(); id != nil {
		return *id
	}
	return ""
}

// platform logs what Teal has to say about the instance.
func (i *instance) platform(text string) {
	i.pool.cfg.Log(i.name, i.requestID(), streamPlatform, text)
}

// peakMemory returns the most memory that the instance has had, as of a moment
// ago: asking is too dear to be done for each of many short invocations.
func (i *instance) peakMemory(now time.Time) teal.Bytes {
	i.memory.Lock()
	defer i.memory.Unlock()
	if now.Sub(i.peakAt) > memoryEvery {
		i.peak, i.peakAt = i.process.PeakMemory(), now
	}
	return i.peak
}

func randomHex(n int) string {
	random := make([]byte, n)
	_, _ = rand.Read(random) // never fails: it ends the program instead
	return hex.EncodeToString(random)
}
