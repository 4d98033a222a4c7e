package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"teal"
	"teal/internal/keylock"
	"teal/internal/removal"
)

// Store keeps bundles unpacked on disk, each under its digest:
//
//	ROOT/sha256-HEX/code/…   a bundle: complete, synced and read-only
//	ROOT/stack-HEX/code/…    bundles laid over each other, see Stack
//	ROOT/tmp/…               work in progress
//
// A bundle is unpacked while it is received and becomes visible by one rename,
// so whoever sees it sees all of it, and it is unpacked once. A Store is safe
// for concurrent use. One process at a time may use a root.
type Store struct {
	root   string // absolute
	limits Limits
	step   func(name string) // told before each step of Put and Stack; tests crash there

	publishing sync.Mutex
	stacking   keylock.Locks[string] // of a stack's name: one looks at it, makes it or removes it for another
	changed    sync.Map              // digests of bundles that are not what was stored, see Verified
}

// Open returns the store at root, which is created if need be. What a crash has
// left unfinished is removed. An error that comes with a store says that the root
// is not as it should be: what is there can be used, and the rest fails when it is
// tried.
func Open(root string, limits Limits) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("artifact store: %w", err)
	}
	s := &Store{root: root, limits: limits.withDefaults(), step: func(string) {}}
	if err := removal.Tree(s.tmp()); err != nil {
		return s, fmt.Errorf("artifact store: clean up: %w", err)
	}
	if err := os.MkdirAll(s.tmp(), 0o700); err != nil {
		return s, fmt.Errorf("artifact store: %w", err)
	}
	return s, nil
}

// workFolder makes a folder for work in progress.
func (s *Store) workFolder(pattern string) (string, error) {
	if err := os.MkdirAll(s.tmp(), 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp(s.tmp(), pattern)
}

func (s *Store) tmp() string { return filepath.Join(s.root, "tmp") }

// home returns the place of a well-formed digest.
func (s *Store) home(digest string) string {
	return filepath.Join(s.root, strings.Replace(digest, ":", "-", 1))
}

// Put stores the bundle in the zip that r gives and returns its digest. When
// want is not "", the bundle must have that digest; when the store has it
// already, r is not read. Put trusts nothing in the zip. When it returns without
// an error the bundle survives a crash; after an error, or when ctx ends first,
// nothing is stored.
//
// The errors are CodeInvalidBundle, CodeTooLarge, or what r, ctx or the disk
// gave. Puts of one bundle at the same time are all answered; one of them is
// kept.
func (s *Store) Put(ctx context.Context, r io.Reader, want string) (string, error) {
	if want != "" && !digestPattern.MatchString(want) {
		return "", invalidf("%q is not the digest of a bundle; expected sha256: and 64 hexadecimal digits", want)
	}
	if want != "" && s.Has(want) {
		return want, nil
	}
	work, err := s.workFolder("put-")
	if err != nil {
		return "", fmt.Errorf("store bundle: %w", err)
	}
	// What cannot be removed now is removed by the next Open.
	defer func() { _ = removal.Tree(work) }()
	digest, err := s.receive(ctx, work, r)
	if err != nil {
		return "", err
	}
	if want != "" && digest != want {
		return "", invalidf("the bundle has the digest %s, but %s was announced; it was changed on the way, send it again", digest, want)
	}
	if err := s.publish(work, digest); err != nil {
		return "", fmt.Errorf("store bundle: %w", err)
	}
	return digest, nil
}

// receive spools r into the folder work and unpacks it there, synced to disk.
func (s *Store) receive(ctx context.Context, work string, r io.Reader) (digest string, err error) {
	s.step("spool")
	spool, err := os.OpenFile(filepath.Join(work, "bundle.zip"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("store bundle: %w", err)
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	limit := int64(s.limits.Packed)
	size, err := io.Copy(spool, io.LimitReader(readerWithContext{ctx, r}, limit+1))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "", invalidf("the upload ended before the bundle was complete; send it again: %w", err)
	}
	if err != nil {
		return "", fmt.Errorf("receive bundle: %w", err)
	}
	a, err := readZip(spool, size, s.limits)
	if err != nil {
		return "", err
	}
	s.step("unpack")
	entries, err := unpackTo(ctx, a, filepath.Join(work, "code"))
	if err != nil {
		return "", err
	}
	if err := os.Remove(spool.Name()); err != nil {
		return "", fmt.Errorf("store bundle: %w", err)
	}
	s.step("sync")
	if err := syncTree(work, len(entries)); err != nil {
		return "", fmt.Errorf("store bundle: %w", err)
	}
	return digestOf(entries), nil
}

// publish makes the finished folder work the home of digest.
func (s *Store) publish(work, digest string) error {
	s.step("rename")
	s.publishing.Lock() // what another Put has just published must not be taken for half of it
	defer s.publishing.Unlock()
	if !s.Has(digest) { // half of it may be there, of which nobody can make use
		if err := removal.Tree(s.home(digest)); err != nil {
			return err
		}
	}
	if err := os.Rename(work, s.home(digest)); err != nil && !s.Has(digest) {
		return err
	}
	s.changed.Delete(digest)
	s.step("sync root")
	return syncFolder(s.root)
}

// Has reports whether the bundle is in the store.
func (s *Store) Has(digest string) bool {
	if !digestPattern.MatchString(digest) {
		return false
	}
	if _, changed := s.changed.Load(digest); changed {
		return false
	}
	info, err := os.Stat(filepath.Join(s.home(digest), "code"))
	return err == nil && info.IsDir()
}

// Dir returns the absolute path of the folder with the bundle's content, which
// nobody may change. It returns an error with CodeUnknownBundle when the store
// does not have it.
func (s *Store) Dir(ctx context.Context, digest string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if !s.Has(digest) {
		return "", teal.Errorf(teal.CodeUnknownBundle, "there is no bundle %s; upload it first", digest)
	}
	return filepath.Join(s.home(digest), "code"), nil
}

// Remove deletes a bundle or a stack; one that is not there is no error. The caller
// makes sure that nobody uses it.
func (s *Store) Remove(name string) error {
	discard, err := s.Detach(name)
	if err != nil {
		return err
	}
	return discard()
}

// Detach is the first part of Remove, which takes no longer for much than for
// little: when it returns without an error, the store has no such bundle or stack,
// also after a crash. discard frees the space.
func (s *Store) Detach(name string) (discard func() error, err error) {
	nothing := func() error { return nil }
	if !digestPattern.MatchString(name) && !stackPattern.MatchString(name) {
		return nothing, nil
	}
	work, err := s.workFolder("remove-")
	if err != nil {
		return nothing, fmt.Errorf("remove bundle: %w", err)
	}
	// As a whole or not at all.
	if err := os.Rename(s.home(name), filepath.Join(work, "bundle")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nothing, fmt.Errorf("remove bundle: %w", errors.Join(err, removal.Tree(work)))
	}
	if err := syncFolder(s.root); err != nil {
		return nothing, fmt.Errorf("remove bundle: %w", errors.Join(err, removal.Tree(work)))
	}
	s.changed.Delete(name)
	return func() error {
		if err := removal.Tree(work); err != nil {
			return fmt.Errorf("remove bundle: %w", err)
		}
		return nil
	}, nil
}

// List returns the digests of all bundles, sorted.
func (s *Store) List() ([]string, error) {
	items, err := os.ReadDir(s.root)
	if err != nil {
		return nil, fmt.Errorf("list bundles: %w", err)
	}
	var digests []string
	for _, item := range items {
		digest := strings.Replace(item.Name(), "-", ":", 1)
		if item.IsDir() && digestPattern.MatchString(digest) {
			digests = append(digests, digest)
		}
	}
	slices.Sort(digests)
	return digests, nil
}

// readerWithContext ends with ctx.
type readerWithContext struct {
	ctx context.Context
	r   io.Reader
}

func (r readerWithContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
