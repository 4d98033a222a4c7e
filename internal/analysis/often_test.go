package analysis

import (
	"math/rand/v2"
	"testing"
	"time"

	"teal"
)

// draw is a number of failures of n requests.
func draw(random *rand.Rand, n int64, p float64) int64 {
	failed := int64(0)
	for range n {
		if random.Float64() < p {
			failed++
		}
	}
	return failed
}

// Two equal versions, judged every second for ten minutes, with a base rate that
// changes all the time. make bench-judge has the whole table; this keeps anybody
// from breaking it. Seen red with e-processes that begin anew at 1 without their share of
// α being given up (30 of 200 runs), and with each failure of green counted twice (all).
func TestEqualVersionsAreSeldomWorse(t *testing.T) {
	t.Parallel()
	const runs, alpha = 200, 0.05
	policy := compared
	policy.Alpha, policy.Tolerance = alpha, ptr(teal.Weight(0))
	worse := 0
	for run := range runs {
		random := rand.New(rand.NewPCG(7, uint64(run)))
		j := newJudge(t, policy, nil)
		for n := range 600 {
			rate := 0.02
			if n/20%4 == 0 {
				rate = 0.2
			}
			side := func(most int64) teal.Measurement {
				n := random.Int64N(most + 1)
				slow, failed := draw(random, n, 0.1), draw(random, n, rate)
				return teal.Measurement{Requests: n, Errors: failed, Latency: []teal.LatencyCount{
					{UpTo: 20 * time.Millisecond, Count: n - slow}, {UpTo: time.Second, Count: slow},
				}}
			}
			second(j, n, side(20), side(10))
		}
		if j.Judgement(start).Verdict == teal.VerdictFail {
			worse++
		}
	}
	t.Logf("%d of %d runs", worse, runs)
	if worse > runs*alpha {
		t.Errorf("green was found worse in %d of %d runs", worse, runs)
	}
}

// Errors come in clusters of five, on both sides alike: one cluster is one event,
// and live shows it. Seen red with lump always 1 (30 of 100 runs).
func TestLumpsAreSingleEvents(t *testing.T) {
	t.Parallel()
	const runs = 100
	worse := 0
	for run := range runs {
		random := rand.New(rand.NewPCG(11, uint64(run)))
		j := newJudge(t, compared, nil)
		for n := range 900 {
			live, green := 5*draw(random, 9, 0.02), 5*draw(random, 1, 0.02)
			second(j, n, did(900, live), did(100, green))
		}
		if j.Judgement(start).Verdict == teal.VerdictFail {
			worse++
		}
	}
	t.Logf("%d of %d runs", worse, runs)
	if worse > runs/20 {
		t.Errorf("green was found worse in %d of %d runs", worse, runs)
	}
}

// Judged 200 times a second, when most intervals hold requests of one side only.
// Seen red with blocks that end with every interval: more than 9 users are hurt instead
// of 5.9.
func TestLookingOftenFindsItSoon(t *testing.T) {
	t.Parallel()
	const runs = 50
	hurt, last := 0, int64(0)
	for run := range runs {
		random := rand.New(rand.NewPCG(13, uint64(run)))
		j := newJudge(t, compared, nil)
		for n := 0; j.Judgement(start).Verdict != teal.VerdictFail; n++ {
			i := teal.Interval{At: start.Add(time.Duration(n) * 5 * time.Millisecond)}
			for range 5 { // 500 a second are 2.5 an interval, one in ten on green
				switch side := random.Float64(); {
				case side < 0.05:
					i.Green.Requests++
					i.Green.Errors += draw(random, 1, 0.2)
				case side < 0.5:
					i.Live.Requests++
					i.Live.Errors += draw(random, 1, 0.001)
				}
			}
			j.Add(i)
			if n > 1000 {
				t.Fatal("nothing in five seconds")
			}
		}
		hurt += int(j.Total.Green.Bad)
		last = max(last, j.Total.Green.N)
	}
	t.Logf("%.1f users hurt on average; at most %d requests of green", float64(hurt)/runs, last)
	if hurt > 6*runs || last > 100 {
		t.Errorf("%d users hurt in %d runs, up to %d requests of green", hurt, runs, last)
	}
}

func BenchmarkAddAndJudgement(b *testing.B) {
	limit := teal.Percent(1)
	policy := teal.Judging{Compare: "live", ErrorRate: &limit, Latency: teal.Percentiles{P99: teal.Duration(300 * time.Millisecond)}}
	j := newJudge(b, policy, nil)
	live, green := took(3, 20*time.Millisecond, 30*time.Millisecond, 50*time.Millisecond), took(1, 20*time.Millisecond, 30*time.Millisecond)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		j.Add(teal.Interval{At: start.Add(time.Duration(n) * 5 * time.Millisecond), Live: live, Green: green})
		j.Judgement(start)
	}
}
