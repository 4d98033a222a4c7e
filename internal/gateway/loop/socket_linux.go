package loop

import (
	"syscall"

	"golang.org/x/sys/unix"

	"teal/internal/http1"
)

// socket is one socket with what has been read from it and what waits to be
// written to it.
type socket struct {
	fd       int
	tls      *tlsState // nil without TLS
	stream   *stream   // nil unless it is a stream of a connection, and no socket at all
	readable bool      // as far as is known; so is writable
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
func (s *socket) note(events uint32) {
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.readable = true
		if s.tls != nil {
			s.tls.raw.dry = false
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

func (s *socket) unread() []byte { return s.in[s.r:s.w] }

// fill reads what has arrived, into a large buffer when want bytes or much are
// coming. It reports whether it has got anything.
func (s *socket) fill(l *loop, want int64) bool {
	if !s.readable || s.ended {
		return false
	}
	if s.stream != nil {
		return s.fillStream()
	}
	if s.tls != nil {
		return s.fillTLS(l, want)
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
func (s *socket) makeRoom(l *loop, want int64) {
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
func (s *socket) move(l *loop, size int) {
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
func (s *socket) room(l *loop, n int) {
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
func (s *socket) send(l *loop, piece []byte) (written int) {
	switch {
	case s.stream != nil:
		return s.sendStream(l, piece)
	case s.tls != nil:
		return s.sendTLS(l, piece)
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
func (s *socket) release(l *loop) {
	if s.out != nil && s.sent == len(s.out) {
		l.buffers.put(s.out)
		s.out, s.sent = nil, 0
	}
}

// isFlushed reports whether nothing waits to be written.
func (s *socket) isFlushed() bool {
	return s.out == nil && (s.tls == nil || s.tls.raw.isEmpty())
}

// forget gives the buffers back.
func (s *socket) forget(l *loop) {
	if s.in != nil {
		l.buffers.put(s.in)
	}
	if s.out != nil {
		l.buffers.put(s.out)
	}
	if s.tls != nil {
		s.tls.raw.giveBack()
	}
	s.in, s.out, s.base, s.head, s.r, s.w, s.sent = nil, nil, 0, nil, 0, 0, 0
}

// shutdownWrite tells the peer that nothing more comes.
func (s *socket) shutdownWrite() {
	if s.stream != nil {
		s.stream.finish(&http1.Fields{}, nil)
		return
	}
	s.closeNotify()
	if s.tls != nil {
		s.tls.raw.giveBack() // nothing can be written any more
	}
	_ = unix.Shutdown(s.fd, unix.SHUT_WR) // a connection that is gone needs no telling
}
