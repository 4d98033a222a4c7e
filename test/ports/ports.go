// Package ports finds addresses for programs that tests start and that cannot choose
// one for themselves.
package ports

import (
	"errors"
	"fmt"
	"syscall"
)

// Reserve returns an address on the loopback that nobody listens on, and that the
// kernel gives to nobody who asks for any port until release is called. Who is told
// the address can listen on it meanwhile, with SO_REUSEADDR, as servers do.
func Reserve() (address string, release func() error, err error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return "", nil, fmt.Errorf("reserve a port: %w", err)
	}
	if address, err = bind(fd); err != nil {
		return "", nil, fmt.Errorf("reserve a port: %w", errors.Join(err, syscall.Close(fd)))
	}
	return address, func() error { return syscall.Close(fd) }, nil
}

// bind binds a socket that does not listen, so that others may bind to its port.
func bind(fd int) (string, error) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return "", err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return "", err
	}
	own, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		return "", fmt.Errorf("unexpected address %T", name)
	}
	return fmt.Sprintf("127.0.0.1:%d", own.Port), nil
}
