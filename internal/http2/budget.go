package http2

// budget bounds what a peer does that costs it less than us. It is used up by each such
// deed and comes back with time.
type budget struct {
	used int64 // in units of which perSecond come back each second
	seen int64 // when
}

// The budgets of a connection. A browser that leaves a page resets as many streams as
// it had; one that downloads sends two updates of windows for a frame.
const (
	resetsAtOnce    = 1000
	resetsPerSecond = 100
	chatterAtOnce   = 10_000
	chatterAgain    = 1000 // each second
)

// take reports whether one more unit is there.
func (b *budget) take(now int64, atOnce, perSecond int64) bool {
	const second = int64(1e9)
	if elapsed := now - b.seen; elapsed > 0 {
		back := min(elapsed, 60*second) / (second / perSecond)
		if back > 0 {
			b.used = max(b.used-back, 0)
			b.seen = now
		}
	}
	b.used++
	return b.used <= atOnce
}

// earn gives units back for what was useful.
func (b *budget) earn(n int64) { b.used = max(b.used-n, 0) }
