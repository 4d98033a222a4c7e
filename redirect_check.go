package teal

import (
	"slices"
	"strings"
)

// maxRedirects is after how many redirects in a row a client has surely given up.
const maxRedirects = 20

// loop returns the routes that a client of the i-th goes through for ever, by their
// redirects: as positions in routes, the first one last again. It returns nil when the
// client arrives somewhere, or leaves for another host or scheme.
func loop(routes []Route, i int) []int {
	host, method := routes[i].Host, firstMethod(routes[i])
	seen := []int{i}
	for range maxRedirects {
		r := routes[seen[len(seen)-1]]
		if r.Redirect == nil || !strings.HasPrefix(r.Redirect.To, "/") {
			return nil
		}
		method = r.Redirect.follow(method)
		path, _, _ := strings.Cut(r.Redirect.To, "?")
		next := routeFor(routes, host, path, method)
		if next < 0 {
			return nil
		}
		if at := slices.Index(seen, next); at >= 0 {
			return append(seen[at:], next)
		}
		seen = append(seen, next)
	}
	return nil
}

// firstMethod returns a method that a route is for.
func firstMethod(r Route) string {
	if len(r.Methods) == 0 || slices.Contains(r.Methods, "GET") {
		return "GET"
	}
	return r.Methods[0]
}

// follow returns the method with which a client follows the redirect.
func (r Redirect) follow(method string) string {
	if r.Status == 307 || r.Status == 308 || method == "HEAD" {
		return method
	}
	return "GET"
}

// routeFor returns the position of the route for a request, or -1: those of the host go
// before those of any host, a longer path before a shorter one, one with methods before
// one without.
func routeFor(routes []Route, host, path, method string) int {
	path, ok := NormalPath(path)
	if !ok {
		return -1
	}
	best, rank := -1, 0
	for i, r := range routes {
		prefix, _ := NormalPath(r.Path)
		within := prefix == "/" || path == prefix || strings.HasPrefix(path, prefix+"/")
		if !within || r.Host != host && r.Host != "" || !r.takes(method) {
			continue
		}
		mine := 2*len(prefix) + 1
		if len(r.Methods) > 0 {
			mine++
		}
		if r.Host == host {
			mine += 1 << 20
		}
		if mine > rank {
			best, rank = i, mine
		}
	}
	return best
}

// takes reports whether a route is for a method.
func (r Route) takes(method string) bool {
	return len(r.Methods) == 0 || slices.Contains(r.Methods, method) || method == "HEAD" && slices.Contains(r.Methods, "GET")
}
