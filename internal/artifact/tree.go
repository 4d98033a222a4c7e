package artifact

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// builder collects the entries of one bundle and refuses those that break a
// rule. It does no I/O.
type builder struct {
	limits  Limits
	entries []Entry
	names   map[string]name // by case-folded path; folders too
	size    int64
}

type name struct {
	path   string
	folder bool
}

func newBuilder(limits Limits) *builder {
	return &builder{limits: limits, names: map[string]name{}}
}

// add takes a file or a link. The size of a file is what its header claims;
// readers hold the content itself to the limit.
func (b *builder) add(e Entry) error {
	if err := b.claim(e.Path, false); err != nil {
		return err
	}
	size := e.Size + int64(len(e.Link))
	if size < 0 || size > int64(b.limits.Unpacked)-b.size {
		return tooLargef("the bundle holds more than %s unpacked; leave out what the code does not need, or raise the server's limit", b.limits.Unpacked)
	}
	b.size += size
	b.entries = append(b.entries, e)
	return nil
}

// addFolder takes a folder, which is no entry by itself but must not collide
// with one.
func (b *builder) addFolder(p string) error { return b.claim(p, true) }

func (b *builder) claim(p string, folder bool) error {
	if err := checkPath(p, b.limits.PathLength); err != nil {
		return err
	}
	for i, c := range p {
		if c == '/' {
			if err := b.claimOne(p[:i], true, true); err != nil {
				return err
			}
		}
	}
	return b.claimOne(p, folder, folder)
}

// claimOne records one path. A folder may be named any number of times.
func (b *builder) claimOne(p string, folder, again bool) error {
	key := strings.ToLower(p)
	first, taken := b.names[key]
	switch {
	case !taken:
		if len(b.names) >= b.limits.Files {
			return tooLargef("the bundle has more than %d files and folders; leave out what the code does not need, or raise the server's limit", b.limits.Files)
		}
		b.names[key] = name{p, folder}
	case first.path != p:
		return invalidf("%q and %q differ only in case, which not every machine can store; rename one", first.path, p)
	case first.folder != folder:
		return invalidf("%q is both a file and a folder; remove one", p)
	case !again:
		return invalidf("%q appears twice; remove one", p)
	}
	return nil
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
	links := map[string]string{}
	for _, e := range b.entries {
		if e.Link != "" {
			links[e.Path] = e.Link
		}
	}
	r := &resolver{links: links, steps: 64 * b.limits.Files}
	for p, target := range links {
		if err := checkTarget(p, target, b.limits.PathLength); err != nil {
			return err
		}
		if err := r.check(p, target); err != nil {
			return err
		}
	}
	return nil
}

func checkTarget(p, target string, limit int) error {
	switch {
	case len(target) > limit:
		return tooLargef("the target of the link %q is %d bytes long; at most %d are allowed", p, len(target), limit)
	case !plainText(target) || strings.Contains(target, `\`):
		return invalidf("the target of the link %q has control characters or backslashes or is not UTF-8", p)
	case strings.HasPrefix(target, "/") || hasDrive(target):
		return invalidf("the link %q points to the absolute path %q; make it relative and keep it inside the bundle", p, target)
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

// check returns an error when the link at p leaves the bundle or never ends. A
// link to something that is not there is allowed.
func (r *resolver) check(p, target string) error {
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
