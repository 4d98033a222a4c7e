package nethttp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"teal/internal/gateway"
	"teal/internal/gateway/carried"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// carrying answers requests of another carrier, one by one.
type carrying struct {
	once    sync.Once
	handler *handler
	root    http.Handler
	server  *http.Server
}

// Carry answers a request of HTTP/2 that another carrier has read, with its claim, nil for
// none, on a goroutine of its own, and calls done when it has. What the request's texts
// lie in is the caller's again when Carry has returned. life ends what is in flight.
func (h *Handoff) Carry(life context.Context, in exchange.Request, from carried.From, claim *gateway.Claim, on *carried.Stream, done func()) {
	c := &h.carrying
	c.once.Do(func() {
		c.handler = &handler{server: h.server, policy: h.server.policy, at: h.at, life: life, gate: gateway.NewGate()}
		c.server = &http.Server{Handler: c.handler}
		c.root = c.server.Handler
		if h.at.Middleware != nil {
			c.root = h.at.Middleware(c.handler)
		}
	})
	own := &conn{Conn: &carriedConn{from: from}, writeStall: h.server.policy.Limits.WriteStall}
	own.Conn.(*carriedConn).claim.Store(claim)
	own.visit.once.Do(func() { own.visit.admission = from.Admission })
	ctx, end := context.WithCancelCause(context.WithValue(life, connKey{}, own))
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, own.LocalAddr())
	ctx = context.WithValue(ctx, http.ServerContextKey, c.server) // ReverseProxy panics only for what has one
	r, err := requestOf(in, from)
	go func() {
		defer done()
		defer end(nil)
		defer func() { _ = own.Conn.Close() }() // a claim that nobody has taken
		if err != nil {
			on.Break()
			return
		}
		w := &carriedWriter{stream: on, header: http.Header{}, headOnly: r.Method == http.MethodHead}
		r.Body = http.NoBody
		if !from.Ends {
			r.Body = &carriedBody{Stream: on, request: r, writer: w, expects: takeExpectation(r.Header)}
		}
		on.WhenGone(func() { end(nil) })
		w.serve(c.root, r.WithContext(ctx))
	}()
}

// requestOf returns a request as net/http's server of HTTP/2 would.
func requestOf(in exchange.Request, from carried.From) (*http.Request, error) {
	line := in.Line()
	target := strings.Clone(line.Target)
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	header := make(http.Header, in.Len())
	for i := range in.Len() {
		name, value, _ := in.Field(i)
		switch name = http.CanonicalHeaderKey(strings.Clone(name)); name {
		case "Host", "Transfer-Encoding", "Connection", "Upgrade":
		default:
			header[name] = append(header[name], strings.Clone(value))
		}
	}
	if from.Protocol != "" {
		header[headerProtocol] = []string{from.Protocol}
		header.Del("Sec-Websocket-Key")
	}
	r := &http.Request{
		Method: strings.Clone(line.Method), URL: u, RequestURI: target, Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: header, Host: strings.Clone(line.Host), ContentLength: max(from.Length, -1), RemoteAddr: from.Client.String(),
	}
	if from.Ends {
		r.ContentLength = 0
	}
	r.Trailer = announced(header)
	return r, nil
}

// announced returns the trailer that a header announces, without values, and takes the
// announcement out of it.
func announced(header http.Header) http.Header {
	var trailer http.Header
	for _, line := range header["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = http.CanonicalHeaderKey(textproto.TrimString(name)); name != "" && !http1.IsAboutConnection(name) && name != "Trailer" {
				if trailer == nil {
					trailer = http.Header{}
				}
				trailer[name] = nil
			}
		}
	}
	delete(header, "Trailer")
	return trailer
}

// takeExpectation reports whether the client waits to be told to go on, and takes that
// out of the header.
func takeExpectation(header http.Header) bool {
	if !strings.EqualFold(header.Get("Expect"), "100-continue") {
		return false
	}
	header.Del("Expect")
	return true
}

// carriedConn is what net/http's part of the gateway knows of the connection of a
// request that another carrier has.
type carriedConn struct {
	net.Conn // nil: nothing is read or written
	from     carried.From
	claim    atomic.Pointer[gateway.Claim]
}

// RemoteAddr implements net.Conn.
func (c *carriedConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.from.Client) }

// LocalAddr implements net.Conn.
func (c *carriedConn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.from.Server) }

// SetReadDeadline implements net.Conn.
func (c *carriedConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (c *carriedConn) SetWriteDeadline(time.Time) error { return nil }

// takeClaim implements claimant.
func (c *carriedConn) takeClaim() *gateway.Claim { return c.claim.Swap(nil) }

// Close implements net.Conn.
func (c *carriedConn) Close() error {
	if claim := c.takeClaim(); claim != nil {
		claim.Release() // no request came of it
	}
	return nil
}

// carriedBody is the body of a request.
type carriedBody struct {
	*carried.Stream
	request *http.Request
	writer  *carriedWriter
	expects bool
}

// Read implements io.Reader.
func (b *carriedBody) Read(p []byte) (int, error) {
	if b.expects {
		b.expects = false
		b.writer.tellContinue()
	}
	n, err := b.Stream.Read(p)
	if errors.Is(err, io.EOF) {
		for _, f := range b.Trailer() {
			if name := http.CanonicalHeaderKey(f.Name); b.request.Trailer != nil {
				if _, known := b.request.Trailer[name]; known {
					b.request.Trailer[name] = append(b.request.Trailer[name], f.Value)
				}
			}
		}
	}
	return n, err
}

// Close implements io.Closer.
func (b *carriedBody) Close() error { return nil }

// carriedWriter writes an answer as net/http's server of HTTP/2 would: a small one with
// its length, in one piece.
type carriedWriter struct {
	stream   *carried.Stream
	header   http.Header
	headOnly bool

	mu      sync.Mutex // an expectation is met by who reads the body
	begun   bool       // the head has been sent
	status  int        // 0 until it is known
	sent    http.Header
	length  int64 // that the header says; -1 for none
	written int64
	held    []byte
	trailer []string // announced names
	over    bool
}

// Header implements http.ResponseWriter.
func (w *carriedWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *carriedWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.mu.Lock()
		defer w.mu.Unlock()
		_ = w.stream.Begin(carried.Head{Status: status, Fields: listOf(w.header)}) // the next write fails too
		return
	}
	w.status = status
	w.sent = w.header.Clone()
	w.length = -1
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
		w.length = n
	} else {
		w.sent.Del("Content-Length")
	}
	for _, line := range w.sent["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = http.CanonicalHeaderKey(textproto.TrimString(name)); !http1.IsAboutConnection(name) {
				w.trailer = append(w.trailer, name)
			}
		}
	}
}

func (w *carriedWriter) tellContinue() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.begun {
		_ = w.stream.Begin(carried.Head{Status: http.StatusContinue}) // a read fails too
	}
}

// isBodiless reports whether the status allows no body.
func (w *carriedWriter) isBodiless() bool {
	return w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

// Write implements http.ResponseWriter.
func (w *carriedWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.isBodiless() {
		return 0, http.ErrBodyNotAllowed
	}
	if w.written += int64(len(p)); w.length >= 0 && w.written > w.length && !w.headOnly {
		return 0, http.ErrContentLength
	}
	const most = 4 << 10
	if len(w.held)+len(p) <= most {
		w.held = append(w.held, p...)
		return len(p), nil
	}
	if err := w.flush(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// FlushError is what http.ResponseController calls to flush.
func (w *carriedWriter) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.flush(nil)
}

// flush sends what is held, and a piece behind it.
func (w *carriedWriter) flush(piece []byte) error {
	if err := w.begin(len(piece) > 0); err != nil {
		return err
	}
	held := w.held
	w.held = w.held[:0]
	if w.headOnly {
		return nil
	}
	for _, p := range [2][]byte{held, piece} {
		if len(p) > 0 {
			if _, err := w.stream.Write(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin sends the head, if that has not been done. more says that there is content
// beside what is held.
func (w *carriedWriter) begin(more bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun {
		return nil
	}
	w.begun = true
	h := w.sent
	some := len(w.held) > 0 || more
	if w.over && w.length < 0 && !w.isBodiless() && (some || !w.headOnly) {
		h.Set("Content-Length", strconv.Itoa(len(w.held)))
	}
	if _, typed := h["Content-Type"]; !typed && h.Get("Content-Encoding") == "" && !w.isBodiless() && len(w.held) > 0 {
		h.Set("Content-Type", http.DetectContentType(w.held))
	}
	if _, dated := h["Date"]; !dated {
		h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	ends := w.headOnly || w.over && !some && !w.hasTrailer()
	return w.stream.Begin(carried.Head{Status: w.status, Fields: listOf(h), Ends: ends})
}

// hasTrailer reports whether the handler has set trailer fields, or may yet.
func (w *carriedWriter) hasTrailer() bool { return len(w.endFields()) > 0 }

// endFields returns the trailer fields.
func (w *carriedWriter) endFields() (list []carried.Field) {
	for name, values := range w.header {
		own, undeclared := strings.CutPrefix(name, http.TrailerPrefix)
		if !undeclared && !slices.Contains(w.trailer, name) {
			continue
		}
		for _, value := range values {
			list = append(list, carried.Field{Name: own, Value: value})
		}
	}
	return list
}

// listOf returns the fields of a header, without those that HTTP/2 does not have.
func listOf(h http.Header) []carried.Field {
	list := make([]carried.Field, 0, len(h))
	for name, values := range h {
		if http1.IsAboutConnection(name) && name != "Content-Length" || strings.HasPrefix(name, http.TrailerPrefix) {
			continue
		}
		for _, value := range values {
			list = append(list, carried.Field{Name: name, Value: value})
		}
	}
	return list
}

// SetReadDeadline is what http.ResponseController calls.
func (w *carriedWriter) SetReadDeadline(t time.Time) error {
	w.stream.SetReadDeadline(t)
	return nil
}

// SetWriteDeadline is what http.ResponseController calls.
func (w *carriedWriter) SetWriteDeadline(t time.Time) error {
	w.stream.SetWriteDeadline(t)
	return nil
}

// EnableFullDuplex is what http.ResponseController calls: streams always are.
func (w *carriedWriter) EnableFullDuplex() error { return nil }

// serve answers, and ends the stream.
func (w *carriedWriter) serve(h http.Handler, r *http.Request) {
	defer w.stream.Stop()
	defer func() {
		if v := recover(); v != nil { // the handler has said why
			w.stream.Break()
		}
	}()
	h.ServeHTTP(w, r)
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.over = true
	if w.flush(nil) != nil || w.length >= 0 && w.written < w.length && !w.headOnly && !w.isBodiless() && w.status != http.StatusSwitchingProtocols {
		w.stream.Break()
		return
	}
	w.stream.End(w.endFields())
}
