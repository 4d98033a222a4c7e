package gateway

import (
	"errors"

	"teal"
)

// publicError is an error whose sentence anybody may read: it is about the request
// itself, or the server as a whole, and names nothing of what is behind.
type publicError struct{ error }

// Unwrap returns the error itself.
func (e publicError) Unwrap() error { return e.error }

// Public returns err as one whose sentence anybody may read.
func Public(err error) error { return publicError{err} }

// PublicErrorf is teal.Errorf for a sentence that anybody may read.
func PublicErrorf(code teal.Code, format string, args ...any) error {
	return publicError{teal.Errorf(code, format, args...)}
}

// IsPublic reports whether anybody may read the error's sentence.
func IsPublic(err error) bool {
	var p publicError
	return errors.As(err, &p)
}
