package gateway

import (
	"strings"

	"teal"
)

// asked is what a request asks for, in the ways in which it can be read.
type asked struct {
	host, path string // in normal form
	method     string // "" for any
	// slashes is the path with every encoded slash as a slash, which is how many
	// programs read it; "" when it has none.
	slashes string
	// resolved is the path without its dot segments; "" when it has none.
	resolved string
}

// ask reads a head. The error is for a path that cannot be read.
func ask(h Head) (asked, error) {
	path, ok := teal.NormalPath(h.Path)
	if !ok {
		return asked{}, PublicErrorf(teal.CodeInvalidInput, "the path has a percent sign that is not followed by two hexadecimal digits")
	}
	a := asked{host: NormalHost(h.Host), path: path, method: h.Method}
	if strings.Contains(path, encodedSlash) {
		a.slashes = strings.ReplaceAll(path, encodedSlash, "/")
	}
	if whole := a.readAsSlashes(); strings.Contains(whole, "/.") {
		a.resolved = withoutDotSegments(whole)
	}
	return a, nil
}

const encodedSlash = "%2F"

func (a *asked) readAsSlashes() string {
	if a.slashes != "" {
		return a.slashes
	}
	return a.path
}

// direct returns what is asked for when whoever is behind resolves dot segments.
func (a *asked) direct() asked { return asked{host: a.host, path: a.resolved, method: a.method} }

// String returns what is asked for, short enough for a sentence.
func (a *asked) String() string { return Excerpt(a.host, a.path) }

// withoutDotSegments resolves the dot segments of a path (RFC 3986, 5.2.4); "" when
// there are none.
func withoutDotSegments(path string) string {
	var kept []string
	found := false
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch segment {
		case ".", "..":
			found = true
			if segment == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, segment)
		}
	}
	if !found {
		return ""
	}
	return "/" + strings.Join(kept, "/")
}

// places is where a request can be led: the routes of one version, or those of all
// apps.
type places[T any] interface {
	// at returns what stands at a place. known reports whether anything stands there or
	// below.
	at(p place) (found T, ok, known bool)
}

// match returns what a request is led to, and the path of the place that it was found
// at. It looks among the places of the very host, then among those of a wildcard, then
// among those of any host.
func match[T any, P places[T]](all P, a *asked) (found T, prefix string, ok bool) {
	if !strings.HasPrefix(a.path, "/") {
		return found, "", false
	}
	for _, host := range hostsFor(a.host) {
		if found, prefix, ok = matchHost(all, host, a); ok {
			break
		}
	}
	if rest, is := strings.CutPrefix(a.readAsSlashes(), challenges); is && (rest == "" || rest[0] == '/') && len(prefix) < len(challenges) {
		if general, at, there := matchHost(all, "", a); there && len(at) >= len(challenges) {
			return general, at, true
		}
	}
	return found, prefix, ok
}

// challenges is where certificate authorities look (RFC 8555, 8.3), whatever the host: a
// route for any host, there or below, is one for all hosts, also for those that have
// shorter routes of their own.
const challenges = "/.well-known/acme-challenge"

// matchHost looks among the places of one host. An encoded slash is one where a route has
// it, and else a slash: a route for /a gets /a%2Fb as well as /a/b. The longer of the two
// counts, so that no spelling goes round a route: /a%2Fb/c is for /a/b/c before /a%2Fb.
func matchHost[T any, P places[T]](all P, host string, a *asked) (found T, prefix string, ok bool) {
	found, prefix, ok = longest(all, host, a.path)
	if a.slashes == "" {
		return found, prefix, ok
	}
	other, at, there := longest(all, host, a.slashes)
	if encoded := strings.Count(prefix, encodedSlash); ok && encoded > 0 && len(prefix)-2*encoded >= len(at) {
		return found, prefix, ok
	}
	return other, at, there
}

// hostsFor returns the hosts of the places that a host may match, the most specific one
// first. Some are repeated.
func hostsFor(host string) [3]string {
	if strings.HasPrefix(host, ".") {
		return [3]string{} // not a name, and none of a wildcard's
	}
	if dot := strings.IndexByte(host, '.'); dot >= 0 {
		return [3]string{host, host[dot:], ""}
	}
	return [3]string{host, "", ""}
}

// longest returns what stands at the longest prefix of the path.
func longest[T any, P places[T]](all P, host, path string) (best T, prefix string, ok bool) {
	for end := 0; end >= 0; end = nextSegment(path, end) {
		found, stands, known := all.at(place{host, path[:end]})
		if !known {
			break
		}
		if stands {
			best, prefix, ok = found, path[:end], true
		}
	}
	return best, prefix, ok
}

// errLeavesRoute is for a request that leads to one route as it is written, and to
// another where its dot segments are resolved: whoever is behind may read it either
// way, and then is asked for what is another's.
func errLeavesRoute() error {
	return PublicErrorf(teal.CodeInvalidInput, "the path's dot segments lead to another route; ask for it without them")
}

// climbs reports whether dot segments lead out of what is below a prefix, if only on
// the way.
func climbs(path, prefix string) bool {
	depth := 0
	for segment := range strings.SplitSeq(strings.TrimPrefix(path[len(prefix):], "/"), "/") {
		switch segment {
		case ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}
