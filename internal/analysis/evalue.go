package analysis

import "math"

// tally is what one side did in some time: trials, and how many of them went
// badly. What is bad depends on the question: failed, or slower than something.
type tally struct {
	N   int64 `json:"n"`
	Bad int64 `json:"bad"`
}

// per counts events of so many trials each.
func (t tally) per(dispersion float64) tally {
	if dispersion == 1 {
		return t
	}
	return tally{int64(float64(t.N) / dispersion), int64(math.Ceil(float64(t.Bad) / dispersion))}
}

func (t tally) plus(u tally) tally  { return tally{t.N + u.N, t.Bad + u.Bad} }
func (t tally) minus(u tally) tally { return tally{t.N - u.N, t.Bad - u.Bad} }

// rate is the share of bad trials; 0 of none.
func (t tally) rate() float64 {
	if t.N == 0 {
		return 0
	}
	return float64(t.Bad) / float64(t.N)
}

// guess is the share to expect of trials to come. Without any it is 1 %: a wrong
// guess costs speed, never correctness.
func (t tally) guess() float64 {
	return math.Min((float64(t.Bad)+0.2)/(float64(t.N)+20), 0.95)
}

// likelihood is the logarithm of the probability of t when each trial goes badly
// with probability p, relative to probability q. Both are inside (0, 1).
func (t tally) likelihood(p, q float64) float64 {
	logs := float64(t.N-t.Bad) * (math.Log1p(-p) - math.Log1p(-q))
	if t.Bad > 0 {
		logs += float64(t.Bad) * math.Log(p/q)
	}
	return logs
}

// pair is what both sides did.
type pair struct {
	Live  tally `json:"live"`
	Green tally `json:"green"`
}

func (p pair) plus(q pair) pair  { return pair{p.Live.plus(q.Live), p.Green.plus(q.Green)} }
func (p pair) minus(q pair) pair { return pair{p.Live.minus(q.Live), p.Green.minus(q.Green)} }

// scaleOdds multiplies the odds of p by ratio.
func scaleOdds(p, ratio float64) float64 {
	odds := ratio * p / (1 - p)
	return odds / (1 + odds)
}

// against returns the logarithm of an e-value of the trials of both sides for
// "green's share is at most c times live's". It is the likelihood under one
// alternative, live at p and green at odds that are ratio times those of c·p,
// over the likelihood under the member of the hypothesis that is nearest to it
// (the reverse information projection of Turner, Ly and Grünwald).
//
// That the expectation is at most 1 under every member needs only that the
// trials are independent given the past: not that live's share is known, nor
// that it was the same an interval ago. It needs not even be the same for all
// trials of a side, because the logarithm of the expectation is concave in the
// shares. The guess p decides only how fast evidence grows.
func (p pair) against(guess, ratio, c float64) float64 {
	live, green := guess, scaleOdds(math.Min(c*guess, 0.99), ratio)
	if green <= c*live || p.Live.N == 0 || p.Green.N == 0 {
		return 0
	}
	nl, ng := float64(p.Live.N), float64(p.Green.N)
	// The nearest member (q, c·q) is where the derivative of
	// nl·KL(live, q) + ng·KL(green, c·q) is zero: the smaller root of
	// c·(nl+ng)·q² − b·q + s.
	s := nl*live + ng*green
	b := s*(1+c) + nl*(1-live) + c*ng*(1-green)
	q := 2 * s / (b + math.Sqrt(math.Max(b*b-4*c*(nl+ng)*s, 0)))
	if q <= 0 || c*q >= 1 {
		return 0
	}
	return p.Live.likelihood(live, q) + p.Green.likelihood(green, c*q)
}

// above returns the logarithm of an e-value of t for "the share is at most
// limit": the likelihood at odds that are ratio times those of the limit, over
// the likelihood at the limit.
func (t tally) above(limit, ratio float64) float64 {
	switch {
	case limit >= 1:
		return 0
	case limit <= 0 && t.Bad > 0:
		return math.Inf(1)
	case limit <= 0:
		return 0
	}
	return t.likelihood(scaleOdds(limit, ratio), limit)
}

// atMost returns a bound on the share behind t that is too low with a
// probability of at most delta, even when the bound is computed after every
// trial: those shares are left out against which a mixture of all others (the
// Jeffreys mixture) has won 1/delta.
func (t tally) atMost(delta float64) float64 {
	if t.N == 0 {
		return 1
	}
	bad, good := float64(t.Bad), float64(t.N-t.Bad)
	mixture := logBeta(bad+0.5, good+0.5) - math.Log(math.Pi)
	excluded := func(p float64) bool {
		logs := mixture - good*math.Log1p(-p)
		if bad > 0 {
			logs -= bad * math.Log(p)
		}
		return logs >= -math.Log(delta)
	}
	low, high := t.rate(), 1.0
	for range 40 {
		if mid := (low + high) / 2; excluded(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

func logBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}
