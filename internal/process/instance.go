package process

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"teal"
)

// outputGrace is how long, after a process and all of it that could be found
// were killed, somebody may keep its output open before it is given up.
const outputGrace = 500 * time.Millisecond

// cgroupEmptyTimeout is how long a process's end waits for its cgroup to be empty.
const cgroupEmptyTimeout = 2 * time.Second

// Process is a running or ended process. It is safe for concurrent use.
type Process struct {
	runner *Runner
	child
	group  *cgroup
	owner  string
	memory teal.Bytes
	output []*outputReader
	mark   mark

	stop     sync.Once
	stopping atomic.Bool // its end has been asked for: what it started has the grace, too
	kill     sync.Once
	killed   chan struct{} // closed by Kill

	most  atomic.Int64 // the peak seen so far
	usage usage

	mu     sync.Mutex // held while a signal is sent, so that it cannot hit a successor
	reaped bool

	done chan struct{}
	exit Exit // written before done is closed
}

// PID returns the process ID, which is the ID of its process group too.
func (p *Process) PID() int { return p.pid }

// Done returns a channel that is closed when the process has been reaped, its
// group and its cgroup have been killed and its output has been read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit returns how the process ended; the zero Exit before Done is closed.
func (p *Process) Exit() Exit {
	select {
	case <-p.done:
		return p.exit
	default:
		return Exit{}
	}
}

// Stop sends SIGTERM to the process and to all that it has started, SIGKILL to
// what is left of them after grace, and returns when all are gone (see Done). The
// grace is everybody's: a shell or npm that ends at once does not take it from
// the program that it has started. It may be called many times and from many
// goroutines: SIGTERM is sent once, the shortest grace wins.
func (p *Process) Stop(grace time.Duration) {
	p.stop.Do(p.terminate)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return
	case <-timer.C:
	}
	p.Kill()
	<-p.done
}

// terminate sends SIGTERM, once to each: to the group, and to what has left it.
func (p *Process) terminate() {
	p.stopping.Store(true)
	p.signalGroup(syscall.SIGTERM)
	for _, pid := range p.members() {
		if group, err := syscall.Getpgid(pid); err == nil && group != p.pid {
			send(pid, syscall.SIGTERM)
		}
	}
}

// members returns what the process has started that runs, and perhaps itself.
func (p *Process) members() []int {
	if p.group != nil {
		return slices.DeleteFunc(p.group.members(), func(pid int) bool { return !alive(pid) })
	}
	return marked(func(m mark) bool { return m == p.mark })
}

// grant waits, when the process has ended as it was asked to, until what it has
// started has ended too, or Kill.
func (p *Process) grant() {
	if !p.stopping.Load() {
		return
	}
	for pause := time.Millisecond; p.left(); pause = min(2*pause, 50*time.Millisecond) {
		select {
		case <-p.killed:
			return
		case <-time.After(pause):
		}
	}
}

// left reports whether there is anything of an ended process.
func (p *Process) left() bool {
	others := slices.DeleteFunc(p.members(), func(pid int) bool { return pid == p.pid })
	return len(others) > 0 || p.groupRuns()
}

// Kill sends SIGKILL to the group and the cgroup, and does not wait.
func (p *Process) Kill() {
	p.kill.Do(func() { close(p.killed) })
	p.signalGroup(syscall.SIGKILL)
	p.group.kill()
}

// PeakMemory returns the most memory that was resident so far: of the cgroup,
// which includes children and the page cache they caused, else of the process
// alone. It keeps its last value when the process has ended. It reads one small
// file.
func (p *Process) PeakMemory() teal.Bytes {
	select {
	case <-p.done:
	default:
		if p.group != nil {
			p.notePeak(p.group.peak())
		} else {
			p.notePeak(p.residentPeak())
		}
	}
	return teal.Bytes(p.most.Load())
}

// residentPeak asks under the lock, because an ID that was given away again
// would tell of a stranger.
func (p *Process) residentPeak() teal.Bytes {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return 0
	}
	return residentPeak(p.pid)
}

func (p *Process) notePeak(n teal.Bytes) {
	for {
		old := p.most.Load()
		if int64(n) <= old || p.most.CompareAndSwap(old, int64(n)) {
			return
		}
	}
}

// signalGroup sends a signal to the process's group, unless it is gone.
func (p *Process) signalGroup(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		send(-p.pid, sig)
	}
}

// send sends a signal. It cannot fail for a reason that matters: whoever is not
// there needs none.
func send(pid int, sig syscall.Signal) {
	if err := syscall.Kill(pid, sig); err != nil {
		return
	}
}

// supervise waits for the process's end and clears up after it.
func (p *Process) supervise() {
	r := p.runner
	p.awaitExit()
	p.grant()
	p.signalGroup(syscall.SIGKILL)
	p.notePeak(p.group.peak())
	p.usage.end(p.group.cpu())
	kills := p.group.oomKills()
	if err := p.group.destroy(cgroupEmptyTimeout); err != nil {
		r.log.Warn("a cgroup is still in use; it is tried again when the server ends", "pid", p.pid, "error", err)
	}
	if p.group == nil && !endMarked(func(m mark) bool { return m == p.mark }, cgroupEmptyTimeout) {
		r.log.Warn("what a process has started does not end; it is tried again when the server ends", "pid", p.pid)
	}
	p.finishOutput(outputGrace)
	r.forget(p)
	p.exit = p.reap()
	p.exit.OutOfMemory = kills > 0 && (p.exit.Code != 0 || p.exit.Signal != "")
	close(p.done)
	r.busy.Done()
}

// reap takes the exit status; the process's ID is free after it.
func (p *Process) reap() Exit {
	if p.runner.reaper {
		p.runner.starter.forks.Lock()
		defer p.runner.starter.forks.Unlock()
	}
	status, usage, err := p.wait()
	if p.group == nil && err == nil {
		p.notePeak(rusagePeak(&usage))
	}
	p.usage.end(rusageCPU(&usage))
	p.reapMembers()
	exit := Exit{Code: status.ExitStatus(), Memory: p.memory}
	if err != nil {
		exit.Code = -1
	}
	if status.Signaled() {
		exit.Signal = status.Signal().String()
	}
	return exit
}

func (p *Process) wait() (status syscall.WaitStatus, usage syscall.Rusage, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	status, usage, err = reap(p.pid)
	p.reaped = true
	return status, usage, err
}

// reap takes the exit status of a child that has ended.
func reap(pid int) (status syscall.WaitStatus, usage syscall.Rusage, err error) {
	for {
		_, err = syscall.Wait4(pid, &status, 0, &usage)
		if !errors.Is(err, syscall.EINTR) {
			return status, usage, err
		}
	}
}

// reapMembers reaps members of the group that have ended and, orphaned, became
// children of this process; not the leader.
func (p *Process) reapMembers() {
	if !p.runner.reaper {
		return
	}
	for {
		pid, _ := endedMember(p.pid)
		if pid == 0 || pid == p.pid {
			return
		}
		if _, _, err := reap(pid); err != nil {
			return
		}
	}
}

// lookPath finds the program as a shell would, in the PATH that the program is
// going to see.
func lookPath(spec Spec) (string, error) {
	if spec.Path == "" || strings.ContainsRune(spec.Path, 0) {
		return "", teal.Errorf(teal.CodeInvalidInput, "%q is not a program", spec.Path)
	}
	if strings.Contains(spec.Path, "/") {
		return spec.Path, nil
	}
	search := ""
	for _, e := range spec.Env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			search = v
		}
	}
	for _, dir := range filepath.SplitList(search) {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(spec.Dir, dir)
		}
		path := filepath.Join(dir, spec.Path)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", teal.Errorf(teal.CodeInvalidInput, "the program %q is not in PATH (%s); install it, or write a path such as ./%s for a program of the bundle", spec.Path, search, spec.Path)
}

// startError says why a program could not be executed, and what to do.
func startError(spec Spec, err error) error {
	name := spec.Path
	switch {
	case errors.Is(err, os.ErrProcessDone):
		return teal.Errorf(teal.CodeUnavailable, "the server is shutting down and starts nothing more")
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		if spec.Dir != "" {
			if _, statErr := os.Stat(spec.Dir); statErr != nil {
				return teal.Errorf(teal.CodeInvalidInput, "%s cannot be started: its directory %s does not exist (%w)", name, spec.Dir, err)
			}
		}
		return teal.Errorf(teal.CodeInvalidInput, "%s cannot be started: there is no such program, or the interpreter that its first line names is missing (%w)", name, err)
	case errors.Is(err, syscall.EACCES):
		return teal.Errorf(teal.CodeInvalidInput, "%s cannot be started: it is not executable; chmod +x it and deploy again (%w)", name, err)
	case errors.Is(err, syscall.ENOEXEC):
		return teal.Errorf(teal.CodeInvalidInput, "%s cannot be started: it is neither a program for this machine nor a script that begins with #! (%w)", name, err)
	case errors.Is(err, syscall.E2BIG):
		return teal.Errorf(teal.CodeInvalidInput, "%s cannot be started: its arguments and environment are too large (%w)", name, err)
	}
	return teal.Errorf(teal.CodeUnavailable, "%s cannot be started now: %w", name, err)
}
