package service

import (
	"fmt"
	"net"

	"teal/internal/ports"
)

const loopback = "127.0.0.1"

// choosePort returns a port on the loopback address that was free a moment ago.
func choosePort() (int, error) {
	listener, err := net.Listen("tcp4", loopback+":0")
	if err != nil {
		return 0, fmt.Errorf("choose a port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		return 0, fmt.Errorf("choose a port: %w", err)
	}
	return port, nil
}

// reservation keeps a port for a process that is about to listen on it.
type reservation struct {
	port    int
	held    bool // whether the port is kept, or was only chosen
	release func() error
}

// choose returns a port; with keep, one that is kept where the system can. See the
// package's comment for what that keeps away.
func choose(keep bool) (reservation, error) {
	if keep && ports.Available {
		port, release, err := ports.Reserve()
		return reservation{port: port, held: true, release: release}, err
	}
	port, err := choosePort()
	return reservation{port: port, release: func() error { return nil }}, err
}
