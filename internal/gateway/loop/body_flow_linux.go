package loop

import (
	"errors"

	"teal/internal/http1"
)

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

// flowState is why a flow has stopped for now.
type flowState int

const (
	flowDone        flowState = iota // everything has been handed to the kernel
	flowAwaitsFrom                   // until more arrives
	flowAwaitsTo                     // until the other side takes more
	flowEnded                        // the source ended in the middle
	flowMalformed                    // err says why
	flowUndelivered                  // the other side is gone
	flowAgain                        // it is others' turn
)

// What is gathered behind a head, or of chunks, to be written at once.
const (
	joined   = 8 << 10
	gathered = 32 << 10
)

// pump moves what can be moved.
func (f *flow) pump(l *loop, from, to *socket) flowState {
	for {
		if !f.gather(l, from, to) {
			to.send(l, nil) // what came before it is good
			return flowMalformed
		}
		if to.stream != nil {
			to.stream.last = f.body.Done() && !hasTrailer(f.body.Trailer(), f.trailer)
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
		case l.readsLeft == 0:
			return flowAgain
		}
		if !f.starved {
			continue
		}
		l.readsLeft--
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
func (f *flow) gather(l *loop, from, to *socket) bool {
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
		trailer := f.body.Trailer()
		if from.stream != nil {
			trailer = from.stream.trailer.Trailer()
		}
		switch {
		case f.chunked:
			to.room(l, smallBuffer)
			to.out = http1.AppendTrailer(to.out, trailer, f.trailer)
		case to.stream != nil:
			to.stream.finish(trailer, f.trailer)
		}
	}
	return true
}

// chunkOverhead is what framing adds to a piece at most.
const chunkOverhead = 32
