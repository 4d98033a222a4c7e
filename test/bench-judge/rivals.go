package main

import (
	"math"
	"slices"
	"time"

	"teal"
	"teal/internal/analysis"
)

// judge says after an interval whether green is worse.
type judge interface {
	worse(i teal.Interval) bool
}

// ours is Teal's judge with the default policy.
type ours struct{ *analysis.Judge }

func newOurs(before *teal.Measurement, policy teal.Judging) (ours, error) {
	j, err := analysis.New(analysis.Beginning{Policy: policy, Baseline: before})
	return ours{j}, err
}

func (o ours) worse(i teal.Interval) bool {
	o.Add(i)
	return o.Judgement(i.At).Verdict == teal.VerdictFail
}

// question is one that has a yes or no for every request, with the true shares
// of yes: what a test that knows the alternative knows.
type question struct {
	of          func(m teal.Measurement, green bool) (n, bad int64)
	live, green float64
	tolerance   float64 // the hypothesis is that green's share is at most 1+tolerance times live's
}

// nearest is the share q of live for which (q, c·q) is hardest to tell from the
// truth with m requests of live to one of green.
func (q question) nearest(m float64) float64 {
	c := 1 + q.tolerance
	distance := func(x float64) float64 { return m*divergence(q.live, x) + divergence(q.green, math.Min(c*x, 1-1e-12)) }
	low, high := 1e-12, 1/c
	for range 200 { // it is convex
		a, b := low+(high-low)/3, high-(high-low)/3
		if distance(a) < distance(b) {
			high = b
		} else {
			low = a
		}
	}
	return (low + high) / 2
}

// divergence is that of Kullback and Leibler between two shares.
func divergence(p, q float64) float64 {
	d := 0.0
	if p > 0 {
		d += p * math.Log(p/q)
	}
	if p < 1 {
		d += (1 - p) * math.Log((1-p)/(1-q))
	}
	return d
}

// bound is how many requests of green Wald's test needs on average when it knows
// both shares, with m requests of live to each: no test with so few false alarms
// needs fewer.
func (q question) bound(m float64) float64 {
	x := q.nearest(m)
	return -math.Log(alpha) / (m*divergence(q.live, x) + divergence(q.green, (1+q.tolerance)*x))
}

// sprt is Wald's sequential probability ratio test of the true shares against
// the nearest that are no worse.
type sprt struct {
	q     question
	near  float64
	alpha float64
	sum   float64
}

func newSPRT(q question, m, alpha float64) *sprt {
	return &sprt{q: q, near: q.nearest(m), alpha: alpha}
}

func (s *sprt) worse(i teal.Interval) bool {
	add := func(m teal.Measurement, green bool, p, q float64) {
		n, bad := s.q.of(m, green)
		if bad > 0 {
			s.sum += float64(bad) * math.Log(p/q)
		}
		s.sum += float64(n-bad) * math.Log((1-p)/(1-q))
	}
	add(i.Live, false, s.q.live, s.near)
	add(i.Green, true, s.q.green, (1+s.q.tolerance)*s.near)
	return s.sum >= -math.Log(s.alpha)
}

// threshold is what most controllers do: a limit on the last minute, looked at
// every second. The limits are set by somebody who knows live well.
type threshold struct {
	errors float64
	p99    time.Duration
	last   [60]teal.Measurement
	n      int
}

// newThreshold sets limits of twice live's errors, and at least 1 %, and of half
// as much again as live's p99.
func newThreshold(base float64, live *latency) *threshold {
	return &threshold{errors: max(2*base, 0.01), p99: live.quantile(0.99) * 3 / 2}
}

func (t *threshold) worse(i teal.Interval) bool {
	m := i.Green
	m.Latency = slices.Clone(m.Latency)
	t.last[t.n%len(t.last)] = m
	t.n++
	var n, failed, slow, timed int64
	for _, m := range t.last {
		n, failed = n+m.Requests, failed+m.Errors
		for _, l := range m.Latency {
			if timed += l.Count; l.UpTo > t.p99 {
				slow += l.Count
			}
		}
	}
	return n >= 100 && (float64(failed) > t.errors*float64(n) || float64(slow) > 0.01*float64(timed))
}

// mannWhitney is Kayenta's test: the samples are the error rate and the p99 of
// ten seconds each, green's against live's, one-sided with a confidence of 98 %
// of the interval, asked again with every new sample.
type mannWhitney struct {
	n           int
	live, green merged
	errors, p99 [2][]float64 // live's samples and green's
}

// merged is what one side did in ten seconds.
type merged struct {
	teal.Measurement
	latency map[time.Duration]int64
}

func (m *merged) add(o teal.Measurement) {
	m.Requests, m.Errors = m.Requests+o.Requests, m.Errors+o.Errors
	if m.latency == nil {
		m.latency = map[time.Duration]int64{}
	}
	for _, l := range o.Latency {
		m.latency[l.UpTo] += l.Count
	}
}

func (m *merged) p99() float64 {
	var list []teal.LatencyCount
	total := int64(0)
	for upTo, n := range m.latency {
		list = append(list, teal.LatencyCount{UpTo: upTo, Count: n})
		total += n
	}
	slices.SortFunc(list, func(a, b teal.LatencyCount) int { return int(a.UpTo - b.UpTo) })
	below := int64(0)
	for _, l := range list {
		if below += l.Count; float64(below) >= 0.99*float64(total) {
			return float64(l.UpTo)
		}
	}
	return 0
}

func (w *mannWhitney) worse(i teal.Interval) bool {
	w.live.add(i.Live)
	w.green.add(i.Green)
	if w.n++; w.n%10 != 0 {
		return false
	}
	for side, m := range []*merged{&w.live, &w.green} {
		if m.Requests > 0 {
			w.errors[side] = append(w.errors[side], float64(m.Errors)/float64(m.Requests))
			w.p99[side] = append(w.p99[side], m.p99())
		}
		*m = merged{}
	}
	return higher(w.errors[0], w.errors[1]) || higher(w.p99[0], w.p99[1])
}

// higher is the test of Mann and Whitney with the normal approximation, ties
// corrected for.
func higher(live, green []float64) bool {
	const least, z = 5, 2.326
	if len(live) < least || len(green) < least {
		return false
	}
	type sample struct {
		v     float64
		green bool
	}
	var all []sample
	for _, v := range live {
		all = append(all, sample{v, false})
	}
	for _, v := range green {
		all = append(all, sample{v, true})
	}
	slices.SortFunc(all, func(a, b sample) int {
		switch {
		case a.v < b.v:
			return -1
		case a.v > b.v:
			return 1
		}
		return 0
	})
	n, ranks, ties := float64(len(all)), 0.0, 0.0
	for i := 0; i < len(all); {
		k := i
		for k < len(all) && all[k].v == all[i].v {
			k++
		}
		same := float64(k - i)
		ties += same*same*same - same
		for ; i < k; i++ {
			if all[i].green {
				ranks += float64(k) - (same-1)/2
			}
		}
	}
	a, b := float64(len(green)), float64(len(live))
	u := ranks - a*(a+1)/2
	sd := math.Sqrt(a * b / 12 * (n + 1 - ties/(n*(n-1))))
	return sd > 0 && (u-a*b/2)/sd > z
}
