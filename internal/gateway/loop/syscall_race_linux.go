//go:build race

package loop

import (
	"errors"
	"syscall"
)

// The race detector takes what one side wrote before the other read it for
// ordered, and only package syscall tells it.

func readSocket(fd int, into []byte) (int, syscall.Errno) {
	n, err := syscall.Read(fd, into)
	return max(n, 0), errnoOf(err)
}

func writeSocket(fd int, first, second []byte) (int, syscall.Errno) {
	n, err := syscall.Write(fd, append(append([]byte(nil), first...), second...))
	return max(n, 0), errnoOf(err)
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}
