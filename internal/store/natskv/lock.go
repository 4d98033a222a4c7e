package natskv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockDir takes the lock that goes with having dir open; unlockDir, or the end of the
// process, releases it.
func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("natskv: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return file, nil
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = dataInUse(dir, err)
	} else {
		err = fmt.Errorf("natskv: lock %s: %w", dir, err)
	}
	return nil, errors.Join(err, file.Close())
}

// unlockDir releases the lock, and closes its file. Closing alone would leave the lock
// to a child that this process is just starting: until it executes its program it has
// the file open, too.
func unlockDir(file *os.File) error {
	return errors.Join(unix.Flock(int(file.Fd()), unix.LOCK_UN), file.Close())
}
