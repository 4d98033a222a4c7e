package ports

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Available says whether ports can be kept on this system.
const Available = true

// Reserve returns a port of 127.0.0.1 that nobody listens on, and that the kernel gives
// to nobody who asks for any port until release is called. Who is told the port can
// listen on it meanwhile, with SO_REUSEADDR, as servers do.
func Reserve() (port int, release func() error, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("reserve a port: %w", err)
	}
	if port, err = bindReusable(fd); err != nil {
		return 0, nil, fmt.Errorf("reserve a port: %w", errors.Join(err, unix.Close(fd)))
	}
	return port, func() error { return unix.Close(fd) }, nil
}

// bindReusable binds a socket to a port that the kernel chooses, and does not listen.
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
