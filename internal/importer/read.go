package importer

import (
	"path"
	"strconv"
	"strings"

	"teal"
	"teal/internal/yamltree"
)

// pairs returns the pairs of a mapping; none after reporting that it is none.
func (r *report) pairs(n *yamltree.Node, at place) []yamltree.Pair {
	if name, _ := call(n); name != "" && name != "Condition" {
		r.leave(at, "only a deploy of the stack knows what is in it (%s); write it into teal.yaml", describeCall(n))
		return nil
	}
	switch n.Kind {
	case yamltree.Broken, yamltree.Null:
		return nil
	case yamltree.Mapping:
		return n.Pairs
	}
	r.fail(at, "is %s; expected a mapping", n.Kind)
	return nil
}

// child returns the value under a key and its place; nil when there is none.
func child(n *yamltree.Node, key string, at place) (*yamltree.Node, place) {
	if n == nil {
		return nil, at
	}
	value, keyAt := n.Child(key)
	return value, at.below(key, keyAt)
}

// whole reads a whole number, which may be written as text.
func (r *report) whole(text string, at place) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		r.fail(at, "is %q; expected a whole number", text)
		return 0, false
	}
	return n, true
}

// memory reads a number of MiB.
func (r *report) memory(text string, at place) leaf {
	if _, ok := r.whole(text, at); !ok {
		return leaf{}
	}
	return leaf{strings.TrimSpace(text) + "MiB", at}
}

// timeout reads a number of seconds.
func (r *report) timeout(text string, at place) leaf {
	if _, ok := r.whole(text, at); !ok {
		return leaf{}
	}
	return leaf{strings.TrimSpace(text) + "s", at}
}

// count reads a bound of concurrency; none is listed for what Teal cannot do.
func (r *report) count(text string, at place) leaf {
	n, ok := r.whole(text, at)
	switch {
	case !ok:
		return leaf{}
	case n <= 0:
		r.leave(at, "a function of Teal cannot be throttled to nothing; leave it out of the routes")
		return leaf{}
	}
	return leaf{strconv.Itoa(n), at}
}

// code returns a folder or zip of the source as a place for code in the manifest. The
// reason says why Teal cannot have it; "" when it can.
func codeAt(base, text string) (code, reason string) {
	switch {
	case strings.Contains(text, "://"):
		return "", "its code is not on this machine (" + text + "); fetch it and name its folder or .zip"
	case strings.HasPrefix(text, "/") || len(text) > 1 && text[1] == ':':
		return "", "its code has an absolute path (" + text + "); Teal wants one that is relative to the manifest"
	}
	code = path.Clean(path.Join(base, strings.ReplaceAll(text, `\`, "/")))
	if code != "." && !strings.HasPrefix(code, "../") && code != ".." {
		code = "./" + code
	}
	return code, ""
}

// unsupported says why Teal does not run a runtime; "" when it does.
func unsupported(runtime string) string {
	if teal.RuntimeFamily(runtime) != "" {
		return ""
	}
	return "Teal runs python3.x, nodejsNN.x and provided.*, not " + strconv.Quote(runtime) + "; a program that serves HTTP can be a service"
}
