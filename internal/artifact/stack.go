package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"teal/internal/removal"
)

// stackPattern is how the home of a stack is called.
var stackPattern = regexp.MustCompile(`^stack-[0-9a-f]{64}$`)

// StackName returns the name under which the bundles laid over each other in
// this order are kept; "" for fewer than two, which need no place of their own.
func StackName(digests []string) string {
	if len(digests) < 2 {
		return ""
	}
	h := sha256.New()
	for _, digest := range digests {
		field(h, digest)
	}
	return "stack-" + hex.EncodeToString(h.Sum(nil))
}

// Stack returns the folder that holds these bundles laid over each other: what
// comes later covers what comes earlier. It is made when it is not there, of
// links to the bundles' files, becomes visible by one rename and is shared by
// all who name the same bundles in the same order; callers for one stack wait for
// each other. The errors are Dir's, and CodeInvalidBundle for links that lead out of
// the whole.
func (s *Store) Stack(ctx context.Context, digests []string) (string, error) {
	dirs := make([]string, 0, len(digests))
	for _, digest := range digests {
		dir, err := s.Dir(ctx, digest)
		if err != nil {
			return "", err
		}
		dirs = append(dirs, dir)
	}
	name := StackName(digests)
	if name == "" {
		return strings.Join(dirs, ""), nil
	}
	defer s.stacking.Lock(name)()
	return s.stackLocked(ctx, name, dirs)
}

// stackLocked is Stack for callers that hold stacking of the name.
func (s *Store) stackLocked(ctx context.Context, name string, dirs []string) (string, error) {
	home := filepath.Join(s.root, name)
	code := filepath.Join(home, "code")
	if info, err := os.Stat(code); err == nil && info.IsDir() {
		return code, nil
	}
	work, err := s.workFolder("stack-")
	if err != nil {
		return "", fmt.Errorf("stack bundles: %w", err)
	}
	defer func() { _ = removal.Tree(work) }() // what stays is removed by the next Open
	if err := s.stackLayers(ctx, filepath.Join(work, "code"), dirs); err != nil {
		return "", err
	}
	s.step("stack rename")
	if err := os.Rename(work, home); err != nil {
		return "", fmt.Errorf("stack bundles: %w", err)
	}
	s.step("stack done")
	return code, syncFolder(s.root)
}

// stackLayers builds the folder target out of others.
func (s *Store) stackLayers(ctx context.Context, target string, dirs []string) error {
	top := &node{}
	for _, dir := range dirs {
		if err := top.cover(ctx, dir); err != nil {
			return fmt.Errorf("stack bundles: %w", err)
		}
	}
	links := map[string]string{}
	top.links("", links)
	r := &resolver{links: links, steps: 64 * s.limits.Files}
	for p, to := range links {
		if err := r.check(p, to); err != nil {
			return err
		}
	}
	s.step("stack link")
	files := 0
	if err := top.write(ctx, target, &files); err != nil {
		return fmt.Errorf("stack bundles: %w", err)
	}
	s.step("stack sync")
	if err := syncTree(target, files); err != nil {
		return fmt.Errorf("stack bundles: %w", err)
	}
	return nil
}

// node is a folder, a file or a link of a stack.
type node struct {
	source  string // of a file: where it lies
	link    string // of a link: its target
	entries map[string]*node
}

// cover lays what a folder holds over what is there.
func (n *node) cover(ctx context.Context, dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		path, err := filepath.Rel(dir, p)
		if err != nil || path == "." {
			return err
		}
		if d.IsDir() {
			n.folder(strings.Split(path, string(filepath.Separator)))
			return nil
		}
		leaf := &node{source: p}
		if d.Type() == fs.ModeSymlink {
			if leaf.link, err = os.Readlink(p); err != nil {
				return err
			}
		}
		n.put(strings.Split(path, string(filepath.Separator)), leaf)
		return nil
	})
}

// put places a leaf; whatever is in its way goes.
func (n *node) put(path []string, leaf *node) {
	n.folder(path[:len(path)-1]).set(path[len(path)-1], leaf)
}

// folder returns the folder at path, made where it is not there yet.
func (n *node) folder(path []string) *node {
	at := n
	for _, segment := range path {
		next := at.entries[segment]
		if next == nil || next.source != "" {
			next = &node{}
			at.set(segment, next)
		}
		at = next
	}
	return at
}

func (n *node) set(name string, entry *node) {
	if n.entries == nil {
		n.entries = map[string]*node{}
	}
	n.entries[name] = entry
}

// links collects the targets of the links below n, by path.
func (n *node) links(at string, found map[string]string) {
	if n.link != "" {
		found[at] = n.link
	}
	for name, entry := range n.entries {
		entry.links(strings.TrimPrefix(at+"/"+name, "/"), found)
	}
}

// write makes n at target. A folder is read-only once it is full.
func (n *node) write(ctx context.Context, target string, files *int) error {
	*files++
	switch {
	case n.link != "":
		return os.Symlink(n.link, target)
	case n.source != "":
		return os.Link(n.source, target)
	}
	if err := errors.Join(ctx.Err(), os.Mkdir(target, 0o700)); err != nil {
		return err
	}
	for name, entry := range n.entries {
		if err := entry.write(ctx, filepath.Join(target, name), files); err != nil {
			return err
		}
	}
	return os.Chmod(target, 0o500)
}

// Size returns how many bytes of content a bundle holds.
func (s *Store) Size(ctx context.Context, digest string) (int64, error) {
	dir, err := s.Dir(ctx, digest)
	if err != nil {
		return 0, err
	}
	var size int64
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("size of bundle: %w", err)
	}
	return size, nil
}

// Stacks returns the names of the stacks that there are.
func (s *Store) Stacks() ([]string, error) {
	items, err := os.ReadDir(s.root)
	if err != nil {
		return nil, fmt.Errorf("list stacks: %w", err)
	}
	var names []string
	for _, item := range items {
		if stackPattern.MatchString(item.Name()) {
			names = append(names, item.Name())
		}
	}
	return names, nil
}

// Place returns the folder of a bundle or a stack, there or not.
func (s *Store) Place(name string) string { return s.home(name) }
