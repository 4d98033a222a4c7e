package artifact

import (
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// builder collects the entries of one bundle and refuses those that break a
// rule. It does no I/O.
type builder struct {
	limits  Limits
	entries []Entry
	names   map[string]*name // by path; folders too
	size    int64
	home    string // of a folder on disk: where it lies
}

type name struct {
	folder bool
	filled bool // of a folder: something is in it
	entry  int  // of a file or link: its place in entries
}

func newBuilder(limits Limits) *builder {
	return &builder{limits: limits, names: map[string]*name{}}
}

// add takes a file or a link. The size of a file is what its header claims;
// readers hold the content itself to the limit. Of two with one path the later
// counts, as for everybody who unpacks a zip in its order.
func (b *builder) add(e Entry) error {
	n, err := b.claim(e.Path, false)
	if err != nil {
		return err
	}
	if n.entry < len(b.entries) {
		before := b.entries[n.entry]
		b.size -= before.Size + int64(len(before.Link))
	}
	size := e.Size + int64(len(e.Link))
	if size < 0 || size > int64(b.limits.Unpacked)-b.size {
		return tooLargef("the bundle holds more than %s unpacked; leave out what the code does not need, or raise the server's limit", b.limits.Unpacked)
	}
	b.size += size
	if n.entry < len(b.entries) {
		b.entries[n.entry] = e
		return nil
	}
	b.entries = append(b.entries, e)
	return nil
}

// addFolder takes a folder, which becomes an entry when it stays empty.
func (b *builder) addFolder(p string) error {
	_, err := b.claim(p, true)
	return err
}

func (b *builder) claim(p string, folder bool) (*name, error) {
	if err := checkPath(p, b.limits.PathLength); err != nil {
		return nil, err
	}
	for i, c := range p {
		if c != '/' {
			continue
		}
		n, err := b.claimOne(p[:i], true)
		if err != nil {
			return nil, err
		}
		n.filled = true
	}
	return b.claimOne(p, folder)
}

// claimOne records one path, which may be named any number of times. A new file
// or link gets the next place.
func (b *builder) claimOne(p string, folder bool) (*name, error) {
	n := b.names[p]
	switch {
	case n == nil:
		if len(b.names) >= b.limits.Files {
			return nil, tooLargef("the bundle has more than %d files and folders; leave out what the code does not need, or raise the server's limit", b.limits.Files)
		}
		n = &name{folder: folder, entry: len(b.entries)}
		b.names[p] = n
	case n.folder != folder:
		return nil, invalidf("%q is both a file and a folder; remove one", p)
	}
	return n, nil
}

// canonicalName returns a path without what says nothing: ./ and repeated slashes.
// One that leads up or is absolute stays what it is, to be refused.
func canonicalName(p string) string {
	if strings.HasPrefix(p, "/") {
		return p
	}
	segments := slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" || s == "." })
	return strings.Join(segments, "/")
}

// checkPath returns an error that says why p cannot be a path of a bundle, or
// nil.
func checkPath(p string, limit int) error {
	switch {
	case p == "":
		return invalidf("an entry has no name")
	case len(p) > limit:
		return tooLargef("the path %q… is %d bytes long; at most %d are allowed", p[:min(len(p), 60)], len(p), limit)
	case !plainText(p):
		return invalidf("the name %q has control characters or is not UTF-8; rename the file", p)
	case strings.Contains(p, `\`):
		return invalidf("the name %q has a backslash; separate folders with /", p)
	case strings.HasPrefix(p, "/") || hasDrive(p):
		return invalidf("the path %q is absolute; paths must be inside the bundle", p)
	}
	for segment := range strings.SplitSeq(p, "/") {
		switch {
		case segment == "..":
			return invalidf("the path %q leaves the folder; paths must be inside the bundle", p)
		case segment == "" || segment == ".":
			return invalidf("the path %q is not in its simplest form; expected %q", p, path.Clean(p))
		case len(segment) > 255:
			return invalidf("the path %q… has a name of %d bytes; at most 255 can be stored", p[:60], len(segment))
		}
	}
	return nil
}

func plainText(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

func hasDrive(p string) bool {
	return len(p) >= 2 && p[1] == ':' && (p[0]|0x20 >= 'a' && p[0]|0x20 <= 'z')
}

// inGit reports whether p is a .git folder or lies in one.
func inGit(p string, folder bool) bool {
	if !folder {
		p = path.Dir(p)
	}
	return strings.Contains("/"+p+"/", "/.git/")
}

// finish checks what can be said only about the whole.
func (b *builder) finish() error {
	if len(b.entries) == 0 {
		return invalidf("the bundle is empty; it must hold at least one file")
	}
	for p, n := range b.names {
		if n.folder && !n.filled {
			b.entries = append(b.entries, Entry{Path: p, Folder: true})
		}
	}
	links := map[string]string{}
	for _, e := range b.entries {
		if e.Link != "" {
			links[e.Path] = e.Link
		}
	}
	r := &resolver{links: links, steps: 64 * b.limits.Files}
	for p, target := range links {
		if err := b.checkTarget(p, target); err != nil {
			return err
		}
		if err := r.check(p, target); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) checkTarget(p, target string) error {
	switch {
	case len(target) > b.limits.PathLength:
		return tooLargef("the target of the link %q is %d bytes long; at most %d are allowed", p, len(target), b.limits.PathLength)
	case !plainText(target) || strings.Contains(target, `\`):
		return invalidf("the target of the link %q has control characters or backslashes or is not UTF-8", p)
	case hasDrive(target):
		return invalidf("the link %q points to %q on a drive; make it relative and keep it inside the bundle", p, target)
	case b.home != "" && (target == b.home || strings.HasPrefix(target, b.home+"/")):
		return invalidf("the link %q points to %q, which will not be there on the server; make it relative", p, target)
	}
	return nil
}

// maxHops is how many links one path may lead through, as on Linux.
const maxHops = 40

// resolver follows links as the operating system would, on paper.
type resolver struct {
	links map[string]string
	steps int // left for all links together: hostile links cost exponential time otherwise
}

// check returns an error when the link at p leads up and out of the bundle or
// never ends. One to something that is not there is allowed, and so is an
// absolute one: nothing of Teal follows it, and what the server's machine has at
// that place is the same for every program that it runs.
func (r *resolver) check(p, target string) error {
	if strings.HasPrefix(target, "/") {
		return nil
	}
	at := parent(p)
	todo := strings.Split(target, "/")
	for hops := 0; len(todo) > 0; {
		if r.steps--; r.steps < 0 {
			return invalidf("the links of the bundle lead through too many others; make them point to files directly")
		}
		segment := todo[0]
		todo = todo[1:]
		switch segment {
		case "", ".":
			continue
		case "..":
			if at == "" {
				return invalidf("the link %q points to %q, which is outside of the bundle", p, target)
			}
			at = parent(at)
			continue
		}
		next := strings.TrimPrefix(at+"/"+segment, "/")
		through, isLink := r.links[next]
		if !isLink {
			at = next
			continue
		}
		if strings.HasPrefix(through, "/") {
			return nil
		}
		if hops++; hops >= maxHops {
			return invalidf("the link %q points to %q, which leads back to itself or through more than %d links", p, target, maxHops)
		}
		todo = append(strings.Split(through, "/"), todo...)
	}
	return nil
}

// parent returns the folder that p is in, "" for the top.
func parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}
