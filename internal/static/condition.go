package static

import (
	"strings"
	"time"

	"teal/internal/gateway"
)

// condition is what the conditions of a request come to.
type condition int

const (
	holds     condition = iota // or there is none
	unchanged                  // the client has it already
	failed
)

// precondition evaluates the conditions of a request in the order of RFC 9110, 13.2.2.
func (r *representation) precondition(q gateway.FileRequest) condition {
	switch {
	case q.IfMatch != "":
		if !r.isListed(q.IfMatch, false) {
			return failed
		}
	case q.IfUnmodified != "" && r.isLaterThan(q.IfUnmodified):
		return failed
	}
	switch {
	case q.IfNoneMatch != "":
		if r.isListed(q.IfNoneMatch, true) {
			return unchanged
		}
	case r.isOf(q.IfModified):
		// The very date, not an earlier one: after a rollback the content is older than what
		// the client has, and another.
		return unchanged
	}
	return holds
}

// isListed reports whether a list of entity tags has that of r, or is *. weak also takes
// one that is marked as weak.
func (r *representation) isListed(list string, weak bool) bool {
	for list = strings.TrimLeft(list, " \t,"); list != ""; list = strings.TrimLeft(list, " \t,") {
		if list[0] == '*' {
			return true
		}
		tag, isWeak := strings.CutPrefix(list, "W/")
		if !strings.HasPrefix(tag, `"`) {
			return false // and whatever follows
		}
		end := strings.IndexByte(tag[1:], '"')
		if end < 0 {
			return false
		}
		if tag[:end+2] == r.etag && (weak || !isWeak) {
			return true
		}
		list = tag[end+2:]
	}
	return false
}

// isLaterThan reports whether r has changed since a date; what is no date says nothing.
func (r *representation) isLaterThan(date string) bool {
	since, err := parseDate(date)
	if err != nil {
		return false
	}
	own, err := parseDate(r.modified)
	return err == nil && own.After(since)
}

// isOf reports whether r is of the very date.
func (r *representation) isOf(date string) bool {
	if date == r.modified || date == "" {
		return date != ""
	}
	own, err := parseDate(r.modified)
	other, otherErr := parseDate(date)
	return err == nil && otherErr == nil && own.Equal(other)
}

// isSame reports whether If-Range names r: by its entity tag, or by its very date.
func (r *representation) isSame(ifRange string) bool {
	return ifRange == r.etag || ifRange == r.modified
}

// parseDate reads a date in any of the forms of RFC 9110, 5.6.7.
func parseDate(text string) (time.Time, error) {
	t, err := time.Parse(timeFormat, text)
	if err != nil {
		if t, err = time.Parse(time.RFC850, text); err != nil {
			t, err = time.Parse(time.ANSIC, text)
		}
	}
	return t, err
}
