package store

import (
	"fmt"
	"strings"
)

// CheckKey returns an error that wraps ErrInvalidKey unless key has the form that
// KV states.
func CheckKey(key string) error {
	for token := range strings.SplitSeq(key, ".") {
		if !isToken(token) {
			return fmt.Errorf("%w: %q", ErrInvalidKey, key)
		}
	}
	return nil
}

// CheckPattern returns an error that wraps ErrInvalidKey unless pattern has the
// form that KV states.
func CheckPattern(pattern string) error {
	prefix, tail := pattern, ""
	if i := strings.LastIndexByte(pattern, '.'); i >= 0 {
		prefix, tail = pattern[:i], pattern[i+1:]
	} else if pattern == ">" {
		return nil
	}
	if tail == ">" {
		pattern = prefix
	}
	for token := range strings.SplitSeq(pattern, ".") {
		if token != "*" && !isToken(token) {
			return fmt.Errorf("%w: pattern %q", ErrInvalidKey, pattern)
		}
	}
	return nil
}

// Match reports whether key matches pattern. Both must be valid.
func Match(pattern, key string) bool {
	for {
		want, restOfPattern, morePattern := strings.Cut(pattern, ".")
		if want == ">" {
			return true
		}
		have, restOfKey, moreKey := strings.Cut(key, ".")
		if want != "*" && want != have || morePattern != moreKey {
			return false
		}
		if !moreKey {
			return true
		}
		pattern, key = restOfPattern, restOfKey
	}
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return s != ""
}
