package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The draws must be binomial, or the tables measure something else. Seen red with
// the acceptance of rejection left out, and with a short cut that is 0.02 too wide.
func TestBinomialIsBinomial(t *testing.T) {
	t.Parallel()
	const draws = 200_000
	for _, c := range []struct {
		n int64
		p float64
	}{{1, 0.3}, {9, 0.01}, {90, 0.001}, {900, 0.01}, {900, 0.05}, {1000, 0.5}, {100, 0.97}} {
		r := rand.New(rand.NewPCG(1, uint64(c.n)))
		seen := make([]float64, c.n+1)
		for range draws {
			seen[binomial(r, c.n, c.p)]++
		}
		// Chi squared over the outcomes that are not rare.
		sum, freedom := 0.0, 0.0
		for k := range c.n + 1 {
			want := draws * math.Exp(logFactorials(float64(c.n), 0)-logFactorials(float64(k), float64(c.n-k))+
				float64(k)*math.Log(c.p)+float64(c.n-k)*math.Log1p(-c.p))
			if want >= 20 {
				sum += (seen[k] - want) * (seen[k] - want) / want
				freedom++
			}
		}
		if limit := freedom + 5*math.Sqrt(2*freedom) + 10; sum > limit {
			t.Errorf("%d trials with %v: chi squared is %.0f with %.0f outcomes", c.n, c.p, sum, freedom)
		}
	}
}

// What Wald's test needs is known in the simplest case: live never fails, so the
// evidence is the split of green's failures.
func TestBoundOfFailuresThatLiveNeverHas(t *testing.T) {
	t.Parallel()
	q := question{live: 0, green: 0.001}
	got := q.bound(9, 0.01)
	want := math.Log(100) / (0.001 * math.Log(10))
	if math.Abs(got/want-1) > 0.01 {
		t.Errorf("the bound is %v, want about %v", got, want)
	}
}

func TestUpper(t *testing.T) {
	t.Parallel()
	if got := upper(0, 100); math.Abs(got-0.0362) > 0.0001 {
		t.Errorf("0 of 100: %v", got)
	}
	if got := upper(3, 100); math.Abs(got-0.0852) > 0.0001 {
		t.Errorf("3 of 100: %v", got)
	}
}

func TestHigher(t *testing.T) {
	t.Parallel()
	low, high := []float64{1, 2, 3, 4, 5, 6, 7, 8}, []float64{6, 7, 8, 9, 10, 11, 12, 13}
	if !higher(low, high) || higher(high, low) || higher(low, low) || higher([]float64{0, 0, 0, 0, 0}, []float64{0, 0, 0, 0, 0}) {
		t.Error("the test of ranks is wrong")
	}
}
