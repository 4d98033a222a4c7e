package service

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const canReserve = true

// reservePort binds a socket to a port that the kernel chooses and does not
// listen on it. See the package's comment for what that keeps away.
func reservePort() (reservation, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return reservation{}, fmt.Errorf("reserve a port: %w", err)
	}
	port, err := bindReusable(fd)
	if err != nil {
		return reservation{}, fmt.Errorf("reserve a port: %w", errors.Join(err, unix.Close(fd)))
	}
	return reservation{port: port, held: true, release: func() error { return unix.Close(fd) }}, nil
}

func bindReusable(fd int) (int, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	address, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("unexpected address %T", name)
	}
	return address.Port, nil
}
