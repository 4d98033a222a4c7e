package runtimeapi

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"teal"
	"teal/internal/http1"
)

// joinLimit is the largest event that is copied behind its head to make one
// write of the two; a larger one is written from where it is.
const joinLimit = 32 << 10

// conn is one connection of a runtime.
type conn struct {
	endpoint *Endpoint
	in       inbox
	req      http1.Request // valid until the body is read
	body     http1.Body

	// Of the request that is being served.
	post      bool
	last      bool  // the connection ends with it
	got       int64 // of its body so far
	mediaType string
	errorType string // from a header or a trailer

	writing sync.Mutex // guards out and the order of writes
	out     []byte
}

func newConn(e *Endpoint, nc net.Conn) *conn {
	return &conn{endpoint: e, in: inbox{net: nc}}
}

func (c *conn) close() { _ = c.in.net.Close() } // its reader ends; there is nobody to tell

// serve answers requests until the connection ends.
func (c *conn) serve() {
	defer c.endpoint.forget(c)
	defer c.close()
	for {
		err := c.readHead()
		// A next without its answer and another request behind it: the answers
		// could not be told apart.
		pipelined := c.endpoint.withdraw(c)
		if err == nil && pipelined {
			err = &http1.Error{Status: 400, Reason: "a request was sent while another waits for its answer"}
		}
		if err == nil {
			err = c.handle()
		}
		if err != nil {
			c.refuseAndClose(err)
			return
		}
		if c.last {
			return
		}
	}
}

// refuseAndClose answers what can be answered of a request that cannot be read
// on.
func (c *conn) refuseAndClose(err error) {
	var bad *http1.Error
	if errors.As(err, &bad) {
		_ = c.write(appendAnswer(nil, bad.Status, true, ErrorDocument(typeBadRequest, bad.Reason))) // the connection is given up either way
	}
}

const (
	prefix     = "/2018-06-01/runtime/"
	pathNext   = "invocation/next"
	pathInvoke = "invocation/"
	pathInit   = "init/error"
)

// handle serves one request. An error means that the connection cannot go on.
func (c *conn) handle() error {
	path, ok := bytes.CutPrefix(c.req.Path, []byte(prefix))
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
	if c.post {
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
	c.last = false
	return nil
}

func (c *conn) handleInitError() error {
	if !c.post {
		return c.refuseMethod()
	}
	body, err := c.readBody(teal.MaxPayload)
	if errors.Is(err, errBodyTooLarge) {
		body, err = ErrorDocument(c.errorType, "The initialisation failed with an error document that is too large to keep"), nil
	}
	if err != nil {
		return err
	}
	if no := c.endpoint.initFailed(InitFailure{ErrorType: c.errorType, Document: body}); no != nil {
		return c.answer(no)
	}
	return c.write(accepted)
}

// handleOutcome takes a response or an error of the invocation id.
func (c *conn) handleOutcome(id []byte, failed bool) error {
	if !c.post {
		return c.refuseMethod()
	}
	current, no := c.endpoint.expects(id)
	if no != nil {
		return c.refuse(no)
	}
	// Runtimes stream with Lambda-Runtime-Function-Response-Mode and without it,
	// and always chunked.
	if !failed && c.req.Length() == http1.Chunked {
		if flow := c.endpoint.takeFlow(current); flow != nil {
			return c.stream(current, flow)
		}
	}
	body, err := c.readBody(teal.MaxPayload)
	tooLarge := errors.Is(err, errBodyTooLarge)
	if err != nil && !tooLarge {
		return err
	}
	r := Reply{RequestID: current, Payload: body, MediaType: c.mediaType, Failed: failed, ErrorType: c.errorType, TooLarge: tooLarge}
	if !failed {
		c.takeTrailer(&r)
	}
	return c.settle(r, teal.MaxPayload)
}

// stream passes an answer on as it comes.
func (c *conn) stream(current string, flow *Flow) error {
	r := Reply{RequestID: current, Streamed: true, MediaType: c.mediaType, ErrorType: c.errorType}
	if c.req.ExpectContinue {
		if err := c.write(continue100); err != nil {
			return c.cutShort(r, err)
		}
	}
	whole := flow.pass(Piece{First: true, MediaType: c.mediaType}, c.endpoint.ended)
	for whole {
		piece, err := c.piece(teal.MaxStreamed)
		switch {
		case err != nil:
			return c.cutShort(r, err)
		case len(piece) == 0:
			c.takeTrailer(&r)
			return c.settle(r, teal.MaxStreamed)
		case c.got > int64(teal.MaxStreamed):
			r.TooLarge = true
		default:
			whole = flow.pass(Piece{Data: piece}, c.endpoint.ended)
		}
	}
	return net.ErrClosed
}

// exitPatience is how long a streamed answer without an end waits for the end of
// its process, which says more.
const exitPatience = 2 * time.Second

// cutShort ends an invocation whose streamed answer ended before its end. What
// has been passed on cannot be taken back, so the runtime gets no second try.
func (c *conn) cutShort(r Reply, err error) error {
	timer := time.NewTimer(exitPatience)
	defer timer.Stop()
	select {
	case <-c.endpoint.stopping:
		return err
	case <-timer.C:
	}
	r.Failed, r.ErrorType = true, typeTruncated
	r.Payload = ErrorDocument(typeTruncated, "The function's streamed answer was cut off")
	if no := c.endpoint.reply(r); no == nil {
		c.endpoint.owner.Acknowledged()
	}
	return err
}

// takeTrailer takes what a response says when the function has failed while it
// was sending it.
func (c *conn) takeTrailer(r *Reply) {
	if failure, ok := c.body.Trailer().Get(headerErrorType); ok {
		r.ErrorType = string(failure)
	}
	if r.ErrorType == "" {
		return
	}
	r.Failed = true
	encoded, _ := c.body.Trailer().Get(headerErrorBody)
	document, err := base64.StdEncoding.DecodeString(string(encoded))
	if err != nil || len(document) == 0 {
		document = ErrorDocument(r.ErrorType, "The function failed while it was sending its answer")
	}
	r.Payload = document
}

// settle ends the invocation and tells the runtime so.
func (c *conn) settle(r Reply, limit teal.Bytes) error {
	if no := c.endpoint.reply(r); no != nil {
		return c.answer(no)
	}
	var err error
	if r.TooLarge {
		err = c.answer(&refusal{413, typeTooLarge, "Exceeded maximum allowed payload size (" + strconv.FormatInt(int64(limit), 10) + " bytes)."})
	} else {
		err = c.write(accepted)
	}
	c.endpoint.owner.Acknowledged()
	return err
}

// skipBody reads over a body that nobody wants.
func (c *conn) skipBody() error {
	if c.req.ExpectContinue && !c.body.Done() {
		c.last = true
		return nil
	}
	if _, err := c.readBody(0); err != nil && !errors.Is(err, errBodyTooLarge) {
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
	return c.write(appendAnswer(nil, no.status, c.last, ErrorDocument(no.errorType, no.message)))
}

func (c *conn) write(data []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.in.net.Write(data)
	return err
}

// writeEvent writes the answer to next; the caller holds c.writing.
func (c *conn) writeEvent(ev *Event) error {
	c.out = appendEvent(c.out[:0], ev)
	if len(ev.Payload) <= joinLimit {
		c.out = append(c.out, ev.Payload...)
		_, err := c.in.net.Write(c.out)
		return err
	}
	parts := net.Buffers{c.out, ev.Payload}
	_, err := parts.WriteTo(c.in.net)
	return err
}
