package gateway

import (
	"strings"

	"teal"
)

// place is where a route stands: a host in normal form, "" for any and ".example.com"
// for every one that has one label in front of that, and a path
// prefix in normal form without its trailing slash, so that "/" is "".
type place struct{ host, prefix string }

func placeOf(r teal.Route) place {
	path, ok := teal.NormalPath(r.Path)
	if !ok {
		path = r.Path // of a record from before this was checked: no request comes here
	}
	return place{host: strings.TrimPrefix(NormalHost(r.Host), "*"), prefix: strings.TrimRight(path, "/")}
}

// IsOnePlace reports whether two routes stand at one place, however they are written.
func IsOnePlace(a, b teal.Route) bool { return placeOf(a) == placeOf(b) }

// String returns the place as a person writes it.
func (p place) String() string {
	if p.prefix == "" {
		return shownHost(p.host) + "/"
	}
	return shownHost(p.host) + p.prefix
}

// shownHost returns the host of a place as a person writes it.
func shownHost(host string) string {
	if strings.HasPrefix(host, ".") {
		return "*" + host
	}
	return host
}

// NormalHost returns a Host header in the form that routes have: lower case,
// without port, brackets and trailing dot. It allocates only for upper case.
func NormalHost(host string) string {
	if end := strings.LastIndexByte(host, ':'); end >= 0 && strings.IndexByte(host[end:], ']') < 0 {
		host = host[:end]
	}
	host = strings.TrimSuffix(host, ".")
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return strings.ToLower(host)
}

// nextSegment returns the length of the prefix of path that is one whole segment
// longer than path[:end], or -1 when path[:end] is all of it. Starting at 0 it
// walks "/a/b" as "", "/a", "/a/b".
func nextSegment(path string, end int) int {
	if end >= len(path) {
		return -1
	}
	if i := strings.IndexByte(path[end+1:], '/'); i >= 0 {
		return end + 1 + i
	}
	return len(path)
}
