package teal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Route leads requests for a host and a path prefix to a component. The longest
// prefix wins; prefixes match whole segments: /a matches /a and /a/b, not /ab.
// Path may be written with or without percent-encoding: see NormalPath.
type Route struct {
	Host string `json:"host,omitempty"` // "" is any host
	Path string `json:"path"`
	To   string `json:"to"`
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
	seen := map[[2]string]int{}
	for i, r := range s.Routes {
		at := func(key string) []string { return []string{"routes", fmt.Sprint(i), key} }
		if r.Host != "" && (len(r.Host) > 253 || !hostPattern.MatchString(r.Host)) {
			c.addf(at("host"), "%q is not a host name; write it in lower case, without a port", r.Host)
		}
		path, err := checkRoutePath(r.Path)
		if err != nil {
			c.addf(at("path"), "%s", err)
		}
		if _, ok := s.Components[r.To]; !ok {
			c.addf(at("to"), "leads to %q, which is not a component of the app; it has %s", r.To, strings.Join(slices.Sorted(maps.Keys(s.Components)), ", "))
		}
		key := [2]string{r.Host, path}
		if first, dup := seen[key]; dup {
			c.addf(at("path"), "repeats route %d: %s%s", first, r.Host, s.Routes[first].Path)
		} else {
			seen[key] = i
		}
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
		err = fmt.Errorf("%q has a query or a fragment, and routes match paths; leave it out, or write %%3F and %%23 for the signs themselves", path)
	case strings.Contains(path, "*"):
		err = fmt.Errorf("%q has a *, and a path matches all that is below it without one; leave it out, or write %%2A for the sign itself", path)
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		err = fmt.Errorf("%q has a control character", path)
	case strings.Contains(path, "//"):
		err = fmt.Errorf("%q has an empty segment", path)
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
