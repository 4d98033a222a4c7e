package analysis

import (
	"math/rand/v2"
	"testing"
	"time"

	"teal"
)

// left is a measurement with clients that gave up after a wait.
func left(m teal.Measurement, gone int64, waited time.Duration) teal.Measurement {
	m.Unanswered = gone
	if gone > 0 {
		m.Waited = teal.Latencies{{UpTo: waited, Count: gone}}
	}
	return m
}

// Clients that give up on green and not on live are evidence. Seen red with
// unanswered requests that are not a question, and with blocks that count only
// what was answered, which do not end for a green that answers nobody.
func TestGreenThatAnswersNobodyIsWorse(t *testing.T) {
	t.Parallel()
	for name, green := range map[string]teal.Measurement{
		"nothing at all": left(did(0, 0), 5, 2*time.Second),
		"one in three":   left(took(5, 10*time.Millisecond, 20*time.Millisecond), 5, 2*time.Second),
		"wait not known": {Unanswered: 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJudge(t, compared, nil)
			for n := range 20 {
				second(j, n, left(took(45, 10*time.Millisecond, 20*time.Millisecond), int64(n%10/9), time.Second), green)
			}
			got := wantVerdict(t, j, teal.VerdictFail, "clients of new (v2) gave up on ", "current (v1): ")
			if f := finding(t, got, "unanswered requests"); f.Verdict != teal.VerdictFail {
				t.Errorf("%+v", f)
			}
			before := took(5000, 10*time.Millisecond, 20*time.Millisecond)
			alone := newJudge(t, compared, &before)
			for n := range 30 {
				second(alone, n, did(0, 0), green)
			}
			wantVerdict(t, alone, teal.VerdictFail, "new (v2)", "gave up on ", "baseline before the switch: 0 of 10000 requests")
		})
	}
}

// Without live to compare with they are no proof of anything, and no pass: not
// for a green that answers nobody, nor for one that answers some. Nor does the
// standby go: it is doubtful. Seen red with unanswered requests counted as good
// ones, and without the share that is too much.
func TestAbandonedRequestsAreNoPass(t *testing.T) {
	t.Parallel()
	policy := teal.Judging{ErrorRate: ptr(teal.Percent(1))}
	j := newJudge(t, policy, nil)
	for n := range 69 {
		second(j, n, did(0, 0), left(did(0, 0), 1, 2*time.Second))
	}
	if got := wantVerdict(t, j, teal.VerdictInconclusive, "answered 0 of 69 requests"); !got.Doubtful {
		t.Error("not doubtful")
	}
	for n := range 200 {
		second(j, n+69, did(0, 0), left(did(1, 0), int64(n%2), 2*time.Second))
	}
	if got := wantVerdict(t, j, teal.VerdictInconclusive, "answered 200 of 369 requests"); !got.Doubtful {
		t.Error("not doubtful")
	}
}

// One client that gives up is no evidence, nor are those that leave sooner than
// an answer takes, nor those that give up on both alike. Seen red with every
// abandoned request taken for one that green failed.
func TestClientsThatLeaveAreNotGreensFault(t *testing.T) {
	t.Parallel()
	answered := func(n int64) teal.Measurement { return took(n, 10*time.Millisecond, 20*time.Millisecond) }
	for name, c := range map[string]struct{ live, green func(n int) teal.Measurement }{
		"a single one": {always(answered(45)), func(n int) teal.Measurement {
			return left(answered(5), int64(n/30%2*(n%30/29)), 10*time.Second)
		}},
		"to another page": {always(answered(45)), always(left(answered(20), 4, 5*time.Millisecond))},
		"both alike":      {always(left(answered(45), 30, 10*time.Second)), always(left(answered(15), 10, 10*time.Second))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJudge(t, compared, nil)
			for n := range 60 {
				second(j, n, c.live(n), c.green(n))
			}
			wantVerdict(t, j, teal.VerdictPass)
		})
	}
}

// A client that waited for longer than a limit has not been served within it.
// Seen red with waits left out of the latencies.
func TestWaitsAreLatencies(t *testing.T) {
	t.Parallel()
	policy := teal.Judging{Latency: teal.Percentiles{P99: teal.Duration(300 * time.Millisecond)}}
	j := newJudge(t, policy, nil)
	for n := range 60 {
		second(j, n, did(0, 0), left(took(20, 10*time.Millisecond, 20*time.Millisecond), 3, 2*time.Second))
	}
	wantVerdict(t, j, teal.VerdictFail, "took longer than 300ms")
}

// Equal versions that clients often give up on, more in some minutes than in
// others, side by side and then green alone, judged every second for fifteen
// minutes. Seen red with live's waits left out of what it did before, which makes
// green alone slower (all of 100 runs).
func TestEquallyAbandonedVersionsAreSeldomWorse(t *testing.T) {
	t.Parallel()
	const runs, alpha = 100, 0.05
	policy := compared
	policy.Alpha, policy.Tolerance = alpha, ptr(teal.Weight(0))
	worse := 0
	for run := range runs {
		random := rand.New(rand.NewPCG(17, uint64(run)))
		side := func(n int, most int64) teal.Measurement {
			rate := 0.03
			if n/20%4 == 0 {
				rate = 0.15
			}
			all := random.Int64N(most + 1)
			gone := draw(random, all, rate)
			slow := draw(random, all-gone, 0.1)
			m := teal.Measurement{Requests: all - gone, Latency: teal.Latencies{
				{UpTo: 20 * time.Millisecond, Count: all - gone - slow}, {UpTo: time.Second, Count: slow},
			}}
			long := draw(random, gone, 0.5)
			m.Unanswered, m.Waited = gone, teal.Latencies{{UpTo: 10 * time.Millisecond, Count: gone - long}, {UpTo: 5 * time.Second, Count: long}}
			return m
		}
		j := newJudge(t, policy, nil)
		for n := range 900 {
			live := int64(30)
			if n >= 600 {
				live = 0
			}
			second(j, n, side(n, live), side(n, 30))
		}
		if got := j.Judgement(start); got.Verdict == teal.VerdictFail {
			worse++
		}
	}
	t.Logf("%d of %d runs", worse, runs)
	if worse > runs*alpha {
		t.Errorf("green was found worse in %d of %d runs", worse, runs)
	}
}
