package loop

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"strconv"

	"teal"
	"teal/internal/gateway"
	"teal/internal/gateway/carried"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
	"teal/internal/http2"
)

// stream makes the socket of a client one request of a connection of HTTP/2. What has
// arrived for it is put into the socket's buffer: its head as HTTP/1.1 would have it, so
// that what is understood of a request, and what an instance gets of it, is one rule;
// then its body, without frames. What it says goes into frames of the connection.
type stream struct {
	http2.Stream
	session  *session
	blocked  bool  // in session.blocked
	turn     int64 // when it could last say something, in turns of the session
	bare     bool  // its head was all: an instance that speaks HTTP/2 may make a difference of that
	last     bool  // no content follows what is to be sent
	refused  error
	added    int             // fields of the head that the client has not sent
	connect  bool            // it is to become a tunnel (RFC 8441)
	protocol string          // …in that protocol
	key      string          // of the WebSocket
	carried  *carried.Stream // for who answers it instead; nil for nobody
	fed      bool            // all of the body has been given to them
	done     bool            // they have said all
	pushed   int64           // bytes of the body that have arrived
	given    int64           // …that have been given back to the windows
	lingers  int64           // when the rest of the body is not waited for any more
	text     []byte          // of the trailer
	trailer  http1.Body
}

// newStream returns a client for the next request of a session.
func (l *loop) newStream(s *session) *clientConn {
	var c *clientConn
	if last := len(l.spareStreams) - 1; last >= 0 {
		c = l.spareStreams[last]
		l.spareStreams = l.spareStreams[:last]
	} else {
		c = &clientConn{loop: l, socket: socket{stream: &stream{}}}
	}
	st := c.stream
	*st = stream{session: s, text: st.text[:0], trailer: st.trailer}
	st.trailer.Reset(0)
	c.socket = socket{fd: -1, stream: st, readable: true, writable: true}
	c.client, c.peer, c.admission = s.client.client, s.client.peer, s.client.admission
	c.state, c.deadline, c.requests = clientOpening, forever, 0
	return c
}

// clientOf returns whose stream it is.
func clientOf(s *http2.Stream) *clientConn { return s.Owner.(*clientConn) }

// isOver reports whether nothing can be read or said on the stream any more.
func (s *stream) isOver() bool { return s.session.over || s.Over() }

// writeHead writes the head of the request into the buffer.
func (c *clientConn) writeHead(h *http2.Head) {
	st := c.stream
	st.bare = h.Ends
	switch {
	case h.TooLarge:
		st.refused = errHeadTooLarge
	case !http1.IsToken(h.Method):
		st.refused = gateway.PublicErrorf(teal.CodeInvalidInput, "the method is not a token")
	case h.Method == "CONNECT" && h.Protocol == "":
		st.refused = gateway.PublicErrorf(teal.CodeInvalidInput, "CONNECT is not for this server")
	}
	if st.refused != nil {
		return
	}
	out := c.loop.buffers.get(headSize(h))[:0]
	st.connect, st.protocol = h.Protocol != "", h.Protocol
	method := h.Method
	if st.connect {
		method = "GET"
	}
	out = append(append(append(append(out, method...), ' '), h.Path...), " HTTP/1.1\r\n"...)
	if h.Authority != "" {
		out = st.line(out, "host", h.Authority)
	}
	cookies := 0
	for i := range h.Fields {
		f := &h.Fields[i]
		switch {
		case f.Name == "cookie":
			cookies++
		case st.connect && f.Name == "sec-websocket-key":
		default:
			out = http1.AppendLine(out, f.Name, f.Value)
		}
	}
	if cookies > 0 {
		out = appendCookies(out, h)
	}
	out = st.frame(out, h)
	c.in, c.w = append(out, "\r\n"...), 0
	c.w = len(c.in)
	c.in = c.in[:cap(c.in)]
}

// line adds a line that the client has not sent as a field.
func (s *stream) line(to []byte, name, value string) []byte {
	s.added++
	return http1.AppendLine(to, name, value)
}

// headSize bounds what writeHead writes, so that the buffer need not grow.
func headSize(h *http2.Head) int {
	const lines = 256
	size := lines + len(h.Method) + len(h.Path) + len(h.Authority)
	for i := range h.Fields {
		size += len(h.Fields[i].Name) + len(h.Fields[i].Value) + 4
	}
	return size
}

// appendCookies joins what HTTP/2 may send in pieces (RFC 9113, section 8.2.3).
func appendCookies(to []byte, h *http2.Head) []byte {
	to = append(to, "cookie: "...)
	first := true
	for i := range h.Fields {
		if h.Fields[i].Name != "cookie" {
			continue
		}
		if !first {
			to = append(to, "; "...)
		}
		to, first = append(to, h.Fields[i].Value...), false
	}
	return append(to, "\r\n"...)
}

// frame says where the body ends, and asks for the protocol of a WebSocket.
func (s *stream) frame(to []byte, h *http2.Head) []byte {
	switch {
	case s.connect:
		var nonce [16]byte
		_, _ = rand.Read(nonce[:]) // never fails
		s.key = base64.StdEncoding.EncodeToString(nonce[:])
		return append(s.line(s.line(to, "connection", "Upgrade"), "upgrade", "websocket"), "sec-websocket-key: "+s.key+"\r\n"...)
	case h.Length >= 0:
		to = append(to, "content-length: "...)
		return append(strconv.AppendInt(to, h.Length, 10), "\r\n"...)
	case !h.Ends:
		return s.line(to, "transfer-encoding", "chunked")
	case h.Method == "POST", h.Method == "PUT", h.Method == "PATCH":
		return s.line(to, "content-length", "0")
	}
	return to
}

// open begins with the request, whose head is whole.
func (c *clientConn) open() {
	st := c.stream
	t := c.loop.newRoundTrip(c)
	c.exchange = t
	t.http2, t.connect = true, st.connect
	head := c.w - int(st.pushed)
	err := st.refused
	if err == nil {
		err = st.parse(&t.request, c.in[:head])
	}
	if err != nil {
		t.Watch()
		c.respond(exchange.Refusal(err))
		return
	}
	t.head, c.base, c.r, c.head = head, head, head, &t.request
	length := t.request.Length()
	if length == http1.Chunked {
		t.up.reset(http1.UntilClose, true)
	} else {
		t.up.reset(length, false)
	}
	t.whole = length >= 0 && length <= int64(c.w-c.r)
	if err := t.CheckFields(t.request.Len() - st.added); err != nil {
		t.Watch()
		c.respond(err)
		return
	}
	c.begin()
}

// parse reads the head that has been written, which is all of data.
func (s *stream) parse(r *http1.Request, data []byte) error {
	n, err := r.Parse(data, http1.Limits{Bytes: len(data), Fields: len(data)})
	if err == nil && n != len(data) {
		return errHead // it would be read in two ways
	}
	return err
}

var errHead = &http1.Error{Status: 400, Reason: "the head is not one"}

// checkConnect refuses a WebSocket that cannot be had from the component that has been
// claimed.
func (c *clientConn) checkConnect() error {
	t := c.exchange
	if !t.connect {
		return nil
	}
	if protocol := c.stream.protocol; protocol != "websocket" {
		return gateway.PublicErrorf(teal.CodeUnsupported, "the protocol %q in a CONNECT request is %w; use websocket", gateway.Excerpt(protocol, ""), exchange.ErrNotImplemented)
	}
	if to := t.Claim.Component; to.Endpoints == nil || to.HTTP2 {
		return teal.Errorf(teal.CodeUnsupported, "a WebSocket to component %q is %w; route it to a service or upstream that speaks HTTP/1.1", to.Name, exchange.ErrNotImplemented)
	}
	return nil
}

// receive takes a piece of the body.
func (c *clientConn) receive(piece []byte) {
	st := c.stream
	switch c.state {
	case clientAnswering, clientFetching, clientSendingFile, clientGone:
		st.session.codec.Use(&st.Stream, len(piece)) // nobody wants it
		return
	case clientLingering:
		st.session.codec.Use(&st.Stream, len(piece))
		if !c.loop.stopping {
			c.deadline = min(c.loop.at(exchange.LingerTime), st.lingers)
		}
		c.loop.later(c)
		return
	}
	if st.refused != nil {
		st.session.codec.Use(&st.Stream, len(piece))
		return
	}
	st.pushed += int64(len(piece))
	for len(piece) > 0 {
		if c.w == len(c.in) || c.r == c.w {
			c.makeRoom(c.loop, int64(len(piece)))
		}
		n := copy(c.in[c.w:], piece)
		c.w += n
		piece = piece[n:]
	}
	c.loop.later(c)
}

// receiveTrailer takes the end of the body.
func (c *clientConn) receiveTrailer(h *http2.Head) {
	st := c.stream
	st.text = append(st.text[:0], "0\r\n"...)
	for i := range h.Fields {
		st.text = http1.AppendLine(st.text, h.Fields[i].Name, h.Fields[i].Value)
	}
	st.text = append(st.text, "\r\n"...)
	st.trailer.Reset(http1.Chunked)
	rest := st.text
	for !st.trailer.Done() {
		_, n, err := st.trailer.Next(rest)
		if err != nil || n == 0 || h.TooLarge {
			st.session.codec.Reset(&st.Stream, http2.EnhanceYourCalm)
			c.reset = true
			break
		}
		rest = rest[n:]
	}
	c.loop.later(c)
}

// settle gives back to the windows what has been used of the body.
func (s *session) settle(c *clientConn) {
	st := c.stream
	if used := st.pushed - int64(c.w-max(c.r, c.base)); c.state != clientOpening && used > st.given && !s.over {
		s.codec.Use(&st.Stream, int(used-st.given))
		st.given = used
	}
	s.touch()
}

// fillStream reports whether more has arrived, which is in the buffer already.
func (s *socket) fillStream() bool {
	switch {
	case s.stream.Received():
		s.ended = true
	case s.stream.isOver():
		s.failure, s.ended = failStream, true
	}
	return false
}

// sendStream is send on a stream.
func (s *socket) sendStream(l *loop, piece []byte) (written int) {
	st := s.stream
	if st.isOver() && !(st.Ended() && len(piece) == 0 && s.out == nil) {
		s.failure = failStream
		return 0
	}
	if waiting := s.out[s.sent:]; len(waiting) > 0 {
		s.sent += st.say(waiting, st.last && len(piece) == 0)
		s.release(l)
		if s.out != nil {
			return 0
		}
	}
	if len(piece) > 0 {
		written = st.say(piece, st.last)
	}
	return written
}

// share is what a stream may say while others wait for their turn.
const share = 16 << 10

// say puts content into frames, as much as there is room for.
func (s *stream) say(content []byte, ends bool) int {
	sess := s.session
	size := min(len(content), mostWaiting-sess.waiting(), sess.codec.Room(&s.Stream))
	if sess.crowded || len(sess.blocked) > 0 {
		size = min(size, share)
	}
	n := 0
	if size > 0 {
		const frames = 64 // what frames add
		sess.room(size + frames)
		n = sess.codec.Send(&s.Stream, content[:size], ends && size == len(content))
	}
	if n > 0 {
		sess.turns++
		s.turn = sess.turns
	}
	if n < len(content) && !s.blocked {
		s.blocked = true
		sess.blocked = append(sess.blocked, clientOf(&s.Stream))
	}
	return n
}

// finish ends what is said on the stream, with the trailer fields that pass lets
// through.
func (s *stream) finish(trailer *http1.Fields, pass func(name []byte) bool) {
	if s.Ended() || s.isOver() {
		return
	}
	codec := s.session.codec
	s.session.room(smallBuffer / 4)
	if !hasTrailer(trailer, pass) {
		codec.Send(&s.Stream, nil, true)
		return
	}
	codec.BeginTrailer(&s.Stream)
	for i := range trailer.Len() {
		if name := trailer.Name(i); trailer.Kind(i) == http1.EndToEnd && pass(name) {
			codec.Add(view(name), view(trailer.Value(i)))
		}
	}
	codec.EndHead(&s.Stream, true)
}

// hasTrailer reports whether any field of a trailer is passed on.
func hasTrailer(trailer *http1.Fields, pass func(name []byte) bool) bool {
	for i := range trailer.Len() {
		if trailer.Kind(i) == http1.EndToEnd && pass != nil && pass(trailer.Name(i)) {
			return true
		}
	}
	return false
}

// isComing reports whether the client has the whole answer and has not ended its side.
func (s *stream) isComing() bool { return s.Ended() && !s.isOver() && !s.Received() }

// lingerOnStream throws away what still comes of a body that was refused. A client that
// is sending takes a reset for a failure, and does not look at the answer that it has:
// its stream is only reset when it pauses, or goes on for exchange.StreamLingerTime.
func (c *clientConn) lingerOnStream() {
	st := c.stream
	if left := st.pushed - st.given; left > 0 {
		st.session.codec.Use(&st.Stream, int(left))
		st.given = st.pushed
	}
	c.rest()
	c.state = clientLingering
	st.lingers = c.loop.at(exchange.StreamLingerTime)
	c.deadline = c.loop.at(exchange.LingerTime)
	st.session.touch()
}

// endStream takes a stream out of its session. One that has not ended on both sides is
// reset: without an error when all that there was to say has been said.
func (c *clientConn) endStream() {
	st, s := c.stream, c.stream.session
	if !s.over {
		if !st.Over() {
			code := http2.InternalError
			if st.Ended() {
				code = http2.NoError
			}
			s.codec.Reset(&st.Stream, code)
		}
		if left := st.pushed - st.given; left > 0 {
			s.codec.Use(&st.Stream, int(left))
			st.given = st.pushed
		}
		s.touch()
	}
	if st.blocked {
		st.blocked = false
		s.blocked = slices.DeleteFunc(s.blocked, func(other *clientConn) bool { return other == c })
	}
	if s.open--; s.open == 0 {
		s.idle = c.loop.now
		if s.leaving == closing && !s.over && !s.dirty {
			s.dirty = true
			c.loop.unflushed = append(c.loop.unflushed, s)
		}
		s.arm()
	}
}

// recycle keeps a stream that has gone for another request.
func (l *loop) recycle(c *clientConn) {
	const most = 1024
	if !c.again && !c.stream.blocked && c.stream.carried == nil && len(l.spareStreams) < most {
		l.spareStreams = append(l.spareStreams, c)
	}
}

// beginAnswer begins the head of an answer on the stream.
func (s *stream) beginAnswer(status, size int) *http2.Conn {
	codec := s.session.codec
	s.session.room(size + smallBuffer/4)
	codec.BeginHead(&s.Stream, status)
	return codec
}

// tellContinue lets the client send its body.
func (s *stream) tellContinue() {
	if !s.isOver() {
		s.beginAnswer(100, 0).EndHead(&s.Stream, false)
	}
}

// respondOnStream writes an error as a problem.
func (c *clientConn) respondOnStream(answer exchange.Answer) {
	t, st := c.exchange, c.stream
	if st.isOver() || st.Ended() {
		c.abort()
		return
	}
	codec := st.beginAnswer(answer.Status, 0)
	answer.WriteHead(codec)
	codec.Add("Date", c.loop.dateText())
	if answer.Body != nil {
		codec.AddLength(int64(len(answer.Body)))
	}
	body := answer.Body
	if string(t.request.Method) == "HEAD" {
		body = nil
	}
	t.out = int64(len(body))
	c.answerOnStream(body)
}

// answerOnStream ends the head of an answer and sends its body.
func (c *clientConn) answerOnStream(body []byte) {
	st := c.stream
	st.session.codec.EndHead(&st.Stream, len(body) == 0)
	st.last = true
	if len(body) > 0 {
		c.room(c.loop, len(body))
		c.out = append(c.out, body...)
	}
	c.state = clientAnswering
	c.deadline = c.loop.at(c.limits().WriteStall)
}

// interimOnStream passes on the head of an interim response.
func (c *clientConn) interimOnStream() {
	t, st := c.exchange, c.stream
	if st.isOver() {
		return
	}
	codec := st.beginAnswer(t.response.Status, t.upstream.r)
	exchange.PassInterim(codec, fields{&t.response.Fields})
	codec.EndHead(&st.Stream, false)
}

// beginOnStream passes on the head of the final response, with a body of that length.
func (c *clientConn) beginOnStream(length int64, toHead bool) {
	t, st := c.exchange, c.stream
	r := &t.response
	if st.isOver() {
		c.reset = true
		return
	}
	codec := st.beginAnswer(r.Status, t.upstream.r)
	if !t.PassResponse(codec, fields{&r.Fields}) {
		codec.Add("Date", c.loop.dateText())
	}
	switch sized, known := r.Sized(); {
	case r.Status == 204:
	case toHead || r.Status == 304:
		if known {
			codec.AddLength(sized)
		}
	case length >= 0:
		codec.AddLength(length)
	}
	codec.EndHead(&st.Stream, length == 0)
}

// fileHeadOnStream begins the head of an answer with a file. It reports false when nobody
// is there for it.
func (c *clientConn) fileHeadOnStream() bool {
	t, st := c.exchange, c.stream
	if st.isOver() {
		c.reset = true
		return false
	}
	answer := &t.file
	t.Answered(answer.Status)
	codec := st.beginAnswer(answer.Status, 0)
	answer.WriteHead(codec)
	codec.Add("Date", c.loop.dateText())
	if answer.Length >= 0 {
		codec.AddLength(answer.Length)
	}
	return true
}

// invokedOnStream goes on with a stream when its function has answered.
func (c *clientConn) invokedOnStream(answer *exchange.FunctionAnswer) {
	c.state = clientCollecting
	c.exchange.Result.Gone = c.reset
	defer c.loop.serve(c)
	if c.reset || c.stream.isOver() {
		c.reset = true
		return
	}
	st := c.stream
	codec := st.beginAnswer(answer.Status, 0)
	if !answer.WriteHead(codec) {
		codec.Add("Date", c.loop.dateText())
	}
	if answer.Length >= 0 {
		codec.AddLength(answer.Length)
	}
	c.answerOnStream(answer.Body)
}

// startStreamTunnel lets the client go on in a WebSocket, if the instance has understood.
func (c *clientConn) startStreamTunnel() bool {
	t, st := c.exchange, c.stream
	accept, _ := t.response.Get("sec-websocket-accept")
	protocol, _ := t.response.Get("upgrade")
	if string(accept) != acceptOf(st.key) || !http1.EqualFold(protocol, "websocket") {
		c.fail(t.Misbehaved("did not answer a WebSocket's upgrade as it must"))
		return false
	}
	if st.isOver() {
		c.reset = true
		return false
	}
	codec := st.beginAnswer(200, t.upstream.r)
	t.PassResponse(withoutAccept{codec}, fields{&t.response.Fields})
	codec.EndHead(&st.Stream, false)
	t.Answered(200)
	t.Report() // it is answered when it begins, and may last for hours
	t.startTunnel()
	return true
}

// acceptOf returns the proof that a server has understood a WebSocket upgrade (RFC
// 6455, section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// withoutAccept leaves out what only the upgrade of HTTP/1.1 has.
type withoutAccept struct{ *http2.Conn }

// Add implements exchange.Fields.
func (w withoutAccept) Add(name, value string) {
	const accept = "sec-websocket-accept"
	if len(name) != len(accept) || !http1.EqualFold([]byte(name), accept) {
		w.Conn.Add(name, value)
	}
}
