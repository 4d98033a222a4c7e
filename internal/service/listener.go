package service

import "errors"

// errCannotTell says that nobody knows whose socket listens on a port.
var errCannotTell = errors.New("cannot tell which process listens on a port")

// errOtherProcess says that another process listens on the port of an instance.
var errOtherProcess = errors.New("another process listens on")

// owner is a process, with all that belongs to it. See process.Process.
type owner interface {
	FindSocket(inodes ...uint64) (uint64, error)
}
