package event

import "time"

// The pauses of Backoff.
const (
	retryFirst = time.Second
	retryMost  = 5 * time.Minute
)

// Backoff is how long to wait after so many failures in a row, at least one: a
// second, doubled each time, and at most five minutes.
func Backoff(failures int) time.Duration {
	wait := retryFirst
	for range failures - 1 {
		if wait *= 2; wait >= retryMost {
			return retryMost
		}
	}
	return wait
}
