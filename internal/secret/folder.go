package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"teal/internal/removal"
)

// Folders are where programs find the files of their secrets: in memory where the
// machine has a file system that is, and for this user alone.
type Folders struct{ root string }

// FoldersIn returns folders below one that is there and private.
func FoldersIn(root string) Folders { return Folders{root} }

// NewFolders returns the folders of the server that is called so on this machine, after
// removing what an earlier one of that name has left. fallback is where they are where
// nothing better is found; it must be private.
func NewFolders(name, fallback string) (Folders, error) {
	for _, dir := range inMemory() {
		root := filepath.Join(dir, name+"-secrets")
		if own(root) == nil && removal.Tree(root) == nil && os.Mkdir(root, 0o700) == nil {
			return Folders{root}, nil
		}
	}
	root := filepath.Join(fallback, "secrets")
	if err := errors.Join(removal.Tree(root), os.MkdirAll(root, 0o700)); err != nil {
		return Folders{}, fmt.Errorf("folder for secrets: %w", err)
	}
	return Folders{root}, nil
}

// own returns an error when there is something at a path, where everybody may write,
// that is not a folder which this user has made.
func own(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !isMine(info) {
		return fmt.Errorf("%s is somebody else's", path)
	}
	return nil
}

// make writes files into a new folder.
func (f Folders) make(files map[string][]byte) (dir string, err error) {
	dir, err = os.MkdirTemp(f.root, "")
	if err != nil {
		return "", fmt.Errorf("folder for secrets: %w", err)
	}
	for name, value := range files {
		if err := os.WriteFile(filepath.Join(dir, name), value, 0o400); err != nil {
			return "", errors.Join(fmt.Errorf("file for a secret: %w", err), removal.Tree(dir))
		}
	}
	return dir, nil
}

// Close removes all folders.
func (f Folders) Close() error { return removal.Tree(f.root) }
