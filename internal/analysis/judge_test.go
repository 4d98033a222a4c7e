package analysis

import (
	"strings"
	"testing"
	"time"

	"teal"
)

var start = time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)

// compared is the policy that compares with live and asks for nothing else.
var compared = teal.Judging{Compare: teal.AliasLive}

// did is a measurement without latencies.
func did(requests, errors int64) teal.Measurement {
	return teal.Measurement{Requests: requests, Errors: errors}
}

// took is a measurement in which so many requests took each of the latencies.
func took(n int64, latencies ...time.Duration) teal.Measurement {
	m := teal.Measurement{Requests: n * int64(len(latencies))}
	for _, l := range latencies {
		m.Latency = append(m.Latency, teal.LatencyCount{UpTo: l, Count: n})
	}
	return m
}

func newJudge(t testing.TB, policy teal.Judging, baseline *teal.Measurement) *Judge {
	t.Helper()
	j, err := New(Beginning{Policy: policy, Baseline: baseline, Current: 1, New: 2})
	if err != nil {
		t.Fatal(err)
	}
	j.Begin(1)
	return j
}

// second adds what happened in the n-th second.
func second(j *Judge, n int, live, green teal.Measurement) {
	j.Add(teal.Interval{At: start.Add(time.Duration(n) * time.Second), Live: live, Green: green})
}

func wantVerdict(t *testing.T, j *Judge, want teal.Verdict, words ...string) teal.Judgement {
	t.Helper()
	got := j.Judgement(start)
	if got.Verdict != want {
		t.Errorf("the verdict is %s (%s), want %s", got.Verdict, got.Reason, want)
	}
	for _, w := range words {
		if !strings.Contains(got.Reason, w) {
			t.Errorf("the reason %q does not say %q", got.Reason, w)
		}
	}
	return got
}

// finding returns the one of a name.
func finding(t *testing.T, j teal.Judgement, name string) teal.Finding {
	t.Helper()
	for _, f := range j.Findings {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no finding %q in %v", name, j.Findings)
	return teal.Finding{}
}

func TestGreenThatFailsMoreIsWorse(t *testing.T) {
	t.Parallel()
	j := newJudge(t, compared, nil)
	for n := range 5 {
		second(j, n, did(450, 2), did(50, 10))
	}
	got := wantVerdict(t, j, teal.VerdictFail, "new (v2) failed 20 of 100 requests (20 %); current (v1): 4 of 900 requests (0.44 %)")
	f := finding(t, got, "error rate")
	if f.Verdict != teal.VerdictFail || *f.Statistic < *f.Threshold || f.Asked == "" || !f.At.Equal(start) || f.Step != 1 {
		t.Errorf("the finding is %+v", f)
	}
	// What follows does not take the verdict back.
	for n := range 600 {
		second(j, n+10, did(450, 45), did(50, 0))
	}
	if again := wantVerdict(t, j, teal.VerdictFail); again.Reason != got.Reason {
		t.Errorf("the reason became %q", again.Reason)
	}
}

// Everything that one pause delays is one event: a moment alone does not decide.
// Seen red with the bound of a moment left out.
func TestOneMomentIsNotEnough(t *testing.T) {
	t.Parallel()
	j := newJudge(t, compared, nil)
	for n := range 100 {
		j.Add(teal.Interval{At: start.Add(time.Duration(n) * 10 * time.Millisecond), Live: did(9, 0), Green: did(1, 0)})
	}
	for n := range 5 {
		j.Add(teal.Interval{At: start.Add(time.Second + time.Duration(n)*10*time.Millisecond), Live: did(9, 0), Green: did(4, 4)})
	}
	wantVerdict(t, j, teal.VerdictInconclusive, "looks worse", "20 of 120 requests")
	j.Add(teal.Interval{At: start.Add(2 * time.Second), Live: did(9, 0), Green: did(4, 4)})
	wantVerdict(t, j, teal.VerdictFail)
}

// A dependency of both goes down for a minute: half of all requests fail, on
// both sides. A test that took the rate for constant would find green worse for
// having had more of the bad minute. Seen red with blocks that do not end before
// 80 000 requests of each.
func TestOutageOfBothIsNotGreensFault(t *testing.T) {
	t.Parallel()
	j := newJudge(t, compared, nil)
	for n := range 300 {
		second(j, n, did(900, 1), did(100, 0))
	}
	for n := range 60 {
		second(j, 300+n, did(100, 50), did(900, 450))
	}
	for n := range 60 {
		second(j, 360+n, did(500, 1), did(500, 0))
	}
	wantVerdict(t, j, teal.VerdictPass)
}

func TestToleranceIsTheSame(t *testing.T) {
	t.Parallel()
	tolerance := teal.Percent(50)
	policy := compared
	policy.Tolerance = &tolerance
	j := newJudge(t, policy, nil)
	for n := range 600 {
		second(j, n, did(1000, 100), did(1000, 145))
	}
	wantVerdict(t, j, teal.VerdictPass)
	for n := range 120 {
		second(j, n+600, did(1000, 100), did(1000, 180))
	}
	wantVerdict(t, j, teal.VerdictFail, "(18 %)")
}

func TestSlowGreenIsWorse(t *testing.T) {
	t.Parallel()
	fast, slow := 20*time.Millisecond, 200*time.Millisecond
	for name, c := range map[string]struct {
		green   teal.Measurement
		finding string
	}{
		"in the middle": {took(25, fast, slow), "latency p50"},
		"in the tail":   {teal.Measurement{Requests: 50, Latency: []teal.LatencyCount{{UpTo: fast, Count: 44}, {UpTo: 10 * slow, Count: 6}}}, "latency p99"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJudge(t, compared, nil)
			live := teal.Measurement{Requests: 200, Latency: []teal.LatencyCount{{UpTo: fast, Count: 198}, {UpTo: slow, Count: 2}}}
			for n := range 30 {
				second(j, n, live, c.green)
			}
			got := wantVerdict(t, j, teal.VerdictFail)
			if f := finding(t, got, c.finding); f.Verdict != teal.VerdictFail {
				t.Errorf("%+v", f)
			}
			t.Log(got.Reason)
		})
	}
}

func TestSameLatencyIsNoWorse(t *testing.T) {
	t.Parallel()
	j := newJudge(t, compared, nil)
	for n := range 600 {
		second(j, n, took(50, 10*time.Millisecond, 20*time.Millisecond, time.Second), took(5, 10*time.Millisecond, 21*time.Millisecond, time.Second))
	}
	wantVerdict(t, j, teal.VerdictPass, "new (v2) is not worse")
}

// A millisecond more is nothing that anybody notices, though it is twice as much.
func TestAMillisecondMoreIsNoWorse(t *testing.T) {
	t.Parallel()
	j := newJudge(t, compared, nil)
	for n := range 600 {
		second(j, n, took(90, time.Millisecond), took(10, 2*time.Millisecond))
	}
	got := wantVerdict(t, j, teal.VerdictPass)
	if f := finding(t, got, "latency p50"); !strings.Contains(f.Seen, "exceeded current p50 + 2ms") {
		t.Error(f.Seen)
	}
}

func TestTooFewRequestsAreNoPass(t *testing.T) {
	t.Parallel()
	j := newJudge(t, compared, nil)
	wantVerdict(t, j, teal.VerdictInconclusive, "no requests on new (v2) since step 1 began")
	second(j, 0, did(500, 0), did(0, 0))
	wantVerdict(t, j, teal.VerdictInconclusive, "no requests")
	second(j, 1, did(500, 0), did(99, 0))
	wantVerdict(t, j, teal.VerdictInconclusive, "99 of 100 requests")
	second(j, 2, did(500, 0), did(1, 0))
	wantVerdict(t, j, teal.VerdictPass)
	j.Begin(1) // changes nothing
	wantVerdict(t, j, teal.VerdictPass)
	j.Begin(2)
	got := wantVerdict(t, j, teal.VerdictInconclusive, "no requests on new (v2) since step 2 began")
	for _, f := range got.Findings {
		if f.Verdict != teal.VerdictInconclusive || f.Step != 2 {
			t.Errorf("%+v", f)
		}
	}
}

func TestNothingToCompareWithIsNoPass(t *testing.T) {
	t.Parallel()
	j := newJudge(t, compared, nil)
	for n := range 100 {
		second(j, n, did(0, 0), did(50, 0))
	}
	wantVerdict(t, j, teal.VerdictInconclusive, "current (v1) has had no requests to compare with")
	few := did(30, 0)
	j = newJudge(t, compared, &few)
	second(j, 1, did(0, 0), did(500, 0))
	wantVerdict(t, j, teal.VerdictInconclusive, "only 30 requests to compare with")
}

// Half way to certainty is not the time to give green more.
func TestLooksWorseIsNoPass(t *testing.T) {
	t.Parallel()
	j := newJudge(t, compared, nil)
	second(j, 0, did(900, 2), did(100, 4))
	second(j, 1, did(900, 0), did(100, 0))
	wantVerdict(t, j, teal.VerdictInconclusive, "looks worse", "4 of 200")
}

// With all traffic on green there is nobody beside it: what live did before is
// what it is held against.
func TestWithoutLiveItsPastCounts(t *testing.T) {
	t.Parallel()
	baseline := did(20_000, 100)
	same := newJudge(t, compared, &baseline)
	for n := range 600 {
		second(same, n, did(0, 0), did(100, 1)) // twice as many: an hour may be like that
	}
	wantVerdict(t, same, teal.VerdictPass, "before the release")
	worse := newJudge(t, compared, &baseline)
	for n := range 20 {
		second(worse, n, did(0, 0), did(100, 5))
	}
	wantVerdict(t, worse, teal.VerdictFail, "baseline before the switch: 100 of 20000 requests (0.5 %), allowed: ")

	later := newJudge(t, compared, nil)
	for n := range 20 {
		second(later, n, did(900, 9), did(100, 1))
	}
	for n := range 40 {
		second(later, n+20, did(0, 0), did(1000, 60))
	}
	wantVerdict(t, later, teal.VerdictFail, "current (v1) while it had traffic: 72 of 7200 requests (1 %), allowed: 2")

	latency := took(1000, 10*time.Millisecond, 20*time.Millisecond)
	slow := newJudge(t, compared, &latency)
	for n := range 40 {
		second(slow, n, did(0, 0), took(50, 100*time.Millisecond))
	}
	wantVerdict(t, slow, teal.VerdictFail, "new (v2): 100 of 100 requests (100 %) exceeded current p")
}

// The last requests of live that trickle in must not switch the comparison back
// to one with nobody.
func TestStragglersOfLive(t *testing.T) {
	t.Parallel()
	baseline := did(20_000, 20)
	j := newJudge(t, compared, &baseline)
	for n := range 40 {
		second(j, n, did(int64(n%5/4), 0), did(100, 10))
	}
	wantVerdict(t, j, teal.VerdictFail)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	onePercent := teal.Percent(1)
	errorsAt := teal.Judging{ErrorRate: &onePercent}
	slowAt := teal.Judging{Latency: teal.Percentiles{P99: teal.Duration(300 * time.Millisecond)}}
	none := teal.Weight(0)
	fine := teal.Measurement{Requests: 100, Errors: 1, Latency: []teal.LatencyCount{{UpTo: 300 * time.Millisecond, Count: 99}, {UpTo: time.Second, Count: 1}}}
	bad := teal.Measurement{Requests: 100, Errors: 4, Latency: []teal.LatencyCount{{UpTo: 300 * time.Millisecond, Count: 96}, {UpTo: time.Second, Count: 4}}}
	for name, c := range map[string]struct {
		policy  teal.Judging
		before  *teal.Measurement
		green   teal.Measurement
		verdict teal.Verdict
		words   string
	}{
		"errors at the limit":     {errorsAt, nil, fine, teal.VerdictPass, ""},
		"errors above":            {errorsAt, nil, bad, teal.VerdictFail, "; the limit is 1 %"},
		"errors above, as before": {errorsAt, &bad, bad, teal.VerdictPass, ""},
		"errors above, fewer":     {errorsAt, &bad, did(100, 2), teal.VerdictPass, ""},
		"errors above, and more":  {errorsAt, &bad, did(100, 40), teal.VerdictFail, "current (v1) exceeded the limit of 1 % before the release"},
		"errors where none may":   {teal.Judging{ErrorRate: &none}, nil, fine, teal.VerdictFail, "the limit is 0 %"},
		"none where none may":     {teal.Judging{ErrorRate: &none}, nil, did(100, 0), teal.VerdictPass, ""},
		"p99 at the limit":        {slowAt, nil, fine, teal.VerdictPass, ""},
		"p99 above":               {slowAt, nil, bad, teal.VerdictFail, "took longer than 300ms"},
		"p99 above, as before":    {slowAt, &bad, bad, teal.VerdictPass, ""},
		"p99 of nothing measured": {slowAt, nil, did(100, 0), teal.VerdictInconclusive, "no latency of new (v2)"},
		"a limit of everything":   {teal.Judging{ErrorRate: ptr(teal.All)}, nil, did(100, 100), teal.VerdictPass, ""},
		"nothing asked":           {teal.Judging{}, nil, did(100, 100), teal.VerdictPass, "asks nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJudge(t, c.policy, c.before)
			for n := range 30 {
				second(j, n, did(0, 0), c.green)
			}
			wantVerdict(t, j, c.verdict, c.words)
		})
	}
}

func ptr[T any](v T) *T { return &v }

// A limit that is asked for alone is no comparison: live may do what it likes.
func TestOnlyLimitsNeedNoLive(t *testing.T) {
	t.Parallel()
	j := newJudge(t, teal.Judging{ErrorRate: ptr(teal.Percent(5))}, nil)
	for n := range 30 {
		second(j, n, did(900, 0), did(100, 3))
	}
	wantVerdict(t, j, teal.VerdictPass)
}

func TestNewErrors(t *testing.T) {
	t.Parallel()
	group := func(n string) teal.ErrorGroup {
		return teal.ErrorGroup{Fingerprint: n, Component: "hello", Type: "KeyError", Message: "'user" + n + "'\n", Stack: strings.Repeat("at app.py\n", 500)}
	}
	for _, c := range []struct {
		mode    teal.NewErrors
		verdict teal.Verdict
	}{
		{"", teal.VerdictPass}, {teal.NewErrorsNote, teal.VerdictPass},
		{teal.NewErrorsFail, teal.VerdictFail}, {teal.NewErrorsIgnore, teal.VerdictPass},
	} {
		policy := compared
		policy.NewErrors = c.mode
		j := newJudge(t, policy, nil)
		second(j, 0, did(900, 0), did(100, 0))
		j.Add(teal.Interval{NewErrors: []teal.ErrorGroup{group("1"), group("2"), group("1"), group("3"), group("4")}})
		j.Add(teal.Interval{NewErrors: []teal.ErrorGroup{group("2")}})
		got := wantVerdict(t, j, c.verdict)
		if c.mode == teal.NewErrorsIgnore {
			continue
		}
		f := finding(t, got, "new errors")
		if want := "KeyError in hello: 'user1'; KeyError in hello: 'user2'; KeyError in hello: 'user3'; and 1 more"; f.Seen != want {
			t.Errorf("%q: seen %q", c.mode, f.Seen)
		}
		if len(f.Output) == 0 || len(f.Output) > maxErrorStack {
			t.Errorf("%q: %d bytes of stack trace", c.mode, len(f.Output))
		}
	}
}

// The parts of α that the questions get are all of it, whatever is asked.
func TestAlphaIsSpentOnWhatIsAsked(t *testing.T) {
	t.Parallel()
	limits := teal.Percentiles{P50: 1, P95: 1, P99: 1}
	for _, policy := range []teal.Judging{
		compared, {ErrorRate: ptr(teal.Percent(1))}, {Latency: limits},
		{Compare: teal.AliasLive, ErrorRate: ptr(teal.Percent(1)), Latency: limits, Alpha: 0.05},
	} {
		sum := 0.0
		for _, q := range questions(Beginning{Policy: policy}) {
			sum += q.alpha
		}
		if sum > policy.AlphaOrDefault()*(1+1e-9) || sum < policy.AlphaOrDefault()*(1-1e-9) {
			t.Errorf("%+v: the parts sum to %v", policy, sum)
		}
	}
}

// One request in a hundred is green's, one in ten seconds: each is held against
// what live did meanwhile.
func TestRareRequestsOfGreenCount(t *testing.T) {
	t.Parallel()
	j := newJudge(t, compared, nil)
	n := 0
	for ; j.Judgement(start).Verdict != teal.VerdictFail; n++ {
		green := did(0, 0)
		if n%10 == 9 {
			green = did(1, int64(n/10%2))
		}
		if second(j, n, did(10, 0), green); n > 600 {
			t.Fatal("not in ten minutes")
		}
	}
	if got := j.Judgement(start); n != 60 { // its third failure
		t.Errorf("after %d seconds: %s", n, got.Reason)
	}
}
