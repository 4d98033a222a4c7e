package process

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"

	"teal"
)

// starter forks on one thread that lives as long as the children may: the
// kernel sends a child its death signal when the forking thread ends, and on
// cgroup v1 a thread that is put into a cgroup for the time of the fork is what
// lets the child be born there.
type starter struct {
	once     sync.Once
	requests chan forkCall
	quit     chan struct{}
	ended    chan struct{}
	// forks is held while a child is forked, so that whoever reaps can keep
	// process IDs from being given away for a moment.
	forks sync.Mutex
}

// forkRequest says what to execute. group may be nil.
type forkRequest struct {
	path    string
	argv    []string
	env     []string
	dir     string
	files   []uintptr // of the standard streams
	group   *cgroup
	dies    bool       // with the server: its own process group, and a death signal
	session bool       // its own session
	data    teal.Bytes // RLIMIT_DATA; 0 is none
	mark    mark       // 0 is none
	view    view
}

type forkCall struct {
	forkRequest
	reply chan<- forkResult
}

type forkResult struct {
	child child
	err   error
}

// child is a forked process that has not been reaped. pidfd is -1 where there
// is none.
type child struct {
	pid, pidfd int
	unmarked   error // why it could not be marked
}

func newStarter() *starter {
	return &starter{requests: make(chan forkCall), quit: make(chan struct{}), ended: make(chan struct{})}
}

// begin starts the thread, once.
func (s *starter) begin() {
	s.once.Do(func() {
		go func() {
			defer close(s.ended)
			onOwnThread(s.serve)
		}()
	})
}

// end ends the thread and waits for it; begin must have been called before.
func (s *starter) end() {
	close(s.quit)
	<-s.ended
}

func (s *starter) serve() {
	for {
		select {
		case <-s.quit:
			return
		case call := <-s.requests:
			s.forks.Lock()
			c, err := forkExec(call.forkRequest)
			s.forks.Unlock()
			call.reply <- forkResult{c, err}
		}
	}
}

// fork executes a program and returns when it has been executed.
func (s *starter) fork(req forkRequest) (child, error) {
	reply := make(chan forkResult, 1)
	select {
	case s.requests <- forkCall{req, reply}:
		res := <-reply
		return res.child, res.err
	case <-s.quit:
		return child{}, os.ErrProcessDone
	}
}

// onOwnThread calls f on a thread of its own that is not the program's first
// one, and returns when f has returned and the thread is about to end. The
// first thread stands for the whole program in a cgroup and never ends.
func onOwnThread(f func()) {
	locked, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if threadID() != os.Getpid() {
			close(locked)
			f()
			return
		}
		// Holding the first thread keeps the next goroutine off it.
		next := make(chan struct{})
		go func() {
			defer close(next)
			runtime.LockOSThread()
			close(locked)
			f()
		}()
		<-locked
		runtime.UnlockOSThread()
		<-next
	}()
	<-done
}

// forkExec must be called on the starter's thread.
func forkExec(req forkRequest) (c child, err error) {
	err = req.view.within(func() error {
		if req.group == nil {
			c, err = forkPlain(req, -1)
		} else {
			c, err = req.group.fork(req)
		}
		return err
	})
	return c, err
}

func forkPlain(req forkRequest, cgroupFD int) (child, error) {
	c := child{pidfd: -1}
	attr := &syscall.ProcAttr{Dir: req.dir, Env: req.env, Files: req.files, Sys: attributes(req, cgroupFD, &c.pidfd)}
	if attr.Env == nil {
		attr.Env = []string{}
	}
	err := c.forkMarked(req, attr)
	if err != nil || req.data == 0 {
		return c, err
	}
	// The program runs already: what it allocates or forks in the microseconds
	// until now goes unlimited, which a coarse limit may. A program that has
	// ended meanwhile needs none.
	if err := limitData(c.pid, req.data); err != nil && !errors.Is(err, syscall.ESRCH) {
		send(c.pid, syscall.SIGKILL)
		c.awaitExit()
		_, _, reapErr := reap(c.pid)
		return c, errors.Join(err, reapErr)
	}
	return c, nil
}

// forkMarked executes the program with its mark.
func (c *child) forkMarked(req forkRequest, attr *syscall.ProcAttr) (err error) {
	forking.Lock()
	defer forking.Unlock()
	c.unmarked, err = req.mark.inherited(func() (err error) {
		c.pid, err = syscall.ForkExec(req.path, req.argv, attr)
		return err
	})
	return err
}
