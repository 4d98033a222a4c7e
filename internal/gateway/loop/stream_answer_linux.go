package loop

import (
	"crypto/sha1"
	"encoding/base64"

	"teal/internal/gateway/exchange"
	"teal/internal/http1"
	"teal/internal/http2"
)

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
