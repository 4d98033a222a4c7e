package http2

import "strconv"

// encoder writes header blocks as HPACK (RFC 7541) without a dynamic table: a field is
// its place in the static table where it is there as a whole, else a literal that is not
// kept. So nothing of one answer is left for another one to be compared with (RFC 7541,
// section 7.1), nothing is copied to be kept, and it costs no memory.
type encoder struct {
	start int  // of the frame in Out whose block is being written
	table sent // that there is none
}

// sent is how far something is that is said once, where it must be.
type sent uint8

const (
	unneeded sent = iota
	due
	said
)

// limit is told how large a table the peer lets the encoder have. One that is smaller
// than what both begin with must be agreed to in the next block, or the peer takes the
// block for broken (RFC 7541, section 4.2; nghttp2 insists on it).
func (e *encoder) limit(bytes uint32) {
	if bytes < tableBytes && e.table == unneeded {
		e.table = due
	}
}

// appendUpdate says, at the beginning of a block, that there is no table, when that is
// due.
func (e *encoder) appendUpdate(to []byte) []byte {
	if e.table != due {
		return to
	}
	e.table = said
	return append(to, 0x20)
}

// appendStatus writes a status.
func appendStatus(to []byte, status int) []byte {
	switch status {
	case 200:
		return append(to, 0x88)
	case 204:
		return append(to, 0x89)
	case 206:
		return append(to, 0x8a)
	case 304:
		return append(to, 0x8b)
	case 400:
		return append(to, 0x8c)
	case 404:
		return append(to, 0x8d)
	case 500:
		return append(to, 0x8e)
	}
	to = append(to, 0x08, 3) // literal, named as index 8
	return append(to, byte('0'+status/100%10), byte('0'+status/10%10), byte('0'+status%10))
}

// appendField writes a field. The name is written in lower case.
func appendField(to []byte, name, value string) []byte {
	if index := staticName(name); index > 0 {
		to = appendInteger(to, 4, uint64(index))
	} else {
		to = append(to, 0)
		to = appendInteger(to, 7, uint64(len(name)))
		for i := range len(name) {
			to = append(to, lower(name[i]))
		}
	}
	to = appendInteger(to, 7, uint64(len(value)))
	return append(to, value...)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// appendLength writes a length without making a string of it.
func appendLength(to []byte, length int64) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], length, 10)
	to = appendInteger(to, 4, 28)
	to = appendInteger(to, 7, uint64(len(text)))
	return append(to, text...)
}

// appendInteger writes a number with a prefix of so many bits (RFC 7541, section 5.1),
// before which there are only zeros.
func appendInteger(to []byte, bits uint, n uint64) []byte {
	most := uint64(1)<<bits - 1
	if n < most {
		return append(to, byte(n))
	}
	to = append(to, byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		to = append(to, byte(n)|0x80)
	}
	return append(to, byte(n))
}

// staticName returns the index of a name in the static table, 0 for none.
func staticName(name string) int {
	const longest = 27
	if len(name) > longest {
		return 0
	}
	for _, known := range staticNames[len(name)] {
		if equalFold(name, known.name) {
			return known.index
		}
	}
	return 0
}

// equalFold compares a name with one in lower case.
func equalFold(name, low string) bool {
	for i := range len(low) {
		if lower(name[i]) != low[i] {
			return false
		}
	}
	return true
}

type staticField struct {
	name  string
	index int
}

// staticNames are the names of the static table that an answer can have, by length.
var staticNames = func() (table [28][]staticField) {
	for i, name := range [...]string{
		"accept-charset", "accept-encoding", "accept-language", "accept-ranges", "accept", "access-control-allow-origin",
		"age", "allow", "authorization", "cache-control", "content-disposition", "content-encoding", "content-language",
		"content-length", "content-location", "content-range", "content-type", "cookie", "date", "etag", "expect", "expires",
		"from", "host", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "last-modified",
		"link", "location", "max-forwards", "proxy-authenticate", "proxy-authorization", "range", "referer", "refresh",
		"retry-after", "server", "set-cookie", "strict-transport-security", "transfer-encoding", "user-agent", "vary", "via",
		"www-authenticate",
	} {
		table[len(name)] = append(table[len(name)], staticField{name, i + 15})
	}
	return table
}()
