package runtimeapi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
)

// The bounds of what one request may hold.
const (
	lineBuffer = 8 << 10          // a header that matters must fit
	maxTarget  = 512              // the request target
	maxHead    = 1<<20 + 64<<10   // all headers; runtimes put X-Ray causes of up to 1 MiB there
	maxHeaders = 128              // how many
	maxDiscard = int64(256) << 20 // of a body that is too large
	chunkAlloc = 64 << 10         // a chunked body is not trusted with more memory than it has sent
	maxErrDoc  = 256 << 10        // an error document in a trailer, base64
)

// protocolError is a request that cannot be read on; the connection is closed
// after an answer with its status.
type protocolError struct {
	status int
	reason string
}

func (e *protocolError) Error() string { return e.reason }

func malformed(reason string) error {
	return &protocolError{status: 400, reason: reason}
}

var errBodyTooLarge = errors.New("the body is too large")

// lengthChunked marks a body whose length the head does not say.
const lengthChunked = -1

// request is the head of one request, and after its body the trailers. It is
// reused from request to request.
type request struct {
	post      bool
	target    []byte // valid until the next head
	length    int64  // lengthChunked, or the bytes of the body
	close     bool   // the connection ends with this request
	expect    bool   // Expect: 100-continue
	sized     bool   // Content-Length was there
	errorType string // Lambda-Runtime-Function-Error-Type, header or trailer
	errorBody []byte // Lambda-Runtime-Function-Error-Body, a trailer, base64
	mediaType string

	head    int // bytes of head so far
	headers int
}

// reader reads requests from one connection.
type reader struct {
	buf *bufio.Reader
}

func newReader(r io.Reader) *reader { return &reader{buf: bufio.NewReaderSize(r, lineBuffer)} }

// readHead reads a request's head into req. io.EOF means that the peer closed
// the connection between two requests.
func (r *reader) readHead(req *request) error {
	*req = request{target: req.target[:0]}
	line, _, err := r.line(req)
	if err != nil {
		return err
	}
	if err := req.parseRequestLine(line); err != nil {
		return err
	}
	for {
		done, err := r.readHeader(req, req.setHeader)
		if err != nil {
			return unexpected(err)
		}
		if done {
			return nil
		}
	}
}

// unexpected turns an end between two lines into an end inside a request.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// line returns the next line without its CRLF, valid until the next read. A
// line longer than the buffer is cut: its rest is read and thrown away.
func (r *reader) line(req *request) (line []byte, cut bool, err error) {
	line, err = r.buf.ReadSlice('\n')
	req.head += len(line)
	if errors.Is(err, bufio.ErrBufferFull) {
		line = slices.Clone(line[:min(len(line), 128)])
		return line, true, r.skipLine(req)
	}
	if err != nil {
		if len(line) > 0 {
			err = unexpected(err)
		}
		return nil, false, err
	}
	if req.head > maxHead {
		return nil, false, &protocolError{431, "the head is too large"}
	}
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return nil, false, malformed("a line does not end in CRLF")
	}
	return line, false, nil
}

func (r *reader) skipLine(req *request) error {
	for {
		rest, err := r.buf.ReadSlice('\n')
		req.head += len(rest)
		if req.head > maxHead {
			return &protocolError{431, "the head is too large"}
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return unexpected(err)
		}
	}
}

func (req *request) parseRequestLine(line []byte) error {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 {
		return malformed("the request line is not METHOD TARGET VERSION")
	}
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		req.close = true
	default:
		return &protocolError{505, "only HTTP/1.1 is spoken here"}
	}
	if len(target) == 0 || len(target) > maxTarget {
		return &protocolError{414, "the request target is empty or too long"}
	}
	req.target = append(req.target, target...)
	switch string(method) {
	case "GET":
	case "POST":
		req.post = true
	default:
		return &protocolError{405, "only GET and POST are spoken here"}
	}
	return nil
}

// readHeader reads one header line and hands it to set; done means that it was
// the empty line at the end.
func (r *reader) readHeader(req *request, set func(name, value []byte) error) (done bool, err error) {
	line, cut, err := r.line(req)
	if err != nil {
		return false, err
	}
	if len(line) == 0 {
		return true, nil
	}
	if req.headers++; req.headers > maxHeaders {
		return false, &protocolError{431, "there are too many headers"}
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isToken(name) {
		return false, malformed("a header line is not NAME: VALUE")
	}
	if cut {
		if matters(name) {
			return false, &protocolError{431, "a header is too long"}
		}
		return false, nil
	}
	return false, set(name, bytes.Trim(value, " \t"))
}

// The headers that the Runtime API gives a meaning to, in lower case.
const (
	headerLength     = "content-length"
	headerEncoding   = "transfer-encoding"
	headerConnection = "connection"
	headerExpect     = "expect"
	headerMediaType  = "content-type"
	headerErrorType  = "lambda-runtime-function-error-type"
	headerErrorBody  = "lambda-runtime-function-error-body"
)

func matters(name []byte) bool {
	for _, known := range []string{headerLength, headerEncoding, headerConnection, headerExpect, headerMediaType, headerErrorType, headerErrorBody} {
		if equalFold(name, known) {
			return true
		}
	}
	return false
}

func (req *request) setHeader(name, value []byte) error {
	switch len(name) {
	case len(headerLength):
		if equalFold(name, headerLength) {
			return req.setLength(value)
		}
	case len(headerEncoding):
		if equalFold(name, headerEncoding) {
			return req.setEncoding(value)
		}
	case len(headerConnection):
		if equalFold(name, headerConnection) && equalFold(value, "close") {
			req.close = true
		}
	case len(headerExpect):
		if equalFold(name, headerExpect) {
			req.expect = equalFold(value, "100-continue")
		}
	case len(headerMediaType):
		if equalFold(name, headerMediaType) {
			req.mediaType = mediaType(value)
		}
	case len(headerErrorType):
		if equalFold(name, headerErrorType) {
			req.errorType = string(value)
		}
	}
	return nil
}

// setTrailer takes the trailers with which a streamed answer says that it
// failed on the way.
func (req *request) setTrailer(name, value []byte) error {
	switch {
	case equalFold(name, headerErrorType):
		req.errorType = string(value)
	case equalFold(name, headerErrorBody):
		req.errorBody = bytes.Clone(value[:min(len(value), maxErrDoc)])
	}
	return nil
}

func (req *request) setLength(value []byte) error {
	if req.length == lengthChunked {
		return malformed("both Content-Length and Transfer-Encoding are set")
	}
	n, ok := parseUint(value, 10)
	if !ok {
		return malformed("Content-Length is not a number")
	}
	if req.sized && n != req.length {
		return malformed("two Content-Length headers differ")
	}
	req.length, req.sized = n, true
	return nil
}

func (req *request) setEncoding(value []byte) error {
	if !equalFold(value, "chunked") {
		return &protocolError{501, "the only transfer encoding spoken here is chunked"}
	}
	if req.sized || req.length == lengthChunked {
		return malformed("both Content-Length and Transfer-Encoding are set")
	}
	req.length = lengthChunked
	return nil
}

// mediaType returns the text of a Content-Type; the usual ones without an
// allocation.
func mediaType(value []byte) string {
	switch string(value) {
	case "application/json":
		return "application/json"
	case "application/octet-stream":
		return "application/octet-stream"
	}
	return string(value)
}

// parseUint reads an unsigned number of at most 15 digits, so that it cannot
// overflow.
func parseUint(text []byte, base int64) (int64, bool) {
	if len(text) == 0 || len(text) > 15 {
		return 0, false
	}
	var n int64
	for _, c := range text {
		d := digit(c)
		if d < 0 || d >= base {
			return 0, false
		}
		n = n*base + d
	}
	return n, true
}

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

// equalFold compares ASCII text with a lower-case word.
func equalFold(text []byte, lower string) bool {
	if len(text) != len(lower) {
		return false
	}
	for i, c := range text {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func isToken(name []byte) bool {
	if len(name) == 0 {
		return false
	}
	for _, c := range name {
		alphanumeric := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !alphanumeric && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) < 0 {
			return false
		}
	}
	return true
}
