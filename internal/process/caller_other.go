//go:build !linux

package process

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

var errNotHere = fmt.Errorf("%s does not say whose a socket is: %w", runtime.GOOS, errors.ErrUnsupported)

func findSocket(_, _ netip.AddrPort) (socket, error) { return socket{}, errNotHere }

func (s socket) heldBy([]*Process) bool { return false }

func holds(int, uint64) (bool, error) { return false, errNotHere }

// FindSocket returns an error: only Linux says whose a socket is.
func (p *Process) FindSocket(...uint64) (uint64, error) { return 0, errNotHere }
