package natskv

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate sets so many bytes aside from at on, all or none of them, where the file
// system can do that.
func allocate(file *os.File, at, size int64) error {
	err := unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, at, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}
