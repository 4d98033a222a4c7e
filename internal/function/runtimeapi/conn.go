package runtimeapi

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net"
	"strconv"
	"sync"

	"teal"
)

// joinLimit is the largest event that is copied behind its head to make one
// write of the two; a larger one is written from where it is.
const joinLimit = 32 << 10

// conn is one connection of a runtime.
type conn struct {
	endpoint *Endpoint
	net      net.Conn
	in       *reader
	req      request

	writing sync.Mutex // guards out and the order of writes
	out     []byte
}

func newConn(e *Endpoint, nc net.Conn) *conn {
	return &conn{endpoint: e, net: nc, in: newReader(nc)}
}

func (c *conn) close() { _ = c.net.Close() } // its reader ends; there is nobody to tell

// serve answers requests until the connection ends.
func (c *conn) serve() {
	defer c.endpoint.forget(c)
	defer c.close()
	for {
		err := c.in.readHead(&c.req)
		// A next without its answer and another request behind it: the answers
		// could not be told apart.
		pipelined := c.endpoint.withdraw(c)
		if err == nil && pipelined {
			err = malformed("a request was sent while another waits for its answer")
		}
		if err == nil {
			err = c.handle()
		}
		if err != nil {
			c.refuseAndClose(err)
			return
		}
		if c.req.close {
			return
		}
	}
}

// refuseAndClose answers what can be answered of a request that cannot be read
// on.
func (c *conn) refuseAndClose(err error) {
	var bad *protocolError
	if !errors.As(err, &bad) {
		return
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out = appendAnswer(c.out[:0], bad.status, true, ErrorDocument(typeBadRequest, bad.reason))
	_, _ = c.net.Write(c.out) // the connection is given up either way
}

const (
	prefix     = "/2018-06-01/runtime/"
	pathNext   = "invocation/next"
	pathInvoke = "invocation/"
	pathInit   = "init/error"
)

// handle serves one request. An error means that the connection cannot go on.
func (c *conn) handle() error {
	path, ok := bytes.CutPrefix(c.req.target, []byte(prefix))
	if !ok {
		return c.refuseUnknown()
	}
	if string(path) == pathNext {
		return c.handleNext()
	}
	if string(path) == pathInit {
		return c.handleInitError()
	}
	rest, ok := bytes.CutPrefix(path, []byte(pathInvoke))
	id, action, ok2 := bytes.Cut(rest, []byte("/"))
	if !ok || !ok2 || len(id) == 0 {
		return c.refuseUnknown()
	}
	switch string(action) {
	case "response":
		return c.handleOutcome(id, false)
	case "error":
		return c.handleOutcome(id, true)
	}
	return c.refuseUnknown()
}

func (c *conn) refuseUnknown() error {
	return c.refuse(&refusal{404, typeNotFound, "There is nothing at this path; the Runtime API is under " + prefix})
}

func (c *conn) refuseMethod() error {
	return c.refuse(&refusal{405, typeBadRequest, "The method does not fit the path"})
}

func (c *conn) handleNext() error {
	if c.req.post {
		return c.refuseMethod()
	}
	if err := c.skipBody(); err != nil {
		return err
	}
	if no := c.endpoint.next(c); no != nil {
		return c.answer(no)
	}
	// The answer is still to come, on another goroutine: closing is up to the
	// peer, even one that asked for it.
	c.req.close = false
	return nil
}

func (c *conn) handleInitError() error {
	if !c.req.post {
		return c.refuseMethod()
	}
	body, err := c.readBody()
	if errors.Is(err, errBodyTooLarge) {
		body, err = ErrorDocument(c.req.errorType, "The initialisation failed with an error document that is too large to keep"), nil
	}
	if err != nil {
		return err
	}
	if no := c.endpoint.initFailed(InitFailure{ErrorType: c.req.errorType, Document: body}); no != nil {
		return c.answer(no)
	}
	return c.write(accepted)
}

// handleOutcome takes a response or an error of the invocation id.
func (c *conn) handleOutcome(id []byte, failed bool) error {
	if !c.req.post {
		return c.refuseMethod()
	}
	if no := c.endpoint.expects(id); no != nil {
		return c.refuse(no)
	}
	body, err := c.readBody()
	tooLarge := errors.Is(err, errBodyTooLarge)
	if err != nil && !tooLarge {
		return err
	}
	r := Reply{Payload: body, MediaType: c.req.mediaType, Failed: failed, ErrorType: c.req.errorType, TooLarge: tooLarge}
	if !failed && c.req.errorType != "" {
		r.Failed, r.Payload = true, streamError(&c.req)
	}
	if no := c.endpoint.reply(id, r); no != nil {
		return c.answer(no)
	}
	if tooLarge {
		err = c.answer(&refusal{413, typeTooLarge, "Exceeded maximum allowed payload size (" + strconv.FormatInt(int64(teal.MaxPayload), 10) + " bytes)."})
	} else {
		err = c.write(accepted)
	}
	c.endpoint.owner.Acknowledged()
	return err
}

// streamError returns the error document of an answer that failed on its way,
// as its trailers tell it.
func streamError(req *request) []byte {
	document, err := base64.StdEncoding.DecodeString(string(req.errorBody))
	if err != nil || len(document) == 0 {
		return ErrorDocument(req.errorType, "The function failed while it was sending its answer")
	}
	return document
}

// readBody reads the request's body, up to teal.MaxPayload.
func (c *conn) readBody() ([]byte, error) {
	if c.req.expect && c.req.length != 0 {
		if c.req.length > int64(teal.MaxPayload) {
			// The body has not been sent and will not be.
			c.req.close = true
			return nil, errBodyTooLarge
		}
		if err := c.write(continue100); err != nil {
			return nil, err
		}
	}
	return c.in.readBody(&c.req, int64(teal.MaxPayload))
}

// skipBody reads over a body that nobody wants.
func (c *conn) skipBody() error {
	if c.req.expect && c.req.length != 0 {
		c.req.close = true
		return nil
	}
	if _, err := c.in.readBody(&c.req, 0); err != nil && !errors.Is(err, errBodyTooLarge) {
		return err
	}
	return nil
}

// refuse reads over the request's body and answers.
func (c *conn) refuse(no *refusal) error {
	if err := c.skipBody(); err != nil {
		return err
	}
	return c.answer(no)
}

func (c *conn) answer(no *refusal) error {
	return c.write(appendAnswer(nil, no.status, c.req.close, ErrorDocument(no.errorType, no.message)))
}

func (c *conn) write(data []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.net.Write(data)
	return err
}

// writeEvent writes the answer to next; the caller holds c.writing.
func (c *conn) writeEvent(ev *Event) error {
	c.out = appendEvent(c.out[:0], ev)
	if len(ev.Payload) <= joinLimit {
		c.out = append(c.out, ev.Payload...)
		_, err := c.net.Write(c.out)
		return err
	}
	parts := net.Buffers{c.out, ev.Payload}
	_, err := parts.WriteTo(c.net)
	return err
}
