package nethttp

import (
	"cmp"
	"net/http"
	"net/textproto"
	"strings"

	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// fields are the fields of a head of net/http's, as package exchange reads them.
type fields []field

type field struct {
	name, value string
	endToEnd    bool
}

// headOf returns the fields of a head.
func headOf(h http.Header) fields {
	list := make(fields, 0, len(h))
	for name, values := range h {
		endToEnd := name != headerProtocol && !http1.IsAboutConnection(name) && !isNamed(h["Connection"], name)
		for _, value := range values {
			list = append(list, field{name, value, endToEnd})
		}
	}
	return list
}

// isNamed reports whether a Connection header names a field.
func isNamed(connection []string, name string) bool {
	for _, line := range connection {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(textproto.TrimString(option), name) {
				return true
			}
		}
	}
	return false
}

// Len implements exchange.Head.
func (f fields) Len() int { return len(f) }

// Field implements exchange.Head.
func (f fields) Field(i int) (name, value string, endToEnd bool) {
	return f[i].name, f[i].value, f[i].endToEnd
}

// header receives fields for net/http. It implements exchange.Fields.
type header struct {
	http.Header
	values []string // room for the values, so that not each has an allocation of its own
}

// refilled returns h to be filled anew, with room for so many fields. Only those that
// are named keep what they have.
func refilled(h http.Header, fields int, kept []string) *header {
	var values [4][]string
	for i, name := range kept {
		values[i] = h[name]
	}
	clear(h)
	for i, name := range kept {
		if values[i] != nil {
			h[name] = values[i]
		}
	}
	return &header{h, make([]string, 0, fields)}
}

// Add implements exchange.Fields.
func (h *header) Add(name, value string) {
	name = http.CanonicalHeaderKey(name)
	if values, known := h.Header[name]; known {
		h.Header[name] = append(values, value)
		return
	}
	if len(h.values) == cap(h.values) {
		h.values = make([]string, 0, 8)
	}
	at := len(h.values)
	h.values = append(h.values, value)
	h.Header[name] = h.values[at : at+1 : at+1]
}

// AddList implements exchange.Fields.
func (h *header) AddList(name string, values []string) { h.Add(name, strings.Join(values, ", ")) }

// received is the request as package exchange reads it.
type received struct{ *roundTrip }

func (r received) head() fields {
	if r.fields == nil {
		r.fields = headOf(r.in.Header)
	}
	return r.fields
}

// Len implements exchange.Request.
func (r received) Len() int { return len(r.head()) }

// Field implements exchange.Request.
func (r received) Field(i int) (name, value string, endToEnd bool) { return r.head().Field(i) }

// sentPath returns the path of the target as sent: net/http writes one anew that has
// what should have been percent-encoded, and then no longer tells %2F from a slash.
func sentPath(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return path
	}
	return cmp.Or(r.URL.EscapedPath(), "/")
}

// Line implements exchange.Request.
func (r received) Line() exchange.Line {
	return exchange.Line{
		Method: r.in.Method, Host: r.in.Host, Target: r.in.RequestURI,
		Path: sentPath(r.in), RawQuery: r.in.URL.RawQuery, Protocol: r.in.Proto,
	}
}
