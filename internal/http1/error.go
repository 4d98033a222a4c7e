package http1

// Error is a message that is refused.
type Error struct {
	Status int    // to answer a request with; a response that is refused is a bad gateway
	Reason string // for people
}

func (e *Error) Error() string { return e.Reason }

// The refusals. They are values so that refusing allocates nothing.
var (
	errBareLF        = &Error{400, "a line does not end in CRLF"}
	errHeadTooLarge  = &Error{431, "the head is too large"}
	errTooManyFields = &Error{431, "there are too many header fields"}
	errRequestLine   = &Error{400, "the request line is not METHOD TARGET VERSION"}
	errMethod        = &Error{400, "the method is not a token"}
	errConnect       = &Error{400, "CONNECT is not for this server"}
	errTarget        = &Error{400, "the request target is malformed"}
	errTargetEscape  = &Error{400, "the path of the request target has a bad percent-encoding"}
	errVersion       = &Error{505, "only HTTP/1.1 is spoken here"}
	errStatusLine    = &Error{502, "the status line is not VERSION STATUS REASON"}
	errFieldName     = &Error{400, "a header line is not NAME: VALUE"}
	errFieldValue    = &Error{400, "a header value holds a control byte"}
	errFold          = &Error{400, "a header line begins with a space"}
	errHostMissing   = &Error{400, "the Host header is missing"}
	errHostTwice     = &Error{400, "there are two Host headers"}
	errHost          = &Error{400, "the Host header is not HOST or HOST:PORT"}
	errLength        = &Error{400, "Content-Length is not a number"}
	errLengthTwice   = &Error{400, "there are two Content-Length headers"}
	errBothLengths   = &Error{400, "both Content-Length and Transfer-Encoding are set"}
	errCodingTwice   = &Error{400, "there are two Transfer-Encoding headers"}
	errCoding        = &Error{501, "the only transfer coding spoken here is chunked"}
	errCodingEmpty   = &Error{400, "the Transfer-Encoding header is empty"}
	errCodingIn10    = &Error{400, "HTTP/1.0 has no Transfer-Encoding"}
	errExpect        = &Error{417, "the only expectation met here is 100-continue"}
	errConnection    = &Error{400, "the Connection header is not a list of names"}
	errChunkSize     = &Error{400, "a chunk's size is not a number"}
	errChunkExt      = &Error{400, "a chunk extension is malformed or too long"}
	errChunkEnd      = &Error{400, "a chunk is longer than its size says"}
	errTrailer       = &Error{431, "the trailer section is too large"}
)
