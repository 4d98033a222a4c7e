package runtimeapi

import (
	"bytes"
	"errors"
	"net"
	"slices"

	"teal"
	"teal/internal/http1"
)

// The bounds of what one request may hold.
const (
	smallBuffer = 4 << 10                  // of a connection that waits
	bodyBuffer  = 64 << 10                 // while a body comes that is larger
	maxTarget   = 512                      // the request target
	maxHead     = 1<<20 + 64<<10           // all headers; runtimes put X-Ray causes of up to 1 MiB there
	maxHeaders  = 128                      // how many
	maxValue    = 8 << 10                  // of a header that means something here
	maxDiscard  = int64(256) * 1024 * 1024 // of a body that is too large
)

var headLimits = http1.Limits{Bytes: maxHead, Fields: maxHeaders}

// The headers that the Runtime API gives a meaning to, in lower case.
const (
	headerMediaType = "content-type"
	headerErrorType = "lambda-runtime-function-error-type"
	headerErrorBody = "lambda-runtime-function-error-body" // a trailer, base64
)

var errBodyTooLarge = errors.New("the body is too large")

// inbox is what has arrived on a connection and has not been read yet.
type inbox struct {
	net  net.Conn
	data []byte
	r, w int // data[r:w] is unread
}

func (in *inbox) unread() []byte { return in.data[in.r:in.w] }

// fill waits for more, in a buffer of at least size bytes, or of as many as are
// unread and more. What unread returned before is not valid any more. A
// connection that has nothing unread gives a large buffer back first.
func (in *inbox) fill(size int) error {
	if in.r == in.w {
		in.r, in.w = 0, 0
		if len(in.data) != size {
			in.data = make([]byte, size)
		}
	}
	if in.w == len(in.data) {
		in.w = copy(in.data, in.data[in.r:in.w])
		in.r = 0
		if in.w == len(in.data) {
			in.data = slices.Grow(in.data, in.w)[:2*in.w]
		}
	}
	n, err := in.net.Read(in.data[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	return err
}

// readHead reads the head of the next request. What it points to is valid until
// the body is read.
func (c *conn) readHead() error {
	c.req.Reset()
	for {
		n, err := c.req.Parse(c.in.unread(), headLimits)
		if err != nil {
			return err
		}
		if n > 0 {
			c.in.r += n
			return c.checkHead()
		}
		if err := c.in.fill(smallBuffer); err != nil {
			return err
		}
	}
}

// checkHead takes from the head what is needed after the body has been read.
func (c *conn) checkHead() error {
	c.body.Reset(c.req.Length())
	c.got, c.last = 0, c.req.Close()
	c.post = string(c.req.Method) == "POST"
	switch {
	case len(c.req.Target()) > maxTarget:
		return &http1.Error{Status: 414, Reason: "the request target is too long"}
	case !c.post && string(c.req.Method) != "GET":
		return &http1.Error{Status: 405, Reason: "only GET and POST are spoken here"}
	case c.fromPage():
		return &http1.Error{Status: 403, Reason: "requests of a web page are refused"}
	}
	kind, _ := c.req.Get(headerMediaType)
	failure, _ := c.req.Get(headerErrorType)
	if len(kind) > maxValue || len(failure) > maxValue {
		return &http1.Error{Status: 431, Reason: "a header is too long"}
	}
	c.mediaType, c.errorType = mediaType(kind), string(failure)
	return nil
}

// fromPage reports whether a browser has sent the request for a page, which the
// function itself may have opened: browsers say so, and a page that has made its
// own name lead here gives that name as the host.
func (c *conn) fromPage() bool {
	if _, ok := c.req.Get("origin"); ok {
		return true
	}
	if _, ok := c.req.Get("sec-fetch-site"); ok {
		return true
	}
	host := c.req.Host
	if i := bytes.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	return len(host) > 0 && string(host) != loopback && !http1.EqualFold(host, "localhost")
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

// piece returns the next piece of the request's body, valid until the next call;
// nil at its end. Of a body that is larger than limit not much more is read.
func (c *conn) piece(limit teal.Bytes) ([]byte, error) {
	for !c.body.Done() {
		piece, n, err := c.body.Next(c.in.unread())
		c.in.r += n
		c.got += int64(len(piece))
		switch {
		case err != nil || len(piece) > 0:
			return piece, err
		case n > 0:
			continue
		case c.got+c.body.Left() > int64(limit)+maxDiscard:
			return nil, &http1.Error{Status: 413, Reason: "the body does not end"}
		}
		size := smallBuffer
		if c.body.Left() > smallBuffer {
			size = bodyBuffer
		}
		if err := c.in.fill(size); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// readBody returns the request's body in memory of its own. A body over limit
// bytes is read to its end, so that the peer gets to read the refusal, thrown
// away, and reported as errBodyTooLarge.
func (c *conn) readBody(limit teal.Bytes) ([]byte, error) {
	if c.req.ExpectContinue && !c.body.Done() {
		if c.body.Left() > int64(limit) {
			c.last = true // the body has not been sent and will not be
			return nil, errBodyTooLarge
		}
		if err := c.write(continue100); err != nil {
			return nil, err
		}
	}
	var whole []byte
	if n := c.body.Left(); n > 0 && n <= int64(limit) {
		whole = make([]byte, 0, n)
	}
	for {
		piece, err := c.piece(limit)
		switch {
		case err != nil:
			return nil, err
		case c.got > int64(limit):
			whole = nil
		default:
			whole = append(whole, piece...)
		}
		if len(piece) > 0 {
			continue
		}
		if c.got > int64(limit) {
			return nil, errBodyTooLarge
		}
		return whole, nil
	}
}
