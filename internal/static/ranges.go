package static

import (
	"math"
	"strconv"
	"strings"
)

// span is a part of a file.
type span struct{ from, length int64 }

// of returns what Content-Range says of the part of a file of that size.
func (s span) of(size int64) string {
	text := make([]byte, 0, 64)
	text = append(text, "bytes "...)
	text = append(strconv.AppendInt(text, s.from, 10), '-')
	text = append(strconv.AppendInt(text, s.from+s.length-1, 10), '/')
	return string(strconv.AppendInt(text, size, 10))
}

// rangeSort is what a Range header comes to.
type rangeSort int

const (
	rangeOne           rangeSort = iota // a part of the file
	rangeIgnored                        // the whole file is answered
	rangeUnsatisfiable                  // nothing of the file is there
)

// parseRange reads a Range header for a file of that size. What is not understood is
// ignored, and so are several ranges, which RFC 9110, 14.2 allows: the whole file is never
// larger than what they would come to in a multipart answer by much, and often smaller.
func parseRange(header string, size int64) (span, rangeSort) {
	unit, set, found := strings.Cut(header, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.IndexByte(set, ',') >= 0 || size == 0 {
		return span{}, rangeIgnored
	}
	first, last, found := strings.Cut(strings.TrimSpace(set), "-")
	if !found {
		return span{}, rangeIgnored
	}
	if first == "" {
		return suffix(last, size)
	}
	from, ok := position(first)
	to := int64(math.MaxInt64)
	if last != "" {
		var both bool
		to, both = position(last)
		ok = ok && both
	}
	switch {
	case !ok || to < from:
		return span{}, rangeIgnored
	case from >= size:
		return span{}, rangeUnsatisfiable
	}
	return span{from, min(to, size-1) - from + 1}, rangeOne
}

// suffix is the range of so many bytes at the end.
func suffix(count string, size int64) (span, rangeSort) {
	n, ok := position(count)
	switch {
	case !ok:
		return span{}, rangeIgnored
	case n == 0:
		return span{}, rangeUnsatisfiable
	}
	n = min(n, size)
	return span{size - n, n}, rangeOne
}

// position reads a number of digits alone. What is too large is as large as can be.
func position(digits string) (int64, bool) {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	return n, true
}
