package sigv4

import (
	"fmt"
	"net/http"
)

// Error is a refusal in AWS's words.
type Error struct {
	Status  int
	Code    string // such as InvalidSignatureException
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

var (
	errMissing    = &Error{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	errUnknownKey = &Error{http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid."}
	errMismatch   = &Error{http.StatusForbidden, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
)

func mismatchf(format string, args ...any) *Error {
	return &Error{http.StatusForbidden, "InvalidSignatureException", fmt.Sprintf(format, args...)}
}

func incompletef(format string, args ...any) *Error {
	return &Error{http.StatusBadRequest, "IncompleteSignatureException", fmt.Sprintf(format, args...)}
}
