package main

import (
	"math"
	"math/rand/v2"
)

// binomial draws how many of n trials go badly, exactly: by inversion where few
// do, else by Hörmann's transformed rejection (BTRS, 1993).
func binomial(r *rand.Rand, n int64, p float64) int64 {
	switch {
	case n <= 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - binomial(r, n, 1-p)
	case float64(n)*p < 10:
		return inversion(r, n, p)
	}
	return rejection(r, float64(n), p)
}

func inversion(r *rand.Rand, n int64, p float64) int64 {
	u, q := r.Float64(), 1-p
	if u < 1-float64(n)*p { // which is less than the probability of none
		return 0
	}
	mass := math.Exp(float64(n) * math.Log1p(-p))
	for k := int64(0); ; k++ {
		if u -= mass; u < 0 || k >= n {
			return k
		}
		mass *= float64(n-k) / float64(k+1) * p / q
	}
}

func rejection(r *rand.Rand, n, p float64) int64 {
	q := 1 - p
	sd := math.Sqrt(n * p * q)
	b := 1.15 + 2.53*sd
	a := -0.0873 + 0.0248*b + 0.01*p
	alpha := (2.83 + 5.1/b) * sd
	mode := math.Floor((n + 1) * p)
	for {
		v, u := r.Float64(), r.Float64()-0.5
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + n*p + 0.5)
		if us >= 0.07 && v <= 0.92-4.2/b {
			return int64(k)
		}
		if k < 0 || k > n {
			continue
		}
		v = math.Log(v * alpha / (a/(us*us) + b))
		if v <= logFactorials(mode, n-mode)-logFactorials(k, n-k)+(k-mode)*math.Log(p/q) {
			return int64(k)
		}
	}
}

func logFactorials(a, b float64) float64 {
	la, _ := math.Lgamma(a + 1)
	lb, _ := math.Lgamma(b + 1)
	return la + lb
}

// arrivals draws a number of requests. Only how they go matters to the tests, so
// that large numbers are rounded from a normal distribution does not.
func arrivals(r *rand.Rand, mean float64) int64 {
	if mean > 50 {
		return max(int64(math.Round(mean+math.Sqrt(mean)*r.NormFloat64())), 0)
	}
	limit, product, k := math.Exp(-mean), r.Float64(), int64(0)
	for product > limit {
		product *= r.Float64()
		k++
	}
	return k
}
