//go:build !linux

package ports

import "errors"

// Available says whether ports can be kept on this system.
const Available = false

// Reserve returns an error: a bound socket keeps others from its port here.
func Reserve() (port int, release func() error, err error) {
	return 0, nil, errors.ErrUnsupported
}
