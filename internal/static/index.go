package static

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"teal"
)

// index is what a folder holds: all that can be asked for.
type index struct {
	root     *os.Root
	memory   *Memory
	files    map[string]*resource // by path, as it is on disk
	folders  map[string]bool      // by path; "" is the folder itself
	home     string               // the name of the file that a folder is answered with
	fallback *resource            // nil for none; so is notFound
	notFound *resource

	mu     sync.Mutex
	kept   int64 // bytes in memory
	closed bool
}

// maxFiles bounds what links make of the files of a bundle, which has a bound itself.
const maxFiles = 200_000

// scan reads a folder. It reads every byte once.
func scan(ctx context.Context, cfg Config) (*index, error) {
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, err
	}
	x := &index{root: root, memory: cfg.Memory, files: map[string]*resource{}, folders: map[string]bool{}, home: cfg.Static.Index}
	s := scanner{ctx: ctx, index: x, blobs: map[string]*blob{}}
	err = s.folder("", nil)
	if err == nil {
		err = x.compile(cfg, s.blobs)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return x, nil
}

// scanner looks for files.
type scanner struct {
	ctx   context.Context
	index *index
	blobs map[string]*blob // by path
}

// folder looks at a folder. above are those that it is in, so that a link to one of them
// does not lead round for ever.
func (s *scanner) folder(name string, above []fs.FileInfo) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	info, err := s.index.root.Stat(atRoot(name))
	if err != nil {
		return err
	}
	for _, known := range above {
		if os.SameFile(known, info) {
			return nil
		}
	}
	items, err := fs.ReadDir(s.index.root.FS(), atRoot(name))
	if err != nil {
		return err
	}
	s.index.folders[name] = true
	above = append(above[:len(above):len(above)], info)
	for _, item := range items {
		below := path.Join(name, item.Name())
		if isPrivate(below) {
			continue
		}
		if err := s.item(below, above); err != nil {
			return err
		}
	}
	return nil
}

// isPrivate reports whether a file or folder is not for those who ask: what begins with a
// dot, and the manifest of an app that is its own folder of files.
func isPrivate(name string) bool {
	return teal.IsHiddenFile(name) && name != ".well-known" || name == "teal.yaml" || name == "teal.yml"
}

// atRoot returns a path as the root has it.
func atRoot(name string) string {
	if name == "" {
		return "."
	}
	return name
}

// item looks at what has a name: links are followed, but not to the outside. What is
// neither a file nor a folder is left out.
func (s *scanner) item(name string, above []fs.FileInfo) error {
	info, err := s.index.root.Stat(name)
	switch {
	case err != nil:
		return s.unlessLink(name, err)
	case info.IsDir():
		return s.folder(name, above)
	case !info.Mode().IsRegular():
		return nil
	}
	if len(s.blobs) >= maxFiles {
		return teal.Errorf(teal.CodeTooLarge, "has more than %d files, counting those that links lead to", maxFiles)
	}
	s.blobs[name], err = s.read(name)
	return err
}

// unlessLink returns the error unless it is about a link, which leads nowhere then.
func (s *scanner) unlessLink(name string, err error) error {
	if info, own := s.index.root.Lstat(name); own == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	return err
}

func (s *scanner) read(name string) (*blob, error) {
	f, err := s.index.open(name)
	if err != nil {
		return nil, err
	}
	b, hash := &blob{index: s.index, name: name}, sha256.New()
	b.size, err = io.Copy(hash, &whileContext{s.ctx, f})
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	b.sum = [sha256.Size]byte(hash.Sum(nil))
	return b, nil
}

// whileContext reads until a context ends.
type whileContext struct {
	ctx  context.Context
	from io.Reader
}

// Read implements io.Reader.
func (r *whileContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}

func (x *index) open(name string) (*openFile, error) { return openRegular(x.root, name) }

// compile makes what is answered of what has been found.
func (x *index) compile(cfg Config, blobs map[string]*blob) error {
	c := newCompiler(cfg, blobs)
	missing := asNotFound
	if cfg.Static.Fallback != "" {
		missing = asOtherwise
	}
	for name := range blobs {
		x.files[name] = c.resource(name, asItself)
	}
	for _, page := range []struct {
		name string
		role role
		to   **resource
	}{{cfg.Static.Fallback, asFallback, &x.fallback}, {cfg.Static.NotFound, missing, &x.notFound}} {
		if page.name == "" {
			continue
		}
		if blobs[page.name] == nil {
			return teal.Errorf(teal.CodeInvalidInput, "%s is not among its files", page.name)
		}
		*page.to = c.resource(page.name, page.role)
	}
	return nil
}

// keeps notes that so much is in memory.
func (x *index) keeps(size int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		x.memory.giveBack(size)
		return
	}
	x.kept += size
}

func (x *index) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	x.memory.giveBack(x.kept)
	return x.root.Close()
}

// lookup finds what a path leads to. The path is percent-encoded and begins with a slash.
// ok is false where it is no name of a file or a folder, whatever there is: with dot
// segments, empty segments, encoded slashes or NUL bytes.
func (x *index) lookup(sent string) (found *resource, folder, ok bool) {
	name, ok := nameOf(sent)
	if !ok {
		return nil, false, false
	}
	below, isFolder := strings.CutSuffix(name, "/")
	if name == "" {
		isFolder = true
	}
	if isFolder {
		return x.files[path.Join(below, x.home)], false, true
	}
	if found = x.files[name]; found != nil {
		return found, false, true
	}
	if x.folders[name] && x.files[path.Join(name, x.home)] != nil {
		return nil, true, true
	}
	return x.files[name+".html"], false, true
}
