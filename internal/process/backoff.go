package process

import "time"

// Backoff says how long to wait before something that ended is started again.
// The zero value is ready: 100 ms, doubling to 30 s, from the start again after
// 10 s up. It reads no clock and is not safe for concurrent use.
type Backoff struct {
	First time.Duration // the first delay; 0 is 100 ms
	Max   time.Duration // the longest delay; 0 is 30 s
	Reset time.Duration // being up for this long forgives everything; 0 is 10 s

	next time.Duration
}

// Next returns the delay before the next start of something that ended after
// having been up for upFor.
func (b *Backoff) Next(upFor time.Duration) time.Duration {
	first, limit, reset := or(b.First, 100*time.Millisecond), or(b.Max, 30*time.Second), or(b.Reset, 10*time.Second)
	if b.next == 0 || upFor >= reset {
		b.next = first
	}
	delay := min(b.next, limit)
	b.next = min(2*delay, limit)
	return delay
}

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
