package gateway

import (
	"cmp"
	"strings"

	"teal"
)

// NotAllowed is the error for a request to whose address only other methods lead.
type NotAllowed struct {
	error
	Methods []string
}

// ErrNotAllowed returns the error for an address that is for some methods alone.
func ErrNotAllowed(methods ...string) error {
	return &NotAllowed{PublicErrorf(teal.CodeMethodNotAllowed, "this address is for %s", strings.Join(methods, ", ")), methods}
}

// Unwrap returns the error itself.
func (e *NotAllowed) Unwrap() error { return e.error }

// Redirection is the error for a request whose route leads elsewhere.
type Redirection struct {
	redirect teal.Redirect
	prefix   string // of the route
}

// Securely is the redirection of a request to the same path over TLS, at origin, such as
// https://shop.example: for good, and with its method.
func Securely(origin string) *Redirection {
	return &Redirection{redirect: teal.Redirect{To: origin, Status: 308}}
}

// Error implements error.
func (r *Redirection) Error() string { return "the route leads to " + r.redirect.To }

// Status returns the status to answer with.
func (r *Redirection) Status() int { return cmp.Or(r.redirect.Status, teal.DefaultRedirect) }

// Location returns where a request for a path and a query, both as sent, is to go.
func (r *Redirection) Location(path, query string) string {
	if r.redirect.Exact {
		return r.redirect.To
	}
	// Browsers read a backslash as a slash, and two slashes at the beginning name a host.
	rest := strings.ReplaceAll(below(path, r.prefix), `\`, "%5C")
	location := cmp.Or(oneSlash(strings.TrimRight(r.redirect.To, "/")+rest), "/")
	if query != "" {
		location += "?" + query
	}
	return location
}

// Stripped returns a path, as sent, without that of the route that has led it. It begins
// with one slash alone: what begins with two is an address on another host to an
// application that makes a link of it.
func Stripped(path, route string) string { return cmp.Or(oneSlash(below(path, route)), "/") }

func oneSlash(path string) string {
	if !strings.HasPrefix(path, "//") {
		return path
	}
	return "/" + strings.TrimLeft(path, "/")
}

// below returns what a path, as sent, has below that of the route that has led it: "",
// or what begins with a slash. It allocates nothing unless the slash was encoded.
func below(path, route string) string {
	encoded := !strings.Contains(route, encodedSlash) // then it is read as a slash: see match
	segments := strings.Count(route, "/")
	for i := 0; i < len(path); i++ {
		slash := path[i] == '/'
		escaped := encoded && path[i] == '%' && i+2 < len(path) && path[i+1] == '2' && path[i+2]|0x20 == 'f'
		if !slash && !escaped {
			continue
		}
		if segments > 0 {
			segments--
			continue
		}
		if escaped {
			return "/" + path[i+3:]
		}
		return path[i:]
	}
	return ""
}
