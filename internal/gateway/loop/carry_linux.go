package loop

import (
	"teal/internal/gateway/carried"
	"teal/internal/http1"
	"teal/internal/http2"
)

// carry gives a stream to who serves what the loops do not. The connection stays: its
// other streams go on here.
func (c *clientConn) carry() {
	c.leaveInstance(true)
	t, st, l := c.exchange, c.stream, c.loop
	claim := t.Leave() // net/http keeps the record
	on := carried.New(func() { l.post(func() { l.serve(c) }) })
	st.carried = on
	c.state, c.deadline = clientCarried, forever
	length := t.request.Length()
	from := carried.From{
		Client: c.client, Server: localAddress(st.session.client.fd), Admission: c.admission.granted,
		Protocol: st.protocol, Length: length, Ends: st.bare,
	}
	if st.connect {
		from.Length = http1.Chunked
	}
	l.spawned = true
	l.all.handoff.Carry(l.all.life, received{t}, from, claim, on, func() {
		l.post(func() { c.carriedOver() })
	})
}

// relayCarried moves what can be moved between the stream and who answers it.
func (c *clientConn) relayCarried() {
	st := c.stream
	if n := st.carried.Feed(c.unread()); n > 0 {
		c.r += n
	}
	if c.r == c.w && st.Received() && !st.fed {
		st.fed = true
		st.carried.EndBody(trailerOf(st.trailer.Trailer()))
	}
	a := st.carried.Take()
	if st.isOver() {
		return
	}
	for i := range a.Heads {
		st.sayHead(&a.Heads[i])
	}
	n := st.say(a.Content, a.Ends && len(a.Trailer) == 0 && len(a.Content) > 0)
	if n > 0 {
		st.carried.Sent(n)
	}
	switch {
	case a.Broken:
		st.session.codec.Reset(&st.Stream, http2.InternalError)
	case n < len(a.Content):
		if c.stream.done && c.progress() != c.exchange.moved {
			c.exchange.moved = c.progress()
			c.deadline = c.loop.at(c.limits().WriteStall)
		}
		return
	case a.Ends && !st.Ended():
		st.sayTrailer(a.Trailer)
	}
	if c.stream.done {
		c.detach()
	}
}

// carriedOver goes on with a stream of which everything has been said to it: what the
// client has not taken yet may still have its time.
func (c *clientConn) carriedOver() {
	c.stream.done = true
	c.deadline = c.loop.at(c.limits().WriteStall)
	if c.reset || c.stream.isOver() {
		c.detach()
		return
	}
	c.loop.serve(c)
}

// leaveCarried says that nobody waits for the answer.
func (c *clientConn) leaveCarried() {
	c.stream.carried.Leave()
	if c.stream.done {
		c.detach()
	}
}

func trailerOf(trailer *http1.Fields) (list []carried.Field) {
	for i := range trailer.Len() {
		list = append(list, carried.Field{Name: string(trailer.Name(i)), Value: string(trailer.Value(i))})
	}
	return list
}

// sayHead sends a head.
func (s *stream) sayHead(h *carried.Head) {
	size := 0
	for _, f := range h.Fields {
		size += len(f.Name) + len(f.Value) + 8
	}
	codec := s.beginAnswer(h.Status, size)
	for _, f := range h.Fields {
		codec.Add(f.Name, f.Value)
	}
	codec.EndHead(&s.Stream, h.Ends)
}

// sayTrailer ends the answer.
func (s *stream) sayTrailer(trailer []carried.Field) {
	if len(trailer) == 0 {
		s.finish(&http1.Fields{}, nil)
		return
	}
	codec := s.session.codec
	codec.BeginTrailer(&s.Stream)
	for _, f := range trailer {
		codec.Add(f.Name, f.Value)
	}
	codec.EndHead(&s.Stream, true)
}
