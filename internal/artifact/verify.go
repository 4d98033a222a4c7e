package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

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
	for _, without := range []string{"", "__pycache__"} {
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
// a stack that was changed itself is made anew.
func (s *Store) VerifiedStack(ctx context.Context, digests []string) (string, error) {
	var dirs []string
	for _, digest := range digests {
		dir, err := s.Verified(ctx, digest)
		if err != nil {
			return "", err
		}
		dirs = append(dirs, dir)
	}
	name := StackName(digests)
	if name == "" {
		return s.Stack(ctx, digests)
	}
	if sound, err := piled(filepath.Join(s.home(name), "code"), dirs); err != nil || !sound {
		if err := s.Remove(name); err != nil {
			return "", err
		}
	}
	return s.Stack(ctx, digests)
}

// piled reports whether every file of a stack is one of the bundles'. One that is
// not there is sound.
func piled(stack string, dirs []string) (bool, error) {
	sound := true
	err := filepath.WalkDir(stack, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == stack {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			source, err := os.Lstat(dir + strings.TrimPrefix(path, stack))
			if err == nil && os.SameFile(info, source) {
				return nil
			}
		}
		sound = false
		return fs.SkipAll
	})
	return sound, err
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
