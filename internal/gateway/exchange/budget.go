package exchange

import "sync/atomic"

// budget bounds the bytes that all requests together hold in memory. What a
// request takes from it, it gives back when it is over.
type budget struct{ left atomic.Int64 }

func newBudget(bytes int64) *budget {
	b := &budget{}
	b.left.Store(bytes)
	return b
}

// take reports whether n more bytes may be held. It does not block.
func (b *budget) take(n int64) bool {
	if b.left.Add(-n) >= 0 {
		return true
	}
	b.left.Add(n)
	return false
}

func (b *budget) give(n int64) { b.left.Add(n) }
