package exchange

import "time"

// LingerTime is how long the rest of an unread body is read and thrown away
// before the connection is closed. Closing with data unread makes the kernel send
// a reset, which can destroy the response on its way to the client. The time is
// the only bound: a client that sends without end on a fast network must get to
// see the response too.
const LingerTime = 500 * time.Millisecond

// StreamLingerTime is how long the rest of a body on a stream of HTTP/2 is, at most,
// while the client goes on sending it: it has the whole answer, and looks at it when it
// pauses, or has sent all.
const StreamLingerTime = 30 * time.Second

// A short rest of a body is read to keep the connection usable.
const (
	RestTime  = 20 * time.Millisecond
	RestBytes = 64 << 10
)
