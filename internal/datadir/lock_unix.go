//go:build unix

package datadir

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockExclusively takes the file's lock without waiting. The kernel gives it
// back when the process ends, however it ends.
func lockExclusively(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
