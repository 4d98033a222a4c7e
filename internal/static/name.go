package static

import "strings"

// nameOf returns the name that a percent-encoded path stands for, without the slash at its
// beginning; one at its end stays. It allocates nothing when nothing is encoded. ok is
// false for what cannot be the name of a file: such a path is looked up nowhere.
func nameOf(sent string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(sent, "/")
	if !ok || len(rest) > maxPath {
		return "", false
	}
	if strings.IndexByte(rest, '%') >= 0 {
		if rest, ok = decoded(rest); !ok {
			return "", false
		}
	}
	return rest, isName(rest)
}

// maxPath is how long a path may be, in bytes: longer than any of a bundle.
const maxPath = 4 << 10

// isName reports whether a path consists of names: none is empty, but for the last one,
// and none is a dot segment.
func isName(p string) bool {
	if p == "" {
		return true
	}
	for at := 0; ; {
		end := strings.IndexByte(p[at:], '/')
		segment := p[at:]
		if end >= 0 {
			segment = p[at : at+end]
		}
		switch {
		case segment == "." || segment == ".." || strings.IndexByte(segment, 0) >= 0:
			return false
		case segment == "":
			return end < 0 // behind the last slash
		case end < 0:
			return true
		}
		at += end + 1
	}
}

// decoded resolves percent-encoding. An encoded slash is in no name.
func decoded(p string) (string, bool) {
	out := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] != '%' {
			out = append(out, p[i])
			continue
		}
		if i+2 >= len(p) {
			return "", false
		}
		high, low := unhex(p[i+1]), unhex(p[i+2])
		c := high<<4 | low
		if high > 15 || low > 15 || c == '/' {
			return "", false
		}
		out = append(out, c)
		i += 2
	}
	return string(out), true
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}
