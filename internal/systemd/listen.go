package systemd

import (
	"errors"
	"io/fs"
	"net"
	"syscall"

	"teal"
)

// Listen returns the socket of that name that was passed, else one that listens on
// address. What is wrong with an address is told with the flag that names it: the
// name with two dashes before it.
func (s Sockets) Listen(name, address string) (net.Listener, error) {
	if l := s[name]; l != nil {
		return l, nil
	}
	flag := "--" + name
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, teal.Errorf(teal.CodePortTaken, "the address %s is taken by another program; stop it, or choose another address with %s", address, flag)
	case errors.Is(err, fs.ErrPermission):
		return nil, teal.Errorf(teal.CodeInvalidInput, "this user may not listen on %s; ports below 1024 need a privilege. Choose another address with %s", address, flag)
	case err != nil:
		return nil, teal.Errorf(teal.CodeInvalidInput, "cannot listen on %q: %w; choose an address such as 127.0.0.1:8080 with %s", address, err, flag)
	}
	return l, nil
}
