package natskv

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"teal/internal/store"
)

const ballastFile = "ballast"

// The ballast is a file that does nothing but take up space, which is given free
// for urgent writes when the disk is full. A rollback writes some 10 KiB, mostly the
// release's record, again and again; a judge's memory makes that ten times as
// much. So half of it is enough for the releases of some dozens of apps.
const (
	ballastSize = 8 << 20
	// On a small disk the ballast is this part of it.
	ballastShare = 32
	ballastLeast = 1 << 20
	// As much is given free at once: what is free can be taken by anybody, so it
	// is little and used at once.
	ballastStep = 256 << 10
)

// ballast is that file. Its size is what is left of it.
type ballast struct {
	path string
	want int64 // its size when it is whole
}

func newBallast(dir string, disk int64) ballast {
	return ballast{path: filepath.Join(dir, ballastFile), want: max(ballastLeast, min(ballastSize, disk/ballastShare))}
}

// size returns how much is left.
func (b ballast) size() int64 {
	info, err := os.Stat(b.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// release gives a step of the space free and reports whether there was any for a
// write of that urgency. The second half is for going back.
func (b ballast) release(u store.Urgency) bool {
	left := b.size()
	if left == 0 || u == store.Ordinary || u == store.Running && left <= b.want/2 {
		return false
	}
	return os.Truncate(b.path, max(0, left-ballastStep)) == nil
}

// restore makes the file whole again. It returns without a word where there is no
// space; what it has got by then stays.
func (b ballast) restore() error {
	left := b.size()
	if left >= b.want {
		return nil
	}
	file, err := os.OpenFile(b.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return ignoreFull(fmt.Errorf("natskv: ballast: %w", err))
	}
	// First all of it or nothing; then really written, and with bytes that cannot be compressed: a file system
	// may have promised more than it has.
	err = allocate(file, left, b.want-left)
	chunk := make([]byte, ballastStep)
	random := rand.NewChaCha8([32]byte([]byte("the same bytes are as good again")))
	for at := left; at < b.want && err == nil; at += int64(len(chunk)) {
		_, _ = random.Read(chunk) // never fails
		_, err = file.WriteAt(chunk[:min(int64(len(chunk)), b.want-at)], at)
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return ignoreFull(fmt.Errorf("natskv: ballast: %w", err))
	}
	return nil
}

func ignoreFull(err error) error {
	if isFull(err) {
		return nil
	}
	return err
}

// isFull reports whether an error says that there is no space.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// probe finds out whether the file system of dir takes writes, and has so much
// space.
func probe(dir string, space int64) error {
	path := filepath.Join(dir, "probe")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = allocate(file, 0, space); err == nil {
		_, err = file.Write(make([]byte, probeSize))
	}
	err = errors.Join(err, file.Sync(), file.Close())
	if removed := os.Remove(path); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// probeSize is more than an ordinary record has.
const probeSize = 64 << 10
