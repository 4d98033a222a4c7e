package static

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"

	"teal/internal/gateway"
)

// blob is the content of one file. It implements gateway.File.
type blob struct {
	index *index
	name  string // below the root
	size  int64
	sum   [sha256.Size]byte
	kept  atomic.Pointer[[]byte]
}

// Kept implements gateway.File.
func (b *blob) Kept() []byte {
	if kept := b.kept.Load(); kept != nil {
		return *kept
	}
	return nil
}

// Open implements gateway.File. A small file is read whole, verified, and kept if there
// is room.
func (b *blob) Open() (gateway.OpenFile, error) {
	if kept := b.Kept(); kept != nil {
		return memory(kept), nil
	}
	f, err := b.index.open(b.name)
	if err != nil {
		return nil, err
	}
	if b.size > maxKept {
		return f, b.sameSize(f)
	}
	content, err := b.read(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	b.keep(content)
	return memory(content), nil
}

// sameSize closes the file when it has another size than it had.
func (b *blob) sameSize(f *openFile) error {
	info, err := f.Stat()
	if err == nil && info.Size() != b.size {
		err = b.errChanged()
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

func (b *blob) read(f *openFile) ([]byte, error) {
	content := make([]byte, b.size)
	if _, err := io.ReadFull(f, content); err != nil {
		return nil, fmt.Errorf("read %s: %w", b.name, err)
	}
	if sha256.Sum256(content) != b.sum {
		return nil, b.errChanged()
	}
	return content, nil
}

func (b *blob) errChanged() error {
	return fmt.Errorf("the stored file %s is not what was deployed any more; deploy the same folder again to put it right", b.name)
}

// keep remembers the content while there is room for it. A site that has ended meanwhile
// has given back what it had.
func (b *blob) keep(content []byte) {
	memory, size := b.index.memory, int64(len(content))
	if !memory.take(size) {
		return
	}
	if !b.kept.CompareAndSwap(nil, &content) {
		memory.giveBack(size)
		return
	}
	b.index.keeps(size)
}

// memory is a file that is in memory.
type memory []byte

// ReadAt implements io.ReaderAt.
func (m memory) ReadAt(p []byte, at int64) (int, error) { return bytes.NewReader(m).ReadAt(p, at) }

// ReadReady implements gateway.OpenFile.
func (m memory) ReadReady(p []byte, at int64) int {
	if at < 0 || at >= int64(len(m)) {
		return 0
	}
	return copy(p, m[at:])
}

// Close implements io.Closer.
func (m memory) Close() error { return nil }

// openFile is a file on disk. It implements gateway.OpenFile.
type openFile struct{ *os.File }

// openRegular opens a regular file below a root, without waiting for a writer should a
// named pipe have taken its place.
func openRegular(root *os.Root, name string) (*openFile, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &openFile{f}, nil
}
