package artifact

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"teal"
)

// archive is a zip whose list of contents has been checked.
type archive struct {
	limits  Limits
	entries []Entry // without hashes; sizes are what the headers claim
	files   map[string]*zip.File
}

// directoryBytes is what one entry may take of a zip's central directory, on
// average. The standard reader loads the whole directory before anyone can count
// its entries; holding it to this bounds the memory that a stranger can claim.
const directoryBytes = 256

// readZip checks the list of contents of a zip of the given size. No content but
// the targets of links is read. The zip must stay readable while the archive is
// used.
func readZip(r io.ReaderAt, size int64, limits Limits) (*archive, error) {
	if size > int64(limits.Packed) {
		return nil, tooLargef("the zip is larger than %s; leave out what the code does not need, or raise the server's limit", limits.Packed)
	}
	budget := &budgetReader{r: r, left: int64(limits.Files)*directoryBytes + 256<<10}
	zr, err := zip.NewReader(budget, size)
	// Insecure paths are refused below, each with its own sentence.
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, explainZip(r, err)
	}
	budget.left = -1
	a := &archive{limits: limits, files: make(map[string]*zip.File, len(zr.File))}
	b := newBuilder(limits)
	for _, f := range zr.File {
		if err := a.add(b, f); err != nil {
			return nil, err
		}
	}
	if err := b.finish(); err != nil {
		return nil, err
	}
	a.entries = b.entries
	return a, nil
}

func (a *archive) add(b *builder, f *zip.File) error {
	p := canonicalName(f.Name)
	mode := f.Mode()
	folder := mode.Type() == fs.ModeDir
	switch {
	case folder && p == "" || inGit(p, folder):
		return nil
	case f.Flags&0x2041 != 0:
		return invalidf("%q is encrypted; pack the zip without a password", f.Name)
	case folder:
		return b.addFolder(p)
	case mode.Type() == fs.ModeSymlink:
		target, err := a.target(f)
		if err != nil {
			return err
		}
		return b.add(Entry{Path: p, Link: target})
	case mode.Type() != 0:
		return notRegular(f.Name, mode)
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return invalidf("%q is compressed in a way that Teal does not read; pack the zip with deflate", f.Name)
	}
	a.files[p] = f // of two with one path the later, as in b
	return b.add(Entry{Path: p, Executable: mode&0o111 != 0, Size: int64(f.UncompressedSize64)})
}

// target reads the target of a link, which a zip keeps as content.
func (a *archive) target(f *zip.File) (string, error) {
	var buf bytes.Buffer
	n, err := copyFile(&buf, f, int64(a.limits.PathLength))
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "", invalidf("the link %q has no target", f.Name)
	}
	return buf.String(), nil
}

// open returns the content of the file at p.
func (a *archive) open(p string) (io.ReadCloser, error) {
	f, ok := a.files[p]
	if !ok {
		return nil, teal.Errorf(teal.CodeConflict, "%s is no longer in the zip; send it again", p)
	}
	rc, err := f.Open()
	if err != nil {
		return nil, explainContent(p, err)
	}
	return rc, nil
}

// sink takes the files, links and empty folders of an archive as they are unpacked.
type sink interface {
	folder(p string) error
	file(p string, executable bool) (io.WriteCloser, error)
	link(p, target string) error
}

// unpack reads all content into s and returns the entries with their true sizes
// and hashes. Links come after all files, so that no file is written through
// one. It stops at the limit, whatever the headers claim.
func (a *archive) unpack(s sink) ([]Entry, error) {
	left := int64(a.limits.Unpacked)
	for i := range a.entries {
		e := &a.entries[i]
		switch {
		case e.Folder:
			if err := s.folder(e.Path); err != nil {
				return nil, err
			}
			continue
		case e.Link != "":
			left -= int64(len(e.Link))
			continue
		}
		if err := a.unpackFile(s, e, left); err != nil {
			return nil, err
		}
		left -= e.Size
	}
	for _, e := range a.entries {
		if e.Link == "" {
			continue
		}
		if err := s.link(e.Path, e.Link); err != nil {
			return nil, err
		}
	}
	return a.entries, nil
}

func (a *archive) unpackFile(s sink, e *Entry, left int64) (err error) {
	w, err := s.file(e.Path, e.Executable)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	h := sha256.New()
	if e.Size, err = copyFile(io.MultiWriter(w, h), a.files[e.Path], left); err != nil {
		return err
	}
	e.Hash = [sha256.Size]byte(h.Sum(nil))
	return nil
}

// copyFile copies the content of f, which must not be more than left bytes.
func copyFile(w io.Writer, f *zip.File, left int64) (n int64, err error) {
	rc, err := f.Open()
	if err != nil {
		return 0, explainContent(f.Name, err)
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	n, err = io.Copy(w, io.LimitReader(contentReader{f.Name, rc}, left+1))
	if err != nil {
		return n, err
	}
	if n > left {
		return n, tooLargef("%q unpacks to more than the bundle may hold; leave out what the code does not need, or raise the server's limit", f.Name)
	}
	return n, nil
}

// contentReader explains what is wrong with a zip's content, so that such errors
// can be told from those of the place that the content is written to.
type contentReader struct {
	name string
	r    io.Reader
}

func (c contentReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = explainContent(c.name, err)
	}
	return n, err
}

func explainContent(name string, err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, zip.ErrAlgorithm):
		return invalidf("%q is compressed in a way that Teal does not read; pack the zip with deflate", name)
	case errors.Is(err, zip.ErrChecksum), errors.Is(err, zip.ErrFormat),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.As(err, &corrupt):
		return invalidf("the content of %q is damaged; pack the zip again: %w", name, err)
	}
	return fmt.Errorf("read %q from the zip: %w", name, err)
}

func explainZip(r io.ReaderAt, err error) error {
	if errors.Is(err, errBudget) {
		return tooLargef("the zip lists more files than a bundle may hold, or very long names")
	}
	var start [4]byte
	if n, readErr := r.ReadAt(start[:], 0); n < len(start) && readErr != nil && readErr != io.EOF {
		return fmt.Errorf("read zip: %w", readErr)
	}
	if string(start[:]) == "PK\x03\x04" {
		return invalidf("the zip is damaged or was cut short; pack and send it again: %w", err)
	}
	return invalidf("this is not a zip; send a folder or a .zip file: %w", err)
}

var errBudget = errors.New("the zip's directory is too large")

// budgetReader fails once more than left bytes have been read; a negative left
// is no limit. Offsets come out of the zip and may be anything.
type budgetReader struct {
	r    io.ReaderAt
	left int64
}

func (b *budgetReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, zip.ErrFormat
	}
	if b.left >= 0 {
		if b.left -= int64(len(p)); b.left < 0 {
			b.left = 0
			return 0, errBudget
		}
	}
	return b.r.ReadAt(p, off)
}

// discard is the sink of a reader who wants the digest alone.
type discard struct{}

func (discard) folder(string) error                       { return nil }
func (discard) file(string, bool) (io.WriteCloser, error) { return discard{}, nil }
func (discard) link(string, string) error                 { return nil }
func (discard) Write(p []byte) (int, error)               { return len(p), nil }
func (discard) Close() error                              { return nil }
