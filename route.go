package teal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Route leads requests for a host and a path prefix to a component, or elsewhere. The
// longest prefix wins; prefixes match whole segments: /a matches /a and /a/b, not /ab.
// Path may be written with or without percent-encoding: see NormalPath.
type Route struct {
	Host string `json:"host,omitempty"` // "" is any host, *.example.com every one with one label more
	Path string `json:"path"`
	// Methods are those that the route is for, GET with HEAD; none is all. One place may
	// have several routes with different methods.
	Methods  []string  `json:"methods,omitempty"`
	To       string    `json:"to"`                 // a component; "" with Redirect
	Redirect *Redirect `json:"redirect,omitempty"` // nil for a route to a component
	// Strip leaves the path of the route out of what the component is asked for;
	// X-Forwarded-Prefix has it.
	Strip bool `json:"strip,omitempty"`
}

// Redirect sends the clients of a route elsewhere.
type Redirect struct {
	To     string `json:"to"`               // http://…, https://… or a path
	Status int    `json:"status,omitempty"` // 0 is DefaultRedirect
	// Exact says that To is all of it. Otherwise what the request has below the path of
	// the route, and its query, are added.
	Exact bool `json:"exact,omitempty"`
}

// DefaultRedirect is the status of a redirect that names none: 302 Found, which nobody
// keeps.
const DefaultRedirect = 302

// IsPlain reports whether a Teal that knows host, path and component alone does with a
// route what this one does.
func (r Route) IsPlain() bool {
	return len(r.Methods) == 0 && r.Redirect == nil && !r.Strip && !strings.HasPrefix(r.Host, "*")
}

// IsPlain reports whether a Teal from before routes and health checks had more than host,
// path and component would run the spec in the same way.
func (s Spec) IsPlain() bool {
	for _, r := range s.Routes {
		if !r.IsPlain() {
			return false
		}
	}
	for _, c := range s.Components {
		if c.Static != nil || c.Function != nil && c.Function.Async != nil {
			return false
		}
		if c.Service != nil && !c.Service.Health.isPlain() || c.Upstream != nil && (c.Upstream.Host != "" || !c.Upstream.Health.isPlain()) {
			return false
		}
	}
	return true
}

// NormalPath returns the one form of a path that is the same for all spellings of it
// (RFC 3986, 6.2.2): what may stand in a path as it is stands there as it is, all else
// is percent-encoded in upper case. An encoded slash stays encoded, because it divides
// no segments. Dot segments and empty segments stay. It is path itself, and nothing is
// allocated, when path has that form; false where a percent sign is not followed by two
// hexadecimal digits.
func NormalPath(path string) (normal string, ok bool) {
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case isPathByte(c):
		case c == '%' && i+2 < len(path) && isNormalEscape(path[i+1], path[i+2]):
			i += 2
		default:
			return normalized(path, i)
		}
	}
	return path, true
}

// normalized is NormalPath for a path of which the first bytes have the normal form.
func normalized(path string, first int) (string, bool) {
	const hex = "0123456789ABCDEF"
	out := append(make([]byte, 0, len(path)+16), path[:first]...)
	for i := first; i < len(path); i++ {
		c, literal := path[i], path[i] != '%'
		if !literal {
			if i+2 >= len(path) || hexDigit(path[i+1]) < 0 || hexDigit(path[i+2]) < 0 {
				return "", false
			}
			c = byte(hexDigit(path[i+1])<<4 | hexDigit(path[i+2]))
			i += 2
		}
		if isPathByte(c) && (literal || c != '/') {
			out = append(out, c)
		} else {
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out), true
}

// isNormalEscape reports whether a percent-encoding is in upper case and of a byte that
// may not stand as it is.
func isNormalEscape(high, low byte) bool {
	upper := func(c byte) bool { return c < 'a' }
	if hexDigit(high) < 0 || hexDigit(low) < 0 || !upper(high) || !upper(low) {
		return false
	}
	c := byte(hexDigit(high)<<4 | hexDigit(low))
	return c == '/' || !isPathByte(c)
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c - 'a' + 10)
	case 'A' <= c && c <= 'F':
		return int(c - 'A' + 10)
	}
	return -1
}

// isPathByte reports whether a byte may stand in a path as it is: RFC 3986's pchar,
// and the slash.
func isPathByte(c byte) bool { return pathBytes[c] }

var pathBytes = func() (set [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/") {
		set[c] = true
	}
	return set
}()

func (c *checker) routes(s Spec) {
	if len(s.Routes) > MaxRoutes {
		c.addf([]string{"routes"}, "has %d routes; at most %d are allowed", len(s.Routes), MaxRoutes)
	}
	seen := map[[3]string]int{}
	for i, r := range s.Routes {
		at := func(key string) []string { return []string{"routes", fmt.Sprint(i), key} }
		if r.Host != "" {
			if err := checkHost(r.Host); err != nil {
				c.addf(at("host"), "%s", err)
			}
		}
		path, err := checkRoutePath(r.Path)
		if err != nil {
			c.addf(at("path"), "%s", err)
		}
		c.methods(at("methods"), r.Methods)
		c.leads(s, i, at)
		for _, method := range methodsOf(r) {
			key := [3]string{r.Host, path, method}
			if first, dup := seen[key]; dup {
				c.addf(at("path"), "repeats route %d: %s%s", first, r.Host, s.Routes[first].Path)
				break
			}
			seen[key] = i
		}
	}
}

// methodsOf returns the methods of a route, "" for all.
func methodsOf(r Route) []string {
	if len(r.Methods) == 0 {
		return []string{""}
	}
	return r.Methods
}

func (c *checker) methods(at []string, methods []string) {
	for i, method := range methods {
		switch {
		case method != strings.ToUpper(method):
			c.addf(at, "%q has lower-case letters; methods are written %s", method, strings.ToUpper(method))
		case method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" || method == "CONNECT":
			c.addf(at, "%q is not a method; use GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or another one", method)
		case slices.Contains(methods[:i], method):
			c.addf(at, "has %s twice", method)
		}
	}
}

// leads checks where the i-th route leads.
func (c *checker) leads(s Spec, i int, at func(key string) []string) {
	r := s.Routes[i]
	_, known := s.Components[r.To]
	switch {
	case r.Redirect != nil && r.To != "":
		c.addf(at("redirect"), "leads elsewhere, and to leads to %q; use one of them", r.To)
	case r.Redirect != nil:
		c.redirect(*r.Redirect, at)
		c.returns(s.Routes, i, at)
		if r.Strip {
			c.addf(at("strip"), "is for routes that lead to a component; a redirect has keep_path")
		}
	case r.To == "":
		c.addf(at("to"), "is missing; name a component, or write redirect")
	case !known:
		c.addf(at("to"), "leads to %q, which is not a component of the app; it has %s", r.To, strings.Join(slices.Sorted(maps.Keys(s.Components)), ", "))
	}
}

// returns refuses a redirect whose clients come back to it.
func (c *checker) returns(routes []Route, i int, at func(key string) []string) {
	way := loop(routes, i)
	if len(way) == 0 || way[0] != i {
		return
	}
	by := ""
	for _, next := range way[1 : len(way)-1] {
		by += fmt.Sprintf(" by route %d (%s)", next, routes[next].Path)
	}
	c.addf(at("redirect"), "%q leads back to this route%s, so a client would be redirected for ever; name a path that another route has, or an address on another host", routes[i].Redirect.To, by)
}

func (c *checker) redirect(r Redirect, at func(key string) []string) {
	rest, absolute := strings.CutPrefix(r.To, "https://")
	if !absolute {
		rest, absolute = strings.CutPrefix(r.To, "http://")
	}
	host := rest
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		host = rest[:end]
	}
	switch _, ok := NormalPath(r.To); {
	case !ok || strings.ContainsFunc(r.To, notInPath):
		c.addf(at("redirect"), "%q is not an address that a client can follow; percent-encode what is not ASCII", r.To)
	case absolute && (!validHostPort(host) || strings.ContainsAny(host, "@\\")), !absolute && (!strings.HasPrefix(r.To, "/") || strings.HasPrefix(r.To, "//") || strings.Contains(r.To, `\`)):
		c.addf(at("redirect"), "%q leads nowhere; write https://, a host and what follows, or a path that starts with /", r.To)
	case strings.Contains(r.To, "?") && !r.Exact:
		c.addf(at("redirect"), "%q has a query, to which no path can be added; leave it out, or write keep_path: false", r.To)
	}
	if r.Status != 0 && !slices.Contains([]int{301, 302, 303, 307, 308}, r.Status) {
		c.addf(at("status"), "is %d; a redirect has 301, 302, 303, 307 or 308", r.Status)
	}
}

// checkRoutePath returns the normal form of a route's path, or the path and what is
// wrong with it.
func checkRoutePath(path string) (string, error) {
	normal, ok := NormalPath(path)
	var err error
	switch {
	case !strings.HasPrefix(path, "/"):
		err = fmt.Errorf("%q does not start with /", path)
	case !ok:
		err = fmt.Errorf("%q has a percent sign that is not followed by two hexadecimal digits; write %%25 for the sign itself", path)
	case strings.ContainsAny(path, "?#"):
		err = fmt.Errorf("%q is not a plain path prefix: it has a query or a fragment, and routes match paths; leave it out, or write %%3F and %%23 for the signs themselves", path)
	case strings.Contains(path, "*"):
		err = fmt.Errorf("%q is not a plain path prefix: it has a *, and a path matches all that is below it without one; leave it out, or write %%2A for the sign itself", path)
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		err = fmt.Errorf("%q is not a plain path prefix: it has a control character", path)
	case strings.Contains(path, "//"):
		err = fmt.Errorf("%q is not a plain path prefix: it has an empty segment", path)
	case path != "/" && strings.HasSuffix(path, "/"):
		err = fmt.Errorf("%q ends with /; write %q, which matches everything below it too", path, strings.TrimSuffix(path, "/"))
	case strings.Contains(normal+"/", "/./") || strings.Contains(normal+"/", "/../"):
		err = fmt.Errorf("%q has a dot segment", path)
	}
	if err != nil {
		return path, err
	}
	return normal, nil
}
