// Package carried is a request of one carrier that another one answers: the event loops
// read the frames of a stream of HTTP/2 and write them, and net/http, on a goroutine of
// its own, says what is in them.
//
// A Stream has two sides. The loop's never blocks: Feed, EndBody, Leave, Take and Sent.
// The goroutine's does: Read, Begin, Write and End. What is on the way between them is
// bounded in both directions.
package carried

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"

	"teal/internal/gateway"
)

// Field is one field of a head or of a trailer.
type Field struct{ Name, Value string }

// Head is the head of an answer.
type Head struct {
	Status int
	Fields []Field
	Ends   bool // nothing follows
}

// From says where a request has come from, and what its head does not.
type From struct {
	Client, Server netip.AddrPort
	Admission      gateway.Admission
	Protocol       string // of an extended CONNECT (RFC 8441); "" for none
	Length         int64  // of the body; negative for unknown
	Ends           bool   // there is no body
}

// Bounds of what is on the way.
const (
	mostIn  = 64 << 10
	mostOut = 64 << 10
)

// ErrGone is what reading and writing end with when the client has gone.
var ErrGone = errors.New("the client has gone")

// Stream is one request on its way between two carriers. It is for concurrent use by
// one loop and the goroutines of one handler.
type Stream struct {
	wake func() // tells the loop that there is something for it; must not block

	mu      sync.Mutex
	more    sync.Cond
	woken   bool // the loop has been told, and has not looked yet
	in      []byte
	whole   bool // the body has arrived
	trailer []Field
	gone    bool
	left    []func() // are called when the client has gone
	stopped bool     // nobody is to read any more
	hungry  bool     // the loop has more of the body than there was room for

	heads   []Head
	out     []byte
	taken   int // of out
	ended   bool
	broken  bool
	closing []Field // the trailer of the answer

	reading, writing deadline
}

// New returns a stream whose loop is told by wake that it is to Take, or to Feed.
func New(wake func()) *Stream {
	s := &Stream{wake: wake}
	s.more.L = &s.mu
	return s
}

// deadline ends what takes too long.
type deadline struct {
	timer *time.Timer
	over  bool
}

// tell tells the loop, unless it has been told. The caller holds mu.
func (s *Stream) tell() {
	if !s.woken {
		s.woken = true
		s.wake()
	}
}

// Feed gives the body what there is room for, and returns how much that is.
func (s *Stream) Feed(piece []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(piece), mostIn-len(s.in))
	s.in = append(s.in, piece[:n]...)
	s.hungry = n < len(piece)
	if n > 0 {
		s.more.Broadcast()
	}
	return n
}

// EndBody says that the body has been fed to its end.
func (s *Stream) EndBody(trailer []Field) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole, s.trailer = true, trailer
	s.more.Broadcast()
}

// Leave says that the client has gone.
func (s *Stream) Leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	s.more.Broadcast()
	for _, f := range s.left {
		go f()
	}
	s.left = nil
}

// WhenGone makes f be called, on a goroutine of its own, when the client has gone.
func (s *Stream) WhenGone(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		go f()
		return
	}
	s.left = append(s.left, f)
}

// Answer is what there is to be said to the client.
type Answer struct {
	Heads   []Head
	Content []byte // valid until Sent is called
	Ends    bool   // behind Content, with Trailer
	Trailer []Field
	Broken  bool // the stream is to be reset
}

// Take returns what is to be said: the heads, once, and the content that has not been
// Sent.
func (s *Stream) Take() Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.woken = false
	a := Answer{Heads: s.heads, Content: s.out[s.taken:], Ends: s.ended, Trailer: s.closing, Broken: s.broken}
	s.heads = nil
	return a
}

// Sent says that so much of the content has been sent.
func (s *Stream) Sent(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken += n; s.taken == len(s.out) {
		s.out, s.taken = nil, 0 // the loop may still look at what it was
	}
	s.more.Broadcast()
}

// Read reads the body. It implements io.Reader, and fails with ErrGone when the client
// has gone and with os.ErrDeadlineExceeded at its deadline, which is final.
func (s *Stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.in) == 0 {
		switch {
		case s.reading.over:
			return 0, os.ErrDeadlineExceeded
		case s.whole:
			return 0, io.EOF
		case s.gone, s.stopped:
			return 0, ErrGone
		}
		s.more.Wait()
	}
	if s.reading.over {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, s.in)
	if s.in = s.in[n:]; len(s.in) == 0 {
		s.in = nil
	}
	if s.hungry && len(s.in) < mostIn/2 {
		s.hungry = false
		s.tell()
	}
	return n, nil
}

// Trailer returns the trailer of a body of which Read has found the end.
func (s *Stream) Trailer() []Field {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trailer
}

// Begin sends a head, also an interim one.
func (s *Stream) Begin(h Head) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failure(); err != nil {
		return err
	}
	s.heads = append(s.heads, h)
	s.ended = h.Ends
	s.tell()
	return nil
}

func (s *Stream) failure() error {
	switch {
	case s.gone:
		return ErrGone
	case s.broken, s.writing.over:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Write sends content. It blocks while the client takes none, until its deadline, at
// which the stream is reset.
func (s *Stream) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n < len(p) {
		if err := s.failure(); err != nil {
			return n, err
		}
		room := mostOut - (len(s.out) - s.taken)
		if room <= 0 {
			s.more.Wait()
			continue
		}
		if s.taken >= mostOut {
			s.out, s.taken = append([]byte(nil), s.out[s.taken:]...), 0
		}
		room = min(room, len(p)-n)
		s.out = append(s.out, p[n:n+room]...)
		n += room
		s.tell()
	}
	return n, nil
}

// End says that the answer is whole.
func (s *Stream) End(trailer []Field) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended, s.closing = true, trailer
		s.tell()
	}
}

// Break resets the stream.
func (s *Stream) Break() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	s.tell()
}

// SetReadDeadline bounds the reads of the body; zero is for ever.
func (s *Stream) SetReadDeadline(t time.Time) { s.set(&s.reading, t, false) }

// SetWriteDeadline bounds the writes of the answer; zero is for ever. The stream is
// reset when it passes.
func (s *Stream) SetWriteDeadline(t time.Time) { s.set(&s.writing, t, true) }

func (s *Stream) set(d *deadline, t time.Time, breaks bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	switch left := time.Until(t); {
	case d.over || t.IsZero():
	case left <= 0:
		s.expire(d, breaks)
	default:
		var own *time.Timer
		own = time.AfterFunc(left, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if d.timer == own { // else another one has been set
				s.expire(d, breaks)
			}
		})
		d.timer = own
	}
}

func (s *Stream) expire(d *deadline, breaks bool) {
	d.over = true
	if breaks && !(s.ended && len(s.out) == 0) {
		s.broken = true
		s.tell()
	}
	s.more.Broadcast()
}

// Stop ends the deadlines, and reads of the body that still wait. What is still to be
// sent may take as long as it likes: the loop has a time of its own for it.
func (s *Stream) Stop() {
	s.mu.Lock()
	s.stopped = true
	s.more.Broadcast()
	s.mu.Unlock()
	s.set(&s.reading, time.Time{}, false)
	s.set(&s.writing, time.Time{}, true)
}
