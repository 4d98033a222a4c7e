package runtimeapi

// Flow carries a streamed answer from the connection that it comes on to whoever
// waits for it, a piece at a time: the one's pace is the other's. A nil Flow
// carries nothing.
type Flow struct {
	pieces chan Piece
	taken  chan struct{}
	left   chan struct{}
	gone   bool // left is closed
}

// Piece is a part of a streamed answer, valid until Took.
type Piece struct {
	First     bool // the answer begins; there is no Data yet
	MediaType string
	Data      []byte
}

// NewFlow returns a Flow for one answer.
func NewFlow() *Flow {
	return &Flow{pieces: make(chan Piece), taken: make(chan struct{}, 1), left: make(chan struct{})}
}

// Pieces returns the channel of what has come. Took must follow each.
func (f *Flow) Pieces() <-chan Piece {
	if f == nil {
		return nil
	}
	return f.pieces
}

// Took says that the last piece is not needed any more.
func (f *Flow) Took() { f.taken <- struct{}{} }

// Leave says that no more pieces will be taken: the rest of the answer is read
// and thrown away.
func (f *Flow) Leave() {
	if f != nil && !f.gone {
		f.gone = true
		close(f.left)
	}
}

// pass returns true when the piece has been taken, or nobody takes any more. When
// ended is closed before, it returns false, and the piece's bytes must be left
// alone: somebody may be reading them.
func (f *Flow) pass(p Piece, ended <-chan struct{}) bool {
	select {
	case <-f.left:
		return true
	default:
	}
	select {
	case f.pieces <- p:
	case <-f.left:
		return true
	case <-ended:
		return false
	}
	select {
	case <-f.taken:
		return true
	case <-ended:
		return false
	}
}
