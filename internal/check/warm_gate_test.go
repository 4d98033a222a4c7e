package check

import (
	"slices"
	"testing"
	"time"

	"teal"
)

// TestJudgeWarmth: seen red with requests that were given up taken for nothing.
func TestJudgeWarmth(t *testing.T) {
	t.Parallel()
	const bound = 100 * time.Millisecond
	many := func(n int, d time.Duration) []time.Duration { return slices.Repeat([]time.Duration{d}, n) }
	for _, c := range []struct {
		name string
		w    warmUpStats
		want teal.Verdict
	}{
		{"nothing", warmUpStats{sent: 20, bad: 20}, teal.VerdictInconclusive},
		{"quick", warmUpStats{sent: 20, took: many(20, bound)}, teal.VerdictPass},
		{"one of twenty slow", warmUpStats{sent: 20, took: append(many(19, bound), time.Second)}, teal.VerdictPass},
		{"two of twenty slow", warmUpStats{sent: 20, took: append(many(18, bound), time.Second, time.Second)}, teal.VerdictFail},
		{"given up late", warmUpStats{sent: 11, bad: 1, took: many(10, bound), pending: many(1, time.Second)}, teal.VerdictFail},
		{"given up early", warmUpStats{sent: 11, bad: 1, took: many(10, bound), pending: many(1, bound/2)}, teal.VerdictInconclusive},
		{"quick failures", warmUpStats{sent: 40, bad: 30, took: many(10, bound)}, teal.VerdictInconclusive},
		{"too few", warmUpStats{sent: 9, took: many(9, bound)}, teal.VerdictInconclusive},
	} {
		if got, seen := judgeWarmUp(c.w, bound); got != c.want {
			t.Errorf("%s: %s (%s), expected %s", c.name, got, seen, c.want)
		}
	}
}

func TestPercentile95(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{0: 0, 1: 1, 19: 19, 20: 19, 100: 95, 101: 96} {
		var list []time.Duration
		for i := range n {
			list = append(list, time.Duration(n-i))
		}
		if got := percentile95(list); got != want {
			t.Errorf("of 1 to %d it is %d, expected %d", n, got, want)
		}
	}
}
