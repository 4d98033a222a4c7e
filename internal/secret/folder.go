package secret

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"teal/internal/removal"
)

// Folders are where programs find the files of their secrets: in memory where the
// machine has a file system that is, and for this user alone.
type Folders struct {
	root string
	lock *os.File // held for as long as a process of the server needs them
}

// FoldersIn returns folders below one that is there and private.
func FoldersIn(root string) Folders { return Folders{root: root} }

// NewFolders returns the folders of the server that is called so on this machine, after
// removing what earlier ones of that name have left that do not run any more. fallback is
// where they are where nothing better is found; it must be private.
func NewFolders(name, fallback string) (Folders, error) {
	for _, dir := range inMemory() {
		if f, err := foldersBelow(dir, name); err == nil {
			return f, nil
		}
	}
	err := os.MkdirAll(fallback, 0o700)
	if err != nil {
		return Folders{}, fmt.Errorf("folder for secrets: %w", err)
	}
	f, err := foldersBelow(fallback, name)
	if err != nil {
		return Folders{}, fmt.Errorf("folder for secrets: %w", err)
	}
	return f, nil
}

// foldersTries bounds how often a new folder is made that another server of the same name,
// which starts at the same moment, has taken for a left one.
const foldersTries = 3

func foldersBelow(dir, name string) (Folders, error) {
	prefix := filepath.Join(dir, name+"-secrets-")
	old, err := filepath.Glob(prefix + "*")
	if err != nil {
		return Folders{}, err
	}
	for _, left := range old {
		removeLeft(left)
	}
	for range foldersTries {
		root, err := os.MkdirTemp(dir, filepath.Base(prefix))
		if err != nil {
			return Folders{}, err
		}
		lock, err := lockFolder(root)
		if err == nil {
			return Folders{root, lock}, nil
		}
	}
	return Folders{}, errors.New("others remove it as soon as it is made")
}

// removeLeft removes the folders of a server that has ended. Where everybody may write,
// something of that name may be somebody else's: that is left alone, as are those of a
// server that runs.
func removeLeft(root string) {
	info, err := os.Lstat(root)
	if err != nil || !info.IsDir() || !isMine(info) {
		return
	}
	lock, err := lockFolder(root)
	if err != nil {
		return
	}
	_ = removal.Tree(root) // the next start tries again
	_ = lock.Close()
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
func (f Folders) Close() error {
	err := removal.Tree(f.root)
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
	}
	return err
}
