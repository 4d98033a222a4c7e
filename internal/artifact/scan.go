package artifact

import (
	"archive/zip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"teal"
)

// Tree is what Scan found: the bundle that a folder or a zip holds.
type Tree struct {
	Digest  string  // "sha256:" and 64 hexadecimal digits
	Entries []Entry // sorted by path
	Size    int64   // bytes of content
	// Ignored is what of a folder stayed behind: its IgnoreFile or a default said
	// so, or it is a .git folder.
	Ignored []string

	location string
	packed   bool // location is a zip, not a folder
	limits   Limits
}

// Scan reads the folder or the .zip file at location and returns the bundle in
// it. It reads every byte once. What a bundle must not hold is refused with
// CodeInvalidBundle, what is over a limit with CodeTooLarge.
func Scan(location string, limits Limits) (*Tree, error) {
	info, err := os.Stat(location)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, invalidf("%s does not exist; expected a folder or a .zip file with the code", location)
	}
	if err != nil {
		return nil, invalidf("%s cannot be read: %w", location, err)
	}
	t := &Tree{location: location, packed: !info.IsDir(), limits: limits.withDefaults()}
	switch {
	case info.IsDir():
		t.Entries, t.Ignored, err = scanFolder(location, t.limits)
	case info.Mode().IsRegular():
		t.Entries, err = scanZip(location, t.limits)
	default:
		err = invalidf("%s is neither a folder nor a .zip file", location)
	}
	if err != nil {
		return nil, err
	}
	t.Digest = digestOf(t.Entries)
	for _, e := range t.Entries {
		t.Size += e.Size
	}
	return t, nil
}

func scanZip(location string, limits Limits) ([]Entry, error) {
	var entries []Entry
	err := withZip(location, limits, func(a *archive) error {
		var err error
		entries, err = a.unpack(discard{})
		return err
	})
	return entries, err
}

// withZip opens the zip at location for the time that use runs.
func withZip(location string, limits Limits, use func(*archive) error) (err error) {
	f, err := os.Open(location)
	if err != nil {
		return invalidf("%s cannot be read: %w", location, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("stat %s: %w", location, err)
	}
	a, err := readZip(f, info.Size(), limits)
	if err != nil {
		return err
	}
	return use(a)
}

func scanFolder(location string, limits Limits) (entries []Entry, left []string, err error) {
	root, err := os.OpenRoot(location)
	if err != nil {
		return nil, nil, invalidf("%s cannot be read: %w", location, err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	ignored, err := readIgnore(root)
	if err != nil {
		return nil, nil, err
	}
	b := newBuilder(limits)
	if b.home, err = filepath.Abs(location); err != nil {
		return nil, nil, invalidf("%s cannot be read: %w", location, err)
	}
	if err := fs.WalkDir(root.FS(), ".", b.visit(root, ignored)); err != nil {
		return nil, nil, err
	}
	if err := b.finish(); err != nil {
		return nil, nil, err
	}
	return b.entries, ignored.ignored, hashFiles(root, b.entries, int64(limits.Unpacked))
}

// hashFiles fills in the sizes and hashes of the files, which must not have more
// than left bytes together.
func hashFiles(root *os.Root, entries []Entry, left int64) error {
	for i := range entries {
		if entries[i].Link != "" || entries[i].Folder {
			continue
		}
		if err := hashFile(root, &entries[i], left); err != nil {
			return err
		}
		left -= entries[i].Size
	}
	return nil
}

func (b *builder) visit(root *os.Root, ignored *ignore) fs.WalkDirFunc {
	return func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return invalidf("%s cannot be read: %w", p, err)
		case p == ".":
			return nil
		}
		leave, skip, err := ignored.ignores(p, d.IsDir())
		switch {
		case err != nil:
			return err
		case skip:
			return fs.SkipDir
		case leave:
			return nil
		case d.IsDir():
			return b.addFolder(p)
		}
		info, err := root.Lstat(p)
		if err != nil {
			return invalidf("%s cannot be read: %w", p, err)
		}
		switch info.Mode().Type() {
		case 0:
			return b.add(Entry{Path: p, Executable: info.Mode()&0o111 != 0, Size: info.Size()})
		case fs.ModeSymlink:
			target, err := root.Readlink(p)
			if err != nil {
				return invalidf("the link %s cannot be read: %w", p, err)
			}
			return b.add(Entry{Path: p, Link: target})
		}
		return notRegular(p, info.Mode())
	}
}

func notRegular(p string, mode fs.FileMode) error {
	sort := "special file"
	switch {
	case mode&fs.ModeNamedPipe != 0:
		sort = "named pipe"
	case mode&fs.ModeSocket != 0:
		sort = "socket"
	case mode&fs.ModeDevice != 0:
		sort = "device"
	}
	return invalidf("%q is a %s; a bundle holds files, folders and links only", p, sort)
}

// hashFile fills in the size and the hash of the content, which must not be
// more than left bytes.
func hashFile(root *os.Root, e *Entry, left int64) (err error) {
	f, err := openRegular(root, e.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	e.Size, err = io.Copy(h, io.LimitReader(f, left+1))
	if err != nil {
		return invalidf("%s cannot be read: %w", e.Path, err)
	}
	if e.Size > left {
		return tooLargef("%s grew while it was read, and the bundle is over its limit now", e.Path)
	}
	e.Hash = [sha256.Size]byte(h.Sum(nil))
	return nil
}

// openRegular opens a regular file without waiting for a writer, should a named
// pipe have taken its place since it was listed.
func openRegular(root *os.Root, p string) (*os.File, error) {
	f, err := root.OpenFile(filepath.FromSlash(p), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, invalidf("%s cannot be read: %w", p, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(p, info.Mode())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// WriteZip writes the bundle to w as a zip, reading the content again. The same
// bundle gives the same bytes. It returns an error with CodeConflict when the
// content is no longer what Scan saw.
func (t *Tree) WriteZip(w io.Writer) error {
	zw := zip.NewWriter(w)
	var err error
	if t.packed {
		err = withZip(t.location, t.limits, func(a *archive) error {
			return t.write(zw, a.open)
		})
	} else {
		err = t.writeFolder(zw)
	}
	if err != nil {
		return err
	}
	if err := zw.Close(); err != nil {
		return fmt.Errorf("write zip: %w", err)
	}
	return nil
}

func (t *Tree) writeFolder(zw *zip.Writer) (err error) {
	root, err := os.OpenRoot(t.location)
	if err != nil {
		return invalidf("%s cannot be read: %w", t.location, err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return t.write(zw, func(p string) (io.ReadCloser, error) { return openRegular(root, p) })
}

func (t *Tree) write(zw *zip.Writer, open func(string) (io.ReadCloser, error)) error {
	for _, e := range t.Entries {
		out, err := zw.CreateHeader(header(e))
		if err != nil {
			return fmt.Errorf("write zip: %w", err)
		}
		switch {
		case e.Folder:
		case e.Link != "":
			_, err = io.Copy(out, strings.NewReader(e.Link))
		default:
			err = copyChecked(out, e, open)
		}
		if err != nil {
			return fmt.Errorf("write zip: %w", err)
		}
	}
	return nil
}

func header(e Entry) *zip.FileHeader {
	h := &zip.FileHeader{
		Name:   e.Path,
		Method: zip.Deflate,
		// The first moment that a zip can express.
		Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	switch {
	case e.Folder:
		h.Name, h.Method = e.Path+"/", zip.Store
		h.SetMode(fs.ModeDir | 0o755)
	case e.Link != "":
		h.SetMode(fs.ModeSymlink | 0o777)
	case e.Executable:
		h.SetMode(0o755)
	default:
		h.SetMode(0o644)
	}
	return h
}

func copyChecked(out io.Writer, e Entry, open func(string) (io.ReadCloser, error)) (err error) {
	in, err := open(e.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), io.LimitReader(in, e.Size+1))
	if err != nil {
		return err
	}
	if n != e.Size || [sha256.Size]byte(h.Sum(nil)) != e.Hash {
		return teal.Errorf(teal.CodeConflict, "%s changed while it was being sent; send it again", e.Path)
	}
	return nil
}
