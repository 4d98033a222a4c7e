package nethttp

import (
	"net/http"
	"sync"
	"time"
)

// stream is a request's part of an HTTP/2 connection. It has the deadlines that
// in HTTP/1.1 the connection has; those of the connection itself, which others
// share, are left alone.
//
// A deadline costs a timer here and nothing else: net/http's own would cost a
// message to the connection's goroutine each time one is set or cleared.
type stream struct {
	http.ResponseWriter
	controller *http.ResponseController
	writeStall time.Duration

	headOnly bool // there is nothing after the response's head

	mu       sync.Mutex
	over     bool // end was called: the ResponseWriter must not be touched
	reading  *time.Timer
	writing  *time.Timer
	buffered bool // something was written and not flushed
}

func newStream(w http.ResponseWriter, writeStall time.Duration) *stream {
	return &stream{ResponseWriter: w, controller: http.NewResponseController(w), writeStall: writeStall}
}

// Unwrap lets http.ResponseController find the rest.
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// SetReadDeadline bounds the next reads of the request's body; zero is for ever.
// A deadline that has passed is final: the body stays unreadable.
func (s *stream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	switch left := time.Until(t); {
	case t.IsZero():
		if s.reading != nil {
			s.reading.Stop()
		}
	case left <= 0:
		return s.controller.SetReadDeadline(t)
	case s.reading == nil:
		s.reading = time.AfterFunc(left, func() { s.expire(s.controller.SetReadDeadline) })
	default:
		s.reading.Reset(left)
	}
	return nil
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

func (s *stream) expire(set func(time.Time) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		_ = set(past) // net/http's streams can be told
	}
}

// Spend does nothing: an unread rest of this body can be no other request's.
func (s *stream) Spend() {}

// shared says that the connection has other requests.
func (s *stream) shared() bool { return true }

// Write implements http.ResponseWriter. A client that takes nothing for too long
// gets its stream reset.
func (s *stream) Write(p []byte) (int, error) {
	s.buffered = true
	s.watch()
	n, err := s.ResponseWriter.Write(p)
	s.writing.Stop()
	return n, err
}

// endsWithHead says, before the head is written, that the response has no body and
// no trailers. Its head then ends the stream, when the handler returns: a head that
// is flushed before needs an empty DATA frame to end it, and an answer of a gRPC
// instance that is nothing but trailers would no longer be one.
func (s *stream) endsWithHead() { s.headOnly = true }

// FlushError is what http.ResponseController calls to flush.
func (s *stream) FlushError() error {
	if s.headOnly {
		return nil
	}
	s.buffered = false
	s.watch()
	err := s.controller.Flush()
	s.writing.Stop()
	return err
}

func (s *stream) watch() {
	if s.writing == nil {
		s.writing = time.AfterFunc(s.writeStall, func() { s.expire(s.controller.SetWriteDeadline) })
		return
	}
	s.writing.Reset(s.writeStall)
}

// end must be called before the handler returns. What is then still to be sent
// has as long as one write.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, timer := range []*time.Timer{s.reading, s.writing} {
		if timer != nil {
			timer.Stop()
		}
	}
	if s.buffered {
		_ = s.controller.SetWriteDeadline(time.Now().Add(s.writeStall))
	}
}
