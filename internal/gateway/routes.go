package gateway

import (
	"slices"
	"strings"

	"teal"
)

// place is where a route stands: a host in normal form, "" for any, and a path
// prefix without its trailing slash, so that "/" is "".
type place struct{ host, prefix string }

func placeOf(r teal.Route) place {
	return place{host: NormalHost(r.Host), prefix: strings.TrimRight(r.Path, "/")}
}

// String returns the place as a person writes it.
func (p place) String() string {
	if p.prefix == "" {
		return p.host + "/"
	}
	return p.host + p.prefix
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

// routes leads places to components. Every prefix on the way to a route is
// there, with nil when no route stands on it, so that a walk ends at the deepest
// route below it, however long the path that a client sends. It is never changed
// after compileRoutes.
type routes map[place]*Component

func compileRoutes(list []teal.Route, components map[string]*Component) routes {
	compiled := routes{}
	for _, r := range list {
		at := placeOf(r)
		for end := 0; end >= 0; end = nextSegment(at.prefix, end) {
			step := place{at.host, at.prefix[:end]}
			if _, known := compiled[step]; !known {
				compiled[step] = nil // a step on the way, to be walked through
			}
		}
		if compiled[at] == nil {
			compiled[at] = components[r.To]
		}
	}
	return compiled
}

// match returns the component for a host in normal form and a path, and the part
// of the path that led to it: the longest prefix among the routes of that very
// host, else among those of any host; nil when there is none.
func (r routes) match(host, path string) (c *Component, prefix string) {
	if !strings.HasPrefix(path, "/") {
		return nil, ""
	}
	if c, prefix := r.longest(host, path); c != nil || host == "" {
		return c, prefix
	}
	return r.longest("", path)
}

func (r routes) longest(host, path string) (best *Component, prefix string) {
	for end := 0; end >= 0; end = nextSegment(path, end) {
		c, ok := r[place{host, path[:end]}]
		if !ok {
			break
		}
		if c != nil {
			best, prefix = c, path[:end]
		}
	}
	return best, prefix
}

// matchAnyHost is match for a request whose host no route has: the longest prefix
// among the routes of all hosts. It is nil, with the hosts to choose from, when
// that leads to several components.
func (r routes) matchAnyHost(path string) (best *Component, hosts []string) {
	longest := -1
	for at, c := range r {
		inside := path == at.prefix || strings.HasPrefix(path, at.prefix+"/")
		if c == nil || !inside || len(at.prefix) < longest {
			continue
		}
		if len(at.prefix) > longest {
			longest, best, hosts = len(at.prefix), c, nil
		}
		if c != best {
			best = nil
		}
		hosts = append(hosts, at.host)
	}
	slices.Sort(hosts)
	return best, hosts
}
