// Package removal deletes folders that programs have filled: also those in which
// they have left folders that may not be written to.
package removal

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Tree deletes a folder and everything below it. It gives its own user the
// permission to write to the folders in it, where that is what is in the way; no
// link is followed. One that is not there, and "", is no error. After an error some
// of it may be left.
func Tree(folder string) error {
	if folder == "" || os.RemoveAll(folder) == nil {
		return nil
	}
	// What cannot be opened up keeps nothing else: RemoveAll says what it is.
	_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(folder)
}
