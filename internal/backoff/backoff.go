// Package backoff says how long to wait after something has failed.
package backoff

import "time"

// The pauses of After.
const (
	retryFirst = time.Second
	retryMost  = 5 * time.Minute
)

// After is how long to wait after so many failures in a row, at least one: a
// second, doubled each time, and at most five minutes.
func After(failures int) time.Duration {
	wait := retryFirst
	for range failures - 1 {
		if wait *= 2; wait >= retryMost {
			return retryMost
		}
	}
	return wait
}
