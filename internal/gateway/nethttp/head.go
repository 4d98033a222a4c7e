package nethttp

import (
	"net/http"
	"net/textproto"
	"strings"

	"teal/internal/http1"
)

// hopByHop names the headers that are about one connection.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// removeHopByHop removes what is about one connection, also what the Connection
// header names.
func removeHopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(textproto.TrimString(name))
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

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
		endToEnd := !http1.IsAboutConnection(name) && !isNamed(h["Connection"], name)
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
func (f fields) Field(i int) (name, value string) { return f[i].name, f[i].value }

// EndToEnd implements exchange.Head.
func (f fields) EndToEnd(i int) bool { return f[i].endToEnd }
