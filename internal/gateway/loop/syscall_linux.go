//go:build !race

package loop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of the owners do not block either.

func readSocket(fd int, into []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(into))), uintptr(len(into)))
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// writeSocket writes one buffer, or two with one call. Writing to a connection
// that is gone is an error and not a signal.
func writeSocket(fd int, first, second []byte) (int, syscall.Errno) {
	parts := [2]unix.Iovec{}
	count := 0
	for _, part := range [2][]byte{first, second} {
		if len(part) > 0 {
			parts[count].Base = unsafe.SliceData(part)
			parts[count].SetLen(len(part))
			count++
		}
	}
	for {
		var n uintptr
		var errno syscall.Errno
		if count == 1 {
			n, _, errno = syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(parts[0].Base)), uintptr(parts[0].Len), unix.MSG_NOSIGNAL, 0, 0)
		} else {
			message := unix.Msghdr{Iov: &parts[0]}
			message.SetIovlen(count)
			n, _, errno = syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)), unix.MSG_NOSIGNAL)
		}
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}
