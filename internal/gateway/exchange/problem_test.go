package exchange

import "testing"

// A flood of failures is no flood of log lines, and none is forgotten. Seen red
// without the bound, without the count, and without a new start in a new second.
func TestFailuresAreLoggedWithinABound(t *testing.T) {
	var b failureBudget
	logged := 0
	for range 3 * failuresPerSecond {
		if _, ok := b.take(1); ok {
			logged++
		}
	}
	if dropped, ok := b.take(2); logged != failuresPerSecond || !ok || dropped != 2*failuresPerSecond {
		t.Errorf("%d logged, then %d had not been, %v", logged, dropped, ok)
	}
}
