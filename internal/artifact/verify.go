package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"teal"
)

// Verified returns the folder with the bundle's content, as Dir does, when it is
// still what was stored: it reads all of it. One that somebody has changed is not
// in the store any more, until it is put there again; what runs on it is left
// alone. Folders named __pycache__ that were added do not count: Python leaves
// them where it may.
func (s *Store) Verified(ctx context.Context, digest string) (string, error) {
	dir, err := s.Dir(ctx, digest)
	if err != nil {
		return "", err
	}
	for _, without := range []string{"", pythonCache} {
		now, err := s.digestNow(dir, without)
		if err != nil {
			return "", fmt.Errorf("verify bundle: %w", err)
		}
		if now == digest {
			return dir, ctx.Err()
		}
	}
	s.changed.Store(digest, true)
	return "", teal.Errorf(teal.CodeUnknownBundle, "the stored code %s has been changed since it was deployed, by a program that ran or by somebody on this machine; deploy the same folder again to put it right", digest)
}

// digestNow returns the digest of what a folder holds now, but for folders of the
// name without. What could not be a bundle has none.
func (s *Store) digestNow(dir, without string) (digest string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	b := newBuilder(Limits{Unpacked: math.MaxInt64, Files: math.MaxInt32, PathLength: math.MaxInt32})
	visit := b.visit(root, nil)
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && without != "" && d.IsDir() && d.Name() == without {
			return fs.SkipDir
		}
		return visit(p, d, err)
	})
	if err == nil {
		err = b.finish()
	}
	if err == nil {
		err = hashFiles(root, b.entries, math.MaxInt64-1)
	}
	switch {
	case teal.IsCode(err, teal.CodeInvalidBundle), teal.IsCode(err, teal.CodeTooLarge):
		return "", nil
	case err != nil:
		return "", err
	}
	return digestOf(b.entries), nil
}

// VerifiedStack returns what Stack does, of bundles that are still what was stored;
// a stack that was changed itself is made anew. None removes what another has just
// looked at.
func (s *Store) VerifiedStack(ctx context.Context, digests []string) (string, error) {
	dirs, top := make([]string, 0, len(digests)), &node{}
	for _, digest := range digests {
		dir, err := s.Verified(ctx, digest)
		if err != nil {
			return "", err
		}
		if err := top.cover(ctx, dir); err != nil {
			return "", fmt.Errorf("verify stack: %w", err)
		}
		dirs = append(dirs, dir)
	}
	name := StackName(digests)
	if name == "" {
		return s.Stack(ctx, digests)
	}
	defer s.stacking.Lock(name)()
	if sound, err := top.isAt(filepath.Join(s.home(name), "code")); err != nil || !sound {
		if err := s.Remove(name); err != nil {
			return "", err
		}
	}
	return s.stackLocked(ctx, name, dirs)
}

// pythonCache is the name of the folders in which Python leaves what it has compiled,
// wherever it may.
const pythonCache = "__pycache__"

// isAt reports whether what lies at path is what write makes of n. What is in folders
// for Python's compiled code does not count.
func (n *node) isAt(path string) (bool, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case n.link != "":
		target, err := os.Readlink(path)
		return err == nil && target == n.link, nil
	case n.source != "":
		source, err := os.Lstat(n.source)
		return os.SameFile(info, source), err
	case !info.IsDir():
		return false, nil
	}
	return n.holds(path)
}

// holds is isAt for folders.
func (n *node) holds(path string) (bool, error) {
	if filepath.Base(path) == pythonCache {
		return true, nil
	}
	items, err := os.ReadDir(path)
	if err != nil {
		return false, err
	}
	for _, item := range items {
		if n.entries[item.Name()] == nil && (item.Name() != pythonCache || !item.IsDir()) {
			return false, nil
		}
	}
	for name, entry := range n.entries {
		if sound, err := entry.isAt(filepath.Join(path, name)); err != nil || !sound {
			return false, err
		}
	}
	return true, nil
}

// Verifying is a Store whose Dir and Stack are Verified and VerifiedStack.
type Verifying struct{ *Store }

// Dir is [Store.Verified].
func (v Verifying) Dir(ctx context.Context, digest string) (string, error) {
	return v.Verified(ctx, digest)
}

// Stack is [Store.VerifiedStack].
func (v Verifying) Stack(ctx context.Context, digests []string) (string, error) {
	return v.VerifiedStack(ctx, digests)
}
