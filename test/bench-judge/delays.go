package main

import (
	"math/rand/v2"
	"slices"
	"time"

	"teal"
)

// regression is a way in which green is worse.
type regression struct {
	name  string
	base  float64
	green side
	asks  question
	rate  float64 // requests per second
	split float64
	late  int // the second in which green becomes worse
	// what came of it, by judge
	results map[string]*delay
}

// delay is how long a judge took, in runs that it ended.
type delay struct {
	requests []float64 // of green, from when it was worse
	seconds  []float64
	early    int // runs in which it said so before green was worse
	missed   int // runs in which it said nothing
}

func (d *delay) mean() (requests, seconds float64) {
	return average(d.requests), average(d.seconds)
}

func average(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// The judges of the comparison.
const (
	byTeal      = "Teal"
	bySPRT      = "Wald's SPRT"
	byThreshold = "fixed threshold"
	byRanks     = "Mann-Whitney"
)

var judges = []string{byTeal, bySPRT, byThreshold, byRanks}

const alpha = teal.DefaultAlpha

// patient is how long a judge may take.
const patient = 2 * hour

func failures(m teal.Measurement, _ bool) (n, bad int64) { return m.Requests, m.Errors }

// slowerThan counts what is slower than live's p99; of green, than that and the
// tolerance.
func slowerThan(threshold time.Duration) func(teal.Measurement, bool) (int64, int64) {
	return func(m teal.Measurement, green bool) (n, bad int64) {
		limit := threshold
		if green {
			limit = threshold * 11 / 10
		}
		for _, l := range m.Latency {
			if n += l.Count; l.UpTo > limit {
				bad += l.Count
			}
		}
		return n, bad
	}
}

func regressions() []*regression {
	equal := newLatency(1, 1)
	p99 := equal.quantile(0.99)
	failing := func(name string, base, worse float64) regression {
		return regression{
			name: name, base: base,
			green: side{func(float64) float64 { return worse }, equal},
			asks:  question{failures, base, worse, 0.1},
		}
	}
	slow := func(name string, l *latency) regression {
		return regression{
			name: name, base: 0.01, green: side{same, l},
			asks: question{slowerThan(p99), equal.above(p99), l.above(p99 * 11 / 10), 0},
		}
	}
	kinds := []regression{
		failing("errors 1 % → 2 % (×2)", 0.01, 0.02),
		failing("errors 1 % → 5 % (×5)", 0.01, 0.05),
		failing("errors 1 % → 6 % (+5 points)", 0.01, 0.06),
		failing("errors 0.1 % → 0.5 % (×5)", 0.001, 0.005),
		failing("errors 0 → 5 % (+5 points)", 0, 0.05),
		slow("p99 ×1.5 (all requests ×1.5)", newLatency(1, 1.5)),
		slow("p99 ×1.5 (only the tail)", newLatency(1.5, 1)),
		slow("p99 ×3 (only the tail)", newLatency(3, 1)),
	}
	var list []*regression
	for _, split := range []float64{0.1, 0.5} {
		for _, r := range kinds {
			r.rate, r.split = 100, split
			list = append(list, &r)
		}
	}
	for _, r := range []regression{kinds[1], kinds[7]} {
		r.rate, r.split, r.late = 100, 0.1, 1200
		r.name += ", after 20 good minutes"
		list = append(list, &r)
	}
	return list
}

// measureDelays runs every regression so many times.
func measureDelays(list []*regression, seed uint64, runs, workers int) error {
	return each(len(list), workers, func(i int) error { return list[i].measure(runs, seed, uint64(i)) })
}

func (g *regression) measure(runs int, seed, stream uint64) error {
	g.results = map[string]*delay{}
	for _, name := range judges {
		g.results[name] = &delay{}
	}
	for run := range runs {
		if err := g.run(rand.New(rand.NewPCG(seed+uint64(run)<<20, 1000+stream))); err != nil {
			return err
		}
	}
	return nil
}

// run lets all judges watch the same release.
func (g *regression) run(r *rand.Rand) error {
	equal := newLatency(1, 1)
	w := world{rate: g.rate, split: g.split, base: g.base, pattern: steady, live: equal, green: side{same, equal}}
	mine, err := newOurs(w.before(r), teal.Judging{Compare: teal.AliasLive})
	if err != nil {
		return err
	}
	running := map[string]judge{
		byTeal:      mine,
		bySPRT:      newSPRT(g.asks, (1-g.split)/g.split, alpha),
		byThreshold: newThreshold(g.base, equal),
		byRanks:     &mannWhitney{},
	}
	requests := 0.0
	for n := range patient {
		if n == g.late {
			w.green, requests = g.green, 0
		}
		i := w.second(r, n, g.split)
		requests += float64(i.Green.Requests)
		for _, name := range judges {
			if j := running[name]; j != nil && (name != bySPRT || n >= g.late) && j.worse(i) {
				delete(running, name)
				g.results[name].said(n-g.late, requests)
			}
		}
		if len(running) == 0 {
			break
		}
	}
	for name := range running {
		g.results[name].missed++
	}
	return nil
}

func (d *delay) said(second int, requests float64) {
	if second < 0 {
		d.early++
		return
	}
	d.requests, d.seconds = append(d.requests, requests), append(d.seconds, float64(second+1))
}
