package main

import (
	"math"
	"math/rand/v2"
	"time"

	"teal"
)

var start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// world is traffic and what it meets, a second at a time.
type world struct {
	rate    float64 // requests per second, on average
	split   float64 // green's share
	base    float64 // live's error rate
	pattern pattern
	live    *latency
	green   side
	drawn   [2]drawing
}

// drawing is memory that the next second uses again.
type drawing struct {
	counts  []int64
	latency []teal.LatencyCount
}

// side is how green differs.
type side struct {
	worse   func(base float64) float64 // its error rate
	latency *latency
}

// pattern changes the traffic, and the error rate of both sides, from second to
// second.
type pattern struct {
	name string
	at   func(second int) (traffic, errors float64)
}

var (
	steady = pattern{"steady", func(int) (float64, float64) { return 1, 1 }}
	// Ten seconds of every minute bring five times the traffic, and three times
	// the errors, to both.
	bursty = pattern{"bursty", func(second int) (float64, float64) {
		if second%60 < 10 {
			return 5, 3
		}
		return 0.2, 0.6
	}}
	// A day in an hour: from 0.3 to 1.7 times the traffic, errors with it.
	diurnal = pattern{"diurnal", func(second int) (float64, float64) {
		wave := math.Sin(2 * math.Pi * float64(second) / 3600)
		return 1 + 0.7*wave, 1 + 0.5*wave
	}}
)

// second draws what happens in a second.
func (w *world) second(r *rand.Rand, n int, split float64) teal.Interval {
	traffic, errors := w.pattern.at(n)
	mean := w.rate * traffic
	base := math.Min(w.base*errors, 1)
	i := teal.Interval{At: start.Add(time.Duration(n+1) * time.Second)}
	i.Live = w.live.measure(r, arrivals(r, mean*(1-split)), base, &w.drawn[0])
	i.Green = w.green.latency.measure(r, arrivals(r, mean*split), w.green.worse(base), &w.drawn[1])
	return i
}

// before draws the ten minutes that live had alone.
func (w *world) before(r *rand.Rand) *teal.Measurement {
	m := w.live.measure(r, arrivals(r, w.rate*600), w.base, new(drawing))
	return &m
}

func same(base float64) float64 { return base }

// latency is a distribution over buckets.
type latency struct {
	edges []time.Duration
	share []float64 // of each bucket
	rest  []float64 // share of the bucket and those after it
	sum   []float64 // share of the bucket and those before it
	guide [256]int  // the first bucket that a draw in each 256th can be in
}

// tail is the share of requests that are in the heavy tail.
const tail = 0.05

// newLatency returns latencies with a lognormal body around 40 ms and a heavy
// tail: one request in twenty takes 120 ms or more, by a Pareto distribution
// whose variance is infinite. The tail is stretched, and everything is.
func newLatency(stretchTail, stretchAll float64) *latency {
	above := func(ms float64) float64 {
		ms /= stretchAll
		body := 0.5 * math.Erfc(math.Log(ms/40)/(0.4*math.Sqrt2))
		slow := math.Min(1, math.Pow(120*stretchTail/ms, 1.5))
		return (1-tail)*body + tail*slow
	}
	l := &latency{}
	for ms, last := 5.0, 1.0; ms < 200_000; ms *= 1.2 {
		l.edges = append(l.edges, time.Duration(ms*float64(time.Millisecond)))
		l.share = append(l.share, last-above(ms))
		last = above(ms)
	}
	l.share[len(l.share)-1] = 0
	rest := 1.0
	for i, s := range l.share {
		if i == len(l.share)-1 {
			l.share[i] = rest
		}
		l.rest = append(l.rest, rest)
		l.sum = append(l.sum, 1-rest+s)
		rest -= s
	}
	for i, k := 0, 0; i < len(l.guide); i++ {
		for k < len(l.sum)-1 && l.sum[k] <= float64(i)/float64(len(l.guide)) {
			k++
		}
		l.guide[i] = k
	}
	return l
}

// above is the share of requests slower than d.
func (l *latency) above(d time.Duration) float64 {
	for i, edge := range l.edges {
		if edge > d {
			return l.rest[i]
		}
	}
	return 0
}

// quantile is the lowest edge that the share q does not exceed.
func (l *latency) quantile(q float64) time.Duration {
	for i, edge := range l.edges {
		if l.sum[i] >= q {
			return edge
		}
	}
	return l.edges[len(l.edges)-1]
}

// measure draws n requests. What it returns is overwritten by the next drawing.
func (l *latency) measure(r *rand.Rand, n int64, failing float64, d *drawing) teal.Measurement {
	m := teal.Measurement{Requests: n, Errors: binomial(r, n, failing)}
	if d.counts == nil {
		d.counts = make([]int64, len(l.edges))
	}
	clear(d.counts)
	if n < 64 {
		for range n {
			d.counts[l.draw(r)]++
		}
	} else {
		for i, left := 0, n; left > 0; i++ {
			k := left
			if i < len(l.edges)-1 {
				k = binomial(r, left, math.Min(l.share[i]/l.rest[i], 1))
			}
			d.counts[i], left = k, left-k
		}
	}
	d.latency = d.latency[:0]
	for i, k := range d.counts {
		if k > 0 {
			d.latency = append(d.latency, teal.LatencyCount{UpTo: l.edges[i], Count: k})
		}
	}
	m.Latency = d.latency
	return m
}

// draw draws the bucket of one request.
func (l *latency) draw(r *rand.Rand) int {
	u := r.Float64()
	i := l.guide[int(u*float64(len(l.guide)))]
	for i < len(l.sum)-1 && l.sum[i] <= u {
		i++
	}
	return i
}
