//go:build !linux

package process

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"teal"
)

// Without Linux nothing limits memory, which survey says, and nothing but the
// guard ends a child when the server is killed.
const hasRlimit = false

func attributes(req forkRequest, _ int, _ *int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: req.session, Setpgid: req.dies}
}

// threadID returns 0: threads matter for Linux's death signal and cgroups only.
func threadID() int { return 0 }

func limitData(int, teal.Bytes) error { return errors.ErrUnsupported }

func adoptsOrphans() bool { return os.Getpid() == 1 }

// awaitExit returns when the child has ended, and leaves it to be reaped: until
// then its ID, and that of its group, belongs to nobody else.
func (c child) awaitExit() {
	for !c.seenToExit() {
		<-time.After(100 * time.Millisecond) // no descriptor was free
	}
}

func (c child) seenToExit() bool {
	queue, err := unix.Kqueue()
	if err != nil {
		return false
	}
	unix.CloseOnExec(queue)
	change := []unix.Kevent_t{{}}
	unix.SetKevent(&change[0], c.pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	change[0].Fflags = unix.NOTE_EXIT
	events := make([]unix.Kevent_t, 1)
	for {
		_, err = unix.Kevent(queue, change, events, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	// A process that has ended already can no longer be watched.
	return errors.Join(err, unix.Close(queue)) == nil || errors.Is(err, unix.ESRCH)
}

func endedMember(int) (pid int, exist bool) { return 0, false }

// groupRuns reports whether a member of an ended process's group runs; the kernel
// does not count who waits to be reaped.
func (p *Process) groupRuns() bool { return syscall.Kill(-p.pid, 0) == nil }

func pipe() (r, w int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		return -1, -1, os.NewSyscallError("pipe", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds[0], fds[1], nil
}

// residentPeak returns 0: it is known when the process has ended.
func residentPeak(int) teal.Bytes { return 0 }

// resident and cpuTime return 0: this system is not asked.
func resident(int) teal.Bytes   { return 0 }
func cpuTime(int) time.Duration { return 0 }

// rusagePeak returns the most memory of a reaped process that was resident.
func rusagePeak(u *syscall.Rusage) teal.Bytes { return teal.Bytes(u.Maxrss) }
