package http1

import "encoding/binary"

// The classes of bytes.
const (
	tokenByte  = 1 << iota // of a token: RFC 9110, 5.6.2
	hostByte               // of a host, without colon and brackets
	targetByte             // of a request target
)

var class = func() (table [256]uint8) {
	for c := range 256 {
		b := byte(c)
		if isAlphanumeric(b) {
			table[c] = tokenByte | hostByte
		}
		if b > ' ' && b < 0x7f && b != '#' {
			table[c] |= targetByte
		}
	}
	for _, b := range []byte("!#$%&'*+-.^_`|~") {
		table[b] |= tokenByte
	}
	for _, b := range []byte("-._~%!$&'()*+;=") {
		table[b] |= hostByte
	}
	return table
}()

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// IsToken reports whether a method or the name of a field can be one (RFC 9110, 5.6.2).
func IsToken(text string) bool { return isToken([]byte(text)) }

// IsHost reports whether text can be the host of a request: HOST or HOST:PORT, or "" for
// none.
func IsHost(text string) bool { return isHost([]byte(text)) }

// IsTarget reports whether text can be in a request's target: printable ASCII without a
// space and a number sign.
func IsTarget(text string) bool { return isAll([]byte(text), targetByte) }

func isToken(text []byte) bool { return len(text) > 0 && isAll(text, tokenByte) }

func isAll(text []byte, of uint8) bool {
	for _, c := range text {
		if class[c]&of == 0 {
			return false
		}
	}
	return true
}

// isText reports whether text may be a field's value: no control byte but the
// tab. It looks at eight bytes at a time, because values are most of a head.
func isText(text []byte) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for len(text) >= 8 {
		x := binary.LittleEndian.Uint64(text)
		below := (x - ones*0x20) & ^x & highs // a byte below space
		del := x ^ ones*0x7f
		if below|(del-ones)&^del&highs != 0 && !isTextSlow(text[:8]) {
			return false
		}
		text = text[8:]
	}
	return isTextSlow(text)
}

func isTextSlow(text []byte) bool {
	for _, c := range text {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// EqualFold compares ASCII text with a word in lower case.
func EqualFold(text []byte, lower string) bool {
	return len(text) == len(lower) && HasPrefixFold(text, lower)
}

// HasPrefixFold reports whether ASCII text begins with a word in lower case.
func HasPrefixFold(text []byte, lower string) bool {
	if len(text) < len(lower) {
		return false
	}
	for i := range len(lower) {
		c := text[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func trim(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t') {
		text = text[1:]
	}
	for len(text) > 0 && (text[len(text)-1] == ' ' || text[len(text)-1] == '\t') {
		text = text[:len(text)-1]
	}
	return text
}

// digit returns the value of a hexadecimal digit, or -1.
func digit(c byte) int64 {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0')
	case c >= 'a' && c <= 'f':
		return int64(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int64(c-'A') + 10
	}
	return -1
}

// number reads an unsigned decimal number that cannot overflow.
func number(text []byte) (int64, bool) {
	const longest = 18
	if len(text) == 0 || len(text) > longest {
		return 0, false
	}
	var n int64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
