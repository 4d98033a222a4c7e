package loop

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// interest is what every connection is watched for. It is edge-triggered and
// set once: a change of heart would cost a system call for each request.
const interest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff

// poller waits for events of many owners. When there are none it parks its
// goroutine in Go's own poller, which watches the epoll descriptor: a loop that
// blocked in the system call would keep its processor from the goroutines that
// run functions until the runtime's monitor takes it away, up to 10 ms later.
type poller struct {
	fd       int
	file     *os.File
	raw      syscall.RawConn
	events   []unix.EpollEvent
	found    int                // of events, by ready
	ready    func(uintptr) bool // looks for events; made once, so that waiting allocates nothing
	armed    time.Time          // the read deadline of file
	sleeping atomic.Bool        // wake is needed
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create an event queue: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // os.NewFile asks for it
		return nil, errors.Join(fmt.Errorf("create an event queue: %w", err), unix.Close(fd))
	}
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetReadDeadline(time.Time{}) // fails when Go's poller does not watch it
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch an event queue: %w", err), file.Close())
	}
	p := &poller{fd: fd, file: file, raw: raw, events: make([]unix.EpollEvent, 256)}
	p.ready = func(uintptr) bool {
		p.found = len(p.poll())
		return p.found > 0
	}
	return p, nil
}

func (p *poller) close() { _ = p.file.Close() } // it holds nothing that could be lost

func (p *poller) add(fd int, events uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (p *poller) remove(fd int) { _ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil) }

// poll returns the events that are there.
func (p *poller) poll() []unix.EpollEvent {
	for {
		// Raw: it does not block, and telling the scheduler costs more than
		// the call.
		n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
		if errno == 0 {
			return p.events[:n]
		}
		if errno != unix.EINTR {
			panic("gateway: the event queue is broken: " + errno.Error())
		}
	}
}

// wait blocks until there are events, wake is called, or the time has come; the
// zero time never comes. mailed is looked at once more, after wake has begun to
// work: then there is something else to do.
func (p *poller) wait(until time.Time, mailed *atomic.Bool) []unix.EpollEvent {
	if !until.Equal(p.armed) {
		_ = p.file.SetReadDeadline(until) // the file is open
		p.armed = until
	}
	p.sleeping.Store(true)
	p.found = 0
	var err error
	if !mailed.Load() {
		err = p.raw.Read(p.ready)
	}
	if !p.sleeping.Swap(false) || err != nil {
		p.armed = wakeTime // it has passed and must be set anew
	}
	return p.events[:p.found]
}

var wakeTime = time.Unix(1, 0)

// wake ends a wait that is under way. Other goroutines may call it.
func (p *poller) wake() {
	if p.sleeping.Swap(false) {
		_ = p.file.SetReadDeadline(wakeTime) // fails when the loop has ended, which is as good
	}
}

// isQuiet reports whether an idle connection has neither ended nor said
// anything.
func isQuiet(fd int) bool {
	var one [1]byte
	_, _, err := unix.Recvfrom(fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == unix.EAGAIN //nolint:errorlint // a system call returns the number itself
}
