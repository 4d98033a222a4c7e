package artifact

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// maxSyncEach is the number of files up to which syncing each is cheaper than
// syncing the file system.
const maxSyncEach = 64

// syncTree makes a folder of so many files durable.
func syncTree(folder string, files int) error {
	if files <= maxSyncEach {
		return syncEach(folder)
	}
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}
