package process

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"teal"
)

const hasRlimit = true

// attributes are how a child is forked. The process file descriptor is stored
// in *pidfd; -1 where the kernel has none.
func attributes(req forkRequest, cgroupFD int, pidfd *int) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: req.session, PidFD: pidfd}
	if req.dies {
		attr.Setpgid = true
		attr.Pdeathsig = syscall.SIGKILL
	}
	if cgroupFD >= 0 {
		attr.UseCgroupFD = true
		attr.CgroupFD = cgroupFD
	}
	return attr
}

func threadID() int { return unix.Gettid() }

func limitData(pid int, n teal.Bytes) error {
	return unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: uint64(n), Max: uint64(n)}, nil)
}

// adoptsOrphans reports whether orphaned descendants become children of this
// process.
func adoptsOrphans() bool {
	if os.Getpid() == 1 {
		return true
	}
	var on int32
	_, _, errno := unix.Syscall6(unix.SYS_PRCTL, unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&on)), 0, 0, 0, 0)
	return errno == 0 && on != 0
}

// awaitExit returns when the child has ended, and leaves it to be reaped: until
// then its ID, and that of its group, belongs to nobody else. It closes pidfd.
func (c child) awaitExit() {
	if c.pidfd >= 0 && c.pollExit() {
		return
	}
	for {
		err := unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// pollExit waits without occupying a thread, and closes pidfd. It returns false
// when it cannot wait.
func (c child) pollExit() (ended bool) {
	nonblocking := unix.SetNonblock(c.pidfd, true) == nil
	f := os.NewFile(uintptr(c.pidfd), "pidfd")
	defer closeQuietly(f)
	conn, err := f.SyscallConn()
	if err != nil || !nonblocking {
		return false
	}
	err = conn.Read(func(fd uintptr) bool {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PIDFD, int(fd), &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		ended = err == nil && info.Signo != 0
		again := err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
		return ended || !again
	})
	return err == nil && ended
}

// childInfo is the beginning of the kernel's siginfo for SIGCHLD on 64-bit
// machines, which unix.Siginfo keeps to itself.
type childInfo struct {
	signo, errno, code, _ int32
	pid                   int32
}

// endedMember returns a member of the process group that is a child of this
// process, has ended and was not reaped; 0 when there is none. exist tells
// whether the group has any children of this process.
func endedMember(pgid int) (pid int, exist bool) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PGID, pgid, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		if !errors.Is(err, unix.EINTR) {
			return int((*childInfo)(unsafe.Pointer(&info)).pid), err == nil
		}
	}
}

// groupRuns returns false: all of the group bears the mark, or is in the cgroup.
func (p *Process) groupRuns() bool { return false }

// pipe returns a pipe, both ends blocking. Neither is inherited.
func pipe() (r, w int, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, os.NewSyscallError("pipe2", err)
	}
	return fds[0], fds[1], nil
}

// residentPeak returns the most memory of a running process that was resident.
func residentPeak(pid int) teal.Bytes {
	for line := range strings.Lines(readText("/proc/" + strconv.Itoa(pid) + "/status")) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err == nil {
				return teal.Bytes(n) * teal.KiB
			}
		}
	}
	return 0
}

// resident returns what is resident of a process.
func resident(pid int) teal.Bytes {
	if f := strings.Fields(readText("/proc/" + strconv.Itoa(pid) + "/statm")); len(f) > 1 {
		if pages, err := strconv.ParseInt(f[1], 10, 64); err == nil {
			return teal.Bytes(pages) * teal.Bytes(os.Getpagesize())
		}
	}
	return 0
}

// clockTick is the unit of times in /proc: USER_HZ, which is 100 on every machine that
// Go runs on.
const clockTick = time.Second / 100

// cpuTime returns what a process and those of its children that it has waited for have
// used of the processors.
func cpuTime(pid int) time.Duration {
	stat := readText("/proc/" + strconv.Itoa(pid) + "/stat")
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const utime, cstime = 11, 14 // counted from the state
	if len(f) <= cstime {
		return 0
	}
	var ticks int64
	for _, field := range f[utime : cstime+1] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

// rusagePeak returns the most memory of a reaped process that was resident.
func rusagePeak(u *syscall.Rusage) teal.Bytes { return teal.Bytes(u.Maxrss) * teal.KiB }
