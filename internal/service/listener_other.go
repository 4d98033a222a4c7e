//go:build !linux

package service

import (
	"fmt"
	"runtime"
)

// listener knows which process should be listening on which port.
type listener struct {
	process owner
	port    int
}

// verify returns errCannotTell: only Linux says who listens.
func (l *listener) verify() error {
	return fmt.Errorf("%w on %s", errCannotTell, runtime.GOOS)
}
