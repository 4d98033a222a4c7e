package loop

import (
	"errors"
	"io"

	"teal/internal/gateway"
	"teal/internal/gateway/exchange"
	"teal/internal/http1"
)

// fileAnswer is an answer with a file on its way. What the kernel has in memory is read
// on the loop, at most one buffer at a time; what would have to be waited for is read on a
// goroutine of its own, so that a slow disk holds up this client and nobody else.
type fileAnswer struct {
	exchange.FileAnswer
	due     bool             // it is to be sent when the request's body has been skipped
	open    gateway.OpenFile // nil: there is none, or it is all in memory
	buffer  []byte           // of what is read
	piece   []byte           // read, and not sent yet
	at      int64            // where the next piece begins
	left    int64            // bytes behind piece
	failure error            // of the goroutine
	cause   error            // why it is to end, from while the goroutine ran
}

// startFile answers with a file of the component.
func (c *clientConn) startFile() {
	t := c.exchange
	answer, err := t.File()
	if err != nil {
		c.fail(err)
		return
	}
	t.file = fileAnswer{FileAnswer: answer, due: true, at: answer.Offset}
	c.skipBody()
}

// beginFile sends the head, when the content can be read.
func (c *clientConn) beginFile() {
	t := c.exchange
	t.file.due = false
	if !t.file.HasBody {
		c.sendBareFileHead()
		return
	}
	if kept := t.file.File.Kept(); kept != nil {
		t.file.piece = kept[t.file.Offset:][:t.file.Length]
		c.sendFileHead()
		return
	}
	file := t.file.File
	c.fetch(func() { t.file.open, t.file.failure = file.Open() })
}

// fileHead returns the head of the answer, and notes that it begins.
func (c *clientConn) fileHead() []byte {
	t := c.exchange
	answer := &t.file
	t.Answered(answer.Status)
	t.closes = t.closes || c.loop.stopping
	w := c.loop.headWriter(http1.AppendStatusLine(c.loop.buffers.get(smallBuffer)[:0], answer.Status, nil))
	answer.WriteHead(w)
	out := c.loop.appendDate(w.out)
	if t.closes {
		out = append(out, "Connection: close\r\n"...)
	}
	if answer.Length >= 0 {
		out = http1.AppendLength(out, answer.Length)
	}
	return append(out, "\r\n"...)
}

// sendBareFileHead answers with a head alone.
func (c *clientConn) sendBareFileHead() {
	if c.stream == nil {
		c.answer(c.fileHead())
	} else if c.fileHeadOnStream() {
		c.answerOnStream(nil)
	}
}

func (c *clientConn) sendFileHead() {
	if c.stream == nil {
		c.answer(c.fileHead())
	} else if !c.fileHeadOnStream() {
		return
	} else {
		c.stream.session.codec.EndHead(&c.stream.Stream, false)
		c.deadline = c.loop.at(c.limits().WriteStall)
	}
	c.exchange.begun = true
	c.state = clientSendingFile
}

// sendFile sends content as far as the client takes it.
func (c *clientConn) sendFile() bool {
	f := &c.exchange.file
	for {
		before := c.progress()
		if c.stream != nil {
			c.stream.last = f.left == 0
		}
		n := c.send(c.loop, f.piece)
		f.piece = f.piece[n:]
		c.exchange.out += int64(n)
		switch {
		case c.failure != 0:
			c.close()
			return false
		case len(f.piece) > 0 || !c.isFlushed():
			if n > 0 || c.progress() != before {
				c.deadline = c.loop.at(c.limits().WriteStall)
			}
			return false
		case f.left == 0:
			c.afterAnswer(c.exchange.up.body.Done() && c.exchange.up.piece == 0)
			return true
		case !c.mayRead():
			return false
		}
		if !c.readFile() {
			return false
		}
	}
}

// readFile reads the next piece. It reports false when the disk has to be waited for.
func (c *clientConn) readFile() bool {
	f := &c.exchange.file
	if f.buffer == nil {
		f.buffer = c.loop.buffers.get(int(min(f.left, largeBuffer)))
	}
	room := f.buffer[:min(f.left, int64(len(f.buffer)))]
	if n := f.open.ReadReady(room, f.at); n > 0 {
		f.took(n)
		return true
	}
	c.fetch(func() {
		n, err := f.open.ReadAt(room, f.at)
		if n < len(room) {
			f.failure = err
			if err == nil {
				f.failure = io.ErrUnexpectedEOF
			}
			return
		}
		f.took(n)
	})
	return false
}

// took notes that the next n bytes are in the buffer.
func (f *fileAnswer) took(n int) {
	f.piece = f.buffer[:n]
	f.at, f.left = f.at+int64(n), f.left-int64(n)
}

// fetch does what may block on a goroutine of its own. Until it is done, the exchange is
// that goroutine's, and the connection stays.
func (c *clientConn) fetch(work func()) {
	c.state, c.deadline = clientFetching, forever
	l, t := c.loop, c.exchange
	l.spawned = true
	l.all.beside.Go(func() {
		defer func() {
			if v := recover(); v != nil { // costs this client its answer and nobody else theirs
				l.all.policy.LogPanic(v)
				t.file.failure = errFetch
			}
			l.post(c.fetched)
		}()
		work()
	})
}

var errFetch = errors.New("reading has failed")

// fetched goes on with what has been read.
func (c *clientConn) fetched() {
	defer c.loop.rescue(c)
	t := c.exchange
	c.state = clientSendingFile
	switch f := &t.file; {
	case c.reset:
		c.abort()
	case f.cause != nil:
		c.fail(f.cause)
	case f.failure != nil && t.begun:
		t.Break(t.FileUnreadable(f.failure), gateway.FaultStatus)
		c.abort()
	case f.failure != nil:
		c.fail(t.FileUnreadable(f.failure))
	case !t.begun:
		f.left = f.Length
		c.sendFileHead()
	default:
		c.deadline = c.loop.at(c.limits().WriteStall)
	}
	c.loop.serve(c)
}

// endFile gives back what sending a file has needed.
func (c *clientConn) endFile() {
	f := &c.exchange.file
	if f.open != nil {
		_ = f.open.Close() // it was only read
	}
	if f.buffer != nil {
		c.loop.buffers.put(f.buffer)
	}
	*f = fileAnswer{}
}
