package loop

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"teal/internal/http1"
)

// The sizes of the buffers. Heads fit the small ones; the large ones are for
// bodies.
const (
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

// bufferStock lends the buffers of one loop. A connection with nothing to say
// has none.
type bufferStock struct{ small, large [][]byte }

// Bounds of what is kept for the next.
const (
	smallKept = 2048 // 8 MiB
	largeKept = 64   // 4 MiB
)

func (b *bufferStock) get(size int) []byte {
	switch {
	case size <= smallBuffer:
		return take(&b.small, smallBuffer)
	case size <= largeBuffer:
		return take(&b.large, largeBuffer)
	}
	return make([]byte, size)
}

func take(stock *[][]byte, size int) []byte {
	last := len(*stock) - 1
	if last < 0 {
		return make([]byte, size)
	}
	buffer := (*stock)[last]
	*stock = (*stock)[:last]
	return buffer
}

func (b *bufferStock) put(buffer []byte) {
	switch buffer = buffer[:cap(buffer)]; len(buffer) {
	case smallBuffer:
		if len(b.small) < smallKept {
			b.small = append(b.small, buffer)
		}
	case largeBuffer:
		if len(b.large) < largeKept {
			b.large = append(b.large, buffer)
		}
	}
}

// side is one socket with what has been read from it and what waits to be
// written to it.
type side struct {
	fd       int
	secret   *secret // nil without TLS
	readable bool    // as far as is known; so is writable
	writable bool
	hungUp   bool // the peer will send nothing more; what it has sent may still be there to read
	reset    bool // the connection is gone both ways
	ended    bool // everything that it sent has been read
	full     bool // the last read filled the buffer: much is coming
	failure  syscall.Errno

	in   []byte // [r:w] has been read and not used; [:base] is kept; nil for nothing held
	base int
	head *http1.Request // whose head it is that is kept; nil for none
	r, w int
	out  []byte // [sent:] waits to be written
	sent int
}

// note takes an event.
func (s *side) note(events uint32) {
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.readable = true
		if s.secret != nil {
			s.secret.wire.dry = false
		}
	}
	if events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.writable = true
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.hungUp = true
	}
	if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.reset = true
	}
}

func (s *side) unread() []byte { return s.in[s.r:s.w] }

// fill reads what has arrived, into a large buffer when want bytes or much are
// coming. It reports whether it has got anything.
func (s *side) fill(l *loop, want int64) bool {
	if !s.readable || s.ended {
		return false
	}
	if s.secret != nil {
		return s.fillSecret(l, want)
	}
	s.makeRoom(l, want)
	room := s.in[s.w:]
	n, errno := readSocket(s.fd, room)
	switch {
	case errno == unix.EAGAIN:
		s.readable = false
		return false
	case errno != 0:
		s.failure, s.ended = errno, true
		return false
	case n == 0:
		s.ended = true
		return false
	}
	s.w += n
	s.full = n == len(room)
	if !s.full && !s.hungUp {
		s.readable = false // a short read has taken everything; the next bytes are an event
	}
	return true
}

// makeRoom makes sure that there is room behind w.
func (s *side) makeRoom(l *loop, want int64) {
	size := smallBuffer
	if s.full || want > int64(len(s.in)-s.base) && want > smallBuffer {
		size = largeBuffer
	}
	if s.r == s.w {
		s.r, s.w = s.base, s.base
		if s.in == nil || len(s.in) < size {
			s.move(l, size)
		}
		if len(s.in)-s.w >= minRoom {
			return
		}
	}
	if s.w < len(s.in) {
		return
	}
	if s.r > s.base {
		s.w = s.base + copy(s.in[s.base:], s.in[s.r:s.w])
		s.r = s.base
		return
	}
	s.move(l, max(2*len(s.in), largeBuffer))
}

// minRoom is the least that a read for a new piece is made for.
const minRoom = 1 << 10

// move puts what is held into a buffer of at least that size.
func (s *side) move(l *loop, size int) {
	next := l.buffers.get(max(size, s.w+minRoom))
	copy(next, s.in[:s.w])
	if s.in != nil {
		l.buffers.put(s.in)
	}
	s.in = next
	if s.head != nil {
		s.head.Moved(next)
	}
}

// room makes sure that n more bytes can be appended to out.
func (s *side) room(l *loop, n int) {
	if cap(s.out)-len(s.out) >= n {
		return
	}
	next := l.buffers.get(len(s.out) - s.sent + n)[:0]
	next = append(next, s.out[s.sent:]...)
	if s.out != nil {
		l.buffers.put(s.out)
	}
	s.out, s.sent = next, 0
}

// send writes what waits, and piece behind it. It returns how much of piece has
// been written.
func (s *side) send(l *loop, piece []byte) (written int) {
	if s.secret != nil {
		return s.sendSecret(l, piece)
	}
	for s.failure == 0 && s.writable && len(s.out)-s.sent+len(piece)-written > 0 {
		waiting := s.out[s.sent:]
		n, errno := writeSocket(s.fd, waiting, piece[written:])
		if errno == unix.EAGAIN {
			s.writable = false
			break
		}
		if errno != 0 {
			s.failure = errno
			break
		}
		s.sent += min(n, len(waiting))
		written += max(n-len(waiting), 0)
	}
	s.release(l)
	return written
}

// release gives back the buffer of what has been written.
func (s *side) release(l *loop) {
	if s.out != nil && s.sent == len(s.out) {
		l.buffers.put(s.out)
		s.out, s.sent = nil, 0
	}
}

// isFlushed reports whether nothing waits to be written.
func (s *side) isFlushed() bool {
	return s.out == nil && (s.secret == nil || s.secret.wire.isEmpty())
}

// forget gives the buffers back.
func (s *side) forget(l *loop) {
	if s.in != nil {
		l.buffers.put(s.in)
	}
	if s.out != nil {
		l.buffers.put(s.out)
	}
	if s.secret != nil {
		s.secret.wire.giveBack()
	}
	s.in, s.out, s.base, s.head, s.r, s.w, s.sent = nil, nil, 0, nil, 0, 0, 0
}

// shutdownWrite tells the peer that nothing more comes.
func (s *side) shutdownWrite() {
	s.farewell()
	if s.secret != nil {
		s.secret.wire.giveBack() // nothing can be written any more
	}
	_ = unix.Shutdown(s.fd, unix.SHUT_WR) // a connection that is gone needs no telling
}

// flow carries one body from one side to the other as it comes. Content that
// keeps its framing is written from where it was read; chunks are copied once,
// into new chunks.
type flow struct {
	body    http1.Body
	chunked bool                   // as it goes out
	piece   int                    // bytes at the beginning of from's unread ones that are content on its way
	closed  bool                   // everything has been taken and framed
	starved bool                   // what has arrived is used up
	trailer func(name []byte) bool // says which trailer fields are passed on
	passed  int64
	err     *http1.Error // why it cannot be read on
}

func (f *flow) reset(length int64, chunked bool) {
	f.body.Reset(length)
	f.chunked, f.piece, f.closed, f.starved, f.passed, f.err = chunked, 0, false, false, 0, nil
}

// flowing is why a flow has stopped for now.
type flowing int

const (
	flowDone        flowing = iota // everything has been handed to the kernel
	flowAwaitsFrom                 // until more arrives
	flowAwaitsTo                   // until the other side takes more
	flowEnded                      // the source ended in the middle
	flowMalformed                  // err says why
	flowUndelivered                // the other side is gone
	flowAgain                      // it is others' turn
)

// What is gathered behind a head, or of chunks, to be written at once.
const (
	joined   = 8 << 10
	gathered = 32 << 10
)

// pump moves what can be moved.
func (f *flow) pump(l *loop, from, to *side) flowing {
	for {
		if !f.gather(l, from, to) {
			to.send(l, nil) // what came before it is good
			return flowMalformed
		}
		n := to.send(l, from.in[from.r:from.r+f.piece])
		from.r, f.piece, f.passed = from.r+n, f.piece-n, f.passed+int64(n)
		switch {
		case to.failure != 0:
			return flowUndelivered
		case f.piece > 0 || !to.isFlushed():
			return flowAwaitsTo
		case f.closed:
			return flowDone
		case l.turns == 0:
			return flowAgain
		}
		if !f.starved {
			continue
		}
		l.turns--
		if from.fill(l, f.body.Left()) {
			continue
		}
		if !from.ended {
			return flowAwaitsFrom
		}
		if !f.body.UntilClose() || from.failure != 0 {
			return flowEnded
		}
		f.body.Reset(0)
	}
}

// gather takes what has arrived. It reports false when that is malformed.
func (f *flow) gather(l *loop, from, to *side) bool {
	f.starved = false
	for f.piece == 0 && !f.body.Done() && from.r < from.w && len(to.out)-to.sent < gathered {
		piece, n, err := f.body.Next(from.unread())
		if err != nil {
			errors.As(err, &f.err)
			return false
		}
		if n == 0 {
			f.starved = true // a trailer that is not whole
			break
		}
		switch {
		case f.chunked:
			to.room(l, len(piece)+chunkOverhead)
			to.out = http1.AppendChunk(to.out, piece)
			from.r += n
			f.passed += int64(len(piece))
		case to.out != nil && len(piece) <= joined:
			to.room(l, len(piece))
			to.out = append(to.out, piece...)
			from.r += n
			f.passed += int64(len(piece))
		default:
			from.r += n - len(piece)
			f.piece = len(piece)
		}
	}
	f.starved = f.starved || from.r == from.w
	if f.body.Done() && f.piece == 0 && !f.closed {
		f.closed = true
		if f.chunked {
			to.room(l, smallBuffer)
			to.out = http1.AppendTrailer(to.out, f.body.Trailer(), f.trailer)
		}
	}
	return true
}

// chunkOverhead is what framing adds to a piece at most.
const chunkOverhead = 32
