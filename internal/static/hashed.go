package static

import (
	"path"
	"strings"
)

// IsHashed reports whether the name of a file has the hash of its content in it, as
// bundlers write it: app.3f2a91bc.js, index-BxY12a9_.js, chunk-5FZQ7HYZ.js. Such a name
// never means other content. What a person could have written is not taken for one, so
// that a hash which looks like a word is missed when nothing but the name is known.
func IsHashed(file string) bool { return hashOf(file) > unhashed }

// hashSort is how the hash in a name is written.
type hashSort int

const (
	unhashed hashSort = iota
	inHex
	inBase32 // as esbuild and Angular write it
	inBase64 // as Vite and Rollup do
)

func hashOf(file string) hashSort {
	parts := strings.Split(path.Base(file), ".")
	for i, part := range parts[:len(parts)-1] {
		if i > 0 && isHex(part, 8) || i == 0 && isHex(part, 16) {
			return inHex
		}
		if at := strings.LastIndexAny(part, "-_~"); at >= 0 && isHex(part[at+1:], 8) {
			return inHex
		}
		if hash := mixedPart(part, i > 0); hash != "" {
			if sort := mixed(hash); sort != unhashed {
				return sort
			}
		}
	}
	return unhashed
}

// mixedLength is how many characters of a hash Vite, Rollup and esbuild take.
const mixedLength = 8

// mixedPart returns the characters of a part of a name where a hash would be, "" for none.
func mixedPart(part string, alone bool) string {
	n := len(part) - mixedLength
	if n == 0 && alone || n > 0 && part[n-1] == '-' {
		return part[max(n, 0):]
	}
	return ""
}

// mixed says whether eight characters are a hash, by themselves.
func mixed(s string) hashSort {
	switch c := classes(s); {
	case c.others > 0 || c.digits == 0 || c.upper == 0:
		return unhashed
	case c.lower > 0 && c.runs > 4:
		return inBase64
	case c.lower == 0 && c.marks == 0 && c.runs > 3:
		return inBase32
	}
	return unhashed
}

// hashes knows the names of a folder: beside one that has a hash for sure, others that
// are written in the same way have one, too.
type hashes struct {
	sure  map[string]bool // by folder and sort
	plain map[string]bool // by folder and ending: there is a name that has none
}

func hashesOf[T any](files map[string]T) hashes {
	h := hashes{map[string]bool{}, map[string]bool{}}
	for name := range files {
		sort := hashOf(name)
		h.sure[sureKey(name, sort)] = true
		if sort == unhashed && looksMixed(name) == unhashed {
			h.plain[plainKey(name)] = true
		}
	}
	return h
}

func sureKey(name string, sort hashSort) string {
	return path.Dir(name) + "\x00" + string(rune('0'+sort))
}
func plainKey(name string) string { return path.Dir(name) + "\x00" + path.Ext(name) }

// has reports whether the name of one of the files has a hash.
func (h hashes) has(name string) bool {
	if IsHashed(name) {
		return true
	}
	switch looksMixed(name) {
	case inBase32:
		return h.sure[sureKey(name, inBase32)]
	case inBase64:
		return h.sure[sureKey(name, inBase64)] && !h.plain[plainKey(name)]
	}
	return false
}

// looksMixed says how the hash in a name would be written that may be a word as well.
func looksMixed(file string) hashSort {
	parts := strings.Split(path.Base(file), ".")
	for i, part := range parts[:len(parts)-1] {
		c := classes(mixedPart(part, i > 0))
		switch {
		case c.others > 0 || c.upper == 0:
		case c.lower == 0 && c.marks == 0:
			return inBase32
		default:
			return inBase64
		}
	}
	return unhashed
}

// isHex reports whether s is a hash in hexadecimal digits, of at least so many. A number,
// such as a date, is none.
func isHex(s string, least int) bool {
	if len(s) < least || len(s) > 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return false
	}
	c := classes(s)
	return c.digits > 0 && c.lower > 0 && c.runs > 2
}

// counts says which sorts of characters there are in a text, and how often they change.
type counts struct{ lower, upper, digits, marks, others, runs int }

func classes(s string) (c counts) {
	var last *int
	for i := range len(s) {
		sort := &c.others
		switch b := s[i]; {
		case b >= 'a' && b <= 'z':
			sort = &c.lower
		case b >= 'A' && b <= 'Z':
			sort = &c.upper
		case b >= '0' && b <= '9':
			sort = &c.digits
		case b == '-' || b == '_':
			sort = &c.marks
		}
		*sort++
		if sort != last {
			c.runs++
		}
		last = sort
	}
	return c
}
