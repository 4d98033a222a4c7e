package http2

import (
	"strings"

	"golang.org/x/net/http2/hpack"
)

// unknownLength is the length of a body that has not been announced. What is below 0
// and not this is a body that was longer than announced.
const unknownLength = -1 << 62

// Head is the head of a request, or its trailer, decoded and checked: names are tokens
// in lower case, values hold no control bytes, and no field is about one connection.
type Head struct {
	Method, Scheme, Authority, Path string
	Protocol                        string // of an extended CONNECT (RFC 8441); "" for none
	Host                            string // the field of that name, which is not among Fields
	Fields                          []hpack.HeaderField
	Length                          int64 // of the body, as announced; negative for unknown
	Ends                            bool  // there is no body
	TooLarge                        bool  // longer than the limit: the fields are not all there

	stream    uint32
	trailer   bool
	left      int  // bytes until it is too large
	regular   bool // a field that is no pseudo-header has come
	malformed bool
	seen      uint8 // pseudo-headers
}

// StreamID returns the number of the stream that the head is of.
func (h *Head) StreamID() uint32 { return h.stream }

func (h *Head) reset(stream uint32, trailer bool, limit int) {
	clear(h.Fields)
	*h = Head{Fields: h.Fields[:0], Length: unknownLength, stream: stream, trailer: trailer, left: limit}
}

// fieldOverhead is what a field counts beside its texts: RFC 9113, 6.5.2.
const fieldOverhead = 32

// takeField takes a field from the decoder.
func (c *Conn) takeField(f hpack.HeaderField) {
	h := &c.Head
	if h.malformed {
		return
	}
	if h.left -= len(f.Name) + len(f.Value) + fieldOverhead; h.left < 0 {
		h.TooLarge = true
		c.decoder.SetEmitEnabled(false)
		return
	}
	h.malformed = !h.add(f)
}

// add reports whether a field may be there.
func (h *Head) add(f hpack.HeaderField) bool {
	if !isText(f.Value) {
		return false
	}
	if strings.HasPrefix(f.Name, ":") {
		return !h.regular && !h.trailer && h.pseudo(f.Name, f.Value)
	}
	h.regular = true
	switch {
	case !isName(f.Name) || isOfConnection(f.Name):
		return false
	case f.Name == "te":
		if f.Value != "trailers" {
			return false
		}
	case f.Name == "host":
		if h.seen&seenHost != 0 || h.trailer {
			return false
		}
		h.seen |= seenHost
		h.Host = f.Value
		return true
	case f.Name == "content-length":
		n, ok := parseLength(f.Value)
		if !ok || h.Length != unknownLength || h.trailer {
			return false
		}
		h.Length = n
		return true
	}
	h.Fields = append(h.Fields, f)
	return true
}

const (
	seenMethod = 1 << iota
	seenScheme
	seenAuthority
	seenPath
	seenProtocol
	seenHost
)

func (h *Head) pseudo(name, value string) bool {
	var to *string
	var bit uint8
	switch name {
	case ":method":
		to, bit = &h.Method, seenMethod
	case ":scheme":
		to, bit = &h.Scheme, seenScheme
	case ":authority":
		to, bit = &h.Authority, seenAuthority
	case ":path":
		to, bit = &h.Path, seenPath
	case ":protocol":
		to, bit = &h.Protocol, seenProtocol
	default:
		return false
	}
	if h.seen&bit != 0 {
		return false
	}
	h.seen |= bit
	*to = value
	return true
}

// finish reports whether the head as a whole is one.
func (h *Head) finish() bool {
	switch {
	case h.malformed:
		return false
	case h.TooLarge || h.trailer:
		return true
	case h.Ends && h.Length > 0:
		return false
	case h.seen&(seenAuthority|seenHost) == seenAuthority|seenHost && h.Authority != h.Host:
		return false // two readers could take two hosts
	}
	if h.seen&seenAuthority == 0 {
		h.Authority = h.Host
	}
	if h.Method == "CONNECT" && h.seen&seenProtocol == 0 {
		return h.seen&(seenScheme|seenPath) == 0 && h.Authority != ""
	}
	return h.Method != "" && h.isTarget() && (h.seen&seenProtocol == 0 || h.Method == "CONNECT" && h.Protocol != "")
}

// isTarget reports whether scheme and path are those of a request.
func (h *Head) isTarget() bool {
	if h.Scheme != "http" && h.Scheme != "https" {
		return false
	}
	return strings.HasPrefix(h.Path, "/") || h.Path == "*" && h.Method == "OPTIONS"
}

// isOfConnection reports whether a field is about one connection of HTTP/1.1 (RFC 9113,
// section 8.2.2).
func isOfConnection(name string) bool {
	switch name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// parseLength reads an unsigned decimal number that cannot overflow.
func parseLength(text string) (int64, bool) {
	const longest = 18
	if len(text) == 0 || len(text) > longest {
		return 0, false
	}
	var n int64
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(text[i]-'0')
	}
	return n, true
}

var nameByte = func() (table [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
		table[c] = true
	}
	return table
}()

// isName reports whether text is a token without capitals.
func isName(text string) bool {
	for i := range len(text) {
		if !nameByte[text[i]] {
			return false
		}
	}
	return len(text) > 0
}

// isText reports whether text may be a value: no control byte but the tab, and no space
// around it.
func isText(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return text == "" || !isSpace(text[0]) && !isSpace(text[len(text)-1])
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }
