package analysis

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// binomial returns the probability of k of n.
func binomial(n, k int64, p float64) float64 {
	if p <= 0 || p >= 1 {
		if p <= 0 && k == 0 || p >= 1 && k == n {
			return 1
		}
		return 0
	}
	choose := -math.Log(float64(n+1)) - logBeta(float64(k+1), float64(n-k+1))
	return math.Exp(choose + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

// poissonBinomial returns the distribution of the bad ones among trials that go
// badly with the given probabilities.
func poissonBinomial(probabilities []float64) []float64 {
	d := []float64{1}
	for _, p := range probabilities {
		next := make([]float64, len(d)+1)
		for k, mass := range d {
			next[k] += mass * (1 - p)
			next[k+1] += mass * p
		}
		d = next
	}
	return d
}

// The expectation of a fair bet is at most 1, summed over everything that can
// happen, for every hypothesis and whatever was guessed. Seen red with the pooled
// share in place of the nearest member's.
func TestBetsSideBySideAreFair(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom([]float64{1, 1.1, 1.5, 3}).Draw(t, "c")
		ratio := rapid.SampledFrom(ratios[:]).Draw(t, "ratio")
		guess := rapid.Float64Range(1e-6, 0.95).Draw(t, "guess")
		live := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 12).Draw(t, "live")
		green := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 12).Draw(t, "green")
		// Green's mean share at or below c times live's: the trials of a side need
		// not be alike.
		within := rapid.Float64Range(0, 1).Draw(t, "within")
		if bound := within * math.Min(c*mean(live), 1); mean(green) > bound {
			for i := range green {
				green[i] *= bound / mean(green) * within
			}
			if m := mean(green); m > bound {
				t.Skip("not in the hypothesis")
			}
		}
		expectation := 0.0
		for xl, pl := range poissonBinomial(live) {
			for xg, pg := range poissonBinomial(green) {
				p := pair{tally{int64(len(live)), int64(xl)}, tally{int64(len(green)), int64(xg)}}
				expectation += pl * pg * math.Exp(p.against(guess, ratio, c))
			}
		}
		if expectation > 1+1e-9 {
			t.Fatalf("the expectation is %v", expectation)
		}
	})
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

// Seen red with the likelihood at nine tenths of the limit below the line.
func TestBetsAgainstALimitAreFair(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Float64Range(1e-6, 0.999).Draw(t, "limit")
		ratio := rapid.SampledFrom(ratios[:]).Draw(t, "ratio")
		n := rapid.Int64Range(1, 40).Draw(t, "n")
		p := limit * rapid.Float64Range(0, 1).Draw(t, "within")
		expectation := 0.0
		for k := range n + 1 {
			expectation += binomial(n, k, p) * math.Exp(tally{n, k}.above(limit, ratio))
		}
		if expectation > 1+1e-9 {
			t.Fatalf("the expectation is %v", expectation)
		}
	})
}

// The bound must hold at every moment at once, not only at a moment chosen
// beforehand: here it is looked at after every trial. Seen red with a bound that
// holds at one moment (Chernoff's) in its place.
func TestBoundHoldsAtEveryMoment(t *testing.T) {
	t.Parallel()
	const runs, trials, delta = 200, 600, 0.05
	random := rand.New(rand.NewPCG(3, 1))
	for _, p := range []float64{0.002, 0.05, 0.4} {
		broken := 0
		for range runs {
			var did tally
			for range trials {
				did.N++
				if random.Float64() < p {
					did.Bad++
				}
				// Above the share itself nothing can break, which saves the bisection.
				if did.rate() < p && did.atMost(delta) < p {
					broken++
					break
				}
			}
		}
		// Three standard deviations above delta.
		if limit := runs*delta + 3*math.Sqrt(runs*delta*(1-delta)); float64(broken) > limit {
			t.Errorf("p = %v: the bound was too low in %d of %d runs", p, broken, runs)
		}
	}
}

func TestBoundClosesIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		did       tally
		low, high float64
	}{
		{tally{}, 1, 1},
		{tally{1000, 0}, 0.005, 0.012},
		{tally{100_000, 1000}, 0.0100, 0.0120},
		{tally{10, 10}, 1, 1},
	} {
		if got := c.did.atMost(0.001); got < c.low || got > c.high {
			t.Errorf("%+v: %v is not between %v and %v", c.did, got, c.low, c.high)
		}
	}
}

// More failures of green are never less evidence, and more of live never more.
func TestEvidenceIsMonotonous(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := pair{tally{N: rapid.Int64Range(1, 1000).Draw(t, "live")}, tally{N: rapid.Int64Range(1, 1000).Draw(t, "green")}}
		p.Live.Bad, p.Green.Bad = rapid.Int64Range(0, p.Live.N).Draw(t, "bad"), rapid.Int64Range(0, p.Green.N).Draw(t, "bad")
		guess := rapid.Float64Range(1e-6, 0.95).Draw(t, "guess")
		c := rapid.SampledFrom([]float64{1, 1.1, 2}).Draw(t, "c")
		ratio := rapid.SampledFrom(ratios[:]).Draw(t, "ratio")
		now := p.against(guess, ratio, c)
		if more := p; more.Green.Bad < more.Green.N {
			more.Green.Bad++
			if more.against(guess, ratio, c) < now {
				t.Fatal("a failure of green is less evidence")
			}
		}
		if more := p; more.Live.Bad < more.Live.N {
			more.Live.Bad++
			if more.against(guess, ratio, c) > now {
				t.Fatal("a failure of live is more evidence")
			}
		}
		if limit := rapid.Float64Range(0.001, 0.9).Draw(t, "limit"); p.Green.Bad < p.Green.N {
			more := tally{p.Green.N, p.Green.Bad + 1}
			if more.above(limit, ratio) < p.Green.above(limit, ratio) {
				t.Fatal("a failure is less evidence of being above a limit")
			}
		}
	})
}
