package carried

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A body and an answer that are much larger than what may be on the way arrive whole,
// with their trailers, whatever piece each side takes at a time.
func TestBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		woken := make(chan struct{}, 1)
		wake := func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		}
		s := New(wake)
		up := bytes.Repeat([]byte("up"), 300_000)
		done := make(chan error, 1)
		go func() {
			err := s.Begin(Head{Status: 200})
			_, copied := io.CopyBuffer(writerOnly{s}, readerOnly{s}, make([]byte, 10_000))
			s.End(s.Trailer())
			s.Stop()
			done <- errors.Join(err, copied)
		}()
		var down []byte
		var last Answer
		heads, most, fed, whole := 0, 0, 0, false
		for range woken {
			fed += s.Feed(up[fed:min(fed+20_000, len(up))])
			if fed == len(up) && !whole {
				whole = true
				s.EndBody([]Field{{"sum", "1"}})
			}
			last = s.Take()
			heads += len(last.Heads)
			most = max(most, len(last.Content))
			n := min(len(last.Content), 7000)
			down = append(down, last.Content[:n]...)
			s.Sent(n)
			if last.Ends && n == len(last.Content) {
				break
			}
			if n < len(last.Content) {
				wake() // the loop has more to do
			}
		}
		if err := <-done; err != nil || !bytes.Equal(down, up) || heads != 1 || len(last.Trailer) != 1 || last.Broken {
			t.Errorf("%v, %d of %d bytes, %d heads, %+v", err, len(down), len(up), heads, last.Trailer)
		}
		if most > mostOut {
			t.Errorf("%d bytes were on the way", most)
		}
	})
}

type readerOnly struct{ io.Reader }
type writerOnly struct{ io.Writer }

// What waits ends when the client has gone, when nobody is to read any more, and at the
// deadline; a stalled answer is then reset.
//
// Seen red without the first and the second in Read.
func TestWaitingEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(s *Stream)
		want error
	}{
		"the client has gone": {func(s *Stream) { s.Leave() }, ErrGone},
		"the handler is over": {func(s *Stream) { s.Stop() }, ErrGone},
		"the deadline":        {func(s *Stream) { s.SetReadDeadline(time.Now().Add(time.Second)) }, os.ErrDeadlineExceeded},
		"a deadline that is":  {func(s *Stream) { s.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"the end of the body": {func(s *Stream) { s.EndBody(nil) }, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(func() {})
				read := make(chan error, 1)
				go func() {
					_, err := s.Read(make([]byte, 1))
					read <- err
				}()
				synctest.Wait()
				c.end(s)
				if err := <-read; !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := New(func() {})
		s.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := s.Write(make([]byte, 2*mostOut))
		if n != mostOut || !errors.Is(err, os.ErrDeadlineExceeded) || !s.Take().Broken {
			t.Errorf("%d, %v", n, err)
		}
		gone := New(func() {})
		called := make(chan struct{})
		gone.WhenGone(func() { close(called) })
		gone.Leave()
		<-called
		if _, err := gone.Write([]byte("x")); !errors.Is(err, ErrGone) {
			t.Error(err)
		}
	})
}
