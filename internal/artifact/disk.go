package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// unpackTo writes the archive into a new folder, confined to it, read-only, and
// for nobody but this user: code holds secrets.
func unpackTo(ctx context.Context, a *archive, folder string) (entries []Entry, err error) {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	entries, err = a.unpack(&disk{ctx: ctx, root: root})
	if err != nil {
		return nil, err
	}
	return entries, lockFolders(root)
}

// disk is the sink that writes below a root.
type disk struct {
	ctx  context.Context
	root *os.Root
}

func (d *disk) file(p string, executable bool) (io.WriteCloser, error) {
	if err := d.ctx.Err(); err != nil {
		return nil, err
	}
	if err := d.folder(path.Dir(p)); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, sameInAnotherCase(p)
	}
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	mode := fs.FileMode(0o400)
	if executable {
		mode = 0o500
	}
	if err := f.Chmod(mode); err != nil {
		return nil, errors.Join(fmt.Errorf("unpack: %w", err), f.Close())
	}
	return f, nil
}

func (d *disk) link(p, target string) error {
	if err := d.folder(path.Dir(p)); err != nil {
		return err
	}
	err := d.root.Symlink(target, p)
	if errors.Is(err, fs.ErrExist) {
		return sameInAnotherCase(p)
	}
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

// sameInAnotherCase explains why a path of a checked bundle is taken: the disk
// does not tell a from A.
func sameInAnotherCase(p string) error {
	return invalidf("%q differs only in case from another name, and this server's disk cannot store both; rename one", p)
}

func (d *disk) folder(p string) error {
	if err := d.root.MkdirAll(p, 0o700); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

// lockFolders takes the write permission from all folders of root.
func lockFolders(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return root.Chmod(p, 0o500)
	})
}

// syncEach makes a folder and everything below it durable, one by one.
func syncEach(folder string) error {
	return filepath.WalkDir(folder, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		return syncFolder(p)
	})
}

// syncFolder makes one folder, or file, durable.
func syncFolder(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
